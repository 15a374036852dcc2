"""Several shards in one directory: how videos are divided, which runs may coexist, and what they make."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import yaml
from anyio.to_thread import run_sync
from hypothesis import given
from hypothesis import strategies as st
from load_runs import Most, load, write_tables

from hdtf_async import BusyError, ExitCode, FormError, Reason
from hdtf_async.cli import main
from hdtf_async.core import descriptors
from hdtf_async.core.model import Annotation, Box, Clip, Interval, Tables, Video
from hdtf_async.core.options import Options
from hdtf_async.core.shards import COUNT, KUBERNETES, SLURM, Shard, from_environment, place
from hdtf_async.dataset import plan, tables
from hdtf_async.output import atomic, manifests
from hdtf_async.output.directory import open_directory, read_known
from hdtf_async.output.journal import JOURNAL, merged_by_time, name_of, read
from hdtf_async.output.manifests import FAILURES, METADATA
from hdtf_async.report.outdated import REPORT

if TYPE_CHECKING:
    from shared import Finished

    from hdtf_async.output.directory import OutputDirectory

EXAMPLES = Path(__file__).parents[2] / "examples"
IDS = [f"{number:011d}" for number in range(2000)]
FIRST, SECOND = Shard(0, 2), Shard(1, 2)


def _video(shard: Shard, name: str = "Radio1") -> Video:
    """Return a video that belongs to a shard."""
    return Video("RD", name, next(each for each in IDS if shard.owns(each)), 720)


def _clip(shard: Shard, name: str = "Radio1") -> Clip:
    return Clip(_video(shard, name), 0, Interval(30, 60), Box(466, 0, 534, 534))


def _record(clip: Clip, length: int, form: dict[str, Any]) -> dict[str, Any]:
    metadata = {"file_name": f"{clip.stem}.mp4", "youtube_id": clip.video.youtube_id, "bytes": length}
    return {"type": "clip", "clip": clip.stem, "form": form, "metadata": metadata}


async def _made(directory: OutputDirectory, clip: Clip, content: bytes = b"a clip", **form: object) -> None:
    final = directory.clip_path(clip)
    temporary = directory.temporary(final)
    temporary.write_bytes(content)
    await directory.publish(temporary, final)
    await directory.append(_record(clip, len(content), form))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _contents(out: Path) -> dict[str, bytes]:
    """Return the content of a directory without journals, logs, report and lock, which contain times."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
        and not path.name.startswith("_")
        and not path.name.endswith("_log.txt")
        and path.name != REPORT
    }


# How videos are divided.


@given(youtube_id=st.text(max_size=20), count=st.integers(1, 5000))
def test_an_additional_shard_moves_videos_only_to_itself(youtube_id: str, count: int) -> None:
    """A video's shard depends only on its id; one more shard moves a video to the new one or not at all."""
    before, after = place(youtube_id, count), place(youtube_id, count + 1)
    assert 0 <= before < count
    assert after in {before, count}
    assert [Shard(index, 3).owns(youtube_id) for index in range(3)].count(True) == 1


def test_shards_have_similar_sizes() -> None:
    """Each of eight has an eighth of the videos, within statistical limits."""
    sizes = Counter(place(youtube_id, 8) for youtube_id in IDS)
    assert len(sizes) == 8
    assert all(180 < size < 320 for size in sizes.values())


def test_the_shard_of_a_video_never_changes() -> None:
    """Otherwise a resumed run would look for its clips in other journals."""
    assert [place(youtube_id, 100) for youtube_id in ("CPCoMyuBRM0", "gh3YqnvNdio", IDS[0])] == [80, 69, 24]


def test_rows_of_one_video_belong_to_one_shard() -> None:
    """The shipped tables: every clip in one shard, and a video that two rows name in one shard only."""
    read_ = tables.read()
    parts = [plan.select(read_, Options(shard=Shard(index, 16))) for index in range(16)]
    assert sorted(clip.stem for part in parts for clip in part) == sorted(
        clip.stem for clip in plan.select(read_, Options())
    )
    assert sum("gh3YqnvNdio" in {clip.video.youtube_id for clip in part} for part in parts) == 1


@pytest.mark.parametrize("text", ["4/4", "-1/4", "1", "1/0", "a/b", "1/4/2", "0/100001", ""])
def test_an_invalid_shard_is_rejected(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2, before any file is touched."""
    with pytest.raises(SystemExit) as ended:
        main.main(["plan", f"--shard={text}"])
    assert ended.value.code == ExitCode.USAGE
    assert "--shard" in capsys.readouterr().err


def _array(number: int, count: int, first: int, last: int) -> dict[str, str]:
    ends = {"COUNT": count, "MIN": first, "MAX": last}
    return {SLURM: str(number)} | {f"SLURM_ARRAY_TASK_{end}": str(value) for end, value in ends.items()}


@pytest.mark.parametrize(
    ("variables", "due"),
    [
        ({}, None),
        ({COUNT: "4"}, None),
        (_array(0, 4, 0, 3), "0/4"),
        (_array(3, 4, 1, 4), "2/4"),
        (_array(7, 4, 1, 7), "3/4"),
        (_array(5, 1, 5, 5), "0/1"),
        (_array(5, 2, 3, 5) | {COUNT: "8"}, "5/8"),
        ({KUBERNETES: "3", COUNT: "8"}, "3/8"),
    ],
)
def test_the_shard_is_read_from_the_batch_system(variables: dict[str, str], due: str | None) -> None:
    """Arrays may start anywhere and have steps; a user's count has precedence over SLURM's own."""
    result = from_environment(variables)
    assert (result and str(result[0])) == due


@pytest.mark.parametrize(
    "variables",
    [
        {KUBERNETES: "3"},
        {KUBERNETES: "8", COUNT: "8"},
        {KUBERNETES: "x", COUNT: "8"},
        {SLURM: "1"},
        _array(1, 3, 1, 9) | {SLURM: "2"},
        _array(4, 3, 1, 8),
    ],
)
def test_incomplete_variables_of_a_batch_system_are_an_error(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is better than N complete runs, or a part that is never done."""
    with pytest.raises(ValueError, match="use --shard I/N"):
        from_environment(variables)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main.main(["--out", str(tmp_path / "out")]) == ExitCode.USAGE
    assert not (tmp_path / "out").exists()


# Which runs may coexist.


@pytest.mark.parametrize(
    ("at_work", "comes", "may"),
    [
        (FIRST, SECOND, True),
        (FIRST, FIRST, False),
        (FIRST, None, False),
        (None, FIRST, False),
        (FIRST, Shard(2, 3), False),
        (FIRST, Shard(0, 3), False),
    ],
    ids=str,
)
async def test_only_shards_of_one_division_can_share_a_directory(
    tmp_path: Path, at_work: Shard | None, comes: Shard | None, *, may: bool
) -> None:
    """No two runs ever process the same video; after one has ended the other can start."""
    async with open_directory(tmp_path, at_work):
        if may:
            async with open_directory(tmp_path, comes):
                pass
        else:
            with pytest.raises(BusyError):
                async with open_directory(tmp_path, comes):
                    pass
    async with open_directory(tmp_path, comes):
        pass


async def test_children_of_a_shard_keep_both_of_its_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it is killed, neither its successor nor a run of all videos starts while they may still write."""
    monkeypatch.setattr(descriptors, "close", os.close)  # which is all that a kill does
    async with open_directory(tmp_path, FIRST) as directory:
        held = [os.dup(lock) for lock in directory.locks]
    monkeypatch.undo()
    try:
        for comes in (FIRST, None):
            with pytest.raises(BusyError):
                async with open_directory(tmp_path, comes):
                    pass
    finally:
        for lock in held:
            os.close(lock)


async def test_a_shard_removes_only_its_own_leftovers(tmp_path: Path) -> None:
    """The files of others have temporary names too; a run of all videos removes all leftovers."""
    mine, others = _video(FIRST, "Mine"), _video(SECOND, "Others")
    names = [
        *("{}_000.mp4", "{}_000_s001.wav", "_videos_raw/{}.mp4", "_videos_raw/{}.download"),
        *("named {}.mp4", "named {}_s002.mp4", "named {}.track.json"),
    ]

    def left(video: Video) -> list[Path]:
        paths = [tmp_path / name.format(video.stem) for name in names]
        return [*map(atomic.temporary, paths), *(path.with_name(f".hdtf-{path.name}") for path in paths)]

    (tmp_path / "_videos_raw").mkdir()
    of_mine, of_others, manifest = left(mine), left(others), atomic.temporary(tmp_path / METADATA)
    for path in (*of_mine, *of_others, manifest):
        path.write_bytes(b"half")
    clips = tuple(
        Clip(video, 0, Interval(0, 1), None, None, annotation=name)
        for video in (mine, others)
        for name in (None, Annotation(name=f"named {video.stem}"))
    )
    async with open_directory(tmp_path, FIRST, Tables((mine, others), clips, ())):
        assert not any(path.exists() for path in of_mine)
        assert all(path.exists() for path in (*of_others, manifest))
    async with open_directory(tmp_path):
        assert not list(tmp_path.rglob(".hdtf-*"))


# State.


async def test_a_run_of_all_videos_uses_the_results_of_all_shards(tmp_path: Path) -> None:
    """And a shard uses the results for its own videos from any earlier division."""
    mine, others = _clip(FIRST, "Mine"), _clip(SECOND, "Others")
    async with open_directory(tmp_path, FIRST) as directory:
        await _made(directory, mine)
    async with open_directory(tmp_path, SECOND) as directory:
        await _made(directory, others)
        assert set(directory.known.clips) == {others.stem}
    async with open_directory(tmp_path) as directory:
        assert set(directory.known.existing_clips()) == {mine.stem, others.stem}
        await directory.append({"type": "replacing", "clip": others.stem})
        assert (tmp_path / JOURNAL).read_bytes().count(b"\n") == 1
    assert set(read_known(tmp_path).clips) == {mine.stem}
    third = Shard(place(mine.video.youtube_id, 3), 3)
    async with open_directory(tmp_path, third) as directory:
        assert mine.stem in directory.known.clips
        assert all(third.owns(record["metadata"]["youtube_id"]) for record in directory.known.clips.values())


async def test_the_newest_record_counts_even_with_a_fast_clock(tmp_path: Path) -> None:
    """A process that builds upon records of others uses a later time for its own."""
    clip = _clip(FIRST)
    async with open_directory(tmp_path, FIRST) as directory:
        await _made(directory, clip, b"first")
    journal = tmp_path / name_of(FIRST)
    (record,) = _lines(journal)
    journal.write_text(json.dumps(record | {"time": "2091-01-01T00:00:00.000+00:00"}) + "\n")
    async with open_directory(tmp_path) as directory:
        await _made(directory, clip, b"the second")
    assert read_known(tmp_path).clips[clip.stem]["metadata"]["bytes"] == len(b"the second")


@given(
    journals=st.lists(
        st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=8), min_size=1, max_size=5
    )
)
def test_journals_are_read_by_time_and_each_in_its_own_order(
    journals: list[list[tuple[int, bool]]],
) -> None:
    """Also where a time is missing or a clock was set back."""
    lists = [
        [
            {"at": (place_, number)} | ({"time": f"2026-01-01T00:00:{second:02d}.000+00:00"} if line else {})
            for number, (second, line) in enumerate(journal)
        ]
        for place_, journal in enumerate(journals)
    ]
    merged = list(merged_by_time(lists))
    for place_, each in enumerate(lists):
        assert [record for record in merged if record["at"][0] == place_] == each
    if all(each == sorted(each, key=lambda record: record.get("time", "")) for each in lists) and all(
        "time" in record for record in merged
    ):
        assert [record["time"] for record in merged] == sorted(record["time"] for record in merged)


def test_more_journals_than_the_limit_of_open_files_are_read(tmp_path: Path) -> None:
    """A thousand shards are common, and so is a limit of 1024 open files."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for index in range(200):
        record = {"type": "failed", "clip": f"RD_V{index}_000", "reason": "private"}
        (tmp_path / name_of(Shard(index, 200))).write_text(json.dumps(record) + "\n")
    used = len(os.listdir("/dev/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 50, hard))
    try:
        assert len(read_known(tmp_path).failures) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_journal_is_read_to_its_last_complete_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For any read size, and while another process writes it."""
    path = tmp_path / name_of(FIRST)
    path.write_text("".join(f'{{"n": {number}}}\n' for number in range(50)) + '{"n": 5')
    for size in (1, 7, 100, 10**6):
        monkeypatch.setattr("hdtf_async.output.journal._READ_SIZE", size)
        assert [record["n"] for record in read(path)] == list(range(50))


# The manifests.


async def test_the_manifests_are_made_from_all_journals(tmp_path: Path) -> None:
    """By each run that ends, while others run too; untried clips of an interrupted run stay listed."""
    mine, others = _clip(FIRST, "Mine"), _clip(SECOND, "Others")
    async with open_directory(tmp_path, SECOND) as neighbour:
        await _made(neighbour, others)
        async with open_directory(tmp_path, FIRST) as directory:
            await directory.write_manifests((mine,))
        assert [line["file_name"] for line in _lines(tmp_path / METADATA)] == [f"{others.stem}.mp4"]
        assert [(line["clip"], line["reason"]) for line in _lines(tmp_path / FAILURES)] == [
            (mine.stem, "not_tried")
        ]
    async with open_directory(tmp_path, FIRST) as directory:
        assert directory.known.failures[mine.stem]["reason"] == Reason.NOT_TRIED
        await _made(directory, mine)
        await directory.write_manifests((mine,))
    assert len(_lines(tmp_path / METADATA)) == 2
    assert _lines(tmp_path / FAILURES) == []


async def test_during_a_change_of_settings_only_new_clips_are_listed(tmp_path: Path) -> None:
    """Every shard derives the new settings from the journals."""
    mine, others = _clip(FIRST, "Mine"), _clip(SECOND, "Others")
    for shard, clip in ((FIRST, mine), (SECOND, others)):
        async with open_directory(tmp_path, shard) as directory:
            await directory.append({"type": "run", "form": {"size": None}})
            await _made(directory, clip, size=None)
            await directory.write_manifests()
    assert len(_lines(tmp_path / METADATA)) == 2
    async with open_directory(tmp_path, FIRST) as directory:
        await directory.append({"type": "run", "form": {"size": 512}})
        await directory.write_manifests()
        assert _lines(tmp_path / METADATA) == []
        await _made(directory, mine, b"another one", size=512)
        await directory.write_manifests()
    assert [line["file_name"] for line in _lines(tmp_path / METADATA)] == [f"{mine.stem}.mp4"]


async def test_a_waiting_merge_uses_the_one_that_started_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred shards that end together write the manifests twice: once for the first, once for the rest."""
    (tmp_path / JOURNAL).touch()
    made, waiting = list[int](), set[int]()
    first, go_on = threading.Event(), threading.Event()
    lock = descriptors.lock

    def locked(descriptor: int) -> bool:
        acquired = lock(descriptor)
        if not acquired:
            waiting.add(descriptor)
        return acquired

    def write(*_: object) -> None:
        made.append(1)
        first.set()
        assert go_on.wait(60)

    monkeypatch.setattr(descriptors, "lock", locked)
    monkeypatch.setattr(manifests, "write", write)
    async with anyio.create_task_group() as group:
        group.start_soon(manifests.merge, tmp_path, {})
        await run_sync(first.wait)
        for _ in range(19):
            group.start_soon(manifests.merge, tmp_path, {})
        while len(waiting) < 19:
            await anyio.sleep(0.01)
        go_on.set()
    assert len(made) == 2


async def test_a_killed_merge_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run writes the manifests."""
    (tmp_path / JOURNAL).touch()
    with monkeypatch.context() as patch:
        patch.setattr(manifests, "write", _killed)
        with pytest.raises(_KilledError):
            await manifests.merge(tmp_path)
    assert not (tmp_path / METADATA).exists()
    await manifests.merge(tmp_path)
    assert (tmp_path / METADATA).exists()


class _KilledError(BaseException):
    pass


def _killed(*_: object) -> None:
    raise _KilledError


# Whole runs.


@pytest.mark.slow
async def test_shards_with_different_settings_are_rejected(tmp_path: Path) -> None:
    """Exit code 2 before any clip is made; --recut, given to all of them, unifies the settings."""
    write_tables(tmp_path / "tables", 20)
    out, source = tmp_path / "out", tmp_path / "tables"
    await load(out, source, Most(), shard=FIRST)
    with pytest.raises(FormError, match="crf 20 -> 23"):
        await load(out, source, Most(), shard=SECOND, crf=23)
    await load(out, source, Most(), shard=SECOND)
    clips = len(_lines(out / METADATA))
    await load(out, source, Most(), shard=FIRST, crf=23, recut=True)
    assert 0 < len(_lines(out / METADATA)) < clips
    await load(out, source, Most(), shard=SECOND, crf=23, recut=True)
    assert len(_lines(out / METADATA)) == clips


def test_exit_codes_cover_a_shard_or_all_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shard's covers its own part, `merge`'s all records of the journals."""
    write_tables(tmp_path / "tables", 10)
    out, source = tmp_path / "out", tmp_path / "tables"
    gone = Shard(place(IDS[0], 2), 2)
    early = anyio.run(partial(load, out, source, Most(), shard=FIRST))
    assert (early.exit_code, early.absent) == (ExitCode.PASSING, (SECOND,))
    reports = {shard: anyio.run(partial(load, out, source, Most(), shard=shard)) for shard in (SECOND, FIRST)}
    assert sum(report.asked for report in reports.values()) == 10
    assert {shard: report.exit_code for shard, report in reports.items()} == {
        shard: ExitCode.GIVEN_UP if shard == gone else ExitCode.DONE for shard in (FIRST, SECOND)
    }
    before = (out / METADATA).read_bytes()
    (out / METADATA).unlink()
    assert main.main(["merge", "--out", str(out)]) == ExitCode.GIVEN_UP
    assert "9 clips, 1 missing" in capsys.readouterr().out
    assert (out / METADATA).read_bytes() == before
    journal = out / f"_journal.shard-{gone.index}-of-2.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # like a shard that was killed right before its end
    assert main.main(["merge", "--out", str(out)]) == ExitCode.PASSING
    assert "9 clips, 1 missing, 1 shards running or killed" in capsys.readouterr().out
    assert main.main(["merge", "--out", str(tmp_path / "nowhere")]) == ExitCode.LOCAL
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.slow
async def test_runs_of_all_videos_and_shards_continue_each_other(tmp_path: Path) -> None:
    """In any order and division: each clip is made once."""
    write_tables(tmp_path / "tables", 30)
    out, source = tmp_path / "out", tmp_path / "tables"
    made = Counter[str]()
    for shard in (Shard(1, 3), Shard(0, 2), None, Shard(2, 5)):
        limit = 20 if shard is None else None
        made.update((await load(out, source, Most(), shard=shard, limit=limit)).done)
    for index in range(4):
        made.update((await load(out, source, Most(), shard=Shard(index, 4))).done)
    assert set(made.values()) == {1}
    assert len(made) == 27
    await load(tmp_path / "whole", source, Most())
    assert _contents(out) == _contents(tmp_path / "whole")


def _command(finished: Finished, out: Path, *more: str) -> list[str]:
    arguments = [sys.executable, "-m", "hdtf_async", "--out", str(out), "--quiet", "--pace", "0"]
    arguments += ["--source", str(finished.options.source), "--encodes", "1", "--downloads", "2"]
    return [*arguments, f"--yt-dlp-args={shlex.join(finished.options.yt_dlp_args)}", *more]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_four_shards_with_two_kills_make_the_same_as_one_run(finished: Finished, tmp_path: Path) -> None:
    """Concurrent processes with the real tools: clips, videos and both manifests are equal byte for byte."""
    out = tmp_path / "clips"
    start = [_command(finished, out, "--shard", f"{index}/4") for index in range(4)]
    copies = [subprocess.Popen(arguments) for arguments in start]
    for index in (2, 3):
        journal = out / f"_journal.shard-{index}-of-4.jsonl"
        while copies[index].poll() is None and b'"type": "raw"' not in _content(journal):
            time.sleep(0.01)
        copies[index].kill()
        assert copies[index].wait() == -signal.SIGKILL, "it was at work when it was killed"
        copies[index] = subprocess.Popen(start[index])
    # A shard that ends while the killed ones have not been restarted names them, and exits with 75.
    codes = {copy.wait() for copy in copies}
    assert ExitCode.DONE in codes
    assert codes <= {ExitCode.DONE, ExitCode.PASSING}
    assert _contents(out) == _contents(finished.out)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


# The examples.


def _job() -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text())
    return job


def test_the_manifest_is_an_indexed_job_that_retries_temporary_failures() -> None:
    """As many shards as completions, and a rule for each exit code that a retry cannot change."""
    job = _job()
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (job["kind"], spec["completionMode"]) == ("Job", "Indexed")
    assert {"name": COUNT, "value": str(spec["completions"])} in container["env"]
    pace = str(int(Options().pace * spec["completions"]))
    assert {"name": "HDTF_ASYNC_PACE", "value": pace} in container["env"], "as one process, by one address"
    rules = spec["podFailurePolicy"]["rules"]
    acts = {code: rule["action"] for rule in rules for code in rule.get("onExitCodes", {}).get("values", ())}
    assert acts == {ExitCode.USAGE: "FailJob", ExitCode.GIVEN_UP: "FailIndex"}
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "the rules need that"
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert container["args"][container["args"].index("--out") + 1] in mounts


@pytest.mark.parametrize("index", [0, 7])
def test_the_command_of_the_container_processes_its_shard(
    finished: Finished, tmp_path: Path, index: int
) -> None:
    """As Kubernetes would start it, except for the volume's path and the source of the videos."""
    spec = _job()["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    out = tmp_path / "clips"
    shutil.copytree(finished.out, out)
    arguments = [
        str(out) if argument == "/clips" else argument
        for argument in (*container["command"], *container["args"])
    ]
    variables = {each["name"]: each["value"] for each in container["env"]} | {KUBERNETES: str(index)}
    ended = subprocess.run(
        [sys.executable, *arguments[1:], "--source", str(finished.options.source)],
        env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == ExitCode.DONE, ended.stderr
    assert f"processing shard {index}/8 (from {KUBERNETES})" in ended.stderr
    assert (out / name_of(Shard(index, 8))).exists()


@pytest.mark.parametrize(
    ("code", "restarts", "again"),
    [(0, 0, False), (75, 0, True), (3, 4, True), (75, 5, False), (1, 0, False), (143, 0, False)],
)
def test_the_batch_script_resubmits_after_temporary_failures(
    tmp_path: Path, code: int, restarts: int, *, again: bool
) -> None:
    """Run by a real shell, with fake SLURM programs in its PATH."""
    for name, does in {
        "srun": f'echo "$@" "$HDTF_SHARDS" "$HDTF_ASYNC_PACE"; exit {code}',
        "scontrol": 'echo "scontrol $@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HDTF_OUT": "/a directory", SLURM: "3"}
    variables |= {"SLURM_ARRAY_JOB_ID": "4711", "SLURM_RESTART_COUNT": str(restarts)}
    ended = subprocess.run(
        [EXAMPLES / "slurm.sh", "--size", "512"], env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code
    first, *rest = ended.stdout.splitlines()
    assert first == "python -m hdtf_async --out /a directory --no-progress --size 512 8 120"
    assert bool(rest) is again
    assert all(line.startswith("scontrol ") and "4711_3" in line for line in rest)


@pytest.mark.parametrize(
    ("variables", "due"),
    [
        ({}, "8 120"),
        ({COUNT: "16"}, "16 240"),
        ({COUNT: "16", "HDTF_ASYNC_PACE": "15"}, "16 15"),
    ],
)
def test_the_batch_script_divides_the_work_and_the_request_rate(
    tmp_path: Path, variables: dict[str, str], due: str
) -> None:
    """By the number of tasks of its array, unless a number is given; at the request rate of one process."""
    (tmp_path / "srun").write_text(f'#!/bin/sh\necho "${COUNT}" "$HDTF_ASYNC_PACE"\n')
    (tmp_path / "srun").chmod(0o755)
    variables |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HDTF_OUT": "/a directory", SLURM: "3"}
    ended = subprocess.run([EXAMPLES / "slurm.sh"], env=variables, capture_output=True, text=True, check=True)
    assert ended.stdout == f"{due}\n"
    assert "#SBATCH --array=0-7\n" in (EXAMPLES / "slurm.sh").read_text()
    assert Options().pace == 120 / 8
