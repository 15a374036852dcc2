"""Clips that are split at their scene cuts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from hdtf_async import Options, OptionsError
from hdtf_async.core.model import Box, Clip, Interval, SceneCuts, Tables, Video
from hdtf_async.dataset import plan
from hdtf_async.dataset.scene_cuts import bounds, divided, parts, record_of

VIDEO = Video("RD", "Radio1", "CPCoMyuBRM0", 720)
CLIP = Clip(VIDEO, 0, Interval(10, 20), Box(0, 0, 64, 64), 1.2)
OTHER = Clip(VIDEO, 1, Interval(30, 40), Box(0, 0, 64, 64), 1.2)
TABLES = Tables((VIDEO,), (CLIP, OTHER), ())
SPLIT = Options(scene_cuts="split")


def test_the_parts_are_between_the_cuts() -> None:
    """Those shorter than a second are omitted, and the others numbered."""
    found = parts(CLIP, [(15.0, 15.0), (12.5, 12.6), (15.4, 15.4)])
    assert [(one.stem, one.interval) for one in found] == [
        ("RD_Radio1_000_s000", Interval(10, 12.5)),
        ("RD_Radio1_000_s001", Interval(12.6, 15)),
        ("RD_Radio1_000_s002", Interval(15.4, 20)),
    ]
    assert {one.whole_stem for one in found} == {CLIP.stem}
    assert parts(CLIP, [(at, at) for at in range(10, 21)]) != []
    assert parts(CLIP, [(at / 2, at / 2) for at in range(20, 41)]) == []


def test_a_cut_is_between_two_frames() -> None:
    """At another rate the frame of the source is not known: both parts lose what is uncertain."""
    for rate, expected in ((None, (11.98, 11.98)), (Fraction(25), (11.98, 12.02))):
        (found,) = bounds([2.0], 10.0, 0.04, rate)
        assert found == pytest.approx(expected)


def test_recorded_cuts_split_a_clip() -> None:
    """With the settings with which they were found; a selected clip selects its parts."""
    record = record_of(CLIP, SPLIT.output_settings, [(15.0, 15.0)])
    found = divided(TABLES, SPLIT, {CLIP.stem: record})
    assert [clip.stem for clip in found.clips] == ["RD_Radio1_000_s000", "RD_Radio1_000_s001", OTHER.stem]
    only = Options(scene_cuts="split", only=[CLIP.stem])
    assert [clip.stem for clip in plan.select(found, only)] == ["RD_Radio1_000_s000", "RD_Radio1_000_s001"]
    smaller = Options(scene_cuts="split", size=64)
    assert divided(TABLES, smaller, {CLIP.stem: record}) == TABLES
    assert divided(TABLES, Options(), {CLIP.stem: record}) is TABLES


def test_a_shortened_clip_is_split_within_its_part() -> None:
    """And its parts are not shortened again."""
    first = Options(scene_cuts="split", first=6)
    record = record_of(CLIP.shortened(6, None), first.output_settings, [(15.0, 15.0)])
    found = divided(TABLES, first, {CLIP.stem: record})
    assert [clip.interval for clip in plan.select(found, first)][:2] == [Interval(10, 15), Interval(15, 16)]


@pytest.mark.parametrize("cuts", [[5], [[1]], [["a", "b"]], [[1, 2, 3]], [None]])
def test_an_invalid_record_splits_nothing(cuts: list[Any]) -> None:
    """A journal may come from somebody else."""
    record = record_of(CLIP, SPLIT.output_settings, []) | {"cuts": cuts}
    assert divided(TABLES, SPLIT, {CLIP.stem: record}) == TABLES


def test_splitting_twice_is_refused() -> None:
    """Segments have the same names; and shards divide the clips before cuts are known."""
    for other in ({"segment": 5}, {"shard": "0/2"}):
        with pytest.raises(OptionsError, match="omit --segment and --shard"):
            Options(scene_cuts="split", **other)
    with pytest.raises(OptionsError, match="--no-facts"):
        Options(scene_cuts=SceneCuts.SPLIT, no_facts=True)
