"""Query the live YouTube for a few videos, through the same code as a run: ``doctor --live``.

For each video yt-dlp extracts once, a format is chosen, and a second yt-dlp downloads the first and the last
64 KiB of its file. The results are reported like those of `doctor`, without URLs.
"""

from __future__ import annotations

import math
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.exceptions import unwrap_exception_group
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.core.preflight import CheckResult, Status
from hdtf_async.dataset import name_checks, plan, reading
from hdtf_async.media.ffmpeg import find_ffmpeg
from hdtf_async.process.guard import guarding
from hdtf_async.process.meter import Cost, Meter, measuring
from hdtf_async.process.stderr import connection_cause
from hdtf_async.youtube import observed
from hdtf_async.youtube.javascript import private_cache
from hdtf_async.youtube.observed import Traffic
from hdtf_async.youtube.ytdlp import ASK_DEADLINE, YtDlp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from hdtf_async.core.options import Options
    from hdtf_async.youtube.formats import Format
    from hdtf_async.youtube.observed import Summary

APART = 30.0
"""Seconds between the starts of two extractions."""
DEADLINE = 45.0
"""Maximum seconds for an extraction, and for both ends of a file. Without a network the whole check ends
within a minute."""
VIDEOS = 2
"""Number of available videos that are checked."""
SUBJECTS = ("extraction", "formats", "media")
"""The checks of each available video."""
_MOST = 4
"""Maximum number of queried videos, if some are no longer on YouTube."""
_OF_ONE_VIDEO = frozenset({
    Reason.AGE, Reason.OTHER_PLACE, Reason.UNAVAILABLE, Reason.NOT_YET, Reason.WRONG_VIDEO,
})  # fmt: skip
"""Reasons about one video, after which another one is queried, in addition to permanent ones."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What yt-dlp extracted for a video, and its cost."""

    info: dict[str, Any]
    """yt-dlp's info dict, with signed URLs: must not be reported."""
    cost: Cost
    summary: Summary


@dataclass(frozen=True, slots=True)
class Fetched:
    """A download of a file, or of one end of it."""

    path: Path
    bytes: int
    cost: Cost
    traffic: Traffic

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "bytes": self.bytes,
            "statuses": self.traffic.statuses,
            "total_bytes": self.traffic.total_bytes,
            "response_headers": sorted(self.traffic.headers),
        } | asdict(self.cost)


class Probe:
    """yt-dlp as a run calls it, with measurements; created by `probing`."""

    def __init__(
        self,
        options: Options,
        ffmpeg: Path,
        meter: Meter,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._tool = YtDlp(options, ffmpeg, meter, environment)
        traced = replace(options, yt_dlp_args=(*options.yt_dlp_args, "--print-traffic"))
        self._traced = partial(YtDlp, traced, ffmpeg, meter, environment)
        self._meter = meter
        self._directory = directory

    async def extract(
        self, youtube_id: str, *, every_address: bool = False, deadline: float = ASK_DEADLINE
    ) -> Extraction:
        """Extract a video, within `deadline` seconds. Raises `Failure`, as `YtDlp.extract`."""
        with self._meter.cost() as cost:
            info = await self._tool.extract(
                youtube_id, self._directory, every_address=every_address, deadline=deadline
            )
        return Extraction(info, cost, observed.summary(info, time.time()))

    async def fetch(self, info: Mapping[str, Any], video: Format) -> Fetched:
        """Download a format to a new directory. Raises `Failure`, as `YtDlp.fetch`."""
        place = Path(await run_sync(tempfile.mkdtemp, None, None, self._directory))
        target, traffic = place / f"video.{video.ext}", Traffic()
        with self._meter.cost() as cost:
            await self._traced(traffic.line).fetch(info, video, target, lambda _: None)
        return Fetched(target, (await anyio.Path(target).stat()).st_size, cost, traffic)

    async def ends(self, info: Mapping[str, Any], video: Format) -> tuple[Fetched, Fetched]:
        """Download the first and the last 64 KiB of a format. Raises `Failure`, as `YtDlp.fetch`."""
        first = await self.fetch(*observed.part(info, video, last=False))
        return first, await self.fetch(*observed.part(info, video, last=True))


@asynccontextmanager
async def probing(options: Options) -> AsyncIterator[Probe]:
    """Provide a probe; downloads are deleted when the context exits.

    Raises `Failure` with ``tool_missing``.
    """
    ffmpeg = await run_sync(find_ffmpeg, options)
    with tempfile.TemporaryDirectory(prefix="hdtf-doctor-") as private, unwrap_exception_group():
        async with guarding() as guard, private_cache(guard) as environment, measuring(guard) as meter:
            yield Probe(options, ffmpeg, meter, Path(private), environment)


async def examine(
    options: Options, before: Sequence[CheckResult] = (), announce: Callable[[str], object] = lambda _: None
) -> list[CheckResult]:
    """Query YouTube for two videos of the selection, 30 seconds apart.

    `before` are the results of the local checks: if one of them is wrong, nothing is queried. `announce`
    receives a sentence before each extraction. Raises `TableError` and `UnknownVideoError`.
    """
    if any(sign.verdict is Status.WRONG for sign in before):
        return [CheckResult("YouTube", Status.WARNING, "not queried because of the problem above")]
    videos = await run_sync(_videos, options)
    signs: list[CheckResult] = []
    available = 0
    begun = -math.inf
    try:
        async with probing(options) as probe:
            for youtube_id, name in videos.items():
                wait = begun + APART - anyio.current_time()
                if wait > 0:
                    announce(f"Waiting {wait:.0f} s before the next video, for YouTube's rate limits")
                    await anyio.sleep(wait)
                announce(f"Querying YouTube for {name} ({youtube_id})")
                begun = anyio.current_time()
                found, extraction, stop = await _extract(probe, youtube_id, name)
                signs.append(found)
                if extraction is not None:
                    signs += await _of_media(probe, extraction, name)
                available += extraction is not None
                if stop or available == VIDEOS:
                    return signs
    except Failure as failure:
        return [*signs, _wrong("YouTube", failure)]
    if not available:
        message = "none of the queried videos is available"
        remedy = "choose others with --video or --subset, or run census"
        signs.append(CheckResult("YouTube", Status.WRONG, message, remedy))
    return signs


def _videos(options: Options) -> dict[str, str]:
    """Return the YouTube ids that may be queried, each with the name of its first row."""
    read = name_checks.checked(reading.read(options), options)
    names: dict[str, str] = {}
    for video in plan.chosen(plan.listed_videos(read, options), options):
        names.setdefault(video.youtube_id, video.stem)
    return dict(list(names.items())[:_MOST])


async def _extract(probe: Probe, youtube_id: str, name: str) -> tuple[CheckResult, Extraction | None, bool]:
    """Extract a video; return the check result, the extraction, and whether further queries are pointless."""
    subject = f"{name}: extraction"
    details: dict[str, object] = {"youtube_id": youtube_id}
    try:
        extraction = await probe.extract(youtube_id, deadline=DEADLINE)
    except Failure as failure:
        details["reason"] = failure.reason.value
        if failure.reason in _OF_ONE_VIDEO or failure.reason.advice.action is Action.NEVER:
            message = f"{failure.reason}: {observed.message(failure)}"
            sign = CheckResult(
                subject, Status.WARNING, message, failure.reason.advice.remedy, details=details
            )
            return sign, None, False
        return replace(_wrong(subject, failure), details=details), None, True
    summary, cost = extraction.summary, extraction.cost
    runtimes = "" if cost.runtimes is None else f"; {' and '.join(cost.runtimes) or 'deno not'} started"
    message = (
        f"{cost}{runtimes}; {summary.formats} formats, from {', '.join(summary.clients) or 'unknown clients'}"
    )
    sign = CheckResult(subject, Status.FINE, message, details=details | asdict(summary) | asdict(cost))
    return sign, extraction, False


async def _of_media(probe: Probe, extraction: Extraction, name: str) -> list[CheckResult]:
    """Judge the offered formats, and download both ends of one."""
    offered = of_formats(extraction.summary, f"{name}: formats")
    try:
        video = observed.choose(extraction.info)
    except Failure as failure:
        # Without https a run uses HLS, which has no size to compare.
        verdict = Status.WARNING if extraction.summary.hls else Status.WRONG
        message = f"no file over https to read: {observed.message(failure)}"
        return [offered, CheckResult(f"{name}: media", verdict, message, failure.reason.advice.remedy)]
    if not video.size_is_exact:
        message = f"format {video.format_id} has no exact size to compare with"
        return [offered, CheckResult(f"{name}: media", Status.WARNING, message)]
    try:
        with anyio.fail_after(DEADLINE):
            first, last = await probe.ends(extraction.info, video)
    except TimeoutError:
        late = Failure(Reason.TIMED_OUT, f"two parts of a file were not read within {DEADLINE:g} s")
        return [offered, _wrong(f"{name}: media", late)]
    except Failure as failure:
        return [offered, _wrong(f"{name}: media", failure)]
    return [offered, of_ends(video, first, last, f"{name}: media")]


def of_formats(summary: Summary, subject: str) -> CheckResult:
    """Judge the formats of a video."""
    hls = "HLS is offered too" if summary.hls else "HLS is not offered"
    if summary.complete:
        message = (
            f"{summary.complete} in H.264 or VP9 over https with size, with URLs valid for"
            f" {summary.valid_hours:g} hours; {hls}"
        )
        return CheckResult(subject, Status.FINE, message)
    message = f"none in H.264 or VP9 over https with size and expiry; {hls}"
    verdict = Status.WARNING if summary.hls else Status.WRONG
    return CheckResult(subject, verdict, message, Reason.UPDATE_NEEDED.advice.remedy, Reason.UPDATE_NEEDED)


def of_ends(video: Format, first: Fetched, last: Fetched, subject: str) -> CheckResult:
    """Judge the two ends of a file."""
    details: dict[str, object] = {
        "format_id": video.format_id, "height": video.height, "codec": video.vcodec, "bytes": video.size,
        "client": video.source.client, "first": first.to_json(), "last": last.to_json(),
    }  # fmt: skip
    what = f"format {video.format_id} ({video.height}p, {(video.size or 0) / 1e6:.1f} MB)"
    size = observed.END >> 10
    wrong = [
        f"{name} {size} KiB: status {end.traffic.status}, file size {end.traffic.total_bytes} bytes"
        for name, end in (("first", first), ("last", last))
        # If no response was logged, the bytes still show that the range was respected.
        if end.traffic.statuses and (end.traffic.status, end.traffic.total_bytes) != (206, video.size)
    ]
    if wrong:
        message = f"{what}: {'; '.join(wrong)}"
        remedy = Reason.RAW_TRUNCATED.advice.remedy
        return CheckResult(subject, Status.WRONG, message, remedy, Reason.RAW_TRUNCATED, details)
    message = f"{what}: read the first and last {size} KiB in a second yt-dlp; {last.cost}"
    return CheckResult(subject, Status.FINE, message, details=details)


def _wrong(subject: str, failure: Failure) -> CheckResult:
    unreachable = failure.words if failure.reason is Reason.UNREACHABLE else ""
    cause = connection_cause(failure.words) or unreachable
    message = cause or f"{failure.reason}: {observed.message(failure)}"
    return CheckResult(subject, Status.WRONG, message, failure.reason.advice.remedy, failure.reason)
