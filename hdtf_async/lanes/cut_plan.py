"""Decide how a clip is cut from its source video, and whether the result is as planned. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Crop, Fit, Hdr, Interval
from hdtf_async.dataset import geometry
from hdtf_async.media.cut import AudioCut, Cut, SourceFrames
from hdtf_async.media.filters import frames_at, side_lengths

if TYPE_CHECKING:
    from hdtf_async.core.model import Clip, OutputSettings
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.media.demux import MediaInfo
    from hdtf_async.media.framing import Part
    from hdtf_async.media.timeline import Shown

_AAC_FRAMES = 0.1
"""Seconds by which the duration of audio inside a clip may differ: AAC has frames of 1024 samples."""
_TICKS = 0.002
"""Seconds by which a clip's last frame may be off: the coarsest clock of source videos has 600 ticks per
second."""
_FRAMES_DELAYED = 3.5
"""Usual frame durations by which a video may start late and still count as starting at 0.

Without an edit list, as YouTube serves MP4, the first frame is delayed by the reordering of B-frames.
"""
_UNDECLARED = 2
"""FFmpeg's number for undeclared colours."""
_CONSTANT_LUMINANCE = {10: "bt2020c", 13: "chroma-derived-c"}
"""FFmpeg's numbers and names of the colour matrices that zscale cannot convert."""
_FRAMES_LATE = 1.5
"""Usual frame durations by which one may come late and still be the next one."""
_LATE = 0.1
"""Maximum seconds by which a frame may come late: in a slide show the usual duration is seconds."""
_LONGEST_STEP = 0.1
"""Frame duration in seconds above which the other tolerances no longer grow."""


def plan_cut(clip: Clip, raw: SourceVideo, settings: OutputSettings) -> Cut:
    """Decide how a clip is cut from its source video. Pure.

    An interval that lies partly outside the video is shortened if at least half of it is inside. If no frame
    starts at the start of the interval, the frame on screen at that time is held; and so is the last one, to
    the end of the interval. Raises `Failure`: ``interval_outside``, ``box_does_not_fit``, ``height_unknown``,
    ``unsupported_source``, ``no_sound``.
    """
    facts, shown = raw.facts, raw.shown[clip.stem]
    interval = _inside(clip, facts, shown)
    step = min(facts.step, _LONGEST_STEP)
    late = min(_FRAMES_LATE * facts.step, _LATE)
    # The last frame ends with the interval, unless the next one comes slightly later.
    end = interval.end if shown.until - interval.end > late else shown.until
    first, held = shown.first, 0.0
    if shown.before is not None:
        gap = (shown.first if shown.frames else end) - interval.start
        if not shown.frames or gap > late:
            first, held = shown.before, gap
    begin = interval.start if held else first
    part = _one_part(facts, first, shown.last)
    _require_range(part, settings)
    frame_width, frame_height = part.squared
    if settings.crop is Crop.TABLE:
        box = geometry.window(clip, frame_width, frame_height)
    else:  # for face detection it is the whole frame until the face is found
        box = geometry.whole(frame_width, frame_height)
    if settings.fit is Fit.CROP:
        box = geometry.square(box)
    width, height = side_lengths(box, settings.size, settings.fit)
    frames = used = shown.frames + (held > 0)
    seconds, hold = end - begin, end - max(shown.last, begin)
    regular = settings.fps is not None or (not held and shown.even and _is_near(hold, shown.stored, step))
    if settings.fps is not None:
        frames = frames_at(settings.fps, interval.seconds)
        seconds = float(frames / settings.fps)
    audio = None
    if settings.audio is not Audio.NONE:
        audio = _plan_audio(raw, begin, seconds)
    return Cut(
        raw.path,
        raw.container,
        interval,
        box,
        width,
        height,
        frames,
        settings,
        Fraction(facts.time_base),
        source=SourceFrames(used, first, shown.last, part.width, part.height, facts.step, seconds, held=held),
        track=facts.track,
        zero=facts.zero,
        counted=(Fraction(str(facts.start)), Fraction(facts.counted)) if facts.counted else None,
        hold=None if regular else hold,
        squared=part.squared if part.stretched else None,
        full_range=part.full_range,
        hdr=part.hdr,
        hdr_undeclared=(part.colours[0] == _UNDECLARED, part.colours[2] == _UNDECLARED),
        # ffmpeg also decodes the frame after the clip's last one, and often some before its first one.
        recoloured=bool(facts.changes(first, shown.until)) or facts.resized,
        lead=facts.lead,
        audio=audio,
        suspect=facts.suspect,
    )


def _inside(clip: Clip, facts: MediaInfo, shown: Shown) -> Interval:
    """Return the part of a clip's interval that is in the video, if that is at least half of it."""
    whole = interval = clip.interval
    # A published time and the end of a video may differ by half a frame because of rounding.
    if interval.end - facts.end > 0.5 * min((facts.end - facts.start) / facts.frames, _LONGEST_STEP):
        interval = Interval(interval.start, facts.end)
    if shown.before is None and facts.start - interval.start > _FRAMES_DELAYED * min(
        facts.step, _LONGEST_STEP
    ):
        interval = Interval(facts.start, interval.end)
    overlap = min(facts.end, whole.end) - max(facts.start, whole.start)
    if overlap < whole.seconds / 2 or (shown.frames == 0 and shown.before is None):
        where = f"the video ends at {facts.end:.2f} s, the clip ends at {whole.end:g} s"
        if whole.end <= facts.start:
            where = f"the video starts at {facts.start:.2f} s, the clip ends at {whole.end:g} s"
        elif whole.start < facts.start:
            where = f"the video starts at {facts.start:.2f} s, the clip starts at {whole.start:g} s; {where}"
        raise Failure(Reason.INTERVAL_OUTSIDE, where)
    return interval


def _one_part(facts: MediaInfo, first: float, last: float) -> Part:
    """Return how the frames of a clip look. Raises `Failure` if their size changes within the clip."""
    part = facts.part_at(first)
    for later in facts.changes(first, last):
        if (later.width, later.height, later.aspect) != (part.width, part.height, part.aspect):
            raise Failure(
                Reason.UNSUPPORTED_SOURCE,
                f"the frames are {_size(part)} until {later.start:.2f} s and {_size(later)} after that",
            )
        if later.hdr != part.hdr:
            ranges = [one.hdr or "SDR" for one in (part, later)]
            message = f"the dynamic range changes from {ranges[0]} to {ranges[1]} at {later.start:.2f} s"
            raise Failure(Reason.UNSUPPORTED_SOURCE, message)
    return part


def _require_range(part: Part, settings: OutputSettings) -> None:
    """Raise `Failure` if a clip cannot, or must not, be converted to standard dynamic range."""
    if part.dolby_vision is not None:
        message = f"Dolby Vision profile {part.dolby_vision} cannot be converted to SDR"
        raise Failure(Reason.UNSUPPORTED_SOURCE, message)
    if part.hdr is not None and part.colours[2] in _CONSTANT_LUMINANCE:
        matrix = _CONSTANT_LUMINANCE[part.colours[2]]
        message = f"HDR with constant luminance ({matrix}) cannot be converted to SDR"
        raise Failure(Reason.UNSUPPORTED_SOURCE, message)
    if part.hdr is not None and settings.hdr is Hdr.REFUSE:
        message = f"the video is HDR ({part.hdr}), and --hdr is refuse"
        raise Failure(Reason.UNSUPPORTED_SOURCE, message)


def _size(part: Part) -> str:
    """Format the size of a frame, and the shape of its pixels if they are not square."""
    return f"{part.width}x{part.height}" + (f" with pixels of {part.aspect}" if part.stretched else "")


def _is_near(one: float, other: float, step: float) -> bool:
    """Whether two durations are equal within a quarter of a frame."""
    return abs(one - other) <= 0.25 * step


def _plan_audio(raw: SourceVideo, begin: float, seconds: float) -> AudioCut:
    """Return the part of the audio for a clip, from the clip's first frame on."""
    if raw.audio is None:
        raise Failure(Reason.NO_SOUND, "")
    inside = raw.facts.sound if raw.audio == raw.path else None
    track = raw.audio_track if inside is None else inside.track
    zero = None if inside is None else inside.zero
    suspect = raw.audio_suspect if inside is None else raw.facts.suspect
    container = raw.audio_container or raw.audio.suffix[1:].lower()
    return AudioCut(raw.audio, container, begin, seconds, track, zero, suspect)


def verify(cut: Cut, facts: MediaInfo, counted: int) -> None:
    """Raise `Failure` with ``clip_wrong`` unless the clip is as planned.

    `facts` were found by demuxing, and `counted` frames by the encoder itself. The source frames are verified
    while they are decoded (`ffmpeg.encode`).
    """
    expected = ("h264", cut.width, cut.height, cut.frames)
    found = (facts.codec, facts.width, facts.height, facts.frames)
    if expected != found:
        raise Failure(
            Reason.CLIP_WRONG, f"the clip has (codec, width, height, frames) {found}, expected {expected}"
        )
    if counted != cut.frames:
        raise Failure(Reason.CLIP_WRONG, f"ffmpeg counted {counted} frames, expected {cut.frames}")
    _verify_times(cut, facts)
    if (facts.sound is not None) is not (cut.audio is not None and cut.settings.has_audio_stream):
        raise Failure(Reason.CLIP_WRONG, f"unexpected audio: {facts.sound}")
    if facts.sound is not None and cut.audio is not None:
        off = facts.sound.end - max(0.0, facts.sound.start) - cut.audio.seconds
        if abs(off) > _AAC_FRAMES:
            raise Failure(Reason.CLIP_WRONG, f"the audio is {off:.3f} s too long")
    if cut.settings.fps is not None and abs(facts.fps - cut.settings.fps) > 1e-3:  # noqa: PLR2004 - rounding
        raise Failure(Reason.CLIP_WRONG, f"{facts.fps} fps, expected {cut.settings.fps}")


def _verify_times(cut: Cut, facts: MediaInfo) -> None:
    """Raise `Failure` with ``clip_wrong`` unless the last frame has the planned time and duration."""
    if cut.source is None:
        return
    frame, span = min(cut.source.step, _LONGEST_STEP), cut.span
    if cut.settings.fps is not None:
        frame = float(1 / cut.settings.fps)
        span = cut.seconds - frame
    off = facts.last - facts.start - span
    if abs(off) > _TICKS:
        raise Failure(Reason.CLIP_WRONG, f"the last frame is off by {off:+.3f} s")
    off = facts.end - facts.start - cut.seconds
    if abs(off) > 0.5 * frame + _TICKS:
        raise Failure(Reason.CLIP_WRONG, f"the duration differs by {off:+.3f} s from {cut.seconds:.3f} s")
