"""The makespan of a run relative to the lower bounds of its lanes, for many networks and CPU counts.

    python benchmarks/scale.py             five regimes, and 1 to 32 downloads with 1 to 64 encodes
    python benchmarks/scale.py --orders    the orders that were considered, in each regime

The real pipeline processes the real dataset's videos and clips with fake lanes in virtual time: hours take
seconds, and the numbers are reproducible. A download takes one response of YouTube, and then its bytes
through a connection and a bandwidth that all downloads share; an encode takes one CPU for a time proportional
to the duration and height of its clip. Unknown values are random: how long a video continues after its last
clip, and its bitrate.

The bound is the largest of: all downloads at the full rate of the network or the connections, all encodes on
all CPUs, and the one video whose download and longest clip take longest. It ignores that nothing can be cut
before the first video has been downloaded.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean
from typing import TYPE_CHECKING

import anyio

from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.options import Options
from hdtf_async.dataset import plan, tables
from hdtf_async.lanes.limits import Lanes
from hdtf_async.lanes.pipeline import Pipeline, PipelineParts
from hdtf_async.lanes.throttle import Pacing, Throttle

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hdtf_async.core.failures import Failure
    from hdtf_async.core.model import Clip, Video
    from hdtf_async.dataset.plan import VideoJob
    from hdtf_async.lanes.throttle import Permit

ASK = 3.0
"""Seconds for one response of YouTube, including the start of yt-dlp."""
BITS_PER_LINE = 1800
"""Mean bits per second and row of height: 2 Mb/s at 1080p."""
CONNECTION = 40e6
"""Bits per second of one connection."""
CPU_SECONDS = 0.09
"""CPU seconds per second of clip at 1080p, including decoding and verification."""
SEEDS = range(5)
_NOTHING = 1e-3
"""Bits that remain because of rounding."""
WIDTHS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Regime:
    """A network and a machine."""

    name: str
    line: float
    """Total bits per second."""
    cpus: int
    downloads: int = 8


REGIMES = (
    Regime("100 Mb/s, 2 CPUs", 100e6, 2),
    Regime("100 Mb/s, 8 CPUs", 100e6, 8),
    Regime("300 Mb/s, 4 CPUs", 300e6, 4),
    Regime("1 Gb/s, 8 CPUs", 1e9, 8),
    Regime("1 Gb/s, 64 CPUs", 1e9, 64),
)


class World:
    """The actual size and duration of each video, which no plan knows."""

    def __init__(self, jobs: Iterable[VideoJob], seed: int) -> None:
        chance = Random(seed)  # noqa: S311 - the same numbers each time
        self.bits: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        for job in jobs:
            lines = job.reference_height or 720
            goes_on = chance.choice((1.0, 1.0, 1.1, 1.5, 3.0))
            richness = math.exp(chance.gauss(0, 0.4))
            self.bits[job.stem] = job.last_second * goes_on * lines * BITS_PER_LINE * richness
            for clip in job.clips:
                self.cpu[clip.stem] = clip.interval.seconds * CPU_SECONDS * lines / 1080

    def bound(self, jobs: Iterable[VideoJob], regime: Regime) -> float:
        """Return the lower bound of the makespan."""
        jobs = list(jobs)
        rate = min(regime.line, regime.downloads * CONNECTION)
        alone = min(regime.line, CONNECTION)
        network = max(
            sum(self.bits[job.stem] for job in jobs) / rate + ASK,
            sum(ASK + self.bits[job.stem] / alone for job in jobs) / regime.downloads,
        )
        longest = max(
            ASK + self.bits[job.stem] / alone + max(self.cpu[clip.stem] for clip in job.clips) for job in jobs
        )
        return max(network, sum(self.cpu.values()) / regime.cpus, longest)


class Line:
    """A bandwidth shared equally by all connections, each of which has its own limit."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left: dict[object, float] = {}
        self._since = 0.0
        self._news = anyio.Event()

    async def carry(self, bits: float) -> None:
        """Return when these bits have been transferred over a separate connection."""
        key = object()
        self._share()
        self._left[key] = bits
        self._tell()
        while True:
            rate = min(CONNECTION, self._rate / len(self._left))
            left = self._left[key]
            if left <= _NOTHING:
                break
            with anyio.move_on_after(left / rate):
                await self._news.wait()
            self._share()
        self._share()
        del self._left[key]
        self._tell()

    def _share(self) -> None:
        now = anyio.current_time()
        if self._left:
            rate = min(CONNECTION, self._rate / len(self._left))
            for key in self._left:
                self._left[key] -= rate * (now - self._since)
        self._since = now

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


class Fake:
    """Both lanes of one run."""

    def __init__(self, world: World, regime: Regime) -> None:
        self._world = world
        self._line = Line(regime.line)

    def expects_existing(self, _job: VideoJob) -> bool:
        """No source video exists."""
        return False

    async def another_is_available(self, _directory: Path, _besides: Collection[str]) -> bool:
        """Return False."""
        return False

    def was_unavailable(self, _job: VideoJob) -> bool:
        """Return False."""
        return False

    async def existing(self, _job: VideoJob) -> None:
        """Return None."""
        return

    async def download(self, job: VideoJob, _directory: Path, permit: Permit) -> bool:
        """Wait for the response, and for the bytes."""
        await anyio.sleep(ASK)
        permit.available()
        permit.succeeded()
        await self._line.carry(self._world.bits[job.stem])
        return True

    async def accept(self, _job: VideoJob, _arrived: bool) -> None:
        """Accept it unchanged."""
        return

    async def discard(self, job: VideoJob, raw: None) -> None:
        """Never called."""

    async def release(self, job: VideoJob, *, keep: bool) -> None:
        """Do nothing."""

    def estimate(self, clip: Clip, _raw: None) -> Callable[[], float]:
        """Return the seconds of its encode."""
        return lambda: self._world.cpu[clip.stem]

    async def cut(self, clip: Clip, _raw: None) -> None:
        """Use a CPU for the time of the encode."""
        await anyio.sleep(self._world.cpu[clip.stem])


@asynccontextmanager
async def _nowhere(_video: Video) -> AsyncIterator[Path]:
    yield Path()


async def _recorded(_job: VideoJob, failure: Failure) -> None:
    raise failure


def makespan(jobs: Iterable[VideoJob], world: World, regime: Regime) -> float:
    """Return the duration of the run, in virtual time."""
    durations: list[float] = []

    async def go() -> None:
        fake, events = Fake(world, regime), EventBus()
        lanes = Lanes(anyio.CapacityLimiter(regime.downloads), anyio.CapacityLimiter(regime.cpus))
        pacing = Pacing(pace=0, cool_down=600)
        parts: PipelineParts[bool, None] = PipelineParts(
            lanes=lanes, throttle=Throttle(lanes.network, lanes.encodes, pacing, events),
            keep_raw=True, downloader=fake, encoder=fake,
            private_directory=_nowhere, record_failure=_recorded, events=events, backoff=float,
        )  # fmt: skip
        pipeline = Pipeline(parts)
        begun = anyio.current_time()
        await pipeline.run(jobs)
        durations.append(anyio.current_time() - begun)

    virtual_time.run(go)
    return durations[0]


Order = Callable[[list["VideoJob"]], list["VideoJob"]]


def as_in_the_tables(jobs: list[VideoJob]) -> list[VideoJob]:
    """Subset by subset, in table order."""
    place = {video: number for number, video in enumerate(tables.read().videos)}
    return sorted(jobs, key=lambda job: place[job.videos[0]])


def longest_first(jobs: list[VideoJob]) -> list[VideoJob]:
    """By the estimate of the plan."""
    return sorted(jobs, key=lambda job: -job.estimate)


def short_ones_first(jobs: list[VideoJob]) -> list[VideoJob]:
    """Order a tenth of them shortest first, so that encodes start soon; then longest first."""
    by_length = longest_first(jobs)
    number = len(jobs) // 10
    return [*reversed(by_length[-number:]), *by_length[:-number]]


def most_to_cut_first(jobs: list[VideoJob]) -> list[VideoJob]:
    """By the duration of their clips."""
    return sorted(jobs, key=lambda job: -sum(clip.interval.seconds for clip in job.clips))


ORDERS: tuple[Order, ...] = (
    plan.in_order, longest_first, short_ones_first, most_to_cut_first, as_in_the_tables,
)  # fmt: skip


def whole_dataset() -> list[VideoJob]:
    """Return all jobs for the bundled tables."""
    return list(plan.make(tables.read(), Options(), there={}, failed={}).jobs)


def ratios(jobs: list[VideoJob], order: Order, regime: Regime, seeds: Iterable[int]) -> list[float]:
    """Return the ratios of makespan and bound, one for each seed."""
    worlds = [World(jobs, seed) for seed in seeds]
    return [makespan(order(jobs), world, regime) / world.bound(jobs, regime) for world in worlds]


def show_orders(jobs: list[VideoJob], orders: Iterable[Order]) -> None:
    """Print each order's mean and worst ratio in each regime."""
    orders = list(orders)
    print(
        f"{'makespan : bound, mean and worst of ' + str(len(SEEDS)):38}",
        *(o.__name__ for o in orders),
        sep="  ",
    )
    for regime in REGIMES:
        bound = mean(World(jobs, seed).bound(jobs, regime) for seed in SEEDS) / 60
        cells = []
        for order in orders:
            found = ratios(jobs, order, regime, SEEDS)
            cells.append(f"{mean(found):.3f} {max(found):.3f}".rjust(max(11, len(order.__name__))))
        print(f"{regime.name:20} bound {bound:5.1f} min ", *cells, sep="  ", flush=True)


def show_widths(jobs: list[VideoJob]) -> None:
    """Print the ratio for many widths of the two lanes, at 1 Gb/s."""
    print("\nmakespan : bound at 1 Gb/s, encodes across, downloads down")
    print(" " * 4, *(f"{encodes:6}" for encodes in WIDTHS))
    for downloads in WIDTHS[:-1]:
        row = (ratios(jobs, plan.in_order, Regime("", 1e9, cpus, downloads), [0])[0] for cpus in WIDTHS)
        print(f"{downloads:4}", *(f"{ratio:6.3f}" for ratio in row), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--orders", action="store_true", help="compare the orders")
    jobs = whole_dataset()
    if parser.parse_args().orders:
        show_orders(jobs, ORDERS)
    else:
        show_orders(jobs, ORDERS[:1])
        show_widths(jobs)


if __name__ == "__main__":
    main()
