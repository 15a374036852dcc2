"""What happens in a run reaches every reader: whole where it counts, the newest where it passes."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from virtual_time import VIRTUAL_TIME

from hdtf_async.core import events
from hdtf_async.core.events import (
    CheckEnded,
    ClipChecked,
    ClipDone,
    ClipFailed,
    ClipRetrying,
    Downloaded,
    DownloadProgress,
    DownloadStarted,
    EncodeProgress,
    EncodeStarted,
    Event,
    EventBus,
    FileNotUsed,
    FormatChosen,
    Found,
    LaneClosed,
    LaneOpened,
    PaceWait,
    RawReady,
    Retrying,
    RunEnded,
    RunStarted,
    VideoAsked,
    VideoFailed,
    VideoUnconfirmed,
    WindingDown,
    WorkersChanged,
)
from hdtf_async.core.failures import Reason

if TYPE_CHECKING:
    from virtual_time import Backend

ONE_OF_EACH: list[Event] = [
    RunStarted(3, 5, 120.5, 2, 8, 4, 10_000, 12.0),
    DownloadStarted("RD_Radio1", "CPCoMyuBRM0", 1, 5000),
    FormatChosen(
        "RD_Radio1",
        "136",
        720,
        29.97,
        None,
        (("400", "high dynamic range"), ("22", "damaged")),
        "140",
        "en-US",
        True,
        False,
    ),
    DownloadProgress("RD_Radio1", 10, None, 2.5),
    Downloaded("RD_Radio1", 3.25),
    RawReady("RD_Radio1", "youtube", 100, 3.5),
    Retrying("RD_Radio1", Reason.NETWORK, "ERROR: timed out", 10.0, 1),
    VideoFailed("RD_Radio1", "CPCoMyuBRM0", Reason.PRIVATE, 'words "in quotes"\nand lines', 2),
    VideoUnconfirmed("RD_Radio1", "CPCoMyuBRM0", "Video unavailable"),
    FileNotUsed("RD_Radio1", "RD_Radio1.wmv", "it is cut off"),
    VideoAsked("RD_Radio1", "CPCoMyuBRM0", "136", 720, True),
    PaceWait(600.0, 240),
    LaneClosed(Reason.REFUSED, "not a bot", 600.0, 0),
    LaneOpened(612.5),
    WindingDown(2, 60.0),
    WorkersChanged(3, 12, 6),
    EncodeStarted("RD_Radio1_000", 30.0),
    EncodeProgress("RD_Radio1_000", 12.5),
    ClipRetrying("RD_Radio1_000", Reason.ENCODE_STALLED, "no progress for 120 s", 10.0, 1),
    ClipChecked("RD_Radio1_000", 30.0, False),
    Found("RD_Radio1_000.mp4", "wrong", "it has 10 bytes where 1000 are recorded"),
    CheckEnded(1, 10, {"wrong": 1}, 0, None, 2.5),
    ClipDone("RD_Radio1_000", "RD_Radio1_000.mp4", 30.0, 1000, 2.5, 0.0),
    ClipFailed("RD_Radio1_001", Reason.CLIP_WRONG, "", with_video=False),
    RunEnded(75, 4, 2, {"network": 1}, None, 99.9, ("1/2",)),
]


@pytest.fixture
def anyio_backend() -> Backend:
    """A reader that waits for nothing is an error here, not a test that hangs."""
    return VIRTUAL_TIME


def _kinds() -> list[type[Event]]:
    return [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]


def test_every_kind_is_looked_at() -> None:
    """A new kind of event has to be added to the examples of this file."""
    assert {type(event) for event in ONE_OF_EACH} == set(_kinds()) - {Event}


def test_every_kind_has_a_name_of_its_own() -> None:
    """Programs tell the events apart by it."""
    names = [event.type for event in ONE_OF_EACH]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names)


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_is_one_json_object(event: Event) -> None:
    """Its type comes first, then its fields: reasons are plain words, tuples lists, and nothing is lost."""
    text = json.dumps(event.to_json(), allow_nan=False)
    assert "\n" not in text
    told: dict[str, Any] = json.loads(text)
    assert list(told) == ["type", *(field.name for field in fields(event))]
    assert told["type"] == event.type
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Reason):
            assert told[field.name] == value.value
        elif isinstance(value, tuple):
            assert told[field.name] == [list(each) if isinstance(each, tuple) else each for each in value]
        else:
            assert told[field.name] == value


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_is_a_fixed_fact(event: Event) -> None:
    """Several readers share one object, so nobody can change it, and none is made by half."""
    name = fields(event)[0].name
    with pytest.raises(AttributeError):
        setattr(event, name, "something else")
    assert all(field.default is MISSING and field.default_factory is MISSING for field in fields(event))


async def _all_of(reader: events.Reader) -> list[Event]:
    return [event async for event in reader]


async def test_everybody_who_listens_gets_every_event() -> None:
    """Two readers and a listener see the same, in the order in which it was told."""
    told, heard = EventBus(), list[Event]()
    told.subscribe(heard.append)
    readers = [told.reader(), told.reader()]
    for event in ONE_OF_EACH:
        told.emit(event)
    told.end()
    assert heard == ONE_OF_EACH
    # The progress of this download was over before anybody read.
    read = [event for event in ONE_OF_EACH if not event.passing]
    assert [await _all_of(reader) for reader in readers] == [read, read]


async def test_who_reads_in_time_gets_every_progress() -> None:
    """Nothing is dropped for a reader that keeps up."""
    told = EventBus()
    reader, seen = told.reader(), list[Event]()

    async def read() -> None:
        async for event in reader:
            seen.append(event)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for event in ONE_OF_EACH:
            told.emit(event)
            await anyio.wait_all_tasks_blocked()
        told.end()
    assert seen == ONE_OF_EACH


async def test_of_progress_a_slow_reader_gets_the_newest() -> None:
    """One for each video and clip under way, however much was told meanwhile."""
    told = EventBus()
    reader = told.reader()
    for step in range(10_000):
        told.emit(DownloadProgress("RD_A", step, None, None))
        told.emit(DownloadProgress("RD_B", 2 * step, None, None))
        told.emit(EncodeProgress("RD_C_000", float(step)))
    told.end()
    assert await _all_of(reader) == [
        DownloadProgress("RD_A", 9999, None, None),
        DownloadProgress("RD_B", 19998, None, None),
        EncodeProgress("RD_C_000", 9999.0),
    ]


async def test_no_progress_comes_after_what_it_led_to() -> None:
    """What is over has no progress any more; the second attempt's is not taken for the first's."""
    told = EventBus()
    reader = told.reader()
    retrying = Retrying("RD_A", Reason.NETWORK, "", 1.0, 1)
    done = ClipDone("RD_A_000", "RD_A_000.mp4", 1.0, 1, 1.0, 0.0)
    for event in (
        DownloadProgress("RD_A", 900, 1000, None),
        EncodeProgress("RD_A_000", 1.0),
        retrying,
        done,
        DownloadProgress("RD_A", 5, 1000, None),
    ):
        told.emit(event)
    told.end()
    assert await _all_of(reader) == [retrying, done, DownloadProgress("RD_A", 5, 1000, None)]


async def test_outcomes_are_never_dropped_and_an_absent_reader_keeps_no_progress_for_them() -> None:
    """Of 10,000 clips that nobody read about, each outcome is there once, and nothing besides."""
    told = EventBus()
    reader = told.reader()
    for number in range(10_000):
        told.emit(EncodeProgress(f"RD_A_{number}", 0.5))
        told.emit(ClipDone(f"RD_A_{number}", "", 1.0, 1, 1.0, 0.0))
    told.end()
    seen = await _all_of(reader)
    assert [event.clip for event in seen if isinstance(event, ClipDone)] == [
        f"RD_A_{number}" for number in range(10_000)
    ]
    assert len(seen) == 10_000


async def test_telling_waits_for_nobody() -> None:
    """A reader that takes an hour for each event does not hold up the clock of the one who tells."""
    told = EventBus()
    reader, seen = told.reader(), list[Event]()

    async def read_slowly() -> None:
        async for event in reader:
            seen.append(event)
            await anyio.sleep(3600)

    async with anyio.create_task_group() as group:
        group.start_soon(read_slowly)
        await anyio.sleep(1)
        for number in range(100):
            told.emit(ClipFailed(f"RD_A_{number}", Reason.NETWORK, "", with_video=False))
        assert anyio.current_time() == 1
        told.end()
    assert len(seen) == 100


async def test_iteration_ends_with_the_run() -> None:
    """Also where nothing ever happened, and for one who is waiting just then."""
    told = EventBus()
    early, late = told.reader(), told.reader()
    seen: list[list[Event]] = []

    async def read() -> None:
        seen.append(await _all_of(early))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.sleep(1)
        told.end()
    assert seen == [[]]
    assert await _all_of(late) == []
    assert await _all_of(late) == []


async def test_a_reader_may_be_left_and_taken_up_again() -> None:
    """Waiting can be cancelled, and nothing is lost by it; two tasks may share one reader."""
    told = EventBus()
    reader = told.reader()
    with anyio.move_on_after(5) as scope:
        await anext(reader)
    assert scope.cancelled_caught
    seen: list[Event] = []

    async def read() -> None:
        seen.append(await anext(reader))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(read)
        await anyio.sleep(1)
        told.emit(ONE_OF_EACH[0])
        await anyio.sleep(1)
        told.emit(ONE_OF_EACH[1])
    assert seen == ONE_OF_EACH[:2]
