"""The index of a journal, record by record, and what its runs were asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hdtf_async.core.divisions import WHOLE, Part, Request, record_of
from hdtf_async.core.jsonlines import line
from hdtf_async.core.model import Source
from hdtf_async.core.shards import MOST, Shard
from hdtf_async.core.splits import Split
from hdtf_async.output import atomic, journal, video_journal
from hdtf_async.output.journal import JournalIndex

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, Any]
TIME = "2026-11-25T12:00:00.000+00:00"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def clip(stem: str = "a", **metadata: object) -> Record:
    """Return the record of a clip of five bytes."""
    return {"type": "clip", "clip": stem, "form": {}, "metadata": {"bytes": 5, **metadata}}


def failed(stem: str = "a", reason: str = "private", **more: object) -> Record:
    """Return the record of a failure."""
    return {"type": "failed", "clip": stem, "reason": reason, **more}


def raw(file: str = "a.mp4", kind: str = "raw", **more: object) -> Record:
    """Return the record of a source video."""
    return {
        "type": kind, "youtube_id": "id", "file": file, "bytes": 5, "resolution": "best",
    } | more  # fmt: skip


def index_of(out: Path, *records: Record) -> JournalIndex:
    """Return the index of these records."""
    index = JournalIndex(out)
    for record in records:
        index.add(record)
    return index


def test_the_newest_record_of_a_clip_counts(tmp_path: Path) -> None:
    """A failure after it leaves it, and a clip after a failure ends that."""
    index = index_of(tmp_path, failed(), clip(frames=1), clip(frames=2))
    assert (dict(index.clips)["a"], dict(index.failures)) == (clip(frames=2), {})
    index.add(failed())
    assert (dict(index.clips)["a"], dict(index.failures)["a"]) == (clip(frames=2), failed())
    assert dict(index_of(tmp_path, failed(reason="nonsense")).failures) == {}


def test_a_withdrawn_record_is_kept_until_there_is_a_newer_one(tmp_path: Path) -> None:
    """Its file may have been replaced."""
    withdrawn = {"type": "replacing", "clip": "a"}
    index = index_of(tmp_path, withdrawn, clip(), withdrawn)
    assert (dict(index.clips), dict(index.replaced)) == ({}, {"a": clip()})
    index.add(clip(frames=2))
    assert (dict(index.clips), dict(index.replaced)) == ({"a": clip(frames=2)}, {})


def test_wav_files_are_those_of_the_newest_records(tmp_path: Path) -> None:
    """A clip without one has none any more."""
    index = index_of(tmp_path, clip("a", wav="a.wav"), clip("b", wav="b.wav"), clip("c"), clip("b"))
    assert index.with_wav == {"a"}


@pytest.mark.parametrize(
    ("video", "audio", "exists"),
    [(b"12345", b"123", True), (b"1234", b"123", False), (None, b"123", False), (b"12345", b"12", False),
     (b"12345", None, False)],
)  # fmt: skip
def test_a_clip_exists_with_all_its_files(
    tmp_path: Path, video: bytes | None, audio: bytes | None, *, exists: bool
) -> None:
    """Of the recorded sizes."""
    for name, content in (("a.mp4", video), ("a.wav", audio)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    index = index_of(tmp_path, clip(wav="a.wav", wav_bytes=3), clip("b"))
    assert (index.existing_clip("a") is not None) is exists
    assert list(index.existing_clips()) == (["a"] if exists else [])
    assert index.existing_clip("c") is None


def test_the_newest_existing_source_file_counts(tmp_path: Path) -> None:
    """Of its kind, with the recorded size; a path is no name of a file."""
    (tmp_path / journal.SOURCE_VIDEOS).mkdir()
    for name in ("a.mp4", "b.mp4", "a.m4a"):
        (tmp_path / journal.SOURCE_VIDEOS / name).write_bytes(b"12345")
    records = [raw("a.mp4"), raw("b.mp4"), raw("c.mp4"), raw("a.m4a", "sound"), raw("../a.mp4")]
    index = index_of(tmp_path, *records)
    assert index.source_videos.get("id") == records[:4]
    assert index.existing_source_video("id") == records[1]
    assert index.existing_source_video("id", "sound") == records[3]
    assert index.existing_source_video("other") is None


@pytest.mark.parametrize(
    ("record", "counts"),
    [
        (raw(), True), (raw(kind="sound"), True), (raw(kind="section"), True), (raw(kind="video"), False),
        (raw(resolution=None), False), (raw(kind="sound", resolution=None), True), (raw(bytes="5"), False),
        (raw(youtube_id=5), False),
    ],
)  # fmt: skip
def test_a_source_file_has_a_known_kind(tmp_path: Path, record: Record, *, counts: bool) -> None:
    """And a video states for which --resolution it was chosen."""
    assert bool(index_of(tmp_path, record).source_videos.get("id")) is counts


@pytest.mark.parametrize(("hours", "confirmed"), [(11.999, False), (12, True), (13, True)])
def test_a_second_unavailable_confirms_the_first_after_twelve_hours(
    tmp_path: Path, hours: float, *, confirmed: bool
) -> None:
    """The first one of a series counts; a success in between ends it, and another reason does not."""
    first = failed(reason="unavailable", youtube_id="id", time=TIME)
    later = first | {"time": "2026-11-25T18:00:00.000+00:00"}
    now = NOON + timedelta(hours=hours)
    refused = failed(reason="refused", youtube_id="id", time=TIME)
    assert index_of(tmp_path, first, later, refused).was_unavailable("id", now) is confirmed
    assert index_of(tmp_path, later, first).was_unavailable("id", now) is False
    for success in (raw(), {"type": "asked", "youtube_id": "id", "time": TIME, "height": 720}):
        assert not index_of(tmp_path, first, success).was_unavailable("id", now)
    assert not index_of(tmp_path, first | {"time": "now"}).was_unavailable("id", now)
    assert not JournalIndex(tmp_path).was_unavailable("id", now)


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ({"height": 720}, True), ({"height": "720"}, False), ({}, False), ({"reason": "private"}, True),
        ({"reason": "nonsense", "height": 720}, False),
    ],
)  # fmt: skip
def test_a_census_has_a_height_or_a_reason(tmp_path: Path, answer: Record, *, counts: bool) -> None:
    """The newest answer counts, with its age."""
    record = {"type": "asked", "youtube_id": "id", "time": TIME} | answer
    index = index_of(tmp_path, record)
    assert (index.census_answers == {"id": record}) is counts
    ages = [90.0] if counts else []
    assert list(index.census_ages(NOON + timedelta(seconds=90))) == ages
    assert list(index.census_ages(NOON - timedelta(seconds=90))) == [0.0] * counts
    assert list(index_of(tmp_path, record | {"time": "now"}).census_ages(NOON)) == []


def test_the_newest_run_decides_about_settings_and_dataset(tmp_path: Path) -> None:
    """A census has no settings, and leaves both."""
    dataset = {"title": "X", "licence": "", "citation": ""}
    index = index_of(
        tmp_path, {"type": "run", "form": {"a": 1}, "dataset": dataset}, {"type": "run", "census": True}
    )
    assert (index.settings, index.source) == ({"a": 1}, Source("X"))
    assert index.run == {"type": "run", "census": True}
    index.add({"type": "run", "form": {}})
    assert (index.settings, index.source) == ({}, None)


def test_other_records_of_a_run_are_kept(tmp_path: Path) -> None:
    """An invalid split leaves the one before; the cuts of a clip end its failure."""
    split = {"type": "split", **Split(seed=3).to_json()}
    cuts = {"type": "cuts", "clip": "a", "cuts": []}
    index = index_of(
        tmp_path, failed(), split, {"type": "split"}, {"type": "only", "names": ["a"]}, cuts,
        {"type": "cuts", "clip": "b", "cuts": 3}, {"type": "refused", "rows": [{"line": 1}, 2]},
        {"type": "of another version"}, {},
    )  # fmt: skip
    assert index.split == Split(seed=3)
    assert index.only == {"type": "only", "names": ["a"]}
    assert index.cuts == {"a": cuts}
    assert index.refused == [{"line": 1}]
    assert dict(index.failures) == {}


def test_the_records_about_a_video_are_sent_to_its_worker(tmp_path: Path) -> None:
    """Its source files, and the clips that are named."""
    index = index_of(tmp_path, raw(), clip("a"), failed("a"), failed("b"), clip("c"))
    assert index.about("id", ["a", "b"]) == [raw(), clip("a"), failed("a"), failed("b")]
    copy = index.snapshot()
    index.add(clip("d"))
    index.add(failed("d"))
    assert (list(copy.clips), list(copy.failures)) == (["a", "c"], ["a", "b"])


# Files


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        ("_journal.shard-0-of-2.jsonl", Shard(0, 2)),
        (f"_journal.shard-{MOST - 1}-of-{MOST}.jsonl", Shard(MOST - 1, MOST)),
        ("_journal.jsonl", None),
        ("_journal.shard-2-of-2.jsonl", None),
        ("_journal.shard-00-of-2.jsonl", None),
        ("_journal.shard-0-of-2.jsonl.x", None),
        ("_journal.shard-0-of-100001.jsonl", None),
    ],
)
def test_a_journal_is_named_after_its_shard(name: str, shard: Shard | None) -> None:
    """And no other name is one."""
    assert journal.shard_of(name) == shard
    if shard is not None:
        assert journal.name_of(shard) == name
    assert journal.name_of(None) == "_journal.jsonl"


def test_the_journals_of_a_directory_are_its_own_and_those_of_shards(tmp_path: Path) -> None:
    """Its own may be missing; a directory may be too."""
    names = ["_journal.shard-1-of-2.jsonl", "_journal.shard-0-of-2.jsonl", "_journal.shard-9-of-2.jsonl", "x"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in journal.journals(tmp_path)] == ["_journal.jsonl", *sorted(names[:2])]
    assert journal.journals(tmp_path / "missing") == [tmp_path / "missing" / "_journal.jsonl"]
    assert len(journal.journals(tmp_path / "x")) == 1


@pytest.mark.parametrize("size", [1, 20_000, 40_000, 70_000])
def test_a_journal_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """There may be more journals than files can be open: 64 KiB and the rest of a line at a time."""
    records = [{"number": number, "text": "x" * size} for number in range(12)]
    (tmp_path / "journal").write_bytes(b"".join(map(line, records)) + b'{"torn"')
    opened, reader = [], atomic.reader

    def counted(path: Path) -> Any:
        opened.append(path)
        return reader(path)

    monkeypatch.setattr(atomic, "reader", counted)
    assert list(journal.read(tmp_path / "journal")) == records
    in_a_part = {1: 12, 20_000: 4, 40_000: 2, 70_000: 1}[size]
    assert len(opened) == 12 // in_a_part + 1
    assert list(journal.read(tmp_path / "missing")) == []


def test_a_journal_may_grow_while_it_is_read(tmp_path: Path) -> None:
    """What is added after a part was read is part of the next one."""
    path = tmp_path / "journal"
    path.write_bytes(b'{"a": 1}\n')
    found = journal.read(path)
    assert next(found) == {"a": 1}
    with path.open("ab") as file:
        file.write(b'{"b": 2}\n')
    assert list(found) == [{"b": 2}]


def test_records_of_several_journals_are_in_the_order_of_their_times() -> None:
    """The order within each of them is kept, whatever its clock was."""

    def at(second: int, name: str) -> Record:
        return {"time": f"2026-11-25T12:00:0{second}.000+00:00", "name": name}

    one = [at(1, "a"), at(5, "b"), at(2, "c"), {"name": "d"}, at(8, "e")]
    other = [at(3, "f"), at(6, "g")]
    assert [record["name"] for record in journal.merged_by_time([one, other])] == list("afbcdge")


@pytest.mark.parametrize(
    ("time", "valid"),
    [
        (TIME, True),
        ("2026-11-25T12:00:00+00:00", False),
        ("1999-11-25T12:00:00.000+00:00", False),
        (5, False),
    ],
)
def test_the_time_of_a_record_has_one_format(time: object, *, valid: bool) -> None:
    """Milliseconds in UTC, so that texts are in the order of the times."""
    assert journal.time_of({"time": time}) == (time if valid else "")
    assert journal.time_of({}) == ""
    assert journal.time_of({"time": journal.now()})


@pytest.mark.parametrize(
    ("after", "expected"), [(TIME, "2026-11-25T12:00:00.001+00:00"), ("", ""), ("nonsense", "")]
)
def test_a_record_is_later_than_those_that_it_depends_on(after: str, expected: str) -> None:
    """By a millisecond, whatever the clock of this machine says."""
    assert journal._just_after(after) == expected


# What runs were asked for

REQUEST = Request("tables", (), (), None, 7)
OTHER = Request("tables", ("RD",), (), None, 3)


def asked(request: Request = REQUEST, *, ended: bool, second: int = 0) -> Record:
    """Return the record of a request, at a second."""
    return record_of(request, request.clips, ended=ended) | {"time": f"2026-11-25T12:00:0{second}.000+00:00"}


def parts(path: Path, *records: Record) -> list[Part]:
    """Return the parts of a journal of these records."""
    path.write_bytes(b"".join(map(line, records)))
    return journal.parts(path)


def test_the_newest_record_of_a_request_says_whether_it_has_ended(tmp_path: Path) -> None:
    """Other records do not matter."""
    own = tmp_path / "_journal.jsonl"
    end = {"type": "run_ended"}
    found = parts(own, asked(ended=False), {"type": "run"}, end, asked(OTHER, ended=True, second=1))
    assert found == [
        Part(WHOLE, REQUEST, 7, "2026-11-25T12:00:00.000+00:00", ended=False),
        Part(WHOLE, OTHER, 3, "2026-11-25T12:00:01.000+00:00", ended=True),
    ]
    shard = tmp_path / journal.name_of(Shard(1, 2))
    assert parts(shard, asked(ended=False), asked(ended=True, second=2)) == [
        Part(Shard(1, 2), REQUEST, 7, "2026-11-25T12:00:02.000+00:00", ended=True)
    ]
    assert journal.parts(tmp_path / "missing") == []


RUN, END, SPLIT = {"type": "run"}, {"type": "run_ended", "time": TIME}, {"type": "split"}


@pytest.mark.parametrize(
    ("records", "own", "of_shard"),
    [
        ([], None, None),
        ([SPLIT], None, None),
        ([RUN], None, False),
        ([RUN, END], True, True),
        ([END], True, True),
        ([RUN, END, SPLIT], True, True),
        ([RUN, END, RUN], True, False),
        ([RUN, END, {"type": "clip"}], True, False),
    ],
)
def test_journals_without_requests_are_of_older_versions(
    tmp_path: Path, records: list[Record], own: bool | None, of_shard: bool | None
) -> None:
    """They record only that a run has ended, after which only what precedes the next run may follow."""
    for shard, ended in ((None, own), (Shard(0, 2), of_shard)):
        path = tmp_path / journal.name_of(shard)
        time = TIME if END in records else ""
        expected = [] if ended is None else [Part(shard or WHOLE, None, 0, time, ended=ended)]
        assert parts(path, *records) == expected


def test_a_line_that_is_no_record_says_nothing(tmp_path: Path) -> None:
    """Neither a torn line nor another text."""
    path = tmp_path / journal.name_of(Shard(0, 2))
    path.write_bytes(b"nonsense\n" + line(RUN) + line(END) + b"nonsense\n" + b'{"type":"run"')
    (part,) = journal.parts(path)
    assert part.ended


def test_nothing_is_kept_of_events_for_another_machine(tmp_path: Path) -> None:
    """The driver records them."""
    ledger = video_journal.BufferedLedger(JournalIndex(tmp_path))
    with ledger.buffering() as records:
        ledger.note({"type": "download_started"})
    assert records == []


async def test_records_for_another_machine_are_buffered(tmp_path: Path) -> None:
    """With their time, and in the index."""
    ledger = video_journal.BufferedLedger(JournalIndex(tmp_path))
    with ledger.buffering() as records:
        await ledger.append([clip()])
    (record,) = records
    assert {name: value for name, value in record.items() if name != "time"} == clip()
    assert journal.time_of(record)
    assert list(ledger.known.clips) == ["a"]
    async with ledger.resuming("a") as known:
        assert known == []
