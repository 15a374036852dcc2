"""How many downloads run at a time: the measurement, the decision, and whole runs over simulated lines."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import anyio
import pytest
from lines import Run, Setting, alternating, mean_seconds
from virtual_time import VIRTUAL_TIME

from hdtf_async.lanes.throughput import STALLED, STARTING, Measured, ThroughputMeter
from hdtf_async.lanes.transfers import TransferLimiter
from hdtf_async.lanes.width import LATER, SOON, DownloadWidth

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtual_time import Backend

SEEDS = (0, 1)
BOTH = Setting("12.5 MB/s in all, 5 for each connection", 12.5, 5, videos=8)


@pytest.fixture
def anyio_backend() -> Backend:
    """Hours take milliseconds here."""
    return VIRTUAL_TIME


# The measurement.


def _reports(
    meter: ThroughputMeter, rates: dict[str, float], since: float, until: float
) -> list[Measured | None]:
    """Let downloads report twice a second, each half a report later than the one before."""
    found = []
    moments = [
        (since + 0.5 * step + 0.25 * place / len(rates), name)
        for step in range(1, round((until - since) * 2) + 1)
        for place, name in enumerate(rates)
    ]
    for moment, name in sorted(moments):
        found.append(meter.receive(name, rates[name] / 2, None, moment))
    return found


def test_what_the_same_downloads_bring_is_measured_soon() -> None:
    """Within a second and a half of their first bytes, and then again and again."""
    meter = ThroughputMeter()
    for name in "ab":
        meter.begin(name, 0)
    found = [each for each in _reports(meter, {"a": 2e6, "b": 3e6}, 0, 1.5) if each]
    assert found
    for each in found:
        assert each.transfers == 2
        assert each.rate == pytest.approx(5e6)


def test_a_download_that_joins_begins_a_new_measurement() -> None:
    """What came before is not mixed with what comes after."""
    meter = ThroughputMeter()
    meter.begin("a", 0)
    assert [each.rate for each in _reports(meter, {"a": 4e6}, 0, 3) if each] == [pytest.approx(4e6)] * 4
    meter.begin("b", 3)
    found = [each for each in _reports(meter, {"a": 2e6, "b": 2e6}, 3, 6) if each]
    assert {each.transfers for each in found[1:]} == {2}
    assert found[-1].rate == pytest.approx(4e6)
    meter.end("b", 6)
    found = [each for each in _reports(meter, {"a": 4e6}, 6, 8) if each]
    assert found[-1].transfers == 1
    assert found[-1].rate == pytest.approx(4e6)


def test_downloads_that_soon_end_are_measured_with_the_gaps_between_them() -> None:
    """Each takes half a second to start and brings its megabyte in another half: a megabyte a second."""
    meter, found = ThroughputMeter(), list[Measured]()
    for number in range(12):
        meter.begin(number, number)
        measured = meter.receive(number, 5e5, 5e5, number + 0.5)
        measured = meter.receive(number, 5e5, 0, number + 1) or measured
        meter.end(number, number + 1)
        found += [measured] if measured else []
    assert len(found) >= 3
    for each in found:
        assert each.transfers == pytest.approx(1)
        assert each.rate == pytest.approx(1e6, rel=0.2)


def test_a_download_without_data_stops_counting() -> None:
    """While it starts and while it seems to, but not for ever; with data again it counts again."""
    meter = ThroughputMeter()
    meter.begin("silent", 0)
    assert meter.running(STARTING - 0.1) == 1
    assert meter.changes_at() == STARTING
    assert meter.running(STARTING) == 0
    meter.begin("a", 5)
    meter.receive("a", 1e6, None, 6)
    assert meter.running(6 + STALLED - 0.1) == 1
    assert meter.running(6 + STALLED) == 0
    assert meter.changes_at() == math.inf
    meter.receive("a", 1e6, None, 20)
    assert meter.running(20) == 1


def test_a_stalled_download_is_left_out_of_the_measurement() -> None:
    """The other one is measured alone."""
    meter = ThroughputMeter()
    for name in "ab":
        meter.begin(name, 0)
    _reports(meter, {"a": 1e6, "b": 1e6}, 0, 2)
    found = [each for each in _reports(meter, {"a": 2e6}, 2, 9) if each]
    assert found[-1].transfers == 1
    assert found[-1].rate == pytest.approx(2e6)


def test_a_download_about_to_end_makes_room_for_the_next_one() -> None:
    """Its successor starts meanwhile; it still counts as one that uses the line."""
    meter = ThroughputMeter()
    meter.begin("a", 0)
    for step in range(1, 10):
        meter.receive("a", 1e6, (10 - step) * 1e6, step)
        assert (meter.running(step), meter.running(step, ending=False)) == (1, step < 9)


def test_bytes_that_fall_back_count_for_nothing() -> None:
    """A download that begins anew reports fewer bytes than before; one that is not known, nothing."""
    meter = ThroughputMeter()
    meter.begin("a", 0)
    assert meter.receive("a", -5, None, 1) is None
    assert meter.receive("b", 5, None, 1) is None
    assert meter.running(STARTING) == 0


# The decision.


class _Driver:
    """Downloads without an end, as many as may run, over a line whose throughput is a function of them."""

    def __init__(self, total: Callable[[int, float], float], first: int = 2, most: int = 16) -> None:
        self.width = DownloadWidth(first)
        self.running: list[int] = []
        self.limits: list[int] = []
        self._total, self._most = total, most
        self._now, self._number = 0.0, 0

    def go(self, seconds: float, ends_every: float = math.inf) -> None:
        """Let time pass; with `ends_every`, the oldest download ends and another may take its place."""
        until, end = self._now + seconds, self._now + ends_every
        while self._now < until - 1e-9:
            self._now += 0.5
            rate = self._total(len(self.running), self._now) / max(1, len(self.running))
            for key in self.running:
                self.width.receive(key, rate / 2, None, self._now)
            if self._now >= end and self.running:
                self.width.end(self.running.pop(0), self._now)
                end += ends_every
            while len(self.running) < self._most and self.width.allows(self._now):
                self._number += 1
                self.width.begin(self._number, self._now)
                self.width.receive(self._number, 1, None, self._now)
                self.running.append(self._number)
            self.limits.append(self.width.limit)


def test_all_may_run_where_the_server_limits_each_connection() -> None:
    """Within ten seconds there are as many as there are videos."""
    driver = _Driver(lambda number, _: number * 1e6)
    driver.go(10)
    assert len(driver.running) == 16


@pytest.mark.parametrize("needed", [1, 2, 3, 5])
def test_no_more_run_than_the_line_needs(needed: int) -> None:
    """After a minute there are no more than what takes all of the line, but for one that is tried."""
    driver = _Driver(lambda number, _: min(needed, number) * 1e6)
    driver.go(60, ends_every=3)
    assert max(2, needed) <= driver.width.limit <= max(2, needed) + 1
    assert len(driver.running) <= max(2, needed) + 1


def test_it_notices_when_the_line_becomes_wider() -> None:
    """One more is tried in any case every minute, and then more and more."""
    wide = 120.0
    driver = _Driver(lambda number, now: min(2 if now < wide else 50, number) * 1e6)
    driver.go(wide, ends_every=5)
    assert driver.width.limit <= 3
    driver.go(LATER + 10, ends_every=5)
    assert len(driver.running) == 16


def test_it_notices_at_once_when_each_connection_becomes_slower() -> None:
    """The throughput falls, and more downloads bring it back."""
    driver = _Driver(lambda number, now: min(10, number * (5 if now < 60 else 1)) * 1e6)
    driver.go(60, ends_every=5)
    assert driver.width.limit <= 3
    driver.go(15, ends_every=5)
    assert len(driver.running) >= 8


def test_it_notices_when_fewer_would_do() -> None:
    """The line becomes slower, each connection does not: in the end two bring as much as six."""
    driver = _Driver(lambda number, now: min(6 if now < 60 else 2, number) * 1e6)
    driver.go(60, ends_every=3)
    assert driver.width.limit >= 6
    driver.go(4 * SOON, ends_every=3)
    assert min(driver.limits[-8:]) <= 3


def test_where_nobody_receives_anything_another_one_may_always_start() -> None:
    """Stalled downloads block nobody, however many there are."""
    driver = _Driver(lambda _number, now: 1e6 if now < 20 else 0.0, most=8)
    driver.go(20)
    assert driver.width.limit == 2
    driver.go(8 * STARTING)
    assert len(driver.running) == 8


# Whole runs over simulated lines.


def test_a_small_run_over_a_saturated_line_takes_no_longer_than_with_the_best_number() -> None:
    """And much less than with eight downloads at a time, which all end late."""
    fixed = {number: mean_seconds(BOTH, SEEDS, downloads=number, adaptive=False) for number in (2, 3, 4, 8)}
    adaptive = mean_seconds(BOTH, SEEDS, downloads=8, adaptive=True)
    assert adaptive <= 1.05 * min(fixed.values())
    assert adaptive <= 0.87 * fixed[8]


def test_videos_arrive_one_after_the_other_on_a_saturated_line() -> None:
    """The first one long before it would with all at a time, the last one no later."""
    adaptive, fixed = (Run(BOTH, 0, downloads=8, adaptive=which) for which in (True, False))
    adaptive.seconds(), fixed.seconds()
    early, late = sorted(adaptive.arrived.values()), sorted(fixed.arrived.values())
    assert early[0] < 0.7 * late[0]
    assert early[3] < 0.8 * late[3]
    assert early[-1] < 1.1 * late[-1]


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(
            Setting("each connection is limited", 100, 1.5, videos=24, cpu_seconds=4), marks=pytest.mark.slow
        ),
        pytest.param(
            Setting("in total, cheap encodes", 12.5, videos=24, cpu_seconds=2), marks=pytest.mark.slow
        ),
        pytest.param(
            Setting("each connection varies", 12.5, alternating(10, 1.5), videos=24), marks=pytest.mark.slow
        ),
        pytest.param(
            Setting("the whole line varies", alternating(12.5, 3), videos=16), marks=pytest.mark.slow
        ),
        pytest.param(Setting("one in three stalls", 12.5, videos=24, stalling=0.3), marks=pytest.mark.slow),
        pytest.param(Setting("servers differ", 12.5, 5, videos=24, spread=0.5), marks=pytest.mark.slow),
        Setting("small videos", 12.5, 1, videos=24, megabytes=(5, 9), cpu_seconds=1.2),
    ],
    ids=lambda setting: str(setting.name),
)
def test_it_costs_little_on_any_line(setting: Setting) -> None:
    """A run takes at most an eighth longer than with as many downloads as possible, and mostly less."""
    fixed, adaptive = (mean_seconds(setting, SEEDS, downloads=8, adaptive=which) for which in (False, True))
    assert adaptive <= 1.125 * fixed


@pytest.mark.parametrize("connection", [5, 1.5])
def test_it_costs_nothing_where_the_pace_spaces_the_starts(connection: float) -> None:
    """Every video arrives when it would without."""
    setting = Setting("paced", 100, connection, videos=12, pace=15)
    runs = [Run(setting, 0, downloads=8, adaptive=which) for which in (True, False)]
    assert runs[0].seconds() == runs[1].seconds()
    assert runs[0].arrived == pytest.approx(runs[1].arrived, abs=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_no_run_starves(seed: int) -> None:
    """On whatever line, with stalls, it ends, and not much later than with as many as possible."""
    chance = Random(seed)  # noqa: S311 - the same numbers each time
    total = chance.choice((2.5, 5, 12.5, 60))
    connection = total / chance.uniform(1, 8)
    setting = Setting(
        "random",
        alternating(total, total * chance.uniform(0.2, 3), chance.uniform(5, 40)),
        alternating(connection, connection * chance.uniform(0.2, 3), chance.uniform(5, 40)),
        videos=12, megabytes=chance.choice(((5, 9), (20, 80))), cpu_seconds=chance.uniform(0.5, 10),
        cpus=chance.choice((1, 2, 4)), noise=0.3, spread=0.4, stalling=chance.choice((0, 0.3)),
    )  # fmt: skip
    fixed, adaptive = (Run(setting, seed, downloads=8, adaptive=which).seconds() for which in (False, True))
    assert adaptive <= 1.3 * fixed + 10


# The limiter.


async def test_downloads_begin_in_the_order_in_which_they_are_ready() -> None:
    """Those that wait begin one after the other, as others end."""
    limiter, begun = TransferLimiter(1), list[int]()

    async def transfer(number: int) -> None:
        if not limiter.allows():
            await limiter.wait()
        with limiter.running(number):
            begun.append(number)
            for _ in range(4):
                await anyio.sleep(0.5)
                limiter.received(number, 1_000_000, 100_000_000)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(transfer, number)
            await anyio.sleep(0.01)
        assert begun == [0]
        assert not limiter.allows()
    assert begun == [0, 1, 2, 3, 4]


async def test_whoever_stops_waiting_blocks_nobody() -> None:
    """The next one takes its place."""
    limiter, begun = TransferLimiter(1), list[str]()

    async def wait(name: str) -> None:
        await limiter.wait()
        begun.append(name)

    async with anyio.create_task_group() as tasks, anyio.create_task_group() as cancelled:
        with limiter.running("first"):
            limiter.received("first", 1000, None)
            cancelled.start_soon(wait, "cancelled")
            await anyio.sleep(0.1)
            tasks.start_soon(wait, "second")
            await anyio.sleep(0.1)
            cancelled.cancel_scope.cancel()
    assert begun == ["second"]
