"""Hostile and damaged tables: what they may and may not cause."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import tracemalloc
from collections import Counter
from contextlib import AsyncExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fakes import kit
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import hdtf_async
from hdtf_async.cli import main
from hdtf_async.core.exceptions import TableError
from hdtf_async.core.failures import Failure
from hdtf_async.core.model import (
    SUBSETS,
    Box,
    Clip,
    Corrections,
    Crop,
    Finding,
    Interval,
    OutputSettings,
    Severity,
    Tables,
    Video,
)
from hdtf_async.core.options import Options
from hdtf_async.dataset import corrections, plan, text_files
from hdtf_async.dataset.fields import MOST_OF_A_KIND, Findings
from hdtf_async.dataset.geometry import window
from hdtf_async.dataset.tables import read
from hdtf_async.media import ffmpeg
from hdtf_async.media.containers import DEMUXERS
from hdtf_async.media.cut import Cut
from hdtf_async.media.filters import side_lengths
from hdtf_async.output import atomic
from hdtf_async.output.directory import OutputDirectory, open_directory
from hdtf_async.output.journal import JournalIndex
from hdtf_async.process import supervisor
from hdtf_async.youtube import ytdlp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

KINDS = ("video_url", "resolution", "annotion_time", "crop_wh", "crop_ratio")
FILES = tuple(f"{subset}_{kind}.txt" for subset in SUBSETS for kind in KINDS)
HEAD = "level,subset,name,youtube_id,index,published,new_index,corrected,source"
LONGEST_FILE_NAME = 255
"""Maximum bytes of a file name on Linux and macOS."""

# Possible contents of tables.

PLAIN = ("One", "A", "B.c", "x-1")
NAMES = (
    *("One", "ONE", "one", "A", "a", "A_000", "A_0", "A_000_000", "A_1", "RD_A", "WDA_A", "RD_A_000"),
    *("A.mp4", "A.mp4.mp4", "A.webm", "A.m4a", "A.", "A.part", "A_download_log", "A_download_log.txt"),
    *("metadata", "metadata.jsonl", "_journal", "_journal.jsonl", "_videos_raw", ".hdtf-A", "failures"),
    *(
        "..",
        ".",
        "...",
        "a..b",
        "../A",
        "a/../../b",
        "/etc/passwd",
        "~",
        "~root",
        "a\\b",
        "C:",
        "C:\\x",
        "a/",
    ),
    *("con", "NUL", "aux.txt", "COM1", "LPT1.mp4", "CON.", "a:b", "a ", "a?b", "a*b", "a<b", 'a"b'),
    *("-rf", "--exec=id", "-", "--", "@file", "file:x", "http://x", "pipe:1", "concat:a|b", "data:,x"),
    *("%(id)s", "%d", "%s%n", "$(id)", "`id`", "a;b", "a|b", "a&b", "{}", "{0.__class__}", "a'b", "a\\'b"),
    *("\u00c9a", "E\u0301a", "\u212bA", "\ufb01le", "\uff21", "K\u0130", "stra\u00dfe", "\u1e9e", "\u0661"),
    *("a\u202eb", "a\u200fb", "a\u200bb", "\ufeffA", "a\u2028b", "a\u00a0b", "a\u0085b", "\U0001f600"),
    *("a\0b", "\0", "a\x07b", "\x1b[2Ja", "a\x7fb", "a\vb", "a\x1cb", "a\rb", "\x1b]0;x\x07", "\udcff"),
    *("x" * 99, "x" * 100, "x" * 101, "x" * 255, "y" * 5000, "X" * 100, "\u00e9" * 100, "a." * 50),
)
IDS = (
    *("aaaaaaaaaaa", "-bbbbbbbbb_", "-----------", "___________", "--exec=id__", "RD_A_000_00"),
    *("short", "", "a" * 12, "aaaaa/aaaaa", "aaaaaaaaaa%", "..........a", "a\0aaaaaaaaa", "aaaaaaaaaa\u0661"),
)
LINKS = (
    *("https://www.youtube.com/watch?v={}", "https://youtu.be/{}", "http://m.youtube.com/watch?v={}&t=6s"),
    *("https://youtu.be.evil.org/{}", "file:///{}", "https://[youtu.be/{}", "{}", "--exec={}", "pipe:{}"),
    *("https://\u2100.com/{}", "https://youtu.be:99999999/{}", "https://youtube.com@evil.org/watch?v={}"),
    *("javascript:{}", "https://www.youtube.com/watch?v={}#" + "x" * 3000, "HTTPS://YOUTU.BE/{}"),
)
NUMBERS = (
    *(
        "0",
        "1",
        "2",
        "3",
        "512",
        "513",
        "720",
        "1080",
        "8640",
        "8641",
        "16383",
        "16384",
        "16385",
        "007",
        "-0",
    ),
    *("-1", "-720", "9" * 9, "9" * 10, "9" * 5000, "nan", "-inf", "Infinity", "0" * 300),
)
TIMES = (
    *("00:00", "00:10", "00:20", "0:0.0000001", "0:0.0000002", "59:59.999999", "24:00:00", "23:59:59"),
    *("00:60", "1:60:00", "99999:00", "9" * 400 + ":00", "0:" + "0" * 400, "00:10." + "0" * 400 + "1"),
)
ZOOMS = ("1.2", "0", "-1", "10", "10.01", "1e999", "1e-999", ".5", "5.", "nan", "-Infinity", "9" * 5000)
NO_ROWS = (
    *(
        "",
        "One",
        "One One One One One One One",
        "One_0.mp4 1 2 3 +7",
        "One.mp4 1e3",
        "One.mp4 0x10",
        "One 1_0",
    ),
    *(
        "One \u0661",
        "One 7\u00b2",
        "One_0.mp4 --1",
        "One 1,5",
        "One \0",
        "One_ 1 2 3 4",
        "_0 1 2 3 4",
        "\x1b[2J",
    ),
    *(
        "One 10-20",
        "One 00:10",
        "One 1:2:3:4-5",
        "One 00:1_0-00:20",
        "One \u0660:00-00:20",
        "\udcff",
        "\ud800",
    ),
    *("One_\u0661.mp4 1 2 3 4", "One " + "9" * 9000 + "x", "One_" + "9" * 9000 + "x 1 2 3 4", "x" * 70_000),
)
"""Lines that are invalid in at least one of the tables."""


def _lawful(subset: str, at: int, name: str, youtube_id: str) -> dict[str, list[str]]:
    """Return the rows of a video with two clips, with valid values."""
    return {
        f"{subset}_video_url.txt": [f"{name} https://youtu.be/{youtube_id}"],
        f"{subset}_resolution.txt": [f"{name}.mp4 720"],
        f"{subset}_annotion_time.txt": [f"{name}.mp4 00:10-00:20 00:3{at}-00:40"],
        f"{subset}_crop_wh.txt": [f"{name}_0.mp4 10 512 20 513", f"{name}_1.mp4 1{at} 400 8 400"],
        f"{subset}_crop_ratio.txt": [f"{name}_0.mp4 1.2", f"{name}_1.mp4 0.9"],
    }


VALUES = {
    "video_url": tuple(link.format(youtube_id) for link in LINKS for youtube_id in IDS[:8]),
    "resolution": NUMBERS,
    "annotion_time": tuple(f"{start}-{end}" for start in TIMES for end in TIMES),
    "crop_wh": NUMBERS,
    "crop_ratio": ZOOMS,
}
"""By kind of table: possible values of a field in a valid row."""

_name = st.one_of(
    st.sampled_from(PLAIN),
    st.sampled_from(["ONE", "one"]),
    st.sampled_from(NAMES),
    st.text(min_size=1, max_size=8),
)
_id = st.sampled_from([*IDS[:6], *IDS])
_video = st.tuples(st.sampled_from(SUBSETS), _name, _id)
_change = st.tuples(
    st.sampled_from(FILES),
    st.integers(0, 9),
    st.integers(0, 5),
    st.integers(0, 10**6),
    st.sampled_from(NAMES),
)
_damage = st.sampled_from(["no"] * 12 + ["no row", "anything", "bytes", "encoding", "newline", "missing"])


@st.composite
def directories(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw a directory of tables: rows with hostile names, some with hostile values, and some damaged."""
    lines: dict[str, list[str]] = {file: [] for file in FILES}
    videos = [("RD", "One", IDS[0]), *draw(st.lists(_video, max_size=6))]
    for at, (subset, name, youtube_id) in enumerate(videos):
        for file, found in _lawful(subset, at, name, youtube_id).items():
            lines[file] += found
    for file, at_row, at_column, value, name in draw(st.lists(_change, max_size=5)):
        _changed(lines[file], VALUES[file[file.index("_") + 1 : -4]], (at_row, at_column, value, name))
    if draw(st.booleans()):
        lines["corrections.csv"] = _corrections(draw, videos)
    damage = draw(_damage)
    if damage in {"no row", "anything"}:
        row = st.sampled_from(NO_ROWS) if damage == "no row" else st.text(max_size=30)
        lines[draw(st.sampled_from(sorted(lines)))].append(draw(row))
    encoding, newline = "utf-8", "\n"
    if damage == "encoding":
        encoding = draw(st.sampled_from(["utf-8-sig", "utf-16", "utf-32", "latin-1", "utf-7", "cp037"]))
    if damage == "newline":
        newline = draw(st.sampled_from(["\r\n", "\r", "\n\n", "\v\n", "\0\n", " \t \n", "\u2028\n", "\x85"]))
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    files = {
        file: newline.join([*found, ""]).replace("\ud800", "?").encode(encoding, errors=errors)
        for file, found in lines.items()
        if found
    }
    if damage == "bytes":
        files[draw(st.sampled_from(sorted(files)))] += draw(st.binary(max_size=40))
    if damage == "missing":
        del files[draw(st.sampled_from(sorted(files)))]
    return files


def _changed(found: list[str], values: Sequence[str], change: tuple[int, int, int, str]) -> None:
    """Replace a value or name in one row, or add a second row of the same name after it."""
    line, field, value, name = change
    if not found:
        return
    fields = found[line % len(found)].split(" ")
    if field % len(fields):
        fields[field % len(fields)] = values[value % len(values)]
    elif field == 0:
        fields[0] = name
    if field == len(fields):
        found.append(" ".join(fields))
    else:
        found[line % len(found)] = " ".join(fields)


def _corrections(draw: st.DrawFn, videos: Sequence[tuple[str, str, str]]) -> list[str]:
    """Draw rows of a table of corrections: the right format, with values of any kind."""
    found = [HEAD]
    for _ in range(draw(st.integers(0, 3))):
        level = draw(st.sampled_from(["verified", "unverified"]))
        index = draw(st.integers(0, 1))
        new = draw(st.sampled_from([index, 0, 1, 2]))
        row = [level, *draw(st.just(videos[0]) | st.sampled_from(videos))]
        if draw(st.integers(0, 3)) == 0:
            row += ["", "720", "", draw(st.sampled_from(NUMBERS))]
        else:
            before = ("00:10-00:20 10 512 20 513", "00:30-00:40 10 400 8 400")[index]
            row += [f"{index}", f"{before} at 720", f"{new}"]
            time, number = "00:11-00:19", "8"
            if draw(st.booleans()):
                time, number = draw(st.sampled_from(VALUES["annotion_time"])), draw(st.sampled_from(NUMBERS))
            row.append(f"{time} 10 512 {number} 512")
        found.append(",".join([*row, draw(st.sampled_from(["us", "\x1b[2J\u202e", '"a, b"', "%s" * 900]))]))
    return found


# What they may cause.


def _put(directory: Path, files: Mapping[str, bytes]) -> Path:
    for path in directory.iterdir():
        path.unlink()
    for file, data in files.items():
        (directory / file).write_bytes(data)
    return directory


def _read(directory: Path, level: Corrections) -> Tables | None:
    """Read tables; only the documented error is expected."""
    try:
        return read(directory, corrections=level)
    except TableError as error:
        message, file = str(error), error.file
    _is_fit_to_be_shown(message)
    assert file in {*FILES, corrections.FILE, repr(str(directory))}
    return None


def _is_fit_to_be_shown(text: str) -> None:
    """Check that a message does not move the cursor and fits on a screen."""
    assert text.isprintable()
    assert text.isascii()
    assert len(text) < 1500


def _findings_are_bounded_and_fit_to_be_shown(findings: Sequence[Finding]) -> None:
    kinds: dict[tuple[str, Severity, str], int] = {}
    for finding in findings:
        _is_fit_to_be_shown(finding.words)
        assert finding.file in {*FILES, corrections.FILE}
        kind = (finding.file, finding.severity, finding.code)
        kinds[kind] = kinds.get(kind, 0) + 1
    assert all(number <= MOST_OF_A_KIND + 1 for number in kinds.values())


def _paths(store: OutputDirectory, read: Tables) -> list[Path]:
    """Return every path that is ever written for these tables, except for the private directories."""
    finals = [store.clip_path(clip) for clip in read.clips]
    finals += [store.source_video_path(video, ending) for video in read.videos for ending in DEMUXERS]
    finals += [store.log_path(video) for video in read.videos]
    return [*finals, *map(atomic.temporary, finals)]


def _paths_stay_inside(store: OutputDirectory, read: Tables) -> None:
    """Check that no path leads outside, and that no two names only differ in case."""
    paths = _paths(store, read)
    for path in paths:
        assert path.parent in {store.out, store.source_videos_path}
        assert os.path.normpath(path) == str(path)
        assert path.name.isascii()
        assert path.name.isprintable()
        assert not set(path.name) & set('/\\\0:*?"<>|%$` ')
        assert path.name[0] not in "-~@_"
        assert len(path.name.encode()) <= LONGEST_FILE_NAME
    names = [str(path).lower() for path in paths]
    assert len(names) == len(set(names))


YT_DLP = ytdlp.YtDlp(Options(), Path("/tools/ffmpeg"))
ADDRESS = re.compile(r"https://www\.youtube\.com/watch\?v=[A-Za-z0-9_-]{11}")
CHAIN = re.compile(r"[a-z0-9=:.,'()*+_/-]+", re.IGNORECASE)


def _asked(ids: Iterable[str], private: Path) -> list[list[str]]:
    """Return the command lines with which yt-dlp is called for videos; nothing is run."""
    asked: list[list[str]] = []

    async def run(command: supervisor.Command, **_: object) -> supervisor.Ended:
        argv = command.argv
        if "-J" in argv:  # otherwise it only checks whether YouTube can be reached
            asked.append(list(argv))
        return supervisor.Ended(0, "", json.dumps({"id": argv[-1].rpartition("=")[2]}).encode())

    async def ask() -> None:
        for youtube_id in ids:
            await YT_DLP.extract(youtube_id, private)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "run", run)
        anyio.run(ask)
    return asked


def _each_is_one_address(read: Tables, private: Path) -> None:
    """Check that yt-dlp gets its usual arguments, and one URL that cannot be mistaken for anything else."""
    ids = list(dict.fromkeys(video.youtube_id for video in read.videos))
    usual, *asked = _asked(["aaaaaaaaaaa", *ids], private)
    assert len(asked) == len(ids)
    for arguments, youtube_id in zip(asked, ids, strict=True):
        assert arguments[:-1] == usual[:-1]
        assert arguments[-2] == "--"
        assert ADDRESS.fullmatch(arguments[-1])
        assert arguments[-1].endswith(f"={youtube_id}")


def _cut(store: OutputDirectory, clip: Clip, width: int, height: int) -> Cut | None:
    try:
        box = window(clip, width, height)
    except Failure:
        return None
    sides = side_lengths(box, 512)
    return Cut(
        store.source_video_path(clip.video, "webm"), "webm", clip.interval, box, *sides, 9, OutputSettings()
    )


def _is_one_encode(store: OutputDirectory, clip: Clip) -> None:
    """Check that ffmpeg gets its usual options, files as files, and otherwise numbers."""
    whole = Cut(Path("/raw.webm"), "webm", Interval(1, 2), Box(0, 0, 2, 2), 2, 2, 9, OutputSettings())
    usual = ffmpeg.clip_command(Path("/tools/ffmpeg"), whole, Path("/clip.mp4"))
    cut = _cut(store, clip, 16 * clip.video.reference_height // 9, clip.video.reference_height)
    if cut is None:
        return
    arguments = ffmpeg.clip_command(Path("/tools/ffmpeg"), cut, atomic.temporary(store.clip_path(clip)))
    assert len(arguments) == len(usual)
    for before, (argument, due) in zip(["", *usual], zip(arguments, usual, strict=True), strict=False):
        if before == "-i" or due == "file:/clip.mp4":
            assert argument.startswith(f"file:{store.out}/")
            assert ".." not in argument
        elif before == "-ss":
            assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", argument)
        elif before == "-vf":
            assert CHAIN.fullmatch(argument)
            assert argument.count("=") <= 20
        else:
            assert argument == due


def _plan_has_every_clip_once(read: Tables, options: Options, index: JournalIndex) -> None:
    decided = plan.make(read, options, there=index.clips, failed=index.failures)
    places = [*decided.there, *decided.clips, *(clip for clip, _ in decided.impossible)]
    places += [clip for clip, _ in decided.given_up]
    chosen = plan.select(read, options)
    assert sorted(clip.stem for clip in places) == sorted(clip.stem for clip in chosen)
    ids = [job.youtube_id for job in decided.jobs]
    assert len(ids) == len(set(ids))
    for job in decided.jobs:
        assert job.least_bytes >= 0
        assert job.estimate > 0
    for _, failure in decided.impossible:
        _is_fit_to_be_shown(failure.words)
    for difference in (*decided.different, *decided.outside):
        _is_fit_to_be_shown(difference.words)


def _command_line_tells_of_it(directory: Path, level: Corrections, *, lawful: bool) -> None:
    """Check that `plan` exits with a valid code and does not move the cursor."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main.main(["plan", "--source", str(directory), "--corrections", level])
    assert code == (0 if lawful else 2)
    assert all(line.isprintable() for line in (out.getvalue() + err.getvalue()).splitlines())
    assert "internal error" not in err.getvalue()


@dataclass(frozen=True)
class Places:
    """The directories of an example's tables and clips."""

    store: OutputDirectory
    """Only used for the names that it returns."""
    source: Path
    """Rewritten for each example."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """An output directory, and one for tables."""

    async def once() -> OutputDirectory:
        async with open_directory(tmp_path_factory.mktemp("out").resolve()) as store:
            return store

    return Places(anyio.run(once), tmp_path_factory.mktemp("source"))


World = tuple[dict[str, bytes], Corrections, Options, list[dict[str, Any]]]


def _only_lawful_things_come_of(world: World, places: Places) -> None:
    """Check the consequences of a directory of tables and of a journal."""
    files, level, options, records = world
    result = _read(_put(places.source, files), level)
    _command_line_tells_of_it(places.source, level, lawful=result is not None)
    if result is None:
        return
    _findings_are_bounded_and_fit_to_be_shown(result.findings)
    _paths_stay_inside(places.store, result)
    _each_is_one_address(result, places.source.parent)
    for clip in result.clips:
        assert clip.video in result.videos
        assert 0 <= clip.interval.start < clip.interval.end <= 86400
        _is_one_encode(places.store, clip)
    index = JournalIndex(places.store.out)
    for record in records:
        index.add(record)
    _plan_has_every_clip_once(result, options, index)


# Possible contents of a journal from someone else.

FINGERPRINT = plan.fingerprint(
    Clip(Video("RD", "One", IDS[0], 720), 0, Interval(10, 20), Box(10, 20, 512, 513)), OutputSettings()
)
ANYTHING: tuple[Any, ...] = (
    *(None, True, -1, 1 << 80, 0.1, float("nan"), float("inf"), "", "512", [1, 512, 2, 512], [[]], {}),
    *("y" * 5000, ["\x1b[2J"] * 900, {"a": "\x1b[2J"}, "\ud800", "\u202e", "../x", "\0", "reference"),
)
_anything = st.sampled_from(ANYTHING)
_stem = st.sampled_from([*["RD_One_000", "RD_One_001", "RD_A_000"] * 20, *NAMES])
_form = st.dictionaries(
    st.sampled_from([*OutputSettings().to_json(), "box", "start", "\x1b[2J"]), _anything, max_size=3
)
_clip_record = st.fixed_dictionaries({
    "type": st.just("clip"),
    "clip": _stem,
    "metadata": st.fixed_dictionaries(
        {}, optional={"fingerprint": st.sampled_from([*[FINGERPRINT] * 20, *ANYTHING])}
    ),
    "form": _form,
})  # fmt: skip
_failed_record = st.fixed_dictionaries({
    "type": st.just("failed"),
    "clip": _stem,
    "reason": st.sampled_from(["private", "removed", "network", "\x1b[2J"]),
    "youtube_id": st.sampled_from([IDS[0], None, 1, "\x1b[2J"]),
})  # fmt: skip
_true_record = st.sampled_from([
    {
        "type": "clip", "clip": "RD_One_000", "metadata": {"fingerprint": FINGERPRINT},
        "form": OutputSettings().to_json(),
    },
    {"type": "failed", "clip": "RD_One_001", "reason": "private", "youtube_id": IDS[0]},
])  # fmt: skip
_no_record = st.builds(
    lambda record, key, value: record | {key: value},
    st.one_of(_clip_record, _failed_record),
    st.sampled_from(["type", "clip", "metadata", "form", "reason"]),
    _anything,
)
_record = st.one_of(_true_record, _true_record, _clip_record, _failed_record, _no_record)
_records = st.lists(_record, max_size=4)
_options = st.just(Options()) | st.builds(
    Options,
    subsets=st.sampled_from([(), ("RD",), ("WDA", "WRA")]),
    videos=st.sampled_from([(), ("One",), ("RD_A", "aaaaaaaaaaa", "../x")]),
    limit=st.sampled_from([None, 1, 3]),
    crop=st.sampled_from(Crop),
    size=st.sampled_from([None, 256]),
    retry_failed=st.booleans(),
)
_worlds = st.tuples(directories(), st.sampled_from(list(Corrections)), _options, _records)
_lasting = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example]
)


@pytest.mark.slow
@given(_worlds)
@settings(_lasting, max_examples=60)
def test_hostile_tables_are_harmless(places: Places, world: World) -> None:
    """At most one error of its own; no path outside, no option, no protocol; every clip is planned once."""
    _only_lawful_things_come_of(world, places)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(_worlds)
@settings(_lasting, max_examples=10_000)
def test_ten_thousand_hostile_tables_are_harmless(places: Places, world: World) -> None:
    """The same with more examples."""
    _only_lawful_things_come_of(world, places)


@pytest.mark.slow
def test_the_generated_tables_cover_valid_and_invalid_ones(places: Places) -> None:
    """The basis of the tests above: of 300 examples many reach each part of the checks.

    Four seeds, because the examples of one are alike.
    """
    seen = Counter[str]()

    @given(_worlds)
    @settings(_lasting, max_examples=75, database=None)
    def count(world: World) -> None:
        files, level, options, records = world
        result = _read(_put(places.source, files), level)
        seen["broken" if result is None else "clips" if result.clips else "no clips"] += 1
        if result is None:
            return
        seen.update({finding.code for finding in result.findings})
        index = JournalIndex(places.store.out)
        for record in records:
            index.add(record)
        decided = plan.make(result, options, there=index.clips, failed=index.failures)
        seen.update(name for name in ("there", "different", "outside", "given_up") if getattr(decided, name))

    for number in range(4):
        seed(number)(count)()
    assert seen["broken"] >= 15
    assert seen["clips"] >= 150
    expected = {"bad_name", "bad_url", "bad_box", "bad_interval", "duplicate_row", "case_collision"}
    expected |= {"shared_youtube_id", "corrected", "there", "different", "outside", "given_up"}
    assert expected <= set(seen), seen


# Unusual valid names.

EDGE = (
    *("A", "A.mp4.mp4", "A.webm", "A.m4a", "A.part", "A.d", "A_000", "A_000_000", "a.b-c_", "x" * 100),
    *("metadata", "metadata.jsonl", "con", "NUL", "RD_A", "RD_A_000", "A_download_log", "0"),
)
"""Valid names that resemble those of the program's own files."""


def _edge(directory: Path) -> Path:
    """Write tables of videos with all of these names, the first two with one YouTube id."""
    lines: dict[str, list[str]] = {}
    for at, name in enumerate(EDGE):
        youtube_id = f"-{max(1, at):010d}"
        for file, found in _lawful("RD", 1, name, youtube_id).items():
            lines.setdefault(file, []).extend(found)
    for file, found in lines.items():
        (directory / file).write_text("\n".join(found) + "\n", "utf-8")
    return directory


def _lower(paths: Iterable[Path]) -> list[str]:
    return [str(path).lower() for path in paths]


async def test_private_directories_have_unique_names(tmp_path: Path) -> None:
    """For all videos at once, also if case is ignored: they differ from all other files."""
    (tmp_path / "tables").mkdir()
    result = read(_edge(tmp_path / "tables"))
    assert len(result.videos) == len(EDGE)
    async with open_directory(tmp_path / "out") as store, AsyncExitStack() as stack:
        private = [await stack.enter_async_context(store.private_directory(each)) for each in result.videos]
        assert {directory.parent for directory in private} == {store.source_videos_path}
        assert len(set(_lower(private))) == len(EDGE)
        assert not set(_lower(private)) & set(_lower(_paths(store, result)))
        assert all(len(directory.name) <= LONGEST_FILE_NAME for directory in private)


@pytest.mark.slow
async def test_unusual_valid_names_work_in_a_whole_run(tmp_path: Path) -> None:
    """Each clip is created under its own name, and nothing is written anywhere else."""
    for name in ("tables", "tools"):
        (tmp_path / name).mkdir()
    result = read(_edge(tmp_path / "tables"))
    fakes = kit.install(
        tmp_path / "tools", kit.Stage(videos=kit.footage(result.clips), rate=(5, 1), bits_per_line=8)
    )
    options = Options(
        source=tmp_path / "tables", yt_dlp=fakes.yt_dlp, ffmpeg=fakes.ffmpeg, pace=0, min_free=0, encodes=4
    )
    report = await hdtf_async.download(tmp_path / "out", options)
    assert sorted(report.done) == sorted(clip.stem for clip in result.clips)
    assert report.failed == {}
    out = tmp_path / "out"
    expected = {f"{clip.stem}.mp4" for clip in result.clips}
    assert {path.name for path in out.glob("RD_*")} == expected
    assert not list(out.rglob(".hdtf-*"))
    assert {path.name for path in tmp_path.iterdir()} == {"tables", "tools", "out"}


@pytest.mark.parametrize("name", ["\u00c9a", "E\u0301a", "\u212bA", "\ufb01le", "\uff21", "\u0130", "\u017f"])
def test_names_with_two_unicode_spellings_are_skipped(tmp_path: Path, name: str) -> None:
    """If a file system normalises names, the second would replace the first."""
    for file, found in _lawful("RD", 1, name, IDS[0]).items():
        (tmp_path / file).write_text("\n".join(found) + "\n", "utf-8")
    result = read(tmp_path)
    assert (result.videos, result.clips) == ((), ())
    assert [finding.code for finding in result.findings if finding.file == "RD_video_url.txt"] == ["bad_name"]


# Large files.


def _write(directory: Path, file: str, text: str) -> Path:
    """Write the tables of one valid video, and replace one of them."""
    for name, found in _lawful("RD", 1, "One", IDS[0]).items():
        (directory / name).write_text("\n".join(found) + "\n", "utf-8")
    (directory / file).write_text(text, "utf-8")
    return directory


@contextmanager
def _memory_stays_below(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


@pytest.mark.parametrize("file", ["RD_video_url.txt", "RD_crop_wh.txt", "corrections.csv"])
@pytest.mark.parametrize("filler", ["x", " ", "9", "1:", "\u202e", "\0", "One_0 ", '"', ","])
def test_an_endless_line_is_an_error_and_not_kept_in_memory(tmp_path: Path, file: str, filler: str) -> None:
    """Whatever it contains: reading stops at the maximum length of a valid line."""
    _write(tmp_path, file, filler * (5_000_000 // len(filler)))
    with _memory_stays_below(3_000_000), pytest.raises(TableError, match=":1: longer than"):
        read(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["RD_video_url.txt", "RD_annotion_time.txt", "corrections.csv"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_line_of_a_hundred_megabytes_is_reported_and_not_kept_in_memory(
    tmp_path: Path, file: str, end: str
) -> None:
    """With or without an end, after a valid line: no more of it is read than a valid line may have."""
    megabyte = "One " * 250_000
    lawful = HEAD if file == corrections.FILE else _lawful("RD", 1, "One", IDS[0])[file][0]
    with (_write(tmp_path, file, lawful + "\n") / file).open("a") as table:
        table.writelines(megabyte for _ in range(100))
        table.write(end)
    assert (tmp_path / file).stat().st_size > 100_000_000
    with _memory_stays_below(3_000_000), pytest.raises(TableError, match=f"^{file}:2: longer than"):
        read(tmp_path)
    _command_line_tells_of_it(tmp_path, Corrections.VERIFIED, lawful=False)
    (tmp_path / file).unlink()


@pytest.mark.parametrize("file", ["RD_resolution.txt", "corrections.csv"])
def test_a_file_of_many_gigabytes_is_an_error_at_once(tmp_path: Path, file: str) -> None:
    """A sparse file of a terabyte takes neither memory nor time."""
    os.truncate(_write(tmp_path, file, "") / file, 1 << 40)
    with _memory_stays_below(3_000_000), pytest.raises(TableError, match=f"^{file}:1: longer than"):
        read(tmp_path)


@pytest.mark.slow
def test_an_endless_table_is_an_error(tmp_path: Path) -> None:
    """Even if each of its lines is valid."""
    line = " " * 60_000 + "\n"
    directory = _write(tmp_path, "RD_resolution.txt", line * (text_files.LARGEST_TABLE // len(line)))
    assert len(read(directory).clips) == 2
    with (directory / "RD_resolution.txt").open("a") as table:
        table.write(line)
    with _memory_stays_below(3_000_000), pytest.raises(TableError, match="the table is longer than"):
        read(directory)


LONG_TOKENS = {
    "crop_ratio": ["9" * 64_000 + "x", "9" * 32_000 + "." + "9" * 32_000 + "x", "." + "9" * 64_000 + "e"],
    "annotion_time": ["9" * 64_000 + "x", ("9" * 16_000 + ":") * 3 + "x", "0:0." + "9" * 60_000 + "x"],
    "crop_wh": ["9" * 64_000 + "x", "-" * 64_000],
    "resolution": ["9" * 64_000 + "x", "9" * 64_000],
}


def test_a_long_token_takes_no_longer_than_its_length(tmp_path: Path) -> None:
    """A pattern with backtracking took two minutes for each of these."""
    for kind, tokens in LONG_TOKENS.items():
        key = "One_0.mp4" if kind.startswith("crop") else "One.mp4"
        for token in tokens:
            row = f"{key} 1 2 3 {token}" if kind == "crop_wh" else f"{key} {token}"
            directory = _write(tmp_path, f"RD_{kind}.txt", f"{row}\n")
            if row.endswith("9"):
                assert "bad_height" in {finding.code for finding in read(directory).findings}
            else:
                with pytest.raises(TableError, match=f"^RD_{kind}.txt:1: "):
                    read(directory)


@pytest.mark.parametrize(
    ("file", "row", "code"),
    [
        ("RD_video_url.txt", "/{} https://youtu.be/aaaaaaaaaaa", "bad_name"),
        ("RD_video_url.txt", "V{} https://evil.org/", "bad_url"),
        ("RD_video_url.txt", "One{} https://youtu.be/aaaaaaaaaaa", "shared_youtube_id"),
        ("RD_video_url.txt", "One https://youtu.be/{:011d}", "duplicate_row"),
        ("RD_resolution.txt", "V{}.mp4 720", "unknown_video"),
        ("RD_annotion_time.txt", "One{}.mp4 00:20-00:10", "bad_interval"),
        ("RD_crop_wh.txt", "One_{}.mp4 1 2 3 4", "unknown_interval"),
        ("RD_crop_ratio.txt", "One_{}.mp4 nan", "bad_zoom"),
    ],
)
def test_only_the_first_findings_of_one_kind_are_listed(
    tmp_path: Path, file: str, row: str, code: str
) -> None:
    """Of thousands a hundred are listed, and one more states the number and position of the rest."""
    number = 5_000
    directory = _write(tmp_path, file, "".join(row.format(each) + "\n" for each in range(number)))
    found = [finding for finding in read(directory).findings if finding.code == code]
    assert len(found) == MOST_OF_A_KIND + 1
    last = found[-1]
    left = number - MOST_OF_A_KIND - (1 if code in {"shared_youtube_id", "duplicate_row"} else 0)
    left -= 2 if code == "unknown_interval" else 0
    assert f"{left} more of this kind" in last.words
    assert last.line == found[-2].line + 1
    assert {finding.severity for finding in found} == {last.severity}


def test_unlisted_findings_take_no_memory() -> None:
    """A million of one kind take as much as a hundred."""
    with _memory_stays_below(200_000):
        findings = Findings()
        for line in range(20_000):
            findings.append(Finding("RD_video_url.txt", line, Severity.ERROR, "bad_name", f"{line} is odd"))
    assert len(findings) == len(list(findings)) == MOST_OF_A_KIND + 1


# Other kinds of files.


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


def _loop(path: Path) -> None:
    path.symlink_to(path.with_name("again"))
    path.with_name("again").symlink_to(path)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "directory": Path.mkdir,
    "FIFO": _fifo,
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "loop of links": _loop,
    "too long a link": lambda path: path.symlink_to("x" * 300),
}


@pytest.mark.parametrize("file", ["RD_video_url.txt", "RD_crop_ratio.txt", "corrections.csv"])
@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_special_files_are_errors_and_never_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, make: Callable[[Path], None]
) -> None:
    """Reading a FIFO without a writer would block; a device has no end."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    path = _write(tmp_path, file, "") / file
    path.unlink()
    make(path)
    with pytest.raises(TableError) as caught:
        read(tmp_path)
    assert (caught.value.file, caught.value.line) == (file, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_a_read_error_midway_is_an_error(tmp_path: Path) -> None:
    """The file was opened, and then the disk fails."""
    path = _write(tmp_path, "RD_resolution.txt", "") / "RD_resolution.txt"
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(TableError, match=r"^RD_resolution.txt: cannot read \("):
        read(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["table", "corrections", "directory"])
def test_missing_permissions_are_an_error(tmp_path: Path, closed: str) -> None:
    """The message names the file or directory."""
    directory = tmp_path / "tables"
    directory.mkdir()
    _write(directory, "corrections.csv", HEAD + "\n")
    file = {"table": "RD_crop_wh.txt", "corrections": "corrections.csv"}.get(closed)
    target = directory / file if file else directory
    target.chmod(0)
    # Tables import this module when they are read; another user may not be allowed to read it.
    program = "import anyio.from_thread, os, sys; from pathlib import Path\n"
    program += "from hdtf_async.dataset.tables import read\n"
    program += "os.getuid() or os.setuid(65534)\nread(Path(sys.argv[1]))"
    # Root may read everything, so a child process changes its user, who can access the path.
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.stat().st_uid == os.geteuid() and len(parent.parts) > 2:
            parent.chmod(parent.stat().st_mode | 0o111)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-c", program, str(directory)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    target.chmod(0o755)
    assert "TableError" in ended.stderr, ended.stderr
    assert "Permission denied" in ended.stderr
    assert "cannot read" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("source", ["a\0b", "x" * 5000, "\udcff\x1b[2J\u202e"])
def test_a_hostile_directory_is_named_safely(source: str) -> None:
    """Its name is untrusted text, too."""
    with pytest.raises(TableError) as caught:
        read(Path(source))
    assert str(caught.value).isprintable()
