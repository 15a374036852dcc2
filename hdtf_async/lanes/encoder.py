"""The work of the encode lane on one clip: from a source video to a verified, published and recorded clip."""

from __future__ import annotations

import wave
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import os_errors
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.events import ClipDone, ClipRetrying, EncodeProgress, EncodeStarted
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Crop, Deinterlace, Fit, Hdr, Interval, SceneCuts
from hdtf_async.dataset import geometry, scene_cuts
from hdtf_async.dataset.plan import fingerprint, row
from hdtf_async.lanes.clip_metadata import metadata_of
from hdtf_async.lanes.order import EncodeCosts, Workload
from hdtf_async.media import ffmpeg, interlace, loudness
from hdtf_async.media.face.window import plan_window
from hdtf_async.media.filters import scaled
from hdtf_async.media.measurements import Measurements
from hdtf_async.process.guard import UNGUARDED, Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hdtf_async.core.events import EventBus
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip, OutputSettings
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.media.demux import MediaInfo
    from hdtf_async.media.face.finder import Finder
    from hdtf_async.media.framing import Part
    from hdtf_async.media.probe import Prober
    from hdtf_async.media.timeline import Shown
    from hdtf_async.output.directory import OutputDirectory


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
_FEW = 5
"""Maximum number of scene cuts that a message lists."""
_LONGEST_STEP = 0.1
"""Frame duration in seconds above which the other tolerances no longer grow."""


_MAY_BE_PARTIAL = frozenset({
    Reason.RAW_UNREADABLE, Reason.UNSUPPORTED_SOURCE, Reason.INTERVAL_OUTSIDE, Reason.CLIP_WRONG,
})  # fmt: skip
"""Reasons that a whole source video might not have led to."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """Creates clips with the same output settings."""

    settings: OutputSettings
    store: OutputDirectory
    tool: Path
    versions: dict[str, str]
    """Tool to version, for the metadata."""
    prober: Prober
    events: EventBus
    guard: Guard = UNGUARDED
    finder: Finder | None = None
    """Required if clips are cropped to the face."""
    measures: bool = True
    """Whether facts about each clip are measured."""
    costs: EncodeCosts = field(default_factory=EncodeCosts)
    """What the clips of this run have taken."""

    def estimate(self, clip: Clip, raw: SourceVideo) -> Callable[[], float]:
        """Return a function that estimates the seconds that a clip takes; 0 if it is impossible."""
        try:
            work = Workload.of(plan_cut(clip, raw.of(clip.stem), self.settings))
        except Failure:
            work = Workload(0, 0)
        return partial(self.costs.expected, work)

    async def cut(self, clip: Clip, raw: SourceVideo) -> None:
        """Encode, verify, publish and record one clip, in this order.

        The caller holds an encode token. Raises `Failure`, after deleting the temporary file. If one of the
        user's own files cannot be decoded, that is ``raw_dir_file``: it is not replaced by a download. If a
        partial file may be the cause, that is ``raw_unreadable``: then the whole file is downloaded.
        """
        raw = raw.of(clip.stem)
        try:
            await self._cut(clip, raw)
        except Failure as failure:
            if raw.partial and failure.reason in _MAY_BE_PARTIAL:
                message = f"in a partial source video: {failure.words}"
                raise Failure(Reason.RAW_UNREADABLE, message) from failure
            if raw.own and failure.reason is Reason.RAW_UNREADABLE:
                files = dict.fromkeys(path.name for path in (raw.path, raw.audio) if path is not None)
                message = f"{' or '.join(files)}: {failure.words}"
                raise Failure(Reason.RAW_DIR_FILE, message) from failure
            raise

    async def _cut(self, clip: Clip, raw: SourceVideo) -> None:
        begun = anyio.current_time()
        cut = plan_cut(clip, raw, self.settings)
        final = self.store.clip_path(clip)
        self.events.emit(EncodeStarted(clip.stem, cut.interval.seconds))
        face: Record = {}
        if self.settings.crop is Crop.FACE:
            cut, face = await self._around_face(clip, raw, cut)
        if self.settings.deinterlace is Deinterlace.AUTO:
            combing = await interlace.look(self.tool, cut, self.guard)
            cut = replace(cut, parity=combing.parity)
        measured = Measurements(*scaled(cut)) if self.measures else None
        async with AsyncExitStack() as temporaries:
            beside: Record = {}
            if cut.audio is not None and self.settings.has_wav_file:
                wav = await temporaries.enter_async_context(self._temporary(self.store.wav_path(clip)))
                beside = {"wav": self.store.wav_path(clip).name} | await self._wav(cut.audio, wav)
            temporary = await temporaries.enter_async_context(self._temporary(final))
            counted = await ffmpeg.encode(
                self.tool,
                cut,
                temporary,
                on_seconds=lambda seconds: self.events.emit(EncodeProgress(clip.stem, seconds)),
                guard=self.guard,
                measured=measured,
            )
            facts = await self._facts(temporary)
            verify(cut, facts, counted)
            seen = await self._measured(measured, cut, wav if beside else temporary)
            if await self._is_divided(clip, cut, seen.get("scene_cuts", [])):
                return
            size = await self.store.size(temporary)
            digest = await self.store.sha256(temporary)
            # The WAV file first: an existing clip has all its files.
            await self.store.publish_beside(wav if beside else None, clip)
            await self.store.publish(temporary, final)
        duration = anyio.current_time() - begun
        self.costs.learn(Workload.of(cut), duration)
        metadata = ClipRecord.from_json(
            metadata_of(clip, raw, cut, facts)
            | face
            | {"bytes": size, "sha256": digest}
            | beside
            | seen
            | {
                "fingerprint": fingerprint(clip, self.settings),
                "versions": self.versions | ({"yt_dlp": raw.yt_dlp} if raw.yt_dlp else {}),
            }
        )
        await self.store.append(
            {
                "type": "clip",
                "clip": clip.stem,
                "form": row(clip, self.settings) | self.settings.to_json(),
                "metadata": metadata.to_json(),
                "took": round(duration, 3),
            }
        )
        missing = metadata.ends_early or 0.0
        self.events.emit(ClipDone(clip.stem, final.name, cut.interval.seconds, size, duration, missing))

    async def _around_face(self, clip: Clip, raw: SourceVideo, cut: ffmpeg.Cut) -> tuple[ffmpeg.Cut, Record]:
        """Find the face, and return the cut with its box and the metadata about it."""
        if self.finder is None:
            raise RuntimeError("--crop face requires a face finder")
        size = cut.frame_size or (raw.facts.width, raw.facts.height)
        frames = await self.finder.look(cut, size)
        # This takes half a second if every frame of a long clip was searched.
        box, metadata = await run_sync(plan_window, clip, frames, size, self.settings)
        width, height = ffmpeg.side_lengths(box, self.settings.size, self.settings.fit)
        cut = replace(cut, box=box, width=width, height=height)
        if (sides := metadata.get("face_size")) is not None:
            scale = scaled(cut)[0] / box.width
            metadata["face_size"] = [round(side * scale, 1) for side in sides]
        return cut, metadata

    async def _measured(self, measured: Measurements | None, cut: ffmpeg.Cut, heard: Path) -> Record:
        """Return the metadata that were measured; `heard` is the file with the audio.

        Raises `Failure` with ``scene_cut`` if clips with scene cuts are not wanted.
        """
        if measured is None:
            return {}
        columns = measured.to_json(cut.seconds)
        if columns["scene_cuts"] and self.settings.scene_cuts is SceneCuts.DROP:
            raise Failure(Reason.SCENE_CUT, _cuts_message(columns["scene_cuts"]))
        if cut.audio is not None:
            columns |= await loudness.measure(self.tool, heard, cut.audio.seconds, self.guard)
        return columns

    async def _is_divided(self, clip: Clip, cut: ffmpeg.Cut, seconds: list[float]) -> bool:
        """Record the cuts of a clip that is split there; return whether it is. Its parts come later.

        Raises `Failure` with ``scene_cut`` if no part is long enough.
        """
        if self.settings.scene_cuts is not SceneCuts.SPLIT or not seconds or clip.segment is not None:
            return False
        begin = cut.interval.start if cut.source is None or cut.held else cut.source.first
        step = 0.0 if cut.source is None else cut.source.step
        cuts = scene_cuts.bounds(seconds, begin, step, self.settings.fps)
        if not scene_cuts.parts(clip, cuts):
            message = f"{_cuts_message(seconds)}, and no part has {scene_cuts.SHORTEST:g} s"
            raise Failure(Reason.SCENE_CUT, message)
        if clip.stem in self.store.known.clips:  # with other settings
            await self.store.append({"type": "replacing", "clip": clip.stem})
            await self.store.remove(self.store.clip_path(clip))
            await self.store.publish_beside(None, clip)
        await self.store.append(scene_cuts.record_of(clip, self.settings, cuts))
        self.events.emit(ClipRetrying(clip.stem, Reason.SCENE_CUT, _cuts_message(seconds), 0.0, 1))
        return True

    @asynccontextmanager
    async def _temporary(self, final: Path) -> AsyncIterator[Path]:
        """Provide an empty temporary file; it is deleted afterwards if it still exists."""
        temporary = await run_sync(self.store.temporary, final)
        try:
            yield temporary
        finally:
            await self.store.remove(temporary)

    async def _wav(self, audio: ffmpeg.AudioCut, target: Path) -> Record:
        """Write a clip's audio, verify it, and return its metadata."""
        await ffmpeg.wav(self.tool, audio, target, guard=self.guard)
        found = await run_sync(_wav_facts, target)
        planned = (ffmpeg.WAV_RATE, 1, 2, audio.samples)
        if found != planned:
            raise Failure(
                Reason.CLIP_WRONG,
                f"the WAV has (sample rate, channels, bytes per sample, samples) {found}, expected {planned}",
            )
        return {
            "wav_samples": audio.samples,
            "wav_bytes": await self.store.size(target),
            "wav_sha256": await self.store.sha256(target),
        }

    async def _facts(self, path: Path) -> MediaInfo:
        try:
            return await self.prober.facts(path, container="mp4")
        except Failure as failure:
            if failure.reason is Reason.RAW_UNREADABLE:  # a file of this program, not the source video
                raise Failure(Reason.CLIP_WRONG, failure.words) from failure
            raise


def _cuts_message(seconds: list[float]) -> str:
    return f"at {', '.join(f'{second:g} s' for second in seconds[:_FEW])} of the clip"


def plan_cut(clip: Clip, raw: SourceVideo, settings: OutputSettings) -> ffmpeg.Cut:
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
    width, height = ffmpeg.side_lengths(box, settings.size, settings.fit)
    frames = used = shown.frames + (held > 0)
    seconds, hold = end - begin, end - max(shown.last, begin)
    regular = settings.fps is not None or (not held and shown.even and _is_near(hold, shown.stored, step))
    if settings.fps is not None:
        frames = ffmpeg.frames_at(settings.fps, interval.seconds)
        seconds = float(frames / settings.fps)
    audio = None
    if settings.audio is not Audio.NONE:
        audio = _plan_audio(raw, begin, seconds)
    return ffmpeg.Cut(
        raw.path,
        raw.container,
        interval,
        box,
        width,
        height,
        frames,
        settings,
        Fraction(facts.time_base),
        source=ffmpeg.Source(
            used, first, shown.last, part.width, part.height, facts.step, seconds, held=held
        ),
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


def _plan_audio(raw: SourceVideo, begin: float, seconds: float) -> ffmpeg.AudioCut:
    """Return the part of the audio for a clip, from the clip's first frame on."""
    if raw.audio is None:
        raise Failure(Reason.NO_SOUND, "")
    inside = raw.facts.sound if raw.audio == raw.path else None
    track = raw.audio_track if inside is None else inside.track
    zero = None if inside is None else inside.zero
    suspect = raw.audio_suspect if inside is None else raw.facts.suspect
    container = raw.audio_container or raw.audio.suffix[1:].lower()
    return ffmpeg.AudioCut(raw.audio, container, begin, seconds, track, zero, suspect)


def verify(cut: ffmpeg.Cut, facts: MediaInfo, counted: int) -> None:
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


def _verify_times(cut: ffmpeg.Cut, facts: MediaInfo) -> None:
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


def _wav_facts(path: Path) -> tuple[int, int, int, int]:
    """Return sample rate, channels, bytes per sample, and samples of a WAV file of this program."""
    try:
        with wave.open(str(path), "rb") as file:
            return file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()
    except (OSError, EOFError, wave.Error) as error:
        raise Failure(
            os_errors.reason_of(error) or Reason.CLIP_WRONG, f"cannot read the WAV: {error}"
        ) from error
