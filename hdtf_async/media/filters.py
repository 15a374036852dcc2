"""Build the filter chains of one clip for ffmpeg. Pure.

The reasons for the chains are in `ffmpeg`, which builds the command lines.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from hdtf_async.core.model import Box, Deinterlace, Fit
from hdtf_async.media.containers import INACCURATE, demuxer_of, seeks_to
from hdtf_async.media.cut import WAV_RATE
from hdtf_async.media.measurements import MARK, branch

if TYPE_CHECKING:
    from hdtf_async.media.cut import AudioCut, Cut

_AUDIO_PREROLL = 1.0
"""Seconds of audio that are decoded before the first needed sample."""
_SCALER = "flags=lanczos+accurate_rnd+full_chroma_int"


def side_lengths(box: Box, size: int | None, fit: Fit = Fit.KEEP) -> tuple[int, int]:
    """Return width and height of a clip in pixels, both even; `size` is its shorter side, or both sides."""
    if size is not None and fit is not Fit.KEEP:
        return size, size
    if size is None:
        return box.width - box.width % 2, box.height - box.height % 2
    longer = 2 * round(Fraction(size * max(box.width, box.height), 2 * min(box.width, box.height)))
    return (size, longer) if box.width <= box.height else (longer, size)


def scaled(cut: Cut) -> tuple[int, int]:
    """Return width and height of the picture in pixels, both even, without black bars."""
    wide, high = cut.box.width, cut.box.height
    if cut.settings.fit is not Fit.PAD or wide == high:
        return cut.width, cut.height
    shorter = max(2, 2 * round(Fraction(cut.width * min(wide, high), 2 * max(wide, high))))
    return (shorter, cut.height) if wide < high else (cut.width, shorter)


def frames_at(rate: Fraction, seconds: float) -> int:
    """Return how many frames an interval has at a constant rate; half a frame is rounded up."""
    # A difference of two decimal numbers has an error in its last digits.
    return int(Fraction(str(round(seconds, 6))) * rate + Fraction(1, 2))


def video_filters(cut: Cut, preroll: float = 0.0, *, measures: bool = False) -> str:
    """Return the filter chain: deinterlace, trim, frame rate, crop, scale, in this order.

    If it `measures`, it contains a branch that only measures the scaled frames.
    """
    origin = cut.origin(preroll)
    before = cut.begin - origin
    start = f"start={decimal(before)}:" if before else ""
    chain = [*decoded_frames(cut), *_whole_pictures(cut)]
    chain += [f"trim={start}end={decimal(cut.ticked.end - origin)}", *_reported(cut)]
    if cut.held:
        # The frame on screen at the start of the interval is moved to the start; the others keep their times.
        chain.append(f"setpts='max(PTS-{cut.ticks(cut.ticked.start) - cut.ticks(origin)},0)'")
    else:
        chain.append("setpts=PTS-STARTPTS")
    if cut.settings.fps is not None:
        # Hold the last frame for a second, because `fps` drops a frame without remaining time, and then as
        # long as needed, so that the number of frames is exact at any rate.
        chain += [
            f"tpad=stop_mode=clone:stop_duration=1,fps={cut.settings.fps}",
            f"tpad=stop_mode=clone:stop={cut.frames},trim=end_frame={cut.frames}",
        ]
    source = cut.source
    if cut.squared is not None:
        if source is not None:
            whole = Box(0, 0, source.width, source.height)
            chain.append(_crop(whole, (source.width, source.height)))
        chain.append(f"scale={cut.squared[0]}:{cut.squared[1]}:{_SCALER}")
    chain.append(_crop(cut.box, cut.frame_size))
    if cut.hdr is not None:
        chain += _to_standard_range(cut)
    to_range = ["out_range=tv"] if cut.full_range and cut.hdr is None else []
    width, height = scaled(cut)
    if (width, height) != (cut.box.width, cut.box.height):
        chain.append(":".join([f"scale={width}:{height}", *to_range, _SCALER]))
    elif to_range:
        chain.append(f"scale={to_range[0]}:{_SCALER}")
    if measures:
        chain.append(branch())
    if (width, height) != (cut.width, cut.height):
        chain.append(f"pad={cut.width}:{cut.height}:-1:-1")
    chain.append("setsar=1")
    return ",".join(chain)


def _crop(box: Box, frame: tuple[int, int] | None) -> str:
    """Return the filter that crops a box from a frame of a known size.

    ffmpeg would silently move a box that extends beyond the frame, exact or not, but rejects an invalid
    width. So frames of another size than the one in which the box was placed are rejected too.
    """
    fits = f"gte(iw,{box.right})*gte(ih,{box.bottom})"
    if frame is not None:
        fits += f"*eq(iw,{frame[0]})*eq(ih,{frame[1]})"
    return f"crop='if({fits},{box.width},0)':{box.height}:{box.left}:{box.top}:exact=1"


def _to_standard_range(cut: Cut) -> list[str]:
    """Return the filters that convert HDR to BT.709, in linear light, with 100 nits as white.

    Undeclared properties of the source are assumed to be those of BT.2100.
    """
    no_primaries, no_matrix = cut.hdr_undeclared
    # zscale takes undeclared properties of its output from its input.
    primaries = "primariesin=bt2020:primaries=bt2020" if no_primaries else "primariesin=input"
    matrix = "matrixin=bt2020nc:matrix=bt2020nc" if no_matrix else "matrixin=input"
    return [
        f"zscale=transferin={cut.hdr}:{primaries}:{matrix}:transfer=linear:npl=100",
        "format=gbrpf32le", "zscale=primaries=bt709", "tonemap=tonemap=hable:desat=0",
        "zscale=transfer=bt709:matrix=bt709:range=limited", "format=yuv420p",
    ]  # fmt: skip


def constant_frames(cut: Cut) -> list[str]:
    """Return the filter that makes all frames of one size and colour, if these change midway.

    The other filters are not reinitialised there (see `ffmpeg.clip_command`): they would lose buffered
    frames.
    """
    if cut.source is None or not cut.recoloured:
        return []
    return [f"scale={cut.source.width}:{cut.source.height}:{_SCALER}"]


def decoded_frames(cut: Cut) -> list[str]:
    """Return the first filters: each frame at its own time, and all of one size and colour."""
    return [*_counted(cut), *constant_frames(cut)]


def _counted(cut: Cut) -> list[str]:
    """Return the filter that computes the time of each source frame from its number."""
    if cut.counted is None:
        return []
    first, step = cut.counted
    return [f"setpts='trunc(({first}+N*{step})/TB+0.5)'"]


def _reported(cut: Cut) -> list[str]:
    """Return the filters that print the timestamps of the first and last source frame, and of any beyond."""
    if cut.source is None:
        return []
    return [
        f"settb={cut.time_base}",  # bwdif halves it
        f"metadata=mode=add:key={MARK}:value=1:enable='eq(n,0)+gte(n,{cut.source.frames - 1})'",
        f"metadata=mode=print:key={MARK}:file=-:direct=1",
    ]


def _whole_pictures(cut: Cut) -> list[str]:
    """Return the deinterlacing filter, which must precede any cropping."""
    if cut.settings.deinterlace is Deinterlace.OFF:
        return []
    if cut.parity is not None:
        return [f"bwdif=mode=send_frame:parity={cut.parity}:deint=all"]
    return [
        f"bwdif=mode=send_frame:deint={'all' if cut.settings.deinterlace is Deinterlace.ON else 'interlaced'}"
    ]


def audio_filters(audio: AudioCut, *, wav: bool, copies_time: bool = False) -> str:
    """Return the filter chain for audio: from the clip's first frame on, exactly as long as the clip.

    Gaps and missing audio at either end are filled with silence, so that nothing shifts. With `copies_time`
    timestamps are those of the file instead of counting from the seek position.
    """
    before = decimal(audio.start - (-(audio.zero or 0.0) if copies_time else audio_decoded_from(audio)))
    chain = [f"atrim=start={before}", f"asetpts=PTS-{before}/TB"]
    if wav:
        chain += [
            f"aresample={WAV_RATE}:async=1:first_pts=0", "aformat=sample_fmts=s16:channel_layouts=mono",
            f"apad=whole_len={audio.samples}", f"atrim=end_sample={audio.samples}",
        ]  # fmt: skip
    else:
        chain += [
            "aresample=async=1:first_pts=0", "aformat=sample_fmts=fltp:channel_layouts=stereo|mono",
            f"apad=whole_dur={decimal(audio.seconds)}", f"atrim=end={decimal(audio.seconds)}",
        ]  # fmt: skip
    return ",".join(chain)


def audio_decoded_from(audio: AudioCut) -> float:
    """Return the second from which on audio is decoded."""
    demuxer, second = demuxer_of(audio.container) or "", max(0.0, audio.start - _AUDIO_PREROLL)
    return second if demuxer not in INACCURATE and seeks_to(demuxer, second) else 0.0


def last_frame_args(cut: Cut) -> list[str]:
    """Return the arguments that set the duration of the last frame.

    The clip gets no B-frames, so that the last frame is also the last one in decode order, in which MP4
    stores durations. The durations of the others follow from the timestamps: the durations that a source
    states can be wrong, and one of its frames could then end after the last frame.
    """
    if cut.hold is None:
        return []
    hold = max(1, cut.ticks(cut.hold))
    return [
        "-bf", "0",
        "-bsf:v", f"setts=pts=PTS:dts=DTS:duration=if(eq(N\\,{cut.frames - 1})\\,{hold}\\,1)",
    ]  # fmt: skip


def decimal(value: float) -> str:
    """Format seconds for ffmpeg, with microseconds."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
