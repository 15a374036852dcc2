"""Outstanding shards of a request, and that every clip of it is accounted for."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_runs import Most, load, write_tables
from shared import slow_unless

import hdtf_async
from hdtf_async import ExitCode, Reason
from hdtf_async.cli import main
from hdtf_async.core.divisions import Outstanding, Part, Request, outstanding, part_of, record_of
from hdtf_async.core.shards import Shard, named, place
from hdtf_async.core.splits import Split
from hdtf_async.output.directory import open_directory
from hdtf_async.output.journal import JOURNAL, JournalIndex, name_of, parts
from hdtf_async.output.manifests import FAILURES, METADATA

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ROWS = 16
ALL = Request("tables", (), (), None, ROWS)
IDS = [f"{number:011d}" for number in range(ROWS)]


def _part(shard: Shard, time: int, request: Request = ALL, *, ended: bool = True) -> Part:
    clips = sum(shard.owns(youtube_id) for youtube_id in IDS)
    return Part(shard, request, clips, f"{time:04d}", ended)


def _division(count: int, indices: Iterable[int], time: int, request: Request = ALL) -> list[Part]:
    return [_part(Shard(index, count), time, request) for index in indices]


# Decided from the records alone.


def test_shards_that_have_not_started_are_absent() -> None:
    """With the number of their clips, which follows from the others' records."""
    begun = _division(8, range(4), 1)
    left = outstanding(begun)
    assert left.absent == tuple(Shard(index, 8) for index in range(4, 8))
    assert left.clips == ROWS - sum(part.clips for part in begun)
    assert left.unended == ()
    assert outstanding(_division(8, range(8), 1)) == Outstanding()
    assert outstanding([]) == Outstanding()


def test_a_shard_without_clips_need_not_start() -> None:
    """Few videos and many shards."""
    few = Request("tables", (), (), None, 1)
    assert outstanding([Part(Shard(3, 64), few, 1, "1", ended=True)]) == Outstanding()


@pytest.mark.parametrize(
    "later", [_division(1, [0], 2), _division(4, range(4), 2), _division(8, range(4, 8), 2)], ids=len
)
def test_a_later_run_may_use_another_number_of_shards(later: list[Part]) -> None:
    """Half of eight shards, one of them killed; then all, by other shards or without any."""
    begun = [*_division(8, range(3), 1), _part(Shard(3, 8), 1, ended=False)]
    left = outstanding([*begun, *later])
    assert left.absent == ()
    assert left.unended == ((Shard(3, 8),) if len({part.shard.count for part in later} & {8}) else ())


def test_a_complete_request_stays_complete() -> None:
    """Starting one shard of another number later requests nothing that does not exist."""
    assert outstanding([*_division(8, range(8), 1), *_division(4, [1], 2)]) == Outstanding()


def test_other_tables_or_settings_require_all_shards_again() -> None:
    """Four of eight have created clips of another size: the other four have the old one."""
    other = Request("other settings", (), (), None, ROWS)
    left = outstanding([*_division(8, range(8), 1), *_division(8, range(4), 2, other)])
    assert left.absent == tuple(Shard(index, 8) for index in range(4, 8))


@pytest.mark.parametrize(
    "small",
    [
        Request("tables", ("RD",), (), None, ROWS),
        Request("tables", (), ("Radio1",), None, ROWS),
        Request("tables", (), (), 5, ROWS),
    ],
)
def test_a_small_request_does_not_cover_a_large_one(small: Request) -> None:
    """But a large one covers a small one."""
    half = _division(2, [0], 1)
    assert outstanding([*half, *_division(1, [0], 2, small)]).absent == (Shard(1, 2),)
    assert outstanding([*_division(2, [0], 1, small), *_division(1, [0], 2)]) == Outstanding()


@given(
    runs=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 3), st.booleans()).filter(lambda run: run[1] < run[0]),
        max_size=12,
    )
)
def test_without_outstanding_shards_each_clip_has_a_result(
    runs: list[tuple[int, int, bool]],
) -> None:
    """For any numbers of shards; and once all shards of one number have ended, none is outstanding."""
    results = [
        _part(Shard(index, count), time, ended=ended) for time, (count, index, ended) in enumerate(runs)
    ]
    newest = {part.shard: part for part in results}
    covered = {
        youtube_id
        for youtube_id in IDS
        if any(part.ended and part.shard.owns(youtube_id) for part in newest.values())
    }
    if results and outstanding(results) == Outstanding():
        assert covered == set(IDS)
    assert outstanding([*results, *_division(3, range(3), 99)]) == Outstanding()


def test_parts_survive_their_records() -> None:
    """Through JSON; and invalid records are ignored."""
    request = Request("hash", ("RD", "WRA"), ("Radio1",), 5, 12)
    record = json.loads(json.dumps(record_of(request, 3, ended=True)))
    assert part_of(record, Shard(1, 4), "now") == Part(Shard(1, 4), request, 3, "now", ended=True)
    for key in record:
        assert part_of(record | {key: object()}, Shard(1, 4), "now") is None


def test_only_some_of_many_absent_shards_are_named() -> None:
    """A message stays short."""
    assert named([Shard(0, 3)]) == "0/3"
    assert named([Shard(0, 3), Shard(2, 3)]) == "0/3 and 2/3"
    assert named([Shard(index, 1000) for index in range(900)]).endswith("7/1000 and 892 more")


# Whole runs.


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _merged(out: Path) -> hdtf_async.Merged:
    return anyio.run(hdtf_async.merge, out)


def _listed(out: Path) -> tuple[set[str], set[str]]:
    """Return the clips that are listed as existing, and as missing."""
    existing = {line["file_name"].removesuffix(".mp4") for line in _lines(out / METADATA)}
    return existing, {line["clip"] for line in _lines(out / FAILURES)}


STEMS = {f"RD_Speaker{number}_000" for number in range(ROWS)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Tables of 16 videos with one clip each, some of which are unavailable."""
    write_tables(tmp_path / "tables", ROWS)
    return tmp_path / "tables"


def test_clips_of_absent_shards_are_listed_as_missing(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last shard that ends and `merge` list the absent ones and exit with 75, until these have run."""
    out = tmp_path / "out"
    begun, absent = [Shard(index, 4) for index in (0, 2)], (Shard(1, 4), Shard(3, 4))
    reports = [anyio.run(partial(load, out, source, Most(), shard=shard)) for shard in begun]
    assert reports[-1].absent == absent
    assert reports[-1].exit_code == ExitCode.PASSING
    assert main.main(["merge", "--out", str(out)]) == ExitCode.PASSING
    output = capsys.readouterr().out
    assert "Shards 1/4 and 3/4 have not started" in output
    existing, missing = _listed(out)
    assert existing | missing == STEMS
    assert not existing & missing
    merged = _merged(out)
    assert merged.absent == absent
    assert (merged.clips, merged.missing.total()) == (len(existing), len(missing))
    assert merged.missing[Reason.NOT_TRIED] == sum(place(youtube_id, 4) in {1, 3} for youtube_id in IDS)
    reports = [anyio.run(partial(load, out, source, Most(), shard=shard)) for shard in absent]
    assert (reports[0].absent, reports[1].absent) == ((Shard(3, 4),), ())
    assert reports[1].exit_code in {ExitCode.DONE, ExitCode.GIVEN_UP}
    assert _merged(out).exit_code == ExitCode.GIVEN_UP
    existing, missing = _listed(out)
    assert existing | missing == STEMS


def test_merge_after_all_shards_were_killed(tmp_path: Path, source: Path) -> None:
    """Without the tables, it lists the number of missing clips in one line."""
    out, shard = tmp_path / "out", Shard(0, 4)
    anyio.run(partial(load, out, source, Most(), shard=shard))
    (out / METADATA).unlink()
    (out / FAILURES).unlink()
    merged = _merged(out)
    absent = sum(not shard.owns(youtube_id) for youtube_id in IDS)
    assert merged.absent == (Shard(1, 4), Shard(2, 4), Shard(3, 4))
    assert merged.missing[Reason.NOT_TRIED] == absent
    (line,) = [line for line in _lines(out / FAILURES) if line["clip"] is None]
    assert (line["reason"], line["clips"]) == ("not_tried", absent)
    assert "1/4, 2/4 and 3/4" in line["words"]
    assert _merged(out) == merged, "it is not counted twice"


@pytest.mark.parametrize(
    "shards",
    [pytest.param((None,), marks=pytest.mark.slow), tuple(Shard(index, 2) for index in range(2))],
    ids=len,
)
def test_a_directory_resumes_with_another_number_of_shards(
    tmp_path: Path, source: Path, shards: tuple[Shard | None, ...]
) -> None:
    """Of four shards one has ended and one was killed; then others create the rest."""
    out, killed = tmp_path / "out", Shard(1, 4)
    for shard in (Shard(0, 4), killed):
        anyio.run(partial(load, out, source, Most(), shard=shard))
    _cut_off_the_end(out / name_of(killed))
    assert _merged(out).unended == 1
    reports = [anyio.run(partial(load, out, source, Most(), shard=shard)) for shard in shards]
    assert reports[-1].exit_code == ExitCode.GIVEN_UP
    merged = _merged(out)
    assert (merged.absent, merged.unended, merged.exit_code) == ((), 0, ExitCode.GIVEN_UP)
    existing, missing = _listed(out)
    assert existing | missing == STEMS


def _cut_off_the_end(journal: Path) -> None:
    """Leave the journal of a run that was killed after its last clip."""
    lines = journal.read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["type"] for line in lines[-2:]] == ["run_ended", "request"]
    journal.write_bytes(b"".join(lines[:-2]))


def test_a_killed_shard_that_runs_again_records_its_end(tmp_path: Path, source: Path) -> None:
    """Even if nothing is left to do; a run that changes nothing then records nothing more."""
    out, shards = tmp_path / "out", (Shard(0, 2), Shard(1, 2))
    for shard in shards:
        anyio.run(partial(load, out, source, Most(), shard=shard))
    journal = out / name_of(shards[0])
    _cut_off_the_end(journal)
    assert _merged(out).exit_code == ExitCode.PASSING
    again = anyio.run(partial(load, out, source, Most(), shard=shards[0]))
    assert again.done == []
    assert (_merged(out).unended, _merged(out).exit_code) == (0, ExitCode.GIVEN_UP)
    before = journal.read_bytes()
    anyio.run(partial(load, out, source, Most(), shard=shards[0]))
    assert journal.read_bytes() == before


@pytest.mark.parametrize("kept", slow_unless((1, 2, 3), {2}))
def test_a_shard_that_was_killed_at_its_start_is_ended_by_another_run(
    tmp_path: Path, source: Path, kept: int
) -> None:
    """However little it had recorded."""
    out, shard = tmp_path / "out", Shard(0, 1)
    anyio.run(partial(load, out, source, Most(), shard=shard))
    journal = out / name_of(shard)
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole[:kept]))
    assert _merged(out).exit_code == ExitCode.PASSING
    anyio.run(partial(load, out, source, Most(), shard=shard))
    assert _merged(out).exit_code == ExitCode.GIVEN_UP


def test_a_shard_whose_clips_are_all_impossible_ends(tmp_path: Path) -> None:
    """There is nothing to download, but it is neither absent nor active."""
    write_tables(tmp_path / "tables", 4)
    resolution = tmp_path / "tables" / "RD_resolution.txt"
    resolution.write_text(resolution.read_text().replace(" 144", " 16"))
    out = tmp_path / "out"
    for index in range(2):
        report = anyio.run(partial(load, out, tmp_path / "tables", Most(), shard=Shard(index, 2)))
    assert set(report.reasons) == {Reason.BOX_DOES_NOT_FIT}
    assert (_merged(out).absent, _merged(out).unended) == ((), 0)


def test_journals_of_older_versions_are_supported(tmp_path: Path) -> None:
    """They contain no requests: a shard counts by its name, and has ended by its last record."""
    ended, killed = Shard(0, 4), Shard(2, 4)
    (tmp_path / name_of(ended)).write_text('{"type": "run", "form": {}}\n{"type": "run_ended"}\n')
    (tmp_path / name_of(killed)).write_text('{"type": "run", "form": {}}\n')
    (tmp_path / name_of(Shard(1, 4))).write_text('{"type": "refused", "rows": []}\n')
    merged = _merged(tmp_path)
    assert merged.absent == (Shard(1, 4), Shard(3, 4))
    assert merged.unended == 1
    assert merged.exit_code == ExitCode.PASSING
    (line,) = _lines(tmp_path / FAILURES)
    assert (line["clip"], line["reason"], line["clips"]) == (None, "not_tried", None)
    (tmp_path / JOURNAL).write_text('{"type": "run_ended", "time": "2026-01-01T00:00:00.000+00:00"}\n')
    assert _merged(tmp_path).exit_code == ExitCode.DONE, "a run without shards has done it all"


async def test_the_last_shard_that_ends_lists_the_absent_ones(tmp_path: Path, source: Path) -> None:
    """While another one is active, the absent ones may be about to start."""
    out = tmp_path / "out"
    async with open_directory(out, Shard(1, 4)) as neighbour:
        await neighbour.append(record_of(ALL, 1, ended=False))
        report = await load(out, source, Most(), shard=Shard(0, 4))
        assert report.absent == ()
    assert parts(out / name_of(Shard(0, 4)))[0].ended
    assert (await load(out, source, Most(), shard=Shard(0, 4))).absent


def test_the_journal_keeps_the_last_valid_split(tmp_path: Path) -> None:
    """An invalid record does not change it."""
    split = Split((90, 5, 5), 7)
    known = JournalIndex(tmp_path)
    for record in (Split().to_json(), split.to_json(), {"shares": "90/5/5"}):
        known.add({"type": "split"} | record)
    assert known.split == split
