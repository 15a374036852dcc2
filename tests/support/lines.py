"""A simulated line, and runs of the real pipeline over it in virtual time, with encodes that only take time.

A line has a total throughput and one for each connection; either may vary with time. Connections share it
equally, but for noise. A connection takes a moment to reach its throughput, and may stall.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import anyio
import virtual_time

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.pipeline import Pipeline, PipelineParts
from hdtf_async.lanes.throttle import Pacing, Throttle
from hdtf_async.lanes.transfers import TransferLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from hdtf_async.core.failures import Failure
    from hdtf_async.lanes.throttle import Permit

Rate = float | Callable[[float], float]
"""Megabytes a second; or the same as a function of the seconds since the start."""
TICK = 0.1
"""Seconds of a step of the simulation."""
REPORT = 0.5
"""Seconds between two reports of a download's progress, as yt-dlp is told to make them."""
ASK = 1.3
"""Seconds that YouTube's answer takes, with the start of yt-dlp."""
START = 0.6
"""Seconds from the start of a transfer to its first byte."""
RAMP = 0.5
"""Seconds in which a connection reaches its throughput."""


def alternating(one: float, other: float, every: float = 20.0) -> Rate:
    """Return a throughput that changes between two values."""
    return lambda now: one if int(now / every) % 2 == 0 else other


@dataclass(frozen=True)
class Setting:
    """A line, and what is to be fetched over it and encoded."""

    name: str
    total: Rate
    connection: Rate = math.inf
    videos: int = 40
    megabytes: tuple[float, float] = (43, 65)
    """Least and largest size of a video."""
    cpu_seconds: float = 8.4
    """Of a video's encode, in the mean."""
    cpus: int = 2
    noise: float = 0.1
    """Standard deviation of a connection's share, drawn anew twice a second."""
    spread: float = 0.0
    """Standard deviation of the logarithm of what servers give one connection or another."""
    stalling: float = 0.0
    """Part of the connections that bring nothing for a minute or so, somewhere on their way."""
    pace: float = 0.0


@dataclass
class _Connection:
    begun: float
    left: float
    quality: float
    stalls_at: float
    """Megabytes left at which it stalls."""
    stall: float
    """Seconds for which it does."""
    noise: dict[int, float] = field(default_factory=dict)
    reported: float = 0.0


class Line:
    """What is shared by all downloads."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self._setting = setting
        self._seed = seed
        self._chance = Random(seed)  # noqa: S311 - the same numbers each time
        self._open: list[_Connection] = []
        self._until = 0.0
        self._carried = 0.0
        self.most = 0
        """How many were open at a time."""

    async def carry(self, name: str, megabytes: float, on_received: Callable[[float, float], None]) -> None:
        """Return when all has come; `on_received` is told what came since its last call, and what is left."""
        setting = self._setting
        chance = Random(f"{self._seed} {name}")  # noqa: S311 - the same for a video in whatever order
        stalls = chance.random() < setting.stalling
        one = _Connection(
            anyio.current_time(), megabytes, math.exp(chance.gauss(0, setting.spread)),
            megabytes * chance.uniform(0.2, 0.9) if stalls else -1.0, chance.uniform(30, 90),
        )  # fmt: skip
        self._open.append(one)
        self.most = max(self.most, len(self._open))
        heard = one.left
        last = -math.inf
        try:
            while one.left > 0:
                await anyio.sleep(TICK)
                self._advance()
                now = anyio.current_time()
                if one.left < heard and (now - last >= REPORT - TICK / 2 or one.left <= 0):
                    on_received(heard - one.left, one.left)
                    heard, last = one.left, now
        finally:
            self._open.remove(one)

    def _advance(self) -> None:
        """Let time pass for all connections, once for each step."""
        now = anyio.current_time()
        if now < self._until + TICK / 2:
            return
        step, self._until = min(TICK, now - self._until), now
        left = _at(self._setting.total, now)
        able = [(self._most(one, now), self._noise(one, now), one) for one in self._open]
        able = sorted((each for each in able if each[0] > 0), key=lambda each: each[0] / each[1])
        for place, (most, weight, one) in enumerate(able):
            rate = min(most, left * weight / sum(each[1] for each in able[place:]))
            left -= rate
            one.left = max(0.0, one.left - rate * step)

    def _most(self, one: _Connection, now: float) -> float:
        if one.left <= one.stalls_at and one.stall > 0:
            one.stall -= TICK
            return 0.0
        warm = min(1.0, (now - one.begun) / RAMP)
        limit = min(_at(self._setting.connection, now), 10 * _at(self._setting.total, now))
        return limit * one.quality * warm * self._noise(one, now)

    def _noise(self, one: _Connection, now: float) -> float:
        moment = int(now * 2)
        if moment not in one.noise:
            one.noise = {moment: min(1.7, max(0.3, self._chance.gauss(1, self._setting.noise)))}
        return one.noise[moment]


def _at(rate: Rate, now: float) -> float:
    return rate(now) if callable(rate) else rate


class Run:
    """Both lanes of one run: what the pipeline needs of the downloader and of the encoder."""

    def __init__(self, setting: Setting, seed: int, *, downloads: int, adaptive: bool) -> None:
        chance = Random(seed)  # noqa: S311 - the same numbers each time
        sizes = sorted(chance.uniform(*setting.megabytes) for _ in range(setting.videos))
        sizes = [*sizes[::4], *reversed([size for place, size in enumerate(sizes) if place % 4])]
        middle = sum(setting.megabytes) / 2
        videos = [Video("RD", f"V{number}", f"{number:011d}", 720) for number in range(len(sizes))]
        self.jobs = [
            VideoJob((video,), (Clip(video, 0, Interval(0, 30), Box(0, 0, 512, 512)),)) for video in videos
        ]
        self._megabytes = dict(zip((video.stem for video in videos), sizes, strict=True))
        self._asks = {video.stem: ASK * chance.uniform(0.8, 1.2) for video in videos}
        self._cpu = {
            job.clips[0].stem: setting.cpu_seconds * size / middle * chance.uniform(0.9, 1.1)
            for job, size in zip(self.jobs, sizes, strict=True)
        }
        self._setting, self._downloads, self._adaptive = setting, downloads, adaptive
        self.line = Line(setting, seed)
        self.arrived: dict[str, float] = {}
        """When each video was there."""

    def seconds(self) -> float:
        """Run all of it in virtual time; return how long that takes."""
        return virtual_time.run(self._go)

    async def _go(self) -> float:
        events, setting = EventBus(), self._setting
        lanes = Lanes(anyio.CapacityLimiter(self._downloads), anyio.CapacityLimiter(setting.cpus))
        throttle = Throttle(
            lanes.network, lanes.encodes, Pacing(pace=setting.pace, cool_down=600), events,
            TransferLimiter(setting.cpus) if self._adaptive else None,
        )  # fmt: skip
        parts = PipelineParts(
            lanes=lanes, throttle=throttle, downloader=self, encoder=self, private_directory=_nowhere,
            record_failure=_recorded, events=events, keep_raw=True, backoff=float,
        )  # fmt: skip
        pipeline: Pipeline[bool, None] = Pipeline(parts)
        await pipeline.run(self.jobs)
        return anyio.current_time()

    async def download(self, job: VideoJob, _directory: Path, permit: Permit) -> bool:
        """Wait for the answer, for room on the line, and for the bytes."""
        await anyio.sleep(self._asks[job.stem])
        permit.available()
        async with permit.transfer():
            await anyio.sleep(START)

            def on_received(came: float, left: float) -> None:
                permit.succeeded()
                permit.received(round(came * 1e6), round(left * 1e6))

            await self.line.carry(job.stem, self._megabytes[job.stem], on_received)
        self.arrived[job.stem] = anyio.current_time()
        return True

    def estimate(self, clip: Clip, _raw: None) -> Callable[[], float]:
        """Return the seconds of its encode."""
        return lambda: self._cpu[clip.stem]

    async def cut(self, clip: Clip, _raw: None) -> None:
        """Use a CPU for as long as it takes."""
        await anyio.sleep(self._cpu[clip.stem])

    def expects_existing(self, _job: VideoJob) -> bool:
        """No source video exists."""
        return False

    async def existing(self, _job: VideoJob) -> None:
        """Return none."""
        return

    async def accept(self, _job: VideoJob, _arrived: bool) -> None:
        """Take it as it is."""
        return

    async def another_is_available(self, _directory: Path, _besides: Collection[str]) -> bool:
        """Return False."""
        return False

    def was_unavailable(self, _job: VideoJob) -> bool:
        """Return False."""
        return False

    async def discard(self, job: VideoJob, raw: None) -> None:
        """Is never called."""

    async def release(self, job: VideoJob, *, keep: bool) -> None:
        """Do nothing."""


@asynccontextmanager
async def _nowhere(_video: Video) -> AsyncIterator[Path]:
    yield Path()


async def _recorded(_job: VideoJob, failure: Failure) -> None:
    raise failure


def mean_seconds(setting: Setting, seeds: Sequence[int], *, downloads: int, adaptive: bool) -> float:
    """Return how long runs take in the mean."""
    runs = (Run(setting, seed, downloads=downloads, adaptive=adaptive).seconds() for seed in seeds)
    return sum(runs) / len(seeds)
