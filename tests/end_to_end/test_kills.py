"""After a kill at any instant the directory is valid, and the next run completes it.

A handful of kills here, more with ``-m slow``, dozens with ``-m long``; any number with
``benchmarks/kills.py``.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal
from kill_checks import FAILURES, JOURNAL, METADATA, Undisturbed, differences, faults, lines_of, media
from kill_runs import (
    ENDED_WITHIN,
    SLOWLY,
    TARGETS,
    Command,
    Killing,
    Moment,
    Program,
    Target,
    fake_tools,
    real_tools,
    undisturbed,
)

from hdtf_async import demo
from hdtf_async.core.failures import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shared import Finished

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

SMALL, SMALLER = ("--size", "96"), ("--size", "64", "--recut")
"""Options for one set of clip settings, and for another that replaces it."""
CHANCE = partial(Random, 7)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the result of an uninterrupted run with fake tools."""
    directory = tmp_path_factory.mktemp("whole")
    return undisturbed(fake_tools(directory / "tools"), directory / "out")


def with_fakes(*more: str) -> Callable[[Path], Command]:
    """Return a function that builds a command line with fake tools and more options."""
    return lambda directory: fake_tools(directory, *more)


def other_settings(directory: Path, chance: Random) -> Killing:
    """Return how to kill runs that re-encode clips with other settings."""
    small = undisturbed(fake_tools(directory / "small tools", *SMALL), directory / "small")
    smaller = undisturbed(fake_tools(directory / "tools", *SMALLER), directory / "smaller", small)
    return Killing(with_fakes(*SMALLER), smaller, chance, begin=small)


def without_kept_videos(directory: Path, whole: Undisturbed, chance: Random) -> Killing:
    """Return how to kill runs that delete each source video once its clips exist."""
    bare = undisturbed(fake_tools(directory / "bare tools", "--no-keep-raw"), directory / "bare")
    return Killing(with_fakes("--no-keep-raw"), bare, chance, also=whole)


def test_an_uninterrupted_run_makes_all_clips(whole: Undisturbed) -> None:
    """The reference of the other tests: nine clips, three unavailable ones, no leftover file."""
    assert whole.code == 1
    made, rest = lines_of(whole.out / METADATA)
    failed, _ = lines_of(whole.out / FAILURES)
    assert (len(made), rest) == (9, b"")
    assert {line["clip"]: line["reason"] for line in failed} == {
        "WDA_BobCasey1_000": "private",
        "WRA_GeoffDavis_000": "clip_wrong",
        "WRA_PeterKing_000": "box_does_not_fit",
    }
    assert not [path for path in whole.out.rglob("*") if path.name.startswith(".")]
    assert list(faults(whole.out, [whole], one_form=True)) == []
    assert whole.steps > 100
    assert min(whole.changes.values()) > 0


def _other_clip(out: Path) -> str:
    (out / "RD_Radio20_000.mp4").write_bytes(b"half")
    return "RD_Radio20_000.mp4 has not the content"


def _other_raw(out: Path) -> str:
    (out / "_videos_raw" / "RD_Radio20.mp4").write_bytes(b"half")
    return "RD_Radio20.mp4 has not the content"


def _no_clip(out: Path) -> str:
    (out / "RD_Radio20_000.mp4").unlink()
    return "metadata.jsonl tells of a RD_Radio20_000.mp4 that is not there"


def _record_without_a_clip(out: Path) -> str:
    (out / METADATA).unlink()
    (out / "RD_Radio20_000.mp4").unlink()
    return "_journal.jsonl tells of a RD_Radio20_000.mp4 that is not there"


def _torn_metadata(out: Path) -> str:
    (out / METADATA).write_bytes((out / METADATA).read_bytes()[:-1])
    return "metadata.jsonl is torn"


def _other_metadata(out: Path) -> str:
    lines, _ = lines_of(out / METADATA)
    lines[0] |= {"format_id": None}
    (out / METADATA).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return "RD_Radio11_000.mp4 is told otherwise"


def _torn_in_the_middle(out: Path) -> str:
    with (out / JOURNAL).open("ab") as journal:
        journal.write(b'{"type": "ra{"type": "run"}\n')
    return "_journal.jsonl has a line that is none"


WRONG = (
    *(_other_clip, _other_raw, _no_clip, _record_without_a_clip),
    *(_torn_metadata, _other_metadata, _torn_in_the_middle),
)


@pytest.mark.parametrize("spoil", WRONG)
def test_a_defect_is_detected(spoil: Callable[[Path], str], whole: Undisturbed, tmp_path: Path) -> None:
    """Defects that a kill must never leave are detected when they are made on purpose."""
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    assert list(faults(out, [whole], one_form=True)) == []
    defect = spoil(out)
    assert any(defect in found for found in faults(out, [whole], one_form=True))


def test_a_truncated_last_line_and_missing_clips_are_no_defects(whole: Undisturbed, tmp_path: Path) -> None:
    """They are only a difference from the directory of a completed run."""
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    assert list(differences(out, whole)) == []
    with (out / JOURNAL).open("ab") as journal:
        journal.write(b'{"type": "ra')
    (out / METADATA).unlink()
    (out / ".hdtf-RD_Radio20_000.mp4").write_bytes(b"half")
    (out / "WRA_PaulRyan1_000.mp4").unlink()
    lines, _ = lines_of(out / JOURNAL)
    assert lines
    assert list(faults(out, [whole], one_form=False)) == []
    assert list(differences(out, whole)) == [
        "there is also .hdtf-RD_Radio20_000.mp4",
        "there is no WRA_PaulRyan1_000.mp4, metadata.jsonl",
        "WRA_PaulRyan1_000.mp4 differs",
        "metadata.jsonl differs",
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_a_killed_run_is_completed_by_the_next(target: Target, whole: Undisturbed, tmp_path: Path) -> None:
    """With or without its children, at a random moment or right before a step; or it is asked to stop."""
    killing = Killing(with_fakes(), whole, CHANCE(), targets=(target,))
    series = killing.series(tmp_path / "out", kills=1)
    assert series.faults == []
    assert series.kills


@pytest.fixture(scope="module")
def slow_site(footage: Path) -> Iterator[demo.LightMock]:
    """Run a mock server from which a film takes longer than a second."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(demo.light_mock(footage, SLOWLY)) as site,
    ):
        yield site


def test_a_run_continues_when_real_tools_outlive_the_killed_supervisor(
    slow_site: demo.LightMock, demo_tables: Path, finished: Finished, tmp_path: Path
) -> None:
    """yt-dlp or ffmpeg still write to paths that the next run uses, and that has no effect."""
    command = real_tools(slow_site, demo_tables, videos=["Radio2"])
    # A tool may end before its supervisor is killed: then nothing was proved, and it is tried again.
    out = next(out for out in (tmp_path / f"{n}" for n in range(10)) if _outlives(command, out))
    made = media(out)
    assert set(made) == {"RD_Radio2_000.mp4", "_videos_raw/RD_Radio2.mp4"}
    assert made.items() <= media(finished.out).items()
    assert lines_of(out / METADATA)[0] == [
        line for line in lines_of(finished.out / METADATA)[0] if line["file_name"] in made
    ]
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def _outlives(command: Command, out: Path) -> bool:
    """Kill two supervisors, and let a third one finish; return whether a tool outlived each of the two."""
    log = out.with_suffix(".log")
    with ExitStack() as stack:
        killed = []
        for sight, nth, option in (("partial", 3, "--load-info-json"), ("clip", 1, "-progress")):
            run = stack.enter_context(Program(command, out, log))
            if not Moment(0, sight, nth).wait(run.process, out):
                return False
            if not any(option in argv for argv in run.kill_supervisor().values()):
                return False
            killed.append(run)
        last = stack.enter_context(Program(command, out, log))
        assert last.process.wait(ENDED_WITHIN) == 0, log.read_text()
        assert [run.gone() for run in (*killed, last)].count(None) == 0
    return True


def test_a_second_run_names_the_first_and_waits_for_orphaned_tools_only(
    whole: Undisturbed, tmp_path: Path
) -> None:
    """Exit code 4 and the PID of the first run, which continues; the third waits for orphaned tools only."""
    command = fake_tools(tmp_path / "tools")
    out, log = tmp_path / "out", tmp_path / "words"
    with Program(command, out, tmp_path / "first") as first:
        assert Moment(0, "private", 1).wait(first.process, out)
        with Program(command, out, log) as second:
            assert second.process.wait(ENDED_WITHIN) == ExitCode.LOCAL
            assert second.alive() == {}
        assert first.process.poll() is None
        assert f"process {first.process.pid} on {socket.gethostname()}" in log.read_text()
        while len(first.alive()) <= 2:  # the reaper, and a tool
            assert first.process.poll() is None
            time.sleep(0.01)
        first.kill_supervisor()  # a tool may have ended meanwhile
        with Program(command, out, log) as third:
            assert third.process.wait(ENDED_WITHIN) == whole.code, log.read_text()
    assert list(differences(out, whole)) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [1, 3])
def test_dozens_of_kills_with_fake_tools(whole: Undisturbed, tmp_path: Path, rounds: int) -> None:
    """From an empty directory, with other settings, and without keeping source videos.

    At no moment do the manifests describe a clip that differs from its file.
    """
    chance = CHANCE()
    killings = [
        Killing(with_fakes(), whole, chance),
        other_settings(tmp_path, chance),
        without_kept_videos(tmp_path, whole, chance),
    ]
    kills = 0
    for number, killing in enumerate(killings * rounds):
        series = killing.series(tmp_path / f"series-{number}", kills=6)
        assert series.faults == []
        kills += len(series.kills)
    assert kills > 5 * rounds


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_dozen_kills_with_real_tools(slow_site: demo.LightMock, demo_tables: Path, tmp_path: Path) -> None:
    """yt-dlp resumes the partial download of a video, and ffmpeg makes the same clips."""
    command = real_tools(slow_site, demo_tables)
    killing = Killing(lambda _tools: command, undisturbed(command, tmp_path / "right"), CHANCE())
    assert killing.right.code == 0
    kills = 0
    for number in range(9):  # a run may end before it is killed
        series = killing.series(tmp_path / f"series-{number}", kills=6)
        assert series.faults == []
        kills += len(series.kills)
        if kills > 5:
            break
    assert kills > 5


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_clip_and_its_audio_file_are_listed_together(
    slow_site: demo.LightMock, demo_tables: Path, tmp_path: Path
) -> None:
    """Whenever a kill happens, neither is listed without the other, and both are made identically."""
    command = real_tools(slow_site, demo_tables, "--audio", "both")
    killing = Killing(lambda _tools: command, undisturbed(command, tmp_path / "right"), CHANCE())
    assert killing.right.code == 0
    assert sum(name.endswith(".wav") for name in killing.right.media) == 6
    series = killing.series(tmp_path / "out", kills=8)
    assert series.faults == []
    assert series.kills


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_kill_before_any_file_operation_is_recovered(whole: Undisturbed, tmp_path: Path) -> None:
    """Every twelfth step of a run from its first to its last."""
    for step in range(1, whole.steps, 12):
        out = tmp_path / f"{step}"
        command = fake_tools(tmp_path / f"tools {step}")
        for run in (step, None):
            with Program(command, out, out.with_suffix(".words"), step=run) as program:
                code = program.process.wait(120)
                assert program.gone() is not None
            assert list(faults(out, [whole], one_form=True)) == [], f"killed before step {step}"
        assert code == whole.code
        assert list(differences(out, whole)) == [], f"killed before step {step}"
