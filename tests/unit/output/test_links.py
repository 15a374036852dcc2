"""Links and FIFOs of other users in a directory: nothing is written through them, and nothing waits for them.

A user's own links keep working: the directory, its directory of source videos, the videos in there.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.to_thread import run_sync

import hdtf_async
from hdtf_async import BusyError, StoreError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Box, Clip, Interval, Video
from hdtf_async.core.shards import Shard
from hdtf_async.output import atomic, locks, manifests, partials
from hdtf_async.output.directory import merge_journals, open_directory, read_known, run_record
from hdtf_async.output.journal import JOURNAL, SOURCE_VIDEOS, name_of
from hdtf_async.output.manifests import CARD, FAILURES, METADATA
from hdtf_async.report.outdated import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared import Finished

VIDEO = Video("RD", "Radio1", "CPCoMyuBRM0", 720)
CLIP = Clip(VIDEO, 0, Interval(30, 60), Box(466, 0, 534, 534))
SOMEBODY = 12345
"""Id of a user who is neither this one nor root."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to another user")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """The target directory of links. Nothing in it may change."""
    path = tmp_path / "elsewhere"
    path.mkdir(mode=0o755)
    (path / "file").write_bytes(b"somebody's")
    (path / ".hdtf-file").write_bytes(b"somebody's too")
    before = _seen(path)
    yield path
    assert _seen(path) == before


def _seen(directory: Path) -> dict[str, object]:
    inside = {path.name: (path.read_bytes(), path.stat().st_mode) for path in directory.iterdir()}
    return {**inside, ".": stat.S_IMODE(directory.stat().st_mode)}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output directory that others may write to."""
    path = tmp_path / "clips"
    (path / SOURCE_VIDEOS).mkdir(parents=True)
    path.chmod(0o777)
    return path


def _private_name() -> str:
    return f".hdtf-{VIDEO.stem}.download"


# Temporary names.


def test_a_temporary_name_is_unpredictable(
    out: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And even with a link of that name nothing would be written through it."""
    final = out / METADATA
    assert atomic.temporary(final) != atomic.temporary(final)
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0" * 16)
    atomic.temporary(final).symlink_to(elsewhere / "file")
    with pytest.raises(FileExistsError):
        atomic.created(final)
    with pytest.raises(FileExistsError):
        atomic.replace(final, [b"new"])


async def test_a_download_does_not_follow_a_link_of_its_name(out: Path, elsewhere: Path) -> None:
    """The link is deleted; its target is neither emptied nor changed in mode."""
    async with open_directory(out) as directory:
        (out / SOURCE_VIDEOS / _private_name()).symlink_to(elsewhere)
        async with directory.private_directory(VIDEO) as private:
            assert not private.is_symlink()
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            (private / "raw.mp4").write_bytes(b"half")
        assert not private.exists()


@pytest.mark.parametrize("mode", [0o777, 0o770])
async def test_downloads_in_writable_directories_are_not_resumed(
    out: Path, elsewhere: Path, mode: int
) -> None:
    """A private directory is created again if others could write to it."""
    async with open_directory(out) as directory:
        left = out / SOURCE_VIDEOS / _private_name()
        left.mkdir()
        (left / "raw.mp4.part").symlink_to(elsewhere / "file")
        left.chmod(mode)
        async with directory.private_directory(VIDEO) as private:
            assert (private, [*private.iterdir()]) == (left, [])


@as_root
async def test_a_directory_of_another_user_is_not_touched(out: Path) -> None:
    """Another user's download was interrupted: this user's starts in a separate directory."""
    async with open_directory(out) as directory:
        left = out / SOURCE_VIDEOS / _private_name()
        left.mkdir(mode=0o700)
        (left / "raw.mp4.part").write_bytes(b"half")
        os.chown(left, SOMEBODY, SOMEBODY)
        async with directory.private_directory(VIDEO) as private:
            assert private != left
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert not private.exists()
        assert [path.name for path in left.iterdir()] == ["raw.mp4.part"]


def test_a_link_in_place_of_a_private_directory_is_not_emptied(out: Path, elsewhere: Path) -> None:
    """Other users can create it at any time if they may rename in the directory."""
    private = out / SOURCE_VIDEOS / _private_name()
    private.symlink_to(elsewhere)
    assert not partials.tidy(private)
    assert private.is_symlink()


# Files that are appended to, locked or replaced.


@pytest.mark.parametrize("shard", [None, Shard(0, 2)])
async def test_a_journal_that_is_a_link_is_refused(out: Path, elsewhere: Path, shard: Shard | None) -> None:
    """Records would be appended to another file."""
    (out / name_of(shard)).symlink_to(elsewhere / "file")
    with pytest.raises(StoreError, match="symbolic link"):
        async with open_directory(out, shard):
            pass


async def test_other_files_that_are_links_are_not_written_through(out: Path, elsewhere: Path) -> None:
    """Manifests and report are replaced; a log and a lock are errors."""
    for name in (METADATA, FAILURES, REPORT, CARD):
        (out / name).symlink_to(elsewhere / "file")
    async with open_directory(out) as directory:
        await directory.append(run_record())
        await directory.write_manifests([CLIP])
        await directory.replace(REPORT, b"a report")
        directory.log_path(VIDEO).symlink_to(elsewhere / "file")
        with pytest.raises(Failure, match="symbolic link") as raised:
            await directory.log(VIDEO, "words")
        assert raised.value.reason is Reason.NOT_WRITABLE
        assert not any((out / name).is_symlink() for name in (METADATA, FAILURES, REPORT))
        assert (out / CARD).is_symlink(), "a README.md that is there stays"
    (out / manifests.MANIFESTS_LOCK).symlink_to(elsewhere / "file")
    with pytest.raises(Failure, match="symbolic link"):
        await merge_journals(out)


async def test_files_of_workers_are_not_links(
    out: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run waits for the files of workers and removes them: only in its own directory."""
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    (out / locks.WORKERS).mkdir()
    (out / locks.WORKERS / "worker").symlink_to(elsewhere / "file")
    async with open_directory(out):
        assert not (out / locks.WORKERS).exists()
    (out / locks.WORKERS).symlink_to(elsewhere)
    with pytest.raises(StoreError, match="symbolic link"):
        async with open_directory(out):
            pass
    with pytest.raises(StoreError, match="symbolic link"):
        locks.make_worker_file(out, "worker")
    with pytest.raises(OSError, match="symbolic link"):
        locks.worker_lock(_link(out / "worker", elsewhere / "file"))


def _link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


@pytest.mark.parametrize(
    "name", [JOURNAL, name_of(Shard(0, 2)), METADATA, FAILURES, REPORT, manifests.MANIFESTS_LOCK]
)
async def test_a_fifo_never_blocks(out: Path, name: str) -> None:
    """Opening one waits for another process, in a thread that could not be ended."""
    (out / JOURNAL).touch()
    (out / name).unlink(missing_ok=True)
    os.mkfifo(out / name)
    with anyio.fail_after(60):
        for do in (_run_once, merge_journals, hdtf_async.check):
            try:
                await do(out)
            except (StoreError, Failure, BusyError):
                continue
        await run_sync(locks.is_held, out)
        try:
            await run_sync(read_known, out)
        except StoreError:
            assert name.startswith("_journal")


async def _run_once(out: Path) -> None:
    async with open_directory(out, Shard(1, 2)) as directory:
        await directory.append(run_record())
        await directory.not_tried()
        await directory.write_manifests()


# Intentional links.


@pytest.mark.slow
@pytest.mark.parametrize("keep", [True, False])
async def test_a_users_own_links_keep_working(small: Finished, tmp_path: Path, keep: bool) -> None:
    """The directory, the one of source videos, and videos in it may be links to a larger disk."""
    large = tmp_path / "large"
    for name in ("clips", "videos", "shared"):
        (large / name).mkdir(parents=True)
    for raw in (small.out / SOURCE_VIDEOS).glob("*.*"):
        if not raw.name.endswith(".txt"):
            _link(large / "videos" / raw.name, large / "shared" / raw.name)
            (large / "shared" / raw.name).write_bytes(raw.read_bytes())
    _link(large / "clips" / SOURCE_VIDEOS, large / "videos")
    out = _link(tmp_path / "out", large / "clips")
    shared = _seen(large / "shared")
    options = replace(small.options, videos=("Radio1",), keep_raw=keep, no_report=True)
    report = await hdtf_async.download(out, options)
    assert report.done
    assert not report.failed
    assert _seen(large / "shared") == shared
    assert (large / "clips" / SOURCE_VIDEOS).is_symlink()
    for stem in report.done:
        assert (out / f"{stem}.mp4").read_bytes() == (small.out / f"{stem}.mp4").read_bytes()


@as_root
async def test_source_videos_are_not_redirected_by_other_users(out: Path, elsewhere: Path) -> None:
    """A link is followed if it belongs to this user, to root, or to the owner of the directory."""
    (out / SOURCE_VIDEOS).rmdir()
    link = _link(out / SOURCE_VIDEOS, elsewhere)
    os.lchown(link, SOMEBODY, SOMEBODY)
    with pytest.raises(StoreError, match="of other users"):
        async with open_directory(out):
            pass
    os.chown(out, SOMEBODY, SOMEBODY)
    atomic.require_trusted(link)
    os.lchown(link, 0, 0)
    atomic.require_trusted(link)
