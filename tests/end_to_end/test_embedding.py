"""What a host program relies on: public names, results, its own exceptions, a clear error under trio."""

from __future__ import annotations

import errno
import inspect
import os
import re
import shutil
import traceback
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
import readme
from shared import slow_unless

import hdtf_async
from hdtf_async import ExitCode, Options, OptionsError, Reason, StoreError
from hdtf_async.cli.main import main
from hdtf_async.commands import repair
from hdtf_async.commands.census import CENSUS
from hdtf_async.core.job import under_way
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.output.manifests import METADATA
from hdtf_async.report.outdated import REPORT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from shared import Finished

    from hdtf_async import Report, Running
    from hdtf_async.core.event_bus import EventBus


async def _forever(_events: EventBus, _finish: anyio.Event) -> int:
    await anyio.sleep_forever()
    return 0


async def _failing(_events: EventBus, _finish: anyio.Event) -> int:
    await anyio.sleep(0)
    raise StoreError("the job's own")


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("the host's own"),
        ExceptionGroup("the host's own", [ValueError("one")]),
        ExceptionGroup("the host's own", [ExceptionGroup("deep", [ValueError("one")]), KeyError("two")]),
        BaseExceptionGroup("the host's own", [SystemExit(3)]),
        KeyboardInterrupt(),
        StopAsyncIteration(),
        StoreError("the host's own, of our class"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_exception_of_the_host_propagates_unchanged(raised: BaseException) -> None:
    """The same object of any type, with its attributes; the job has ended by then."""
    before = repr(raised)
    with pytest.raises(type(raised)) as caught:
        async with under_way(_forever):
            raise raised
    assert caught.value is raised
    assert repr(raised) == before
    assert raised.__cause__ is None


async def test_an_exception_group_of_the_host_propagates_through_a_real_run(finished: Finished) -> None:
    """Raised inside `async with running()`."""
    raised = ExceptionGroup("the host's own", [ValueError("one")])
    with pytest.raises(ExceptionGroup) as caught:
        async with hdtf_async.running(finished.out, finished.options):
            raise raised
    assert caught.value is raised


async def _failing_with_it(raised: BaseException) -> None:
    async with under_way(_failing):
        try:
            await anyio.sleep_forever()
        finally:
            raise raised


async def test_the_failure_of_the_job_is_raised_unwrapped() -> None:
    """Not in a group; where the host fails as a result, the traceback of its exception shows both."""
    with pytest.raises(StoreError, match="the job's own"):
        await _iterated(under_way(_failing))
    raised = ExceptionGroup("on the way out", [ValueError("one")])
    with pytest.raises(ExceptionGroup) as caught:
        await _failing_with_it(raised)
    assert caught.value is raised
    assert "the job's own" in "".join(traceback.format_exception(raised))


async def test_a_cancellation_continues_when_the_host_raises() -> None:
    """The cancelled scope ends as cancelled."""
    with anyio.move_on_after(0) as scope:
        async with under_way(_forever):
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_report_is_never_none(finished: Finished) -> None:
    """It raises before the events have ended, and is available from then on."""
    async with hdtf_async.running(finished.out, finished.options) as run:
        with pytest.raises(RuntimeError, match="no report yet"):
            _ = run.report
        async for _ in run:
            pass
        assert run.report.exit_code is ExitCode.DONE
    assert run.report.there == finished.report.asked


async def test_a_run_that_failed_has_no_report(tmp_path: Path) -> None:
    """The failure itself was raised."""
    (tmp_path / "file").write_text("")
    runs: list[Running[Report]] = []

    async def failing() -> None:
        async with hdtf_async.running(tmp_path / "file") as run:
            runs.append(run)
            await anyio.sleep_forever()

    with pytest.raises(StoreError):
        await failing()
    with pytest.raises(RuntimeError, match="no report yet"):
        _ = runs[0].report


async def _iterated(manager: Any) -> None:
    async with manager as run:
        async for _ in run:
            pass


WAYS: dict[str, Callable[[Path], Coroutine[Any, Any, object]]] = {
    "download": hdtf_async.download,
    "check": hdtf_async.check,
    "census": hdtf_async.census,
    "merge": hdtf_async.merge,
    "export": lambda out: hdtf_async.export(out, out.with_name("tree"), "hallo"),
    "running": lambda out: _iterated(hdtf_async.running(out)),
    "running a check": lambda out: _iterated(repair.running(out)),
}


@pytest.mark.parametrize("way", WAYS)
def test_another_event_loop_is_one_clear_error(way: str, tmp_path: Path) -> None:
    """Under trio nothing starts, and the message says what to use."""
    with pytest.raises(RuntimeError, match=r"requires asyncio.*such as trio: use asyncio\.run") as error:
        anyio.run(WAYS[way], tmp_path / "out", backend="trio")
    assert type(error.value) is RuntimeError
    assert list(tmp_path.iterdir()) == []


async def test_commands_are_coroutines_with_results(finished: Finished, tmp_path: Path) -> None:
    """`check`, `merge` and `export`, as a program calls them; `census` is tested in test_census.py."""
    check = await hdtf_async.check(str(finished.out))
    assert (check.exit_code, check.clips) == (ExitCode.DONE, finished.report.asked)
    merged = await hdtf_async.merge(str(finished.out))
    assert (merged.exit_code, merged.clips, merged.missing) == (ExitCode.DONE, finished.report.asked, {})
    with pytest.raises(hdtf_async.FormError, match="--recipe hallo"):
        await hdtf_async.export(str(finished.out), str(tmp_path / "tree"), "hallo")
    with pytest.raises(hdtf_async.OptionsError, match="--recipe: expected musetalk, hallo"):
        await hdtf_async.export(str(finished.out), str(tmp_path / "tree"), "nobody")


@pytest.mark.parametrize("command", [hdtf_async.check, hdtf_async.census])
async def test_a_command_for_directories_refuses_an_object_store(command: Any) -> None:
    """The message says how to copy the needed files."""
    with pytest.raises(hdtf_async.OptionsError, match="does not read object stores"):
        await command("s3://bucket/prefix")


def test_public_names_exist_and_are_documented() -> None:
    """Each has a docstring and is named in docs/embedding.md."""
    page = (readme.DOCS / "embedding.md").read_text("utf-8")
    names = set(re.findall(r"\w+", page))
    assert hdtf_async.__all__ == sorted(hdtf_async.__all__)
    for name in hdtf_async.__all__:
        assert inspect.getdoc(getattr(hdtf_async, name)), name
        assert name in names, name
    for name in ("download", "check", "census", "export", "merge"):
        assert inspect.iscoroutinefunction(getattr(hdtf_async, name))
    kinds = [kind for kind in readme.kinds_of_events() if kind.__name__ not in hdtf_async.events.__all__]
    assert kinds == []


# The working directory, and failing writes at the end of a run.


@pytest.mark.slow
async def test_a_run_does_not_follow_the_host_to_another_directory(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every path keeps the meaning that it had when it was given."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    Path("raws").symlink_to(finished.out / "_videos_raw")
    Path("tables").symlink_to(finished.options.source or "")
    Path("cookies.txt").write_text("# Netscape HTTP Cookie File\n")
    options = replace(
        finished.options,
        source="tables",
        raw_dirs="raws",
        cookies="cookies.txt",
        ffmpeg=os.path.relpath(bundled_ffmpeg()),
        videos=("Radio1",),
    )
    async with hdtf_async.running("clips", options) as run:
        monkeypatch.chdir(elsewhere)
        async for _ in run:
            pass
    assert run.report.exit_code is ExitCode.DONE
    assert run.report.done
    assert run.report.page == here / "clips" / REPORT
    assert [*elsewhere.iterdir()] == []


async def test_a_relative_path_without_a_working_directory_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working directory has been deleted."""
    deleted = tmp_path / "gone"
    deleted.mkdir()
    monkeypatch.chdir(deleted)
    deleted.rmdir()
    with pytest.raises(OptionsError, match=r"--source .*no working directory"):
        Options(source="tables")
    with pytest.raises(OptionsError, match=r"--out: clips is relative.*no working directory"):
        await hdtf_async.merge("clips")


PAGE, MANIFESTS = "hdtf_async.report.page.write", "hdtf_async.output.manifests.write"
READ_ONLY, INVALID, UNEXPECTED = OSError(errno.EROFS, "Read-only file system"), StoreError("x"), KeyError("x")


@pytest.mark.parametrize(
    ("what", "error"),
    slow_unless(
        product((PAGE, MANIFESTS), (READ_ONLY, INVALID, UNEXPECTED)),
        {(PAGE, UNEXPECTED), (MANIFESTS, READ_ONLY)},
    ),
)
async def test_a_failing_write_at_the_end_loses_no_report(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, error: Exception
) -> None:
    """Neither the library's result nor the summary of the command line; the exit code is 4."""

    def broken(*_: object, **__: object) -> None:
        raise error

    out = shutil.copytree(finished.out, tmp_path / "clips")
    (out / REPORT).unlink()
    monkeypatch.setattr(what, broken)
    report = await hdtf_async.download(out, finished.options)
    assert report.there == report.asked > 0
    assert report.stopped is not None
    assert report.exit_code is ExitCode.LOCAL


def test_a_summary_is_printed_when_the_manifests_cannot_be_written(
    finished: Finished, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The summary includes the reason."""
    out = shutil.copytree(finished.out, tmp_path / "clips")
    for name in (METADATA, REPORT):
        (out / name).unlink()
        (out / name).mkdir()
    assert main(["--out", str(out), "--source", str(finished.options.source)]) == ExitCode.LOCAL
    output, _ = capfd.readouterr()
    assert f"{finished.report.asked} already present" in output
    assert METADATA in output


@pytest.mark.slow
async def test_a_census_that_cannot_be_written_returns_its_result(finished: Finished, tmp_path: Path) -> None:
    """The answers are in the journal and in the result."""
    (tmp_path / CENSUS).mkdir()
    videos = replace(finished.options, videos=("Radio1",))
    result = await hdtf_async.census(tmp_path, videos)
    assert sum(result.videos.values()) == 1
    assert result.stopped is not None
    assert (result.stopped.reason, result.exit_code) == (Reason.NOT_WRITABLE, ExitCode.LOCAL)
