"""A fake ffmpeg: accepts the command lines of clips without audio, and sources that `mp4` wrote.

The clip that it writes has the size, frames and rate of the real one's.
"""

from __future__ import annotations

import os
import re
import sys

from fakes import mp4
from fakes.stage import Job, free_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = """\
ffmpeg version n9.0.2-fake Copyright (c) 2000-2026 the FFmpeg developers
built with patience
libavutil      61.  1.102 / 61.  1.102
libavcodec     63.  1.102 / 63.  1.102
"""
_CUT = """
    -hide_banner -nostdin -y -v error -progress pipe:1 -nostats -xerror -abort_on empty_output
    -protocol_whitelist file -f mp4 -max_pixels 67108864 -threads 1
    -ss {} -seek_timestamp 1 -i {}
    -map 0:v:0 -map_metadata -1 -map_chapters -1 -an -sn -dn -filter_threads 1 -vf {}
    -c:v libx264 -preset {} -crf {} -mbtree 1 -rc-lookahead 20
    -threads {} -pix_fmt yuv420p -fps_mode passthrough -enc_time_base:v {}
    -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -movflags +faststart -f mp4 {}
""".split()  # noqa: SIM905 - it reads as the command line that it is
_LOOK = """
    -hide_banner -nostdin -nostats -v info
    -protocol_whitelist file -f mp4 -max_pixels 67108864 -threads 1 -ss {} -seek_timestamp 1 -i {}
    -protocol_whitelist file -f mp4 -max_pixels 67108864 -threads 1 -ss {} -seek_timestamp 1 -i {}
    -filter_complex_threads 1 -filter_complex {} -an -f null -
""".split()  # noqa: SIM905 - it reads as the command line that it is
_FILTERS = re.compile(
    r"bwdif=mode=send_frame:deint=interlaced,trim=(start=(?P<begin>[0-9.]+):)?end=(?P<end>[0-9.]+),"
    r"settb=(?P<base>[0-9]+/[0-9]+),"
    r"metadata=mode=add:key=hdtf:value=1:enable='eq\(n,0\)\+gte\(n,(?P<last>[0-9]+)\)',"
    r"metadata=mode=print:key=hdtf:file=-:direct=1,setpts=PTS-STARTPTS,"
    r"(tpad=stop_mode=clone:stop_duration=1,fps=(?P<fps>[0-9/]+),tpad=stop_mode=clone:stop=(?P<frames>[0-9]+),trim=end_frame=(?P=frames),)?"
    r"crop='if\(gte\(iw,[0-9]+\)\*gte\(ih,[0-9]+\)\*eq\(iw,(?P<across>[0-9]+)\)\*eq\(ih,(?P<down>[0-9]+)\)"
    r",(?P<width>[0-9]+),0\)':"
    r"(?P<place>[0-9]+:[0-9]+:[0-9]+):exact=1,"
    r"(scale=(?P<scale>[0-9]+:[0-9]+):flags=lanczos\+accurate_rnd\+full_chroma_int,)?"
    r"(?P<measures>split=3\[out\].*;\[out\]null,)?"
    r"setsar=1"
)
_MICROSECONDS = 10**6


class _RefusedError(Exception):
    """ffmpeg's message and its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.words, self.code = message, code


def main(stage: str, begun: float, arguments: list[str]) -> int:
    """Run the command line and return the exit code: 2 where it is not a known one."""
    if arguments == ["-version"]:
        job = Job(stage, "version", "-", begun)
        sys.stdout.write(_VERSION)
        sys.stdout.flush()
        return job.end()
    if arguments[-1] == "-":
        free_arguments(arguments, _LOOK)  # it always finds progressive frames, and takes no time
        sys.stderr.write("[Parsed_idet_7 @ 0x1] Multi frame detection: TFF: 0 BFF: 0 Progressive: 50\n")
        return 0
    try:
        start, source, chain, _preset, _crf, _threads, base, target = free_arguments(arguments, _CUT)
        filters = _filters(chain, base)
    except ValueError as unknown:
        sys.stderr.write(
            f"Unrecognized option '{unknown}'.\nError splitting the argument list: Option not found\n"
        )
        return 2
    path = target.removeprefix("file:")
    stem = re.sub(r"^\.hdtf-[0-9a-f]{16}-", "", os.path.basename(path)).removesuffix(".mp4")
    job = Job(stage, "encode", stem, begun)
    try:
        return _cut(job, source.removeprefix("file:"), path, _ticks(start), filters)
    except _RefusedError as refused:
        sys.stderr.write(f"{refused.words}\n")
        return job.end(refused.code)


def _cut(job: Job, source: str, target: str, start: int, filters: Mapping[str, str | None]) -> int:
    begin = _ticks(filters["begin"])
    start, length = start + begin, _ticks(filters["end"]) - begin
    with open(target, "wb") as clip:
        width, height, frames, rate, source_frames = _clip(source, start, length, filters)
        for line in source_frames:
            sys.stdout.write(f"{line}\nhdtf=1\n")
        sys.stdout.flush()
        seconds = length / _MICROSECONDS

        def report(share: float) -> None:
            at = int(share * length)
            sys.stdout.write(
                f"frame={int(share * frames)}\nfps=0.00\nout_time_us={at}\nout_time_ms={at}\n"
                f"dup_frames=0\ndrop_frames=0\nprogress={'end' if share == 1 else 'continue'}\n"
            )
            sys.stdout.flush()

        job.work(seconds, report, every=0.5)
        if job.fault and job.fault["code"]:
            return job.fail()
        if not job.leaves("nothing"):
            frames = max(1, frames // 2) if job.leaves("short") else frames
            mp4.write(clip, width=width, height=height, frames=frames, rate=rate)
    return job.fail() if job.fault else job.end()


def _clip(
    source: str, start: int, length: int, filters: Mapping[str, str | None]
) -> tuple[int, int, int, tuple[int, int], list[str]]:
    """Return width, height, frames and rate of the clip that the filters make of the source.

    It also returns what the real ffmpeg prints about the source frames.
    """
    try:
        with open(source, "rb") as raw:
            width, height, frames, rate = mp4.note(raw)
    except (OSError, ValueError) as error:
        raise _RefusedError(f"[in#0] Error opening input: Invalid data found ({error})", 183) from error
    # Frames with start <= PTS < end, in integers: frame n has the timestamp n * rate[1] / rate[0].
    first = -(-start * rate[0] // (_MICROSECONDS * rate[1]))
    behind = min(frames, -(-(start + length) * rate[0] // (_MICROSECONDS * rate[1])))
    frames = behind - first
    if frames <= 0:
        raise _RefusedError("[out#0/mp4] Output file is empty, nothing was encoded", 234)
    if (f"{width}", f"{height}") != (filters["across"], filters["down"]):
        raise _RefusedError("[crop] Invalid too big or non positive size", 234)
    over, _, under = (filters["base"] or "").partition("/")
    ticks = int(under) / int(over)
    begun = (start - _ticks(filters["begin"])) / _MICROSECONDS
    printed = [
        f"frame:{n:<4} pts:{round(((first + n) * rate[1] / rate[0] - begun) * ticks)} "
        for n in range(frames)
        if n == 0 or n >= int(filters["last"] or 0)
    ]
    if filters["fps"]:
        over, _, under = filters["fps"].partition("/")
        # The last frame is repeated as often as needed.
        frames, rate = int(filters["frames"] or 0), (int(over), int(under or 1))
    box = [int(number) for number in f"{filters['width']}:{filters['place']}".split(":")]
    if any(number % 2 for number in box) or box[0] + box[2] > width or box[1] + box[3] > height:
        raise _RefusedError(f"[crop] Invalid too big or non positive size for {box}", 234)
    sides = [int(number) for number in filters["scale"].split(":")] if filters["scale"] else box
    return sides[0], sides[1], frames, rate, printed


def _filters(chain: str, base: str) -> Mapping[str, str | None]:
    """Return the figures in a filter chain; raise `ValueError` where it contradicts other arguments."""
    filters = _FILTERS.fullmatch(chain)
    if filters is None or not re.fullmatch("[0-9]+:[0-9]+", base):
        raise ValueError(chain)
    over, _, under = (filters["fps"] or "").partition("/")
    if over and base != f"{under or 1}:{over}":
        raise ValueError(base)
    return filters.groupdict()


def _ticks(seconds: str | None) -> int:
    return round(float(seconds or 0) * _MICROSECONDS)
