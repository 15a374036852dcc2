"""Which worker of a cluster has which video, and what becomes of those of a worker that is lost."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import Mock

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loading import write_tables

import hdtf_async
from hdtf_async import BusyError, ExitCode, Options
from hdtf_async.cluster.assignments import Roster
from hdtf_async.cluster.channel import Wire
from hdtf_async.cluster.messages import (
    event_of,
    failure_of,
    for_workers,
    known_of,
    stated_failure,
    stated_work,
    work_of,
)
from hdtf_async.cluster.worker_handle import AsOne, Hired
from hdtf_async.core import events
from hdtf_async.core.events import DownloadProgress, EncodeProgress, EncodeStarted
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.core.shards import Shard
from hdtf_async.dataset.plan import VideoJob
from hdtf_async.output import locks
from hdtf_async.output.directory import opened
from hdtf_async.output.journal import JournalIndex

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.core.jsonlines import Record


def work(number: int, clips: int = 2) -> VideoJob:
    """Return a video with some clips."""
    video = Video("RD", f"Speaker{number}", f"{number:011d}", 720)
    boxed = [Clip(video, index, Interval(index, index + 0.5), Box(0, 0, 64, 64)) for index in range(clips)]
    return VideoJob((video,), tuple(boxed))


def roster(videos: int, workers: str) -> Roster:
    """Return a roster with so many videos and a worker for each letter, none of which has asked."""
    made = Roster()
    made.add(map(work, range(videos)))
    for worker in workers:
        made.joined(worker)
    return made


def handed(made: Roster) -> list[tuple[str, str]]:
    """Hand out what can be; return who got which video."""
    return [(worker, work.stem) for worker, _, work in made.handed()]


def test_who_asks_first_leaves_the_others_their_part() -> None:
    """Of six videos for two workers the first gets three, however many it has asked for."""
    made = roster(6, "ab")
    for number in range(12):
        made.asks("a", number)
    assert handed(made) == [("a", f"RD_Speaker{number}") for number in range(3)]
    for number in range(12):
        made.asks("b", number)
    assert handed(made) == [("b", f"RD_Speaker{number}") for number in range(3, 6)]
    assert not made.is_over


def test_a_lost_worker_costs_its_videos_a_try_and_no_clip() -> None:
    """They are the next ones, without the clips that are recorded; what others have stays there."""
    made = roster(4, "ab")
    for worker in "aabb":
        made.asks(worker, 1)
    handed(made)
    made.settled("RD_Speaker0_000")
    again, given_up = made.lost("a")
    assert [each.stem for each in again] == ["RD_Speaker0", "RD_Speaker2"]
    assert [clip.stem for clip in again[0].clips] == ["RD_Speaker0_001"]
    assert given_up == []
    made.asks("b", 2)
    made.asks("b", 3)
    assert handed(made) == [("b", "RD_Speaker0"), ("b", "RD_Speaker2")]


def test_a_video_that_takes_every_worker_down_is_given_up() -> None:
    """After as many as its reason has tries, and the others are done meanwhile."""
    made = roster(1, "")
    for number in range(Reason.WORKER_LOST.advice.tries):
        worker = f"worker {number}"
        made.joined(worker)
        made.asks(worker, 1)
        assert handed(made)
        again, given_up = made.lost(worker)
    assert again == []
    assert [each.stem for each in given_up] == ["RD_Speaker0"]
    assert made.is_over


def test_a_video_of_which_all_is_recorded_is_over_with_its_worker() -> None:
    """Only its last word was lost."""
    made = roster(1, "a")
    made.asks("a", 1)
    handed(made)
    for stem in ("RD_Speaker0_000", "RD_Speaker0_001"):
        made.settled(stem)
    assert made.lost("a") == ([], [])
    assert made.is_over


def test_a_video_that_is_through_is_not_handed_out_again() -> None:
    """Unless that is asked for; and of its clips nothing is kept in mind."""
    made = roster(2, "a")
    made.asks("a", 1)
    assert handed(made) == [("a", "RD_Speaker0")]
    made.settled("RD_Speaker0_000")
    made.finished("a", work(0).youtube_id, again=True)
    assert made._settled == {"RD_Speaker0_000"}
    made.asks("a", 2)
    ((_, _, again),) = made.handed()
    assert [clip.stem for clip in again.clips] == ["RD_Speaker0_001"]
    made.settled("RD_Speaker0_001")
    made.finished("a", again.youtube_id)
    assert "RD_Speaker0_001" not in made._settled
    made.asks("a", 3)
    assert handed(made) == [("a", "RD_Speaker1")]
    made.finished("a", work(1).youtube_id)
    assert made.is_over


def test_a_worker_is_told_what_is_known_of_its_video_and_of_no_other(tmp_path: Path) -> None:
    """Its source videos, and the clips and failures of those that are still to make."""
    known = JournalIndex(tmp_path)
    records: list[Record] = [
        {"type": "raw", "youtube_id": work(number).youtube_id, "file": f"{number}.mp4", "bytes": 1,
         "resolution": "reference"} for number in (0, 1)
    ]  # fmt: skip
    records += [
        {"type": "clip", "clip": f"RD_Speaker{number}_000", "metadata": {}, "form": {}} for number in (0, 1)
    ]
    records += [
        {"type": "failed", "clip": f"RD_Speaker{number}_001", "reason": "private"} for number in (0, 1)
    ]
    for record in records:
        known.take(record)
    assert known_of(work(0), known) == records[::2]
    assert known_of(work(0, clips=1), known) == [records[0], records[2]]
    assert known_of(work(2), known) == []


def test_once_closed_nothing_is_handed_out_and_nothing_comes_back() -> None:
    """As when the run winds down."""
    made = roster(4, "ab")
    made.asks("a", 1)
    handed(made)
    made.close()
    made.asks("b", 2)
    assert handed(made) == []
    made.lost("a")
    assert made.is_over


@given(
    videos=st.integers(1, 12),
    script=st.lists(st.tuples(st.sampled_from(["asks", "done", "again", "lost", "left"]), st.integers(0, 3))),
)
def test_whatever_happens_each_video_is_waiting_or_with_one_worker_or_through(  # noqa: C901
    videos: int, script: list[tuple[str, int]]
) -> None:
    """And in the end all are through, if anybody goes on."""
    made, through, holds = roster(videos, ""), set[str](), dict[str, str]()
    for number in range(4):
        made.joined(f"{number}")
    end = [("asks", 0), ("done", 0)] * 2 * videos
    others = [(what, number) for number in (1, 2, 3) for what in ("left",)]
    for what, number in [*script, *others, *end]:
        worker = f"{number}"
        mine = [stem for stem, of in holds.items() if of == worker]
        if what == "asks":
            made.joined(worker)
            made.asks(worker, 1)
        elif what in {"done", "again"} and mine:
            made.finished(worker, f"{int(mine[0].removeprefix('RD_Speaker')):011d}", again=what == "again")
            del holds[mine[0]]
            if what == "done":
                through.add(mine[0])
        elif what == "left":
            made.left(worker)
            for stem in mine:
                del holds[stem]
        elif what == "lost":
            _, given_up = made.lost(worker)
            through |= {each.stem for each in given_up}
            for stem in mine:
                del holds[stem]
        for receiver, stem in handed(made):
            assert stem not in holds
            assert stem not in through
            holds[stem] = receiver
    assert len(through) == videos
    assert made.is_over


# What travels.


def test_what_is_to_be_done_arrives_as_it_was() -> None:
    """As JSON takes it, with all that a clip may have."""
    sent = work(1)
    clip = replace(sent.clips[0], zoom=1.2, correction="verified", segment=3)
    sent = replace(sent, clips=(clip, *sent.clips[1:]), attempt=2)
    assert work_of(stated_work(sent)) == sent


@pytest.mark.parametrize(
    "event",
    [
        events.FormatChosen("RD_a", "136", 720, 25.0, None, (("22", "too small"),), None, None, None, False),
        events.VideoFailed("RD_a", "x", Reason.PRIVATE, "gone", 2),
        events.LaneClosed(Reason.REFUSED, "robot", None, 3),
        events.ClipDone("RD_a_000", "RD_a_000.mp4", 1.0, 2, 3.0, 0.0),
    ],
)
def test_an_event_arrives_as_it_was(event: events.Event) -> None:
    """With its reason as a reason, so that it counts at the driver as it would have counted here."""
    assert event_of(event.to_json()) == event


def test_a_failure_arrives_as_it_was() -> None:
    """Or none does."""
    told = failure_of(stated_failure(Failure(Reason.DISK_FULL, "full")))
    assert told is not None
    assert (told.reason, told.words) == (Reason.DISK_FULL, "full")
    assert failure_of(stated_failure(None)) is None


def test_workers_get_paths_that_hold_in_their_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the scheduler, else each would begin a run of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cookies.txt").touch()
    told = Options(
        cookies=tmp_path.joinpath("cookies.txt").relative_to(tmp_path),
        raw_dirs=(tmp_path.relative_to(tmp_path.parent),),
        dask="tcp://host:8786",
    )
    made = for_workers(told)
    assert made.cookies == tmp_path / "cookies.txt"
    assert all(path.is_absolute() for path in made.raw_dirs)
    assert made.dask is None


@pytest.mark.parametrize("address", ["host:8786", "tcp://10.0.0.1:8786", "tls://[::1]:8786"])
def test_an_address_is_taken(address: str) -> None:
    """As Dask's own programs print it, or without the protocol."""
    assert Options(dask=address).dask == address


@pytest.mark.parametrize("address", ["", "host", "tcp://host", "/path/to/file", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Before anything is done."""
    with pytest.raises(OptionsError, match=r"^--dask .*: expected the address of a Dask scheduler"):
        Options(dask=address)


async def test_of_progress_the_newest_travels_and_of_the_rest_all() -> None:
    """In their order; whatever comes about a thing makes unread progress on it worthless."""
    sent: list[str] = []
    wire = Wire(sent.append)
    wire.tell(EncodeStarted("RD_a_000", 9.0))
    for second in range(5):
        wire.tell(EncodeProgress("RD_a_000", second))
        wire.tell(DownloadProgress("RD_b", second, None, None))
    wire.flush()
    (message,) = map(json.loads, sent)
    assert [said["event"]["type"] for said in message] == [
        "encode_started", "encode_progress", "download_progress",
    ]  # fmt: skip
    assert message[1]["event"]["seconds"] == 4


async def test_nobody_waits_for_an_answer_once_the_wire_is_cut() -> None:
    """A shield around a record must not keep a cancelled worker for ever."""
    wire = Wire(lambda _: None)

    async def ask() -> None:
        with anyio.CancelScope(shield=True), pytest.raises(OSError, match="abort"):
            await wire.ask("records", records=[])

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            group.start_soon(ask)
            await anyio.sleep(0)
            wire.cut()
        with pytest.raises(OSError, match="abort"):
            await wire.ask("next")


# What is refused before anything is done.


def test_a_cluster_and_shards_do_not_go_together() -> None:
    """Each would divide the videos."""
    with pytest.raises(OptionsError, match="--shard: omit it with --dask"):
        Options(dask="tcp://host:8786", shard=Shard(0, 2))


async def test_a_cluster_does_not_put_into_an_object_store() -> None:
    """It is told before anybody is asked."""
    with pytest.raises(OptionsError, match="not an object store"):
        await hdtf_async.download("s3://bucket/prefix", Options(dask="tcp://host:8786"))


async def test_without_its_extra_a_cluster_is_local_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install."""
    write_tables(tmp_path / "tables", 1)
    monkeypatch.setattr("hdtf_async.run.find_spec", lambda _: None)
    options = Options(source=tmp_path / "tables", dask="tcp://127.0.0.1:9")
    report = await hdtf_async.download(tmp_path / "clips", options)
    assert report.exit_code is ExitCode.LOCAL
    assert report.stopped is not None
    assert "pip install 'hdtf-async[dask]'" in report.stopped.words


async def test_a_run_waits_for_workers_whose_driver_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as one of them, or a tool of its, holds its lock; then their files are removed."""
    monkeypatch.setattr(locks, "PATIENCE", 0.3)
    left = tmp_path / locks.WORKERS / "one"
    left.parent.mkdir()
    left.touch()
    lock = locks.worker_lock(left)
    with pytest.raises(BusyError, match="1 cluster workers are still running"):
        async with opened(tmp_path):
            pass
    os.close(lock)
    async with opened(tmp_path):
        assert not left.parent.exists()


# The events of all as one run's.


def test_the_lane_is_told_closed_once_it_is_closed_everywhere() -> None:
    """While one worker's address is refused, downloads go on from the others; an end counts all encodes."""
    told: list[events.Event] = []
    all_of_them = events.EventBus()
    all_of_them.subscribe(told.append)
    one, other = (Hired(key, key, queue=Mock()) for key in "ab")
    as_one = AsOne(all_of_them)
    closed, opened = events.LaneClosed(Reason.REFUSED, "robot", 9.0, 0), events.LaneOpened(9.0)
    for worker, event, tells in (
        (one, closed, False),
        (one, opened, False),
        (one, closed, False),
        (other, closed, True),
        (one, opened, True),
        (other, opened, False),
        (one, events.EncodeStarted("RD_a_000", 1.0), True),
        (other, events.EncodeStarted("RD_b_000", 1.0), True),
        (one, events.ClipDone("RD_a_000", "RD_a_000.mp4", 1.0, 2, 3.0, 0.0), True),
        (one, events.WindingDown(7, 60.0), False),
    ):
        told.clear()
        as_one.pass_on(worker, event, (one, other))
        assert told == ([event] if tells else [])
    assert as_one.encoding == {"RD_b_000"}
