"""``check`` reports corrupt, missing and untracked files; a repair re-creates the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import wave
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from shared import QUICK

import hdtf_async
from hdtf_async import ExitCode, Options, Reason
from hdtf_async.cli import main, summaries
from hdtf_async.commands import check, repair
from hdtf_async.commands.check import ClipChecker, check_directory
from hdtf_async.commands.repair import recorded_settings
from hdtf_async.core import events, exceptions
from hdtf_async.core.event_bus import EventBus
from hdtf_async.core.events import ClipChecked, Found
from hdtf_async.core.failures import ADVICE, Failure
from hdtf_async.core.jsonlines import line
from hdtf_async.core.model import Audio, Box, Clip, Interval, Video
from hdtf_async.dataset.plan import fingerprint
from hdtf_async.lanes.limits import Lanes
from hdtf_async.output.directory import open_directory, read_known
from hdtf_async.output.journal import JOURNAL, SOURCE_VIDEOS
from hdtf_async.output.manifests import METADATA
from hdtf_async.process.guard import UNGUARDED
from hdtf_async.report.result import Report

if TYPE_CHECKING:
    from shared import Finished

    from hdtf_async.commands.repair import Check
    from hdtf_async.core.events import Event
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.output.journal import JournalIndex

FLIPPED, SHORT, GONE, STRANGER = "RD_Radio1_000", "WDA_Speaker1_000", "WRA_Guest2_001", "holiday.mp4"
OFFLINE = Options(yt_dlp_args=("--never-asked",))


@pytest.fixture
def out(small: Finished, tmp_path: Path) -> Path:
    """A copy of the finished demo directory, with small clips."""
    shutil.copytree(small.out, tmp_path / "clips")
    return tmp_path / "clips"


async def checked(out: Path, options: Options | None = None, **how: bool) -> Check:
    """Run a check to its end."""
    return await hdtf_async.check(out, options, **how)


def named(result: Check) -> dict[str, str]:
    """Return the kind of each finding by the file that it names."""
    return {found.file: found.kind for found in result.found}


def flip(path: Path) -> None:
    """Flip one byte in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0xFF]))


def spoil(out: Path) -> None:
    """Cause every problem that a check detects."""
    flip(out / f"{FLIPPED}.mp4")
    os.truncate(out / f"{SHORT}.mp4", 1000)
    (out / f"{GONE}.mp4").unlink()
    (out / STRANGER).write_bytes(b"mine")
    lines = (out / METADATA).read_text()
    (out / METADATA).write_text(lines.replace('"frames": 150', '"frames": 151', 1))


def content(out: Path) -> dict[str, str]:
    """Return the hash of each file in a directory except its journal."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != JOURNAL
    }


def record_of(out: Path, stem: str, **metadata: Any) -> Record:
    """Return the record of a clip, with modified metadata."""
    record = read_known(out).clips[stem]
    return record | {"metadata": record["metadata"] | metadata}


def add(out: Path, *records: Record) -> None:
    """Append records to a journal."""
    with (out / JOURNAL).open("ab") as journal:
        journal.writelines(map(line, records))


def recorded_fields(index: JournalIndex) -> dict[str, Any]:
    """Return the options that determine the output settings of a directory's clips."""
    return {
        option.name: index.settings[option.name]
        for option in fields(Options)
        if option.name in index.settings
    }


def write_metadata(out: Path) -> None:
    """Write the metadata as derived from the journal."""
    clips = read_known(out).clips
    (out / METADATA).write_bytes(b"".join(line(clips[stem]["metadata"]) for stem in sorted(clips)))


@pytest.mark.slow
def test_problems_are_listed_and_repaired_to_the_same_bytes(
    out: Path, small: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with one line per finding; the repair exits with 0 and does not touch untracked files."""
    spoil(out)
    assert main.main(["check", "--out", str(out)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [(*text.partition(": ")[0].split(),) for text in printed[:5]] == [
        ("corrupt", f"{FLIPPED}.mp4"),
        ("corrupt", f"{SHORT}.mp4"),
        ("missing", f"{GONE}.mp4"),
        ("corrupt", "metadata.jsonl:2"),
        ("untracked", STRANGER),
    ]
    assert "sha256" in printed[0]
    assert "1000 bytes, recorded" in printed[1]
    assert "RD_Radio1_001" in printed[3]
    assert "frames" in printed[3]
    assert printed[5].startswith("Checked 10 clips in ")
    assert printed[5].endswith("3 corrupt, 1 missing, 1 untracked.")
    assert len(printed[5:]) <= 10

    assert main.main(["check", "--repair", "--out", str(out), "--yt-dlp-args=--never-asked"]) == 0
    repaired = capsys.readouterr().out
    assert f"untracked  {STRANGER}" in repaired
    assert "Re-created 3 clips; 0 failed." in repaired
    assert content(out) == content(small.out) | {STRANGER: hashlib.sha256(b"mine").hexdigest()}

    assert main.main(["check", "--out", str(out)]) == 1
    assert f"untracked  {STRANGER}" in capsys.readouterr().out
    (out / STRANGER).unlink()
    assert main.main(["check", "--deep", "--out", str(out)]) == 0
    assert capsys.readouterr().out.endswith("0 corrupt, 0 missing, 0 untracked.\n")


def test_a_clip_that_was_never_created_is_missing_as_after_a_run(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no finding, and has the reason that the run gave; a clip whose file is gone is missing too."""
    (out / f"{GONE}.mp4").unlink()
    add(out, {"type": "failed", "clip": "RD_Radio8_000", "reason": "private"})
    with (out / "failures.jsonl").open("ab") as failures:
        failures.write(line({"clip": "RD_Radio9_000", "reason": "not_tried"}))
    main.main(["check", "--out", str(out)])
    printed = capsys.readouterr().out
    assert "missing    " + f"{GONE}.mp4" in printed
    assert "3 missing (1 not found, 1 private, 1 not_tried)" in printed


@pytest.mark.slow
async def test_damage_with_a_matching_hash_is_found_by_decoding(out: Path) -> None:
    """As if the disk had damaged it before it was hashed: a frame cannot be decoded."""
    path = out / f"{FLIPPED}.mp4"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 500)
    add(out, record_of(out, FLIPPED, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    add(out, record_of(out, GONE, frames=99))
    (out / METADATA).write_bytes(
        b"".join(map(line, (each["metadata"] for _, each in sorted(read_known(out).clips.items()))))
    )
    shallow, deep = await checked(out), await checked(out, deep=True)
    assert named(shallow) == {f"{GONE}.mp4": "wrong"}
    assert named(deep) == {f"{FLIPPED}.mp4": "wrong", f"{GONE}.mp4": "wrong"}
    messages = {found.file: found.words for found in deep.found}
    assert messages[f"{FLIPPED}.mp4"].startswith("cannot be decoded: ")
    assert "0x" not in messages[f"{FLIPPED}.mp4"], "no address in ffmpeg's memory: the same words each time"
    assert "50 frames decoded, recorded 99" in messages[f"{GONE}.mp4"]


@pytest.mark.slow
async def test_decoding_uses_encode_tokens(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many clips are decoded in parallel as there are tokens, and each of them once."""
    running, most, seen, together = 0, 0, list[str](), anyio.Event()

    async def frames(_tool: Path, clip: Path, **_: object) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        seen.append(clip.stem)
        if running == tokens:
            together.set()
        await together.wait()  # the first ones, as many as there are tokens
        await anyio.sleep(0)
        running -= 1
        return int(read_known(out).clips[clip.stem]["metadata"]["frames"])

    monkeypatch.setattr(check, "decode_clip", frames)
    for tokens in (1, 3):
        most, together = 0, anyio.Event()
        result = await checked(out, Options(encodes=tokens), deep=True)
        assert (most, result.found) == (tokens, [])
    assert sorted(seen) == sorted([*read_known(out).clips] * 2)


async def test_a_check_changes_nothing_and_needs_no_lock(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a run holds the directory, its current work is not checked, but everything else is."""
    monkeypatch.setattr(import_module("hdtf_async.commands.check"), "_MOMENT", 0)
    spoil(out)

    def state() -> dict[str, tuple[int, int, int]]:
        stats = {path.name: path.lstat() for path in (out, *out.rglob("*"))}
        return {name: (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size) for name, stat in stats.items()}

    async with open_directory(out) as directory:
        # A clip that is being replaced, and one that is being written.
        await directory.append({"type": "replacing", "clip": "WRA_Guest1_000"})
        (out / ".hdtf-WRA_Guest1_000.mp4").write_bytes(b"half")
        before = state()
        result = await checked(out, deep=True)
        assert state() == before
        assert result.at_work
        assert named(result) == {
            f"{FLIPPED}.mp4": "wrong", f"{SHORT}.mp4": "wrong", f"{GONE}.mp4": "missing", STRANGER: "foreign",
        }  # fmt: skip
        with pytest.raises(exceptions.BusyError):
            await checked(out, repair=True)
    assert not (await checked(out)).at_work


async def test_clips_written_during_a_check_are_not_compared_with_old_records(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run replaces one clip and writes another one for the first time during a check."""
    monkeypatch.setattr(import_module("hdtf_async.commands.check"), "_MOMENT", 0)
    flip(out / f"{FLIPPED}.mp4")
    new = record_of(out, FLIPPED, sha256=hashlib.sha256((out / f"{FLIPPED}.mp4").read_bytes()).hexdigest())
    shutil.copyfile(out / f"{FLIPPED}.mp4", out / "RD_Radio9_000.mp4")
    bus = EventBus()

    def record(event: Event) -> None:
        if event == ClipChecked(FLIPPED, 4.0, whole=False):
            add(out, new, new | {"clip": "RD_Radio9_000"})

    bus.subscribe(record)
    async with open_directory(out):
        clips = ClipChecker(read_known(out), None, Lanes.of(Options()), UNGUARDED, bus)
        findings = await check_directory(clips, locked=False)
    assert (findings.found, findings.run_was_active) == ([], True)


@pytest.mark.slow
async def test_a_killed_repair_is_resumed(out: Path, small: Finished) -> None:
    """It has left clips whose record is withdrawn: one unchanged, one deleted."""
    flip(out / f"{FLIPPED}.mp4")
    (out / f"{GONE}.mp4").unlink()
    add(out, *({"type": "replacing", "clip": stem} for stem in (FLIPPED, GONE)))
    assert {f"{FLIPPED}.mp4": "wrong", f"{GONE}.mp4": "missing"}.items() <= named(await checked(out)).items()
    again = await checked(out, OFFLINE, repair=True)
    assert (sorted(again.report.done), again.exit_code) == ([FLIPPED, GONE], ExitCode.DONE)
    assert content(out) == content(small.out)


@pytest.mark.slow
async def test_clips_that_cannot_be_re_created_are_reported_and_have_no_record(out: Path) -> None:
    """The exit code is the main command's, and the next check finds the clips again."""
    flip(out / f"{FLIPPED}.mp4")
    (out / SOURCE_VIDEOS / "RD_Radio1.mp4").unlink()
    nothing = shutil.which("false")  # a yt-dlp that fails without a message
    assert nothing is not None
    result = await checked(out, Options(pace=0, retry_wait=0, yt_dlp=Path(nothing)), repair=True)
    assert (result.exit_code, result.report.failed) == (ExitCode.GIVEN_UP, {FLIPPED: Reason.UNKNOWN})
    assert FLIPPED not in (out / METADATA).read_text()
    assert json.loads((out / "failures.jsonl").read_text())["reason"] == "unknown"
    assert named(await checked(out)) == {f"{FLIPPED}.mp4": "wrong"}


async def test_a_clip_of_another_version_is_left_to_the_main_command(out: Path) -> None:
    """It could not be re-created unchanged; its record is withdrawn, and the exit code shows it."""
    flip(out / f"{FLIPPED}.mp4")
    add(out, record_of(out, FLIPPED, fingerprint="of another version"))
    result = await checked(out, OFFLINE, repair=True)
    assert (result.exit_code, [*result.left], result.report.done) == (ExitCode.GIVEN_UP, [FLIPPED], [])
    assert FLIPPED not in read_known(out).clips


@pytest.mark.slow
async def test_a_repair_writes_nothing_outside_the_directory(out: Path) -> None:
    """Neither for a record, valid otherwise, whose file name contains a path; nor for a video's name."""
    index = read_known(out)
    for name in ("../../Radio1", "/Radio1", "Radio1\0"):
        metadata = index.clips[FLIPPED]["metadata"] | {"name": name}
        clip = Clip(Video("RD", name, metadata["youtube_id"], metadata["reference_height"]), 0,
                    Interval(metadata["start"], metadata["end"]), Box(*metadata["box"]))  # fmt: skip
        metadata["fingerprint"] = fingerprint(clip, Options(**recorded_fields(index)).output_settings)
        add(out, index.clips[FLIPPED] | {"clip": clip.stem, "metadata": metadata})
    flip(out / f"{FLIPPED}.mp4")
    before = sorted(out.parent.rglob("*"))
    result = await checked(out, OFFLINE, repair=True)
    assert result.report.done == [FLIPPED]
    assert len(result.left) == 3
    assert sorted(out.parent.rglob("*")) == before


async def test_clips_with_other_settings_may_be_missing_in_the_metadata(out: Path) -> None:
    """As an interrupted --recut leaves them: neither their missing lines nor the others are findings."""
    index = read_known(out)
    add(out, {"type": "run", "form": index.settings | {"size": 96}})
    record = index.clips[FLIPPED]
    add(out, record | {"form": record["form"] | {"size": 96}})
    (out / METADATA).write_bytes(line(record["metadata"]))
    assert (await checked(out)).found == []


async def test_a_default_that_is_not_recorded_is_another_setting(out: Path) -> None:
    """As before `--recut` without `--fit`; a repair uses the default, whatever the options."""
    index = read_known(out)
    assert "fit" not in index.settings
    record = index.clips[FLIPPED]
    add(out, record | {"form": record["form"] | {"fit": "pad"}})
    others = (other["metadata"] for stem, other in index.clips.items() if stem != FLIPPED)
    (out / METADATA).write_bytes(b"".join(map(line, others)))
    assert (await checked(out)).found == []
    options = recorded_settings(index, Options(size=512, fit="pad", first=1))
    assert options.output_settings == Options(**recorded_fields(index)).output_settings


@pytest.mark.slow
async def test_wav_files_are_compared_with_their_record(out: Path) -> None:
    """Their bytes and their samples; a WAV file without a record is untracked."""
    path = out / f"{FLIPPED}.wav"
    with wave.open(str(path), "wb") as audio_file:
        audio_file.setparams((1, 2, 16000, 0, "NONE", ""))
        audio_file.writeframes(bytes(2 * 16000))
    assert f"{FLIPPED}.wav" in named(await checked(out))
    audio = {"wav": path.name, "wav_bytes": path.stat().st_size, "wav_samples": 16000}
    audio["wav_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    add(out, record_of(out, FLIPPED, **audio))
    write_metadata(out)
    assert (await checked(out)).found == []
    add(out, record_of(out, FLIPPED, wav_samples=16001))
    (found,) = (found for found in (await checked(out)).found if found.file == path.name)
    assert found.words == "16000 samples, recorded 16001"
    path.write_bytes(b"RIFF")
    (found,) = (found for found in (await checked(out)).found if found.file == path.name)
    assert "4 bytes, recorded" in found.words
    assert "cannot be opened" in found.words


@pytest.mark.usefixtures("site")
@pytest.mark.slow
async def test_segments_with_audio_are_re_created_unchanged(finished: Finished, tmp_path: Path) -> None:
    """With the settings of the journal, whatever the options: segments with both kinds of audio."""
    form = replace(finished.options, videos=("Radio2",), segment=2, audio=Audio.BOTH, **QUICK)
    await hdtf_async.download(tmp_path, form)
    before = content(tmp_path)
    assert (await checked(tmp_path, deep=True)).found == []
    flip(tmp_path / "RD_Radio2_000_s000.wav")
    (tmp_path / "RD_Radio2_000_s001.mp4").unlink()
    result = await checked(tmp_path, OFFLINE, repair=True)
    assert named(result) == {"RD_Radio2_000_s000.wav": "wrong", "RD_Radio2_000_s001.mp4": "missing"}
    assert (result.exit_code, sorted(result.report.done)) == (
        ExitCode.DONE,
        ["RD_Radio2_000_s000", "RD_Radio2_000_s001"],
    )
    assert content(tmp_path) == before


async def test_wrong_lines_of_metadata_are_reported_and_rewritten(out: Path, small: Finished) -> None:
    """A missing and a duplicate line, invalid ones, and one without a clip; no clip is re-created."""
    _, *lines = (out / METADATA).read_bytes().splitlines(keepends=True)
    more = [lines[0], b"[]\n", b'{"file_name": "\\u001b[2J.mp4"}\n', b"half a li"]
    (out / METADATA).write_bytes(b"".join([*lines, *more]))
    result = await checked(out, repair=True)
    assert [(each.file, each.words) for each in result.found] == [
        (f"{METADATA}:10", "duplicate line for RD_Radio1_001"),
        (f"{METADATA}:11", "invalid line"),
        (f"{METADATA}:12", r"no record of '\x1b[2J' in the journal"),
        (f"{METADATA}:13", "invalid line"),
        (METADATA, "no line for RD_Radio1_000"),
    ]
    assert (result.exit_code, result.report.done) == (ExitCode.DONE, [])
    assert content(out) == content(small.out)


async def test_a_missing_metadata_file_is_reported_and_rewritten(out: Path, small: Finished) -> None:
    """If there are clips; a directory without clips needs none."""
    (out / METADATA).unlink()
    result = await checked(out, repair=True)
    assert [(each.file, each.kind, each.words) for each in result.found] == [
        (METADATA, "missing", "file not found")
    ]
    assert content(out) == content(small.out)
    for clip in out.glob("*.mp4"):
        clip.unlink()
    (out / METADATA).unlink()
    assert METADATA not in named(await checked(out))


async def test_all_other_files_are_untracked_and_shown_safely(out: Path) -> None:
    """Files and directories, also in _videos_raw; leftovers of a killed run are recognised by name."""
    (out / "\x1b[2Jx").mkdir()
    (out / "RD_Radio9_000.mp4").write_bytes(b"")
    (out / ".hdtf-RD_Radio9_000.mp4").write_bytes(b"")
    (out / SOURCE_VIDEOS / "mine.mp4").write_bytes(b"")
    (out / SOURCE_VIDEOS / "RD_Radio9_download_log.txt").write_bytes(b"")
    os.link(
        out / SOURCE_VIDEOS / "RD_Radio1.mp4", out / SOURCE_VIDEOS / "RD_Radio9.mp4"
    )  # another row's name
    assert {found.file: found.words for found in (await checked(out)).found} == {
        "'\\x1b[2Jx'": "not created by this program",
        "RD_Radio9_000.mp4": "not in the journal",
        f"{SOURCE_VIDEOS}/mine.mp4": "not created by this program",
    }


@pytest.mark.slow
async def test_invalid_records_do_not_crash_a_check(out: Path, tmp_path: Path) -> None:
    """An untrusted journal: names with paths, values of any type, a FIFO instead of a file."""
    (tmp_path / "elsewhere.mp4").write_bytes(b"mine")
    record = record_of(out, FLIPPED)
    add(
        out,
        record | {"clip": "../elsewhere"},
        record_of(out, SHORT, bytes=[], sha256={}, frames="\x1b[2J", fps="x", duration=None, index="0"),
        record_of(out, GONE, sha256=None, subset=7),
    )
    (out / "WRA_Guest1_000.mp4").unlink()
    os.mkfifo(out / "WRA_Guest1_000.mp4")
    result = await checked(out, OFFLINE, repair=True)
    kinds = {name: kind for name, kind in named(result).items() if not name.startswith(METADATA)}
    assert kinds == dict.fromkeys(
        ("../elsewhere", f"{SHORT}.mp4", f"{GONE}.mp4", "WRA_Guest1_000.mp4"), "wrong"
    )
    assert all(found.words.isprintable() for found in result.found)
    assert (tmp_path / "elsewhere.mp4").read_bytes() == b"mine"
    assert set(result.left) == {"../elsewhere", SHORT, GONE}
    assert result.report.done == ["WRA_Guest1_000"]


async def test_an_interrupted_check_says_that_it_is_incomplete(out: Path) -> None:
    """And repairs nothing."""
    spoil(out)
    before = content(out)
    async with repair.running(out, Options(encodes=1), repair=True) as run:
        run.finish()
        received = [event async for event in run]
    assert run.report.stopped is not None
    assert run.report.stopped.reason is Reason.NOT_TRIED
    assert isinstance(received[-1], events.CheckEnded)
    assert not [event for event in received if isinstance(event, Found)]
    assert content(out) == before


def test_the_summary_has_ten_lines_at_most() -> None:
    """Besides one for each finding, in any case."""
    result = repair.Check(repairs=True, clips=9, at_work=True, left={FLIPPED: "another form"}, other_bytes=2)
    result.found = [Found(f"RD_A_{index:03d}.mp4", "wrong", "words") for index in range(30)]
    result.report = Report(asked=100, stopped=Failure(Reason.REFUSED, "429"))
    result.report.failed.update({f"clip{number}": reason for number, reason in enumerate(ADVICE)})
    assert len(summaries.check_summary(result, "out").splitlines()) <= 10
    assert len(summaries.check_findings(result)) == 30


@pytest.mark.parametrize("printing", ["--json", "--quiet"])
def test_findings_are_printed_as_json_and_in_quiet_mode(
    printing: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON lines from the first event to the last; or only the findings, on stderr."""
    (out / STRANGER).write_bytes(b"mine")
    assert main.main(["check", "--out", str(out), printing]) == 1
    printed = capsys.readouterr()
    if printing == "--quiet":
        assert (printed.out, printed.err) == ("", f"untracked  {STRANGER}: not in the journal\n")
    else:
        lines = [json.loads(text) for text in printed.out.splitlines()]
        assert (lines[0]["type"], lines[-1]["type"], lines[-1]["exit_code"]) == (
            "run_started",
            "check_ended",
            1,
        )
        assert [each["file"] for each in lines if each["type"] == "found"] == [STRANGER]


def test_exit_codes_of_invalid_command_lines_and_local_errors(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 for the command line, 4 if there is nothing to check or no tool; and no file is created."""
    for arguments, message in (
        (["check"], "--out DIR is required"),
        (["check", "--out", "x", "--size", "256"], "--size"),
        (["check", "--out", "x", "--recut"], "--recut"),
    ):
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        assert ended.value.code == ExitCode.USAGE
        assert message in capsys.readouterr().err
    for more in ([], ["--repair"]):
        assert main.main(["check", "--out", str(tmp_path / "nowhere"), *more]) == ExitCode.LOCAL
        assert "expected the output directory of a run" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
    assert main.main(["check", "--out", str(out), "--deep", "--ffmpeg", "/nowhere/ffmpeg"]) == ExitCode.LOCAL
    assert "/nowhere/ffmpeg" in capsys.readouterr().out
