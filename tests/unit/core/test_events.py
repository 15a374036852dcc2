"""Events reach every reader: all of them, except that only the newest progress is kept."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from example_events import ONE_OF_EACH
from virtual_time import VIRTUAL_TIME

from hdtf_async.core import events
from hdtf_async.core.event_bus import EventBus, Reader
from hdtf_async.core.events import (
    ClipDone,
    ClipFailed,
    DownloadProgress,
    EncodeProgress,
    Event,
    Retrying,
)
from hdtf_async.core.failures import Reason

if TYPE_CHECKING:
    from virtual_time import Backend


@pytest.fixture
def anyio_backend() -> Backend:
    """A reader that waits forever is an error here, and not a test that hangs."""
    return VIRTUAL_TIME


def _kinds() -> list[type[Event]]:
    return [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]


def test_every_kind_has_an_example() -> None:
    """A new kind of event must be added to the examples of this file."""
    assert {type(event) for event in ONE_OF_EACH} == set(_kinds()) - {Event}


def test_every_kind_has_a_unique_name() -> None:
    """Programs distinguish the events by it."""
    names = [event.type for event in ONE_OF_EACH]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names)


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_is_one_json_object(event: Event) -> None:
    """Its type comes first, then its fields: reasons are strings, tuples are lists, and no field is lost."""
    text = json.dumps(event.to_json(), allow_nan=False)
    assert "\n" not in text
    record: dict[str, Any] = json.loads(text)
    assert list(record) == ["type", *(field.name for field in fields(event))]
    assert record["type"] == event.type
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Reason):
            assert record[field.name] == value.value
        elif isinstance(value, tuple):
            assert record[field.name] == [list(each) if isinstance(each, tuple) else each for each in value]
        else:
            assert record[field.name] == value


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_is_immutable_and_complete(event: Event) -> None:
    """Several readers share one object, so it is immutable, and all fields are required."""
    name = fields(event)[0].name
    with pytest.raises(AttributeError):
        setattr(event, name, "something else")
    assert all(field.default is MISSING and field.default_factory is MISSING for field in fields(event))


async def _all_of(reader: Reader) -> list[Event]:
    return [event async for event in reader]


async def test_every_reader_gets_every_event() -> None:
    """Two readers and a listener get the same events, in order of emission."""
    bus, received = EventBus(), list[Event]()
    bus.subscribe(received.append)
    readers = [bus.reader(), bus.reader()]
    for event in ONE_OF_EACH:
        bus.emit(event)
    bus.end()
    assert received == ONE_OF_EACH
    # The progress of this download was outdated before the first read.
    read = [event for event in ONE_OF_EACH if not event.superseded]
    assert [await _all_of(reader) for reader in readers] == [read, read]


async def test_a_fast_reader_gets_every_progress() -> None:
    """No event is dropped for a reader that keeps up."""
    bus = EventBus()
    reader, seen = bus.reader(), list[Event]()

    async def read() -> None:
        async for event in reader:
            seen.append(event)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for event in ONE_OF_EACH:
            bus.emit(event)
            await anyio.wait_all_tasks_blocked()
        bus.end()
    assert seen == ONE_OF_EACH


async def test_a_slow_reader_gets_the_newest_progress() -> None:
    """One for each running video and clip, however many were emitted meanwhile."""
    bus = EventBus()
    reader = bus.reader()
    for step in range(10_000):
        bus.emit(DownloadProgress("RD_A", step, None, None))
        bus.emit(DownloadProgress("RD_B", 2 * step, None, None))
        bus.emit(EncodeProgress("RD_C_000", float(step)))
    bus.end()
    assert await _all_of(reader) == [
        DownloadProgress("RD_A", 9999, None, None),
        DownloadProgress("RD_B", 19998, None, None),
        EncodeProgress("RD_C_000", 9999.0),
    ]


async def test_no_progress_follows_its_outcome() -> None:
    """Finished work has no progress any more; the second attempt's is not mistaken for the first's."""
    bus = EventBus()
    reader = bus.reader()
    retrying = Retrying("RD_A", Reason.NETWORK, "", 1.0, 1)
    done = ClipDone("RD_A_000", "RD_A_000.mp4", 1.0, 1, 1.0, 0.0)
    for event in (
        DownloadProgress("RD_A", 900, 1000, None),
        EncodeProgress("RD_A_000", 1.0),
        retrying,
        done,
        DownloadProgress("RD_A", 5, 1000, None),
    ):
        bus.emit(event)
    bus.end()
    assert await _all_of(reader) == [retrying, done, DownloadProgress("RD_A", 5, 1000, None)]


async def test_outcomes_are_never_dropped_and_outdated_progress_is() -> None:
    """Of 10,000 unread clips, each outcome is queued once, and no other event."""
    bus = EventBus()
    reader = bus.reader()
    for number in range(10_000):
        bus.emit(EncodeProgress(f"RD_A_{number}", 0.5))
        bus.emit(ClipDone(f"RD_A_{number}", "", 1.0, 1, 1.0, 0.0))
    bus.end()
    seen = await _all_of(reader)
    assert [event.clip for event in seen if isinstance(event, ClipDone)] == [
        f"RD_A_{number}" for number in range(10_000)
    ]
    assert len(seen) == 10_000


async def test_emitting_does_not_wait_for_readers() -> None:
    """A reader that takes an hour for each event does not delay the emitter."""
    bus = EventBus()
    reader, seen = bus.reader(), list[Event]()

    async def read_slowly() -> None:
        async for event in reader:
            seen.append(event)
            await anyio.sleep(3600)

    async with anyio.create_task_group() as group:
        group.start_soon(read_slowly)
        await anyio.sleep(1)
        for number in range(100):
            bus.emit(ClipFailed(f"RD_A_{number}", Reason.NETWORK, "", with_video=False))
        assert anyio.current_time() == 1
        bus.end()
    assert len(seen) == 100


async def test_iteration_ends_with_the_run() -> None:
    """Also if no event was ever emitted, and for a waiting reader."""
    bus = EventBus()
    early, late = bus.reader(), bus.reader()
    seen: list[list[Event]] = []

    async def read() -> None:
        seen.append(await _all_of(early))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.sleep(1)
        bus.end()
    assert seen == [[]]
    assert await _all_of(late) == []
    assert await _all_of(late) == []


async def test_a_reader_can_be_interrupted_and_resumed() -> None:
    """Waiting can be cancelled without losing events; two tasks may share one reader."""
    bus = EventBus()
    reader = bus.reader()
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
        bus.emit(ONE_OF_EACH[0])
        await anyio.sleep(1)
        bus.emit(ONE_OF_EACH[1])
    assert seen == ONE_OF_EACH[:2]
