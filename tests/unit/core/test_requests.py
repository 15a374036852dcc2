"""Requests of runs: which one covers another, and what is outstanding."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest

from hdtf_async.core.divisions import (
    WHOLE,
    Outstanding,
    Part,
    Request,
    goes_on,
    outstanding,
    part_of,
    record_of,
    requested,
)
from hdtf_async.core.model import Annotation, Box, Clip, Interval, Tables, Video
from hdtf_async.core.options import Options
from hdtf_async.core.shards import Shard

ALL = Request("tables", (), (), None, 10)
RD = replace(ALL, subsets=("RD",))
ONE = replace(ALL, videos=("Radio1",))
FIVE = replace(ALL, limit=5)
VIDEO = Video("RD", "Radio1", "CPCoMyuBRM0", 720)
BOX = Box(0, 2, 64, 66)
CLIP = Clip(VIDEO, 0, Interval(1, 2), BOX)
OLD_VERSION = None


def test_a_run_without_shards_is_the_only_part() -> None:
    """Its number is 0 of 1."""
    assert (WHOLE.index, WHOLE.count) == (0, 1)


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        (ALL, ALL, True),
        (ALL, RD, True),
        (ALL, ONE, True),
        (ALL, FIVE, True),
        (RD, ALL, False),
        (RD, RD, True),
        (RD, replace(RD, subsets=("WDA",)), False),
        (RD, replace(RD, subsets=("RD", "WDA")), False),
        (replace(RD, subsets=("RD", "WDA")), RD, True),
        (RD, replace(RD, videos=("Radio1",)), True),
        (ONE, ALL, False),
        (ONE, RD, False),
        (FIVE, ALL, False),
        (FIVE, FIVE, True),
        (FIVE, replace(FIVE, limit=4), True),
        (FIVE, replace(FIVE, limit=6), False),
        (ALL, replace(ALL, only="a list"), True),
        (replace(ALL, only="a list"), ALL, False),
        (replace(ALL, only="a list"), replace(RD, only="a list"), True),
        (replace(ALL, only="a list"), replace(ALL, only="another list"), False),
        (replace(FIVE, only="a list"), replace(FIVE, limit=4), False),
        (FIVE, replace(RD, limit=4), False),
        (replace(RD, limit=5), replace(RD, limit=5), True),
        (replace(ONE, limit=5), replace(ONE, limit=5, digest="other tables"), True),
    ],
)
def test_a_request_covers_a_request_for_part_of_it(one: Request, other: Request, *, covers: bool) -> None:
    """With a limit, another selection has other first videos."""
    assert one.covers(other) is covers


def part(index: int, count: int, request: Request | None = ALL, *, time: int = 1, ended: bool = True) -> Part:
    """Return a shard of five clips."""
    return Part(Shard(index, count), request, 5, f"{time}", ended)


def test_a_later_request_replaces_covered_ones_and_an_earlier_one_only_if_complete() -> None:
    """With the same tables and settings."""
    half = [part(0, 2, RD, time=1)]
    left = outstanding(half)
    assert (left.absent, left.clips) == ((Shard(1, 2),), 5)
    assert outstanding([*half, part(0, 1, time=2, ended=False)]).absent == ()
    assert outstanding([*half, part(0, 1, time=0)]).absent == ()
    assert outstanding([*half, part(0, 1, time=0, ended=False)]).absent == (Shard(1, 2),)
    assert {*outstanding([*half, part(0, 3, time=0)]).absent} == {Shard(1, 2), Shard(1, 3), Shard(2, 3)}
    assert len(outstanding([*half, part(0, 3, RD, time=1)]).absent) == 3, "neither is later"
    other = replace(ALL, digest="other tables")
    assert outstanding([*half, part(0, 1, other, time=0)]).absent == (Shard(1, 2),)
    assert outstanding([*half, part(0, 1, other, time=2)]).absent == ()


def test_requests_of_older_versions_have_an_unknown_number_of_clips() -> None:
    """They include everything; a later complete request for a part does not replace them."""
    old = [part(0, 2, OLD_VERSION)]
    assert outstanding(old) == Outstanding((Shard(1, 2),), (), None)
    assert outstanding([*old, part(0, 1, RD, time=2)]).absent == (Shard(1, 2),)
    assert outstanding([*old, part(0, 1, ALL, time=2)]) == Outstanding()
    assert outstanding([*old, part(0, 1, OLD_VERSION, time=2)]) == Outstanding()
    assert outstanding([*old, part(1, 2, ALL, time=2)]) == Outstanding(), "it is the other half"
    assert outstanding([part(0, 1, OLD_VERSION, ended=False), part(0, 2, RD)]).unended == (Shard(0, 1),)
    mixed = [part(0, 3, OLD_VERSION), part(1, 3, ALL, time=2)]
    assert outstanding(mixed) == Outstanding((Shard(2, 3),), (), None)


@pytest.mark.parametrize(("clips", "absent"), [(5, ()), (6, (Shard(1, 2),)), (4, ())])
def test_a_shard_without_clips_need_not_start(clips: int, absent: tuple[Shard, ...]) -> None:
    """The shards that have started have all clips of the request; one clip is enough to miss another."""
    left = outstanding([part(0, 2, replace(ALL, clips=clips))])
    assert (left.absent, left.clips) == (absent, len(absent))


def test_shards_that_have_started_and_not_ended_are_listed() -> None:
    """The newest record of each counts."""
    assert outstanding([part(0, 2, ended=False), part(1, 2)]) == Outstanding((), (Shard(0, 2),), 0)
    again = [part(0, 2, time=1), part(0, 2, time=2, ended=False), part(1, 2)]
    assert outstanding(again).unended == (Shard(0, 2),)
    assert outstanding([*again, part(0, 2, time=3)]) == Outstanding()


def test_a_shard_is_active_unless_its_newest_record_is_an_end() -> None:
    """A journal without such a record was locked before it was written."""
    assert goes_on([])
    assert goes_on([part(0, 1, time=1), part(0, 1, RD, time=2, ended=False)])
    assert not goes_on([part(0, 1, time=1, ended=False), part(0, 1, RD, time=2)])


def test_a_request_is_equal_for_all_shards_and_depends_on_tables_and_settings() -> None:
    """Selecting all three subsets equals selecting none, and their order does not matter."""
    tables = Tables((VIDEO,), (CLIP,), ())
    request = requested(tables, Options(), 1)
    assert (request.subsets, request.videos, request.limit, request.clips) == ((), (), None, 1)
    assert request.digest == "2dcbd50f6d03fd24628086eb9b3c573c", "existing directories contain it"
    assert requested(tables, Options(shard=Shard(1, 2), pace=1), 1) == request
    chosen = requested(tables, Options(subsets=("WDA", "RD"), videos=("b", "a"), limit=3), 7)
    assert (chosen.subsets, chosen.videos, chosen.limit) == (("RD", "WDA"), ("a", "b"), 3)
    assert chosen.digest == request.digest
    clips = (
        replace(CLIP, interval=Interval(1, 3)),
        replace(CLIP, interval=Interval(0, 2)),
        replace(CLIP, index=1),
        replace(CLIP, video=replace(VIDEO, youtube_id="abcdefghijk")),
        replace(CLIP, video=replace(VIDEO, reference_height=360)),
        *(replace(CLIP, box=replace(BOX, **{side: 8})) for side in ("left", "top", "width", "height")),
    )
    others = [requested(replace(tables, clips=(clip,)), Options(), 1) for clip in clips]
    others.append(requested(tables, Options(size=256), 1))
    listed = replace(CLIP, box=None)
    others += [
        requested(replace(tables, clips=(clip,)), Options(), 1)
        for clip in (
            listed,
            replace(listed, annotation=Annotation(speaker="Ada")),
            replace(listed, interval=Interval(1, 2, Fraction(25))),
        )
    ]
    assert len({request.digest, *(other.digest for other in others)}) == 1 + len(others)


@pytest.mark.parametrize("request_", [ALL, RD, ONE, FIVE])
def test_invalid_request_records_are_ignored(request_: Request) -> None:
    """A field of the wrong type makes a record invalid."""
    record = record_of(request_, 4, ended=True)
    assert part_of(record, Shard(0, 2), "now") == Part(Shard(0, 2), request_, 4, "now", ended=True)
    assert part_of(record | {"ended": False}, Shard(0, 2), "now") == Part(
        Shard(0, 2), request_, 4, "now", ended=False
    )
    for name in record:
        assert part_of(record | {name: 1.5}, Shard(0, 2), "now") is None


def test_a_list_of_clips_is_part_of_the_request() -> None:
    """By its names, in any order; a run without one is recorded as before."""
    tables = Tables((VIDEO,), (CLIP,), ())
    one, other = (requested(tables, Options(only=names), 1) for names in (["a", "b"], ["b", "a"]))
    assert one == other
    assert re.fullmatch("[0-9a-f]{32}", one.only)
    assert one.only != requested(tables, Options(only=["a"]), 1).only
    record = record_of(one, 1, ended=True)
    part = part_of(record, WHOLE, "time")
    assert part is not None
    assert part.request == one
    assert "only" not in record_of(requested(tables, Options(), 1), 1, ended=True)
