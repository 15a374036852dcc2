"""A download resumes where it stopped if that results in the same bytes, and restarts otherwise."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import anyio
import pytest
import scenarios
from block_runs import lay_out
from shared import QUICK, exported

import hdtf_async
from hdtf_async import Options, demo
from hdtf_async.core import events, system
from hdtf_async.demo.answers import Answer
from hdtf_async.output.partials import ResumeToken, forget, resume, tidy
from hdtf_async.youtube.formats import Format

if TYPE_CHECKING:
    from shared import Finished

RENDITION = Format(
    format_id="136", ext="mp4", container="mp4", height=720, width=1280, fps=25.0, vcodec="avc1", acodec=None,
    size=10, size_is_exact=True, protocol="https", duration=1.0,
)  # fmt: skip


def left(directory: Path, promise: ResumeToken, content: str = "01234") -> None:
    """Leave a private directory as an interrupted attempt does."""
    assert resume(directory, promise) == 0
    (directory / promise.part).write_text(content)
    (directory / "cookies.txt").write_text("secret")
    (directory / "yt-dlp.conf").write_text("secret")


def test_the_same_token_resumes(tmp_path: Path) -> None:
    """The part is kept, and nothing else."""
    promise = ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION)
    left(tmp_path, promise)
    (tmp_path / "raw.mp4.part-Frag3").touch()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "file").touch()
    assert tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"raw.promise.json", "raw.mp4.part"}
    assert resume(tmp_path, promise) == 5
    assert (tmp_path / promise.part).read_text() == "01234"


@pytest.mark.parametrize(
    "change",
    [
        {"format_id": "247"},
        {"size": 11},
        {"size": None, "size_is_exact": False},
        {"size_is_exact": False},
        {"ext": "webm"},
    ],
)
def test_another_token_restarts(change: dict[str, object], tmp_path: Path) -> None:
    """A file with another format or size has other bytes."""
    left(tmp_path, ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION))
    other = ResumeToken.of("raw", "CPCoMyuBRM0", replace(RENDITION, **change))  # type: ignore[arg-type]
    assert resume(tmp_path, other) == 0
    assert not list(tmp_path.glob("*.part"))


def test_another_video_restarts(tmp_path: Path) -> None:
    """A row of the table may have got another id."""
    left(tmp_path, ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION))
    assert resume(tmp_path, ResumeToken.of("raw", "abcdefghijk", RENDITION)) == 0


def test_downloads_restart_after_a_restart_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part is not synced: after a power cut it may have its length and wrong bytes."""
    directory = tmp_path / "private"
    directory.mkdir()
    left(directory, ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION))
    assert tidy(directory)
    assert resume(directory, ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION)) == 5
    monkeypatch.setattr(system, "this_system", lambda: "another start")
    shutil.copytree(directory, tmp_path / "killed")  # the state after a kill, without cleanup
    assert resume(tmp_path / "killed", ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION)) == 0
    assert not list(tmp_path.glob("killed/*.part"))
    assert not tidy(directory)
    assert not directory.exists()


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"ext": 1}', '{"ext": "../.."}', "null"])
def test_files_with_an_invalid_note_are_deleted(note: str, tmp_path: Path) -> None:
    """Whatever it contains, nothing outside the directory is affected."""
    directory = tmp_path / "private"
    directory.mkdir()
    left(directory, ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION))
    (directory / "raw.promise.json").write_text(note)
    assert not tidy(directory)
    assert not directory.exists()


def test_forgotten_downloads_are_deleted(tmp_path: Path) -> None:
    """After a failure which shows that the part is invalid."""
    directory = tmp_path / "private"
    directory.mkdir()
    left(directory, ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION))
    assert tidy(directory)
    forget(directory)
    assert not tidy(directory)
    assert not directory.exists()


def test_only_the_named_download_is_forgotten(tmp_path: Path) -> None:
    """Video and audio are two downloads."""
    video = ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION)
    audio = ResumeToken.of("sound", "CPCoMyuBRM0", replace(RENDITION, format_id="140", ext="m4a"))
    left(tmp_path, video)
    left(tmp_path, audio)
    forget(tmp_path, "sound")
    assert tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"raw.promise.json", "raw.mp4.part"}


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_killed_yt_dlp_leaves_nothing_that_counts_as_complete(tmp_path: Path) -> None:
    """Killed twenty times during a download: each source video is the expected one in the end."""
    footage = tmp_path / "footage"
    await scenarios.render(footage)
    right = (footage / scenarios.FILM.youtube_id / f"{scenarios.H264}.mp4").read_bytes()
    answers = lay_out(tmp_path, footage, 20, Answer(bandwidth=len(right) // 2))
    out, chance = tmp_path / "clips", Random(1)  # noqa: S311 - not for security
    reached = {
        f".hdtf-RD_{name.title()}.download": chance.randrange(1, len(right) * 2 // 3) for name in answers
    }
    killed: dict[str, int] = {}

    async def kill() -> None:
        while True:
            with suppress(OSError):  # the file may be deleted, or renamed by now
                for part in out.glob("_videos_raw/.hdtf-*/*.part"):
                    name = part.parent.name
                    if name not in killed and part.stat().st_size >= reached[name]:
                        killed[name] = kill_in(part.parent)
            await anyio.sleep(0.005)

    async with demo.light_mock(tmp_path / "films", answers) as site:
        options = Options(
            source=tmp_path / "tables", pace=0, retry_wait=0.1, downloads=4, preset="ultrafast",
            yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
        )  # fmt: skip
        with exported(site.environment):
            async with anyio.create_task_group() as beside:
                beside.start_soon(kill)
                report = await hdtf_async.download(out, options)
                beside.cancel_scope.cancel()
    assert len(killed) == 20
    assert sum(killed.values()) >= 18, "nearly all were still at work"
    assert report.exit_code == 0
    assert [raw.read_bytes() == right for raw in out.glob("_videos_raw/*.mp4")] == [True] * 20
    assert [path.name for path in out.rglob(".*")] == []


def kill_in(directory: Path) -> int:
    """Kill the processes whose working directory this is; return their number."""
    found = 0
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == directory:
                os.kill(int(entry.name), signal.SIGKILL)
                found += 1
    return found


@pytest.mark.slow
async def test_an_interrupted_run_resumes_with_the_same_bytes(
    finished: Finished, footage: Path, tmp_path: Path
) -> None:
    """No byte is downloaded twice, and the source video is that of an uninterrupted run."""
    film = next(film for film in demo.FILMS if film.youtube_id == "demoHead_01")
    size = (finished.out / "_videos_raw" / "RD_Radio1.mp4").stat().st_size
    slow = Answer(bandwidth=size // 3)
    async with demo.light_mock(footage, {film.youtube_id: slow}) as site:
        options = replace(
            finished.options, videos=("Radio1",), yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)), **QUICK
        )
        with exported(site.environment):
            async with hdtf_async.running(tmp_path, options) as run:
                async for event in run:
                    if isinstance(event, events.DownloadProgress) and event.bytes > size // 3:
                        break
            raws = tmp_path / "_videos_raw"
            assert [path.name for path in raws.glob(".*/*.part")] == ["raw.mp4.part"]
            assert not list(raws.glob(".*/*.conf"))
            report = await hdtf_async.download(tmp_path, options)
        requests = [request for request in await site.requests() if request["method"] == "GET"]
    assert report.exit_code == 0
    assert sum(request["sent"] for request in requests) < 1.5 * size
    assert len(requests) == 2
    assert requests[1]["range"] != "bytes=0-"
    assert (raws / "RD_Radio1.mp4").read_bytes() == (finished.out / "_videos_raw/RD_Radio1.mp4").read_bytes()
    assert [path.name for path in tmp_path.rglob(".*")] == []


@pytest.mark.parametrize(("longer", "resumed"), [(0, 5), (1, 0)])
def test_a_note_has_at_most_64_kibibytes(longer: int, resumed: int, tmp_path: Path) -> None:
    """A longer one is no note of this program."""
    promise = ResumeToken.of("raw", "CPCoMyuBRM0", RENDITION)
    left(tmp_path, promise)
    note = tmp_path / promise.note
    note.write_text(note.read_text().ljust(64 * 1024 + longer))
    assert resume(tmp_path, promise) == resumed


@pytest.mark.parametrize(
    ("content", "size", "arrived"), [(None, 10, 0), ("01234", 10, 5), ("01234", None, 0)]
)
def test_only_bytes_that_can_be_resumed_have_arrived(
    content: str | None, size: int | None, arrived: int, tmp_path: Path
) -> None:
    """None without a partial file, or without a known size."""
    promise = ResumeToken.of("raw", "CPCoMyuBRM0", replace(RENDITION, size=size))
    if content is not None:
        (tmp_path / promise.part).write_text(content)
    assert promise.bytes_arrived(tmp_path) == arrived


def test_a_system_that_does_not_identify_its_start_has_one_for_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then downloads are resumed within a process only."""

    def fail(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    one, other = system.this_system.__wrapped__(), system.this_system.__wrapped__()
    assert len(one) == len(other) == 32
    assert one != other
