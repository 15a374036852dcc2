"""Runs on a recorded file system, with a power cut after each of their steps.

A kill cannot show the order of syncs, because written data survives it in memory. Therefore the possible disk
contents after each step are built and recovered, and compared with what may and what must exist. The head of
`recorded_disk` lists the assumptions about file systems.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import anyio
import pytest
from anyio.to_thread import run_sync
from fakes import kit
from recorded_disk import Disk, Moment, as_it_was, recorded

import hdtf_async
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.jsonlines import records
from hdtf_async.core.model import SUBSETS, Box, Clip, Interval, Video
from hdtf_async.core.options import Options
from hdtf_async.dataset.tables import read
from hdtf_async.output.directory import open_directory, run_record
from hdtf_async.output.journal import JOURNAL, SOURCE_VIDEOS
from hdtf_async.output.manifests import FAILURES, METADATA, failure_record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from hdtf_async.core.jsonlines import Record
    from hdtf_async.output.directory import OutputDirectory

OUT = "new/clips"
"""The output directory; neither it nor its parent exists before the first run."""
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
"""This clip has the same size with both settings."""


def clip_bytes(stem: str, form: str) -> bytes:
    """Return the content of a clip with these settings; no block of it is zero or equals another clip's."""
    return _filled(f"{form} {stem} ", 600 + (0 if stem == SAME_SIZE else 40 * len(form)))


def raw_bytes(youtube_id: str) -> bytes:
    """Return the content of a source video."""
    return _filled(f"raw {youtube_id} ", 900)


def _filled(text: str, length: int) -> bytes:
    return (text * length).encode()[:length]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Promises:
    """The requests to an output directory and their results, each with its moment."""

    moments: list[Moment] = field(default_factory=list)
    begun: list[tuple[int, str]] = field(default_factory=list)
    """From this moment on the journal may contain this record."""
    durable: list[tuple[int, str]] = field(default_factory=list)
    """From this moment on the record survives every power cut."""
    there: list[tuple[int, str]] = field(default_factory=list)
    """From this moment on the file exists, unless it is doomed."""
    doomed: list[tuple[int, str]] = field(default_factory=list)
    """From this moment on this file may be replaced or deleted."""

    @property
    def now(self) -> int:
        """Return the newest moment."""
        return len(self.moments) - 1

    def until(self, moment: int) -> Promises:
        """Return what was recorded up to a moment."""
        parts = (
            [one for one in part if one[0] <= moment]
            for part in (self.begun, self.durable, self.there, self.doomed)
        )
        return Promises(self.moments[: moment + 1], *parts)

    async def append(self, directory: OutputDirectory, record: Record) -> None:
        """Append a record to the journal."""
        self.begun.append((self.now, _text(record)))
        await directory.append(record)
        self.durable.append((self.now, _text(record)))


@dataclass(frozen=True)
class Run:
    """A run as the pipeline makes it, with everything simulated except the output directory."""

    settings: str = FORMS[0]
    keep_raw: bool = True

    async def __call__(self, out: Path, promises: Promises) -> None:
        """Do the remaining work."""
        async with open_directory(out) as directory:
            # It builds upon existing records, which a killed run may not have synced.
            read = Counter(map(_text, _journal(out))) - Counter(text for _, text in promises.durable)
            promises.durable += [(promises.now, text) for text in read.elements()]
            promises.there += [
                (promises.now, f"{SOURCE_VIDEOS}/{path.name}")
                for path in directory.source_videos_path.glob("*.mp4")
            ]
            there = directory.known.existing_clips()
            forms = {stem: record["metadata"]["fingerprint"] for stem, record in there.items()}
            stale = {stem: form for stem, form in forms.items() if form != self.settings}
            left = [
                clip
                for clip in CLIPS
                if forms.get(clip.stem) != self.settings and clip.stem not in directory.known.failures
            ]
            if left:
                await promises.append(directory, run_record(form=self.settings))
                await directory.write_manifests(left, stale)
            async with anyio.create_task_group() as works:
                for youtube_id in dict.fromkeys(clip.video.youtube_id for clip in left):
                    videos = [video for video in VIDEOS if video.youtube_id == youtube_id]
                    clips = [clip for clip in left if clip.video in videos]
                    works.start_soon(self._one_video, directory, promises, videos, clips)
            await directory.write_manifests(left, stale)

    async def _one_video(
        self, directory: OutputDirectory, promises: Promises, videos: Sequence[Video], clips: Sequence[Clip]
    ) -> None:
        raw = directory.source_video_path(videos[0], "mp4")
        if videos[0] == GONE:
            for clip in clips:
                await promises.append(directory, failure_record(clip, Failure(Reason.PRIVATE, "gone")))
            return
        if not raw.exists() or raw.read_bytes() != raw_bytes(videos[0].youtube_id):
            await self._fetch(directory, promises, videos, raw)
        for other in videos[1:]:
            if not directory.source_video_path(other, "mp4").exists():
                await directory.link(raw, directory.source_video_path(other, "mp4"))
                promises.there.append((promises.now, f"{SOURCE_VIDEOS}/{other.stem}.mp4"))
        async with anyio.create_task_group() as group:
            for clip in clips:
                group.start_soon(self._one_clip, directory, promises, clip)
        if not self.keep_raw:
            for video in videos:
                promises.doomed.append((promises.now, f"{SOURCE_VIDEOS}/{video.stem}.mp4"))
                await directory.remove(directory.source_video_path(video, "mp4"))

    async def _fetch(
        self, directory: OutputDirectory, promises: Promises, videos: Sequence[Video], final: Path
    ) -> None:
        async with directory.private_directory(videos[0]) as private:
            part = private / "raw.mp4.part"
            await run_sync(part.write_bytes, raw_bytes(videos[0].youtube_id))
            await run_sync(part.rename, private / "raw.mp4")
            await directory.log(videos[0], "attempt 1: whole\n")
            record = {"type": "raw", "youtube_id": videos[0].youtube_id, "file": final.name}
            size = await directory.size(private / "raw.mp4")
            await promises.append(directory, record | {"bytes": size, "resolution": "reference"})
            await directory.publish(private / "raw.mp4", final)
            promises.there.append((promises.now, f"{SOURCE_VIDEOS}/{final.name}"))

    async def _one_clip(self, directory: OutputDirectory, promises: Promises, clip: Clip) -> None:
        final = directory.clip_path(clip)
        temporary = directory.temporary(final)
        await run_sync(temporary.write_bytes, clip_bytes(clip.stem, self.settings))
        promises.doomed.append((promises.now, final.name))
        await directory.publish(temporary, final)
        await promises.append(directory, clip_record(clip.stem, self.settings))
        promises.there.append((promises.now, final.name))


def clip_record(stem: str, form: str) -> Record:
    """Return the record of a clip with these settings."""
    content = clip_bytes(stem, form)
    metadata = {
        "file_name": f"{stem}.mp4",
        "bytes": len(content),
        "sha256": _sha256(content),
        "fingerprint": form,
    }
    return {"type": "clip", "clip": stem, "form": {"form": form}, "metadata": metadata}


def _journal(out: Path) -> list[Record]:
    with (out / JOURNAL).open("rb") as journal:
        return [record for record, _ in records(journal) if record]


def _text(record: Record) -> str:
    """Return a record as text, without the time at which it was appended."""
    return json.dumps({key: value for key, value in record.items() if key != "time"})


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def files(out: Path) -> dict[str, bytes]:
    """Return each file except the journal and the logs, which contain times and attempts."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != JOURNAL and not path.name.endswith("_log.txt")
    }


async def recover(out: Path, promises: Promises, manifests: Mapping[str, set[bytes]]) -> None:
    """Open the directory after a power cut, and compare it with what may and what must exist."""
    for clip in CLIPS:
        path = out / f"{clip.stem}.mp4"
        whole = {clip_bytes(clip.stem, form) for form in FORMS}
        assert not path.exists() or path.read_bytes() in whole, f"{path.name} is not whole"
    for video in VIDEOS:
        path = out / SOURCE_VIDEOS / f"{video.stem}.mp4"
        whole = {raw_bytes(video.youtube_id)}
        assert not path.exists() or path.read_bytes() in whole, f"{path.name} is not whole"
    for name, whole in manifests.items():
        assert not (out / name).exists() or (out / name).read_bytes() in whole, f"{name} is not whole"
    for line in _lines(out / METADATA):
        content = (out / line["file_name"]).read_bytes()
        assert _sha256(content) == line["sha256"], f"{METADATA} tells of another {line['file_name']}"

    async with open_directory(out) as directory:
        known, read = directory.known, Counter(map(_text, _journal(out)))
        lost = Counter(text for _, text in promises.durable) - read
        assert not lost, f"a record that was durable is gone: {lost}"
        false = Counter(text for text in read.elements() if '"replacing"' not in text)
        false -= Counter(text for _, text in promises.begun)
        assert not false, f"a record that nobody wrote: {false}"
        for stem, record in known.existing_clips().items():
            content = directory.out.joinpath(f"{stem}.mp4").read_bytes()
            assert _sha256(content) == record["metadata"]["sha256"], f"{stem} is not what its record tells"
        doomed = {name: moment for moment, name in promises.doomed}
        for moment, name in promises.there:
            if moment > doomed.get(name, -1):
                assert (out / name).exists(), f"{name} is gone"
                assert known.existing_clip(name.removesuffix(".mp4")) or "/" in name, f"{name} has no record"
        assert not [path for path in out.rglob("*") if path.name.startswith(".")]
        before = _journal(out)
        await directory.append(run_record(form="after"))
        assert [_text(record) for record in _journal(out)] == [
            *map(_text, before),
            _text(run_record(form="after")),
        ]


async def believe(out: Path, due: Mapping[str, bytes]) -> None:
    """Open what a power cut left of a program's single run, and check that all its records are true."""
    for name, content in files(out).items():
        hidden = any(part.startswith(".") for part in Path(name).parts)
        assert hidden or name in {METADATA, FAILURES} or content == due[name], f"{name} is not whole"
    listed = _lines(out / METADATA)
    async with open_directory(out) as directory:
        listed += [record["metadata"] for record in directory.known.clips.values()]
    for line in listed:
        content = (out / line["file_name"]).read_bytes()
        assert _sha256(content) == line["sha256"], f"{line['file_name']} differs from its record"
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


@dataclass
class Recording:
    """Consecutive runs, each with the moment of its start and its result."""

    promises: Promises
    runs: list[tuple[int, Run, dict[str, bytes]]]

    def at(self, moment: int) -> tuple[int, Run, dict[str, bytes]]:
        """Return the run that was in progress at a moment."""
        return [run for run in self.runs if run[0] <= moment][-1]

    @property
    def manifests(self) -> dict[str, set[bytes]]:
        """Return every content that each of the two manifests had."""
        return {
            name: {
                moment.contents[inside[name]]
                for moment in self.promises.moments
                for inside in moment.names.values()
                if name in inside
            }
            for name in (METADATA, FAILURES)
        }


async def record(root: Path, runs: Sequence[Run], before: Promises | None = None) -> Recording:
    """Make the runs in a root directory, and record them."""
    root.mkdir(exist_ok=True)
    promises, done = before or Promises(), []
    with recorded(root, promises.moments) as promises.moments:
        for run in runs:
            begun = promises.now
            await run(root / OUT, promises)
            done.append((begun, run, files(root / OUT)))
    return Recording(promises, done)


class Cuts:
    """Cuts the power repeatedly, and counts."""

    def __init__(self, place: Path, seed: int, most: int, again: float) -> None:
        self.place = place
        """Directory in which runs are made and disks recovered."""
        self.chance = Random(seed)  # noqa: S311 - the same seed must repeat the same cuts
        self.most = most
        """States that are recovered after each step."""
        self.again = again
        """Share of them in which the run is repeated."""
        self.steps = self.states = self.reruns = 0

    async def after_each(
        self, moments: Sequence[Moment], recover: Callable[[int, Path], Awaitable[None]], first: int = 0
    ) -> None:
        """Cut the power after each moment from the first on, and recover each possible disk."""
        disk = Disk(moments[0])
        for number, moment in enumerate(moments):
            disk.take(moment)
            if number < first:
                continue
            self.steps += 1
            for state in disk.states(self.most, self.chance):
                root = self.place / f"disk {self.states}"
                state.write(root)
                try:
                    await recover(number, root)
                except BaseException as error:
                    error.add_note(f"after step {number}, {moment.what}: {root} had {state.files}")
                    raise
                self.states += 1
                shutil.rmtree(root)

    async def cut(self, recording: Recording, first: int = 0) -> None:
        """Cut the power in recorded runs, from the first moment on, and continue from some disks."""
        manifests = recording.manifests

        async def recover_and_go_on(number: int, root: Path) -> None:
            _, run, due = recording.at(number)
            await recover(root / OUT, recording.promises.until(number), manifests)
            if self.chance.random() < self.again:
                await run(root / OUT, Promises())
                made = files(root / OUT)
                # A source video whose clips all exist may be left over.
                assert {name: made[name] for name in due} == due
                assert all(name.startswith(SOURCE_VIDEOS) for name in made.keys() - due.keys())
                self.reruns += 1

        await self.after_each(recording.promises.moments, recover_and_go_on, first)

    async def of_runs(self, runs: Sequence[Run]) -> None:
        """Cut the power after each step of some runs."""
        await self.cut(await record(self.place / "root", runs))

    async def of_killed_runs(self, runs: Sequence[Run], kills: int, after: str = "") -> None:
        """Kill runs at some moments, repeat each run, and cut the power after each of its steps.

        With `after`, kills happen only right after steps of that name.
        """
        recording = await record(self.place / "root", runs)
        moments = [
            at for at, one in enumerate(recording.promises.moments) if at and one.what.startswith(after)
        ]
        for number, moment in enumerate(self.chance.sample(moments, min(kills, len(moments)))):
            promises = recording.promises.until(moment)
            _, run, due = recording.at(moment)
            root = self.place / f"killed {number}"
            as_it_was(promises.moments[-1]).write(root)
            again = await record(root, [run], promises)
            assert files(root / OUT) | due == files(root / OUT)
            await self.cut(again, first=moment + 1)

    async def of_cut_runs(self, runs: Sequence[Run], times: int) -> None:
        """Cut the power at some moments, repeat the run, and cut the power after each of its steps."""
        recording = await record(self.place / "root", runs)
        for number, moment in enumerate(self.chance.sample(range(1, len(recording.promises.moments)), times)):
            disk = Disk(recording.promises.moments[0])
            for one in recording.promises.moments[1 : moment + 1]:
                disk.take(one)
            promises = recording.promises.until(moment)
            doomed = {name: at for at, name in promises.doomed}
            before = Promises(
                begun=[(0, text) for _, text in promises.begun],
                there=[(0, name) for at, name in promises.there if at > doomed.get(name, -1)],
            )
            _, run, _ = recording.at(moment)
            root = self.place / f"cut {number}"
            self.chance.choice(list(disk.states(20, self.chance))).write(root)
            await self.cut(await record(root, [run], before))

    async def of_a_program(self, run: Callable[[Path], Awaitable[object]]) -> dict[str, bytes]:
        """Cut the power after each step of a whole program, and run it again on some disks.

        Returns the result without a power cut.
        """
        root = self.place / "root"
        root.mkdir()
        with recorded(root) as moments:
            await run(root / OUT)
        due = files(root / OUT)

        async def believe_and_go_on(_: int, root: Path) -> None:
            # After a reboot, the leftovers of a download are no longer trusted.
            with patch("hdtf_async.core.system.this_system", lambda: "started anew"):
                if (root / OUT).exists():
                    await believe(root / OUT, due)
                if self.chance.random() < self.again:
                    await run(root / OUT)
                    assert files(root / OUT) == due
                    self.reruns += 1

        await self.after_each(moments, believe_and_go_on)
        return due


def program(directory: Path) -> Callable[[Path], Awaitable[object]]:
    """Return the whole program with fake tools, which are written into a directory."""
    tables = directory / "tables"
    tables.mkdir()
    for video in (FIRST, TWIN, AGAIN):
        link = f"{video.name} https://youtu.be/{video.youtube_id}"
        rows = {
            "video_url": link,
            "resolution": f"{video.name}.mp4 {video.reference_height}",
            "annotion_time": f"{video.name}.mp4 00:01-00:02 00:03-00:05",
            "crop_wh": f"{video.name}_0.mp4 0 512 0 512\n{video.name}_1.mp4 8 512 8 512",
            "crop_ratio": f"{video.name}_0.mp4 1\n{video.name}_1.mp4 1",
        }
        for subset in SUBSETS:
            for kind, text in rows.items():
                with (tables / f"{subset}_{kind}.txt").open("a") as table:
                    table.write(f"{text}\n" if subset == video.subset else "")
    clips = read(tables).clips
    fakes = kit.install(directory, kit.Stage(videos=kit.footage(clips), bits_per_line=10))
    # The report contains times, and is regenerated from the rest.
    options = Options(
        source=tables, yt_dlp=fakes.yt_dlp, ffmpeg=fakes.ffmpeg, pace=0, min_free=0, no_report=True
    )
    return lambda out: hdtf_async.download(out, options)


TWO_FORMS = (Run(), Run("another"))
NOTHING_KEPT = (Run(keep_raw=False), Run("another", keep_raw=False))


@contextmanager
def place() -> Iterator[Path]:
    """Provide a directory for many small files, in memory where possible; syncs are disabled meanwhile."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory with a unique name is created in it
    with (
        TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
        yield Path(directory)
