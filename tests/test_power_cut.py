"""The power goes at any moment: what is on the disk then is recovered to a right directory.

A kill cannot show the order of syncs, because what was written survives it in memory. So the output
directory is used here as the pipeline uses it, on a file system that is recorded, and after each step
what may be on the disk then is made and recovered. What is taken for granted of a file system stands at
the head of `recorded`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.to_thread import run_sync
from recorded import Disk, Moment, State, as_it_was, recorded

from hdtf_async.failures import Failure, Reason
from hdtf_async.journal import JOURNAL, RAWS, records
from hdtf_async.model import Box, Clip, Interval, Video
from hdtf_async.store import FAILURES, METADATA, failure_record, opened, run_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hdtf_async.journal import Record
    from hdtf_async.store import Store

OUT = "new/clips"
"""The output directory; neither it nor the one that it is in is there before the first run."""
VIDEOS = FIRST, TWIN, AGAIN, GONE = (
    Video("RD", "Radio1", "CPCoMyuBRM0", 720),
    Video("WDA", "Whip", "gh3YqnvNdio", 1080),
    Video("WDA", "James", "gh3YqnvNdio", 1080),
    Video("WRA", "Gone", "AAAAAAAAAAA", 720),
)
CLIPS = tuple(
    Clip(video, index, Interval(30, 60), Box(0, 0, 512, 512))
    for video, index in ((FIRST, 0), (FIRST, 1), (TWIN, 0), (AGAIN, 0), (GONE, 0))
)
FORMS = ("first", "another")
SAME_SIZE = "RD_Radio1_001"
"""This clip has as many bytes in one form as in the other."""


def clip_bytes(stem: str, form: str) -> bytes:
    """Return what a clip of this form is; no part of it is the same in another, nor are they zeros."""
    return _filled(f"{form} {stem} ", 600 + (0 if stem == SAME_SIZE else 40 * len(form)))


def raw_bytes(youtube_id: str) -> bytes:
    """Return what a video is."""
    return _filled(f"raw {youtube_id} ", 900)


def _filled(text: str, length: int) -> bytes:
    return (text * length).encode()[:length]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Told:
    """What was asked of an output directory and what it answered, each with the moment when that was."""

    moments: list[Moment] = field(default_factory=list)
    begun: list[tuple[int, str]] = field(default_factory=list)
    """From here on this record may be in the journal."""
    durable: list[tuple[int, str]] = field(default_factory=list)
    """From here on it is there whatever happens."""
    there: list[tuple[int, str]] = field(default_factory=list)
    """From here on this file is there, if it is not doomed."""
    doomed: list[tuple[int, str]] = field(default_factory=list)
    """From here on this file may be another, or gone."""

    @property
    def now(self) -> int:
        """The newest moment."""
        return len(self.moments) - 1

    def until(self, moment: int) -> Told:
        """Return what had been told when this moment was the newest."""
        parts = (
            [one for one in part if one[0] <= moment]
            for part in (self.begun, self.durable, self.there, self.doomed)
        )
        return Told(self.moments[: moment + 1], *parts)

    async def append(self, directory: Store, record: Record) -> None:
        """Append a record to the journal."""
        self.begun.append((self.now, _text(record)))
        await directory.append(record)
        self.durable.append((self.now, _text(record)))


@dataclass(frozen=True)
class Run:
    """A run as the pipeline makes it, with everything played but the store."""

    form: str = FORMS[0]
    keep_raw: bool = True

    async def __call__(self, out: Path, told: Told) -> None:
        """Do what is left to do."""
        async with opened(out) as directory:
            # It builds upon what it reads, which a run that was killed may not have synced.
            read = Counter(map(_text, _journal(out))) - Counter(text for _, text in told.durable)
            told.durable += [(told.now, text) for text in read.elements()]
            there = directory.known.all_there()
            forms = {stem: record["metadata"]["fingerprint"] for stem, record in there.items()}
            stale = {stem: form for stem, form in forms.items() if form != self.form}
            left = [
                clip
                for clip in CLIPS
                if forms.get(clip.stem) != self.form and clip.stem not in directory.known.failures
            ]
            if left:
                await told.append(directory, run_record(form=self.form))
                await directory.write_views(left, stale)
            async with anyio.create_task_group() as works:
                for youtube_id in dict.fromkeys(clip.video.youtube_id for clip in left):
                    videos = [video for video in VIDEOS if video.youtube_id == youtube_id]
                    clips = [clip for clip in left if clip.video in videos]
                    works.start_soon(self._one_video, directory, told, videos, clips)
            await directory.write_views(left, stale)

    async def _one_video(
        self, directory: Store, told: Told, videos: Sequence[Video], clips: Sequence[Clip]
    ) -> None:
        raw = directory.raw_path(videos[0], "mp4")
        if videos[0] == GONE:
            for clip in clips:
                await told.append(directory, failure_record(clip, Failure(Reason.PRIVATE, "gone")))
            return
        if not raw.exists() or raw.read_bytes() != raw_bytes(videos[0].youtube_id):
            await self._fetch(directory, told, videos, raw)
        for other in videos[1:]:
            if not directory.raw_path(other, "mp4").exists():
                await directory.link(raw, directory.raw_path(other, "mp4"))
                told.there.append((told.now, f"{RAWS}/{other.stem}.mp4"))
        async with anyio.create_task_group() as group:
            for clip in clips:
                group.start_soon(self._one_clip, directory, told, clip)
        if not self.keep_raw:
            for video in videos:
                told.doomed.append((told.now, f"{RAWS}/{video.stem}.mp4"))
                await directory.remove(directory.raw_path(video, "mp4"))

    async def _fetch(self, directory: Store, told: Told, videos: Sequence[Video], final: Path) -> None:
        async with directory.private_directory(videos[0]) as private:
            part = private / "raw.mp4.part"
            await run_sync(part.write_bytes, raw_bytes(videos[0].youtube_id))
            await run_sync(part.rename, private / "raw.mp4")
            await directory.log(videos[0], "attempt 1: whole\n")
            record = {"type": "raw", "youtube_id": videos[0].youtube_id, "file": final.name}
            size = await directory.size(private / "raw.mp4")
            await told.append(directory, record | {"bytes": size, "resolution": "reference"})
            await directory.publish(private / "raw.mp4", final)
            told.there.append((told.now, f"{RAWS}/{final.name}"))

    async def _one_clip(self, directory: Store, told: Told, clip: Clip) -> None:
        final = directory.clip_path(clip)
        temporary = directory.temporary(final)
        content = clip_bytes(clip.stem, self.form)
        await run_sync(temporary.write_bytes, content)
        told.doomed.append((told.now, final.name))
        await directory.publish(temporary, final)
        metadata = {
            "file_name": final.name,
            "bytes": len(content),
            "sha256": _sha256(content),
            "fingerprint": self.form,
        }
        record = {"type": "clip", "clip": clip.stem, "form": {"form": self.form}, "metadata": metadata}
        await told.append(directory, record)
        told.there.append((told.now, final.name))


def _journal(out: Path) -> list[Record]:
    with (out / JOURNAL).open("rb") as journal:
        return [record for record, _ in records(journal) if record]


def _text(record: Record) -> str:
    """Return a record as text, without the time at which it was appended."""
    return json.dumps({key: value for key, value in record.items() if key != "time"})


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def files(out: Path) -> dict[str, bytes]:
    """Return what a user finds: each file but the journal and the logs, which tell of times and attempts."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != JOURNAL and not path.name.endswith("_log.txt")
    }


async def recover(out: Path, told: Told, views: Mapping[str, set[bytes]]) -> None:
    """Open the directory after a power cut, and hold it against what may be there and what must be."""
    for clip in CLIPS:
        path = out / f"{clip.stem}.mp4"
        whole = {clip_bytes(clip.stem, form) for form in FORMS}
        assert not path.exists() or path.read_bytes() in whole, f"{path.name} is not whole"
    for video in VIDEOS:
        path = out / RAWS / f"{video.stem}.mp4"
        whole = {raw_bytes(video.youtube_id)}
        assert not path.exists() or path.read_bytes() in whole, f"{path.name} is not whole"
    for name, whole in views.items():
        assert not (out / name).exists() or (out / name).read_bytes() in whole, f"{name} is not whole"
    for line in _lines(out / METADATA):
        content = (out / line["file_name"]).read_bytes()
        assert _sha256(content) == line["sha256"], f"{METADATA} tells of another {line['file_name']}"

    async with opened(out) as directory:
        known, read = directory.known, Counter(map(_text, _journal(out)))
        lost = Counter(text for _, text in told.durable) - read
        assert not lost, f"a record that was durable is gone: {lost}"
        false = Counter(text for text in read.elements() if '"replacing"' not in text)
        false -= Counter(text for _, text in told.begun)
        assert not false, f"a record that nobody wrote: {false}"
        for stem, record in known.all_there().items():
            content = directory.out.joinpath(f"{stem}.mp4").read_bytes()
            assert _sha256(content) == record["metadata"]["sha256"], f"{stem} is not what its record tells"
        doomed = {name: moment for moment, name in told.doomed}
        for moment, name in told.there:
            if moment > doomed.get(name, -1):
                assert (out / name).exists(), f"{name} is gone"
                assert known.there(name.removesuffix(".mp4")) or "/" in name, f"{name} has no record"
        assert not [path for path in out.rglob("*") if path.name.startswith(".")]
        before = _journal(out)
        await directory.append(run_record(form="after"))
        assert [_text(record) for record in _journal(out)] == [
            *map(_text, before),
            _text(run_record(form="after")),
        ]


@dataclass
class Recording:
    """Runs one after the other, each with the moment at which it began and what it came to."""

    told: Told
    runs: list[tuple[int, Run, dict[str, bytes]]]

    @property
    def views(self) -> dict[str, set[bytes]]:
        """What each of the two views was at any moment."""
        return {
            name: {
                moment.contents[inside[name]]
                for moment in self.told.moments
                for inside in moment.names.values()
                if name in inside
            }
            for name in (METADATA, FAILURES)
        }


async def record(root: Path, runs: Sequence[Run], before: Told | None = None) -> Recording:
    """Make the runs in a root directory, and record them."""
    told, done = before or Told(), []
    with recorded(root, told.moments) as told.moments:
        for run in runs:
            begun = told.now
            await run(root / OUT, told)
            done.append((begun, run, files(root / OUT)))
    return Recording(told, done)


@dataclass
class Cuts:
    """Cuts the power again and again, and counts."""

    place: Path
    """Directory of the disks that are recovered."""
    chance: Random
    most: int
    """States that are recovered after each step."""
    again: float
    """Share of them in which the run is made again."""
    moments: int = 0
    states: int = 0
    reruns: int = 0

    async def cut(self, recording: Recording, first: int = 0) -> None:
        """Let the power go after each moment from the first on, recover what may be there, and go on from some."""
        disk, views = Disk(recording.told.moments[0]), recording.views
        for number, moment in enumerate(recording.told.moments):
            disk.take(moment)
            if number >= first:
                _, run, due = [one for one in recording.runs if one[0] <= number][-1]
                told = recording.told.until(number)
                self.moments += 1
                for state in disk.states(self.most, self.chance):
                    try:
                        await self._recover(state, told, views, run, due)
                    except BaseException as error:
                        error.add_note(f"after step {number}, {moment.what}: {state}")
                        raise

    async def _recover(
        self, state: State, told: Told, views: Mapping[str, set[bytes]], run: Run, due: dict[str, bytes]
    ) -> None:
        root = self.place / f"{self.states}"
        state.write(root)
        await recover(root / OUT, told, views)
        self.states += 1
        if self.chance.random() < self.again:
            await run(root / OUT, Told())
            made = files(root / OUT)
            # A raw may be left over whose clips are all there.
            assert {name: made[name] for name in due} == due
            assert all(name.startswith(RAWS) for name in made.keys() - due.keys())
            self.reruns += 1
        shutil.rmtree(root)


TWO_FORMS = (Run(), Run("another"))
NOTHING_KEPT = (Run(keep_raw=False), Run("another", keep_raw=False))


@pytest.fixture(autouse=True)
def _nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recovered here need not survive anything."""
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)


@pytest.fixture
def place() -> Iterator[Path]:
    """Directory for many small files: in memory, where there is such a one."""
    memory = Path("/dev/shm")  # noqa: S108 - a name of its own is made in it
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(directory)


def _cuts(place: Path, seed: int, most: int, again: float) -> Cuts:
    for name in ("root", "disks"):
        (place / name).mkdir()
    return Cuts(place / "disks", Random(seed), most, again)


@pytest.mark.parametrize("runs", [TWO_FORMS, NOTHING_KEPT], ids=["two forms", "nothing kept"])
async def test_what_a_power_cut_leaves_is_recovered(place: Path, runs: Sequence[Run]) -> None:
    """After each step of two runs: nothing durable is lost, nothing false is believed, the rest is made."""
    cuts = _cuts(place, 1, most=8, again=0.05)
    recording = await record(place / "root", runs)
    await cuts.cut(recording)
    print(cuts)


async def test_a_run_makes_durable_what_a_killed_one_left(place: Path) -> None:
    """What was written and not synced when it was killed is built upon by the next run, and stays."""
    cuts = _cuts(place, 2, most=4, again=0.02)
    await _killed_and_cut(place, TWO_FORMS, cuts, kills=60)
    print(cuts)


async def _killed_and_cut(place: Path, runs: Sequence[Run], cuts: Cuts, kills: int) -> None:
    """Kill runs at some moments, make each run again, and cut the power after each of its steps."""
    recording = await record(place / "root", runs)
    for number, moment in enumerate(cuts.chance.sample(range(1, len(recording.told.moments)), kills)):
        told = recording.told.until(moment)
        _, run, due = [one for one in recording.runs if one[0] <= moment][-1]
        root = place / f"killed {number}"
        as_it_was(told.moments[-1]).write(root)
        again = await record(root, [run], told)
        assert files(root / OUT) | due == files(root / OUT)
        await cuts.cut(again, first=moment + 1)


async def test_power_that_goes_twice_does_no_more_harm(place: Path) -> None:
    """What recovers what a power cut has left is cut again."""
    cuts = _cuts(place, 3, most=4, again=0.02)
    await _cut_twice(place, TWO_FORMS, cuts, times=4)
    print(cuts)


async def _cut_twice(place: Path, runs: Sequence[Run], cuts: Cuts, times: int) -> None:
    """Cut the power at some moments, make the run again, and cut the power after each of its steps."""
    recording = await record(place / "root", runs)
    for number, moment in enumerate(cuts.chance.sample(range(1, len(recording.told.moments)), times)):
        disk = Disk(recording.told.moments[0])
        for one in recording.told.moments[1 : moment + 1]:
            disk.take(one)
        told = recording.told.until(moment)
        doomed = dict((name, at) for at, name in told.doomed)
        before = Told(
            begun=[(0, text) for _, text in told.begun],
            there=[(0, name) for at, name in told.there if at > doomed.get(name, -1)],
        )
        _, run, _ = [one for one in recording.runs if one[0] <= moment][-1]
        state = cuts.chance.choice(list(disk.states(20, cuts.chance)))
        root = place / f"cut {number}"
        state.write(root)
        await cuts.cut(await record(root, [run], before))


async def test_what_is_cut_off_is_not_mixed_with_what_follows(place: Path) -> None:
    """A record that lacks its line end is cut off, another of its length follows, and the power goes again."""
    out = place / "root" / OUT
    size, records_ = 700, [clip_record(clip.stem, form) for form in "ab" for clip in CLIPS[:1]]
    async with opened(out) as directory:
        for content in ("a", "b"):
            await directory.append(clip_record("RD_Radio1_000", content))
    journal = (out / JOURNAL).read_bytes()
    first, second = journal.splitlines()
    (out / JOURNAL).write_bytes(first)
    with recorded(place / "root") as moments:
        async with opened(out) as directory:
            await directory.append(json.loads(second))
    disk, found = Disk(moments[0]), set()
    for moment in moments[1:]:
        disk.take(moment)
        for state in disk.states(300, Random(1)):
            pass
