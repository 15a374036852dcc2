"""The number of a shard, its videos, and the state of all shards."""

from __future__ import annotations

from collections import Counter

import pytest

from hdtf_async.core.failures import ExitCode, Reason
from hdtf_async.core.shards import MOST, Merged, Shard, absent_message, from_environment, named, place

IDS = [f"{number:011d}" for number in range(1000)]


@pytest.mark.parametrize(("index", "count"), [(0, 1), (1, 2), (0, MOST), (MOST - 1, MOST)])
def test_a_shard_is_parsed_and_printed_alike(index: int, count: int) -> None:
    """From 0 up to the count, which may be a hundred thousand."""
    shard = Shard(index, count)
    assert str(shard) == f"{index}/{count}"
    assert Shard.read(f"{index}/{count}") == shard


@pytest.mark.parametrize(("index", "count"), [(-1, 2), (0, 0), (1, 1), (2, 1), (0, MOST + 1)])
def test_a_number_outside_the_range_is_rejected(index: int, count: int) -> None:
    """The message names the expected range."""
    with pytest.raises(ValueError, match=f"invalid shard {index}/{count}: expected I/N with 0 <= I < N"):
        Shard(index, count)


@pytest.mark.parametrize("text", ["", "1", "1/", "/2", "-1/2", "a/b", "0/2/4", " 0/2", "0000000/2", "0/2\n"])
def test_invalid_text_is_rejected(text: str) -> None:
    """The message has an example."""
    with pytest.raises(ValueError, match="expected I/N, such as 0/4"):
        Shard.read(text)


def test_the_shard_of_a_video_is_given_by_the_documented_hash() -> None:
    """Another hash would make other shards repeat all clips of a directory."""
    videos = ("CPCoMyuBRM0", "6SJNVb0GnPI", "abcdefghijk")
    assert [[place(video, count) for video in videos] for count in (1, 2, 8, 64, 1000)] == [
        [0, 0, 0],
        [1, 0, 0],
        [5, 5, 7],
        [29, 49, 30],
        [478, 686, 975],
    ]


def test_a_hundred_thousand_shards_are_the_most() -> None:
    """Their videos are given by the same hash."""
    assert Shard.read("99999/100000").count == MOST == 100_000
    videos = ("CPCoMyuBRM0", "6SJNVb0GnPI", "00000019438", "00000031238")
    assert [place(video, 100_000) for video in videos] == [42068, 6895, 46314, 94301]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 50])
def test_each_video_has_one_shard_and_another_shard_moves_few(count: int) -> None:
    """The moved ones belong to the new one, which gets about its share."""
    before, after = ([place(each, number) for each in IDS] for number in (count, count + 1))
    assert set(before) == set(range(count))
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {count}
    assert after.count(count) == pytest.approx(1000 / (count + 1), rel=0.5)
    assert all(Shard(index, count).owns(each) for each, index in zip(IDS, before, strict=True))
    new = Shard(count, count + 1)
    assert [new.owns(each) for each in IDS] == [index == count for index in after]


def test_at_most_eight_shards_are_named() -> None:
    """And the number of the others."""
    shards = [Shard(index, 20) for index in range(20)]
    assert named(shards[:1]) == "0/20"
    assert named(shards[:2]) == "0/20 and 1/20"
    assert named(shards[:8]) == "0/20, 1/20, 2/20, 3/20, 4/20, 5/20, 6/20 and 7/20"
    assert named(shards[:9]) == "0/20, 1/20, 2/20, 3/20, 4/20, 5/20, 6/20, 7/20 and 1 more"
    assert named(shards).endswith("7/20 and 12 more")
    assert absent_message(shards[:1]) == "Shard 0/20 has not started: start it, or run once without --shard."
    assert absent_message(shards[:2]).startswith("Shards 0/20 and 1/20 have not started: start them, or")


@pytest.mark.parametrize(
    ("merged", "message", "code"),
    [
        (Merged(3, Counter()), "3 clips, 0 missing", ExitCode.DONE),
        (Merged(3, Counter({Reason.PRIVATE: 2})), "3 clips, 2 missing", ExitCode.GIVEN_UP),
        (Merged(3, Counter(), 2), "3 clips, 0 missing, 2 shards running or killed", ExitCode.PASSING),
        (
            Merged(3, Counter(), 0, (Shard(1, 2),)),
            "3 clips, 0 missing. Shard 1/2 has not started: start it, or run once without --shard.",
            ExitCode.PASSING,
        ),
    ],
)
def test_all_shards_together_are_done_when_each_has_ended(
    merged: Merged, message: str, code: ExitCode
) -> None:
    """Until then another run may help."""
    assert (merged.words, merged.exit_code) == (message, code)


def slurm(task: int, count: int, first: int, last: int) -> dict[str, str]:
    """Return the variables of a task of an array."""
    fields = {"ID": task, "COUNT": count, "MIN": first, "MAX": last}
    return {f"SLURM_ARRAY_TASK_{name}": str(number) for name, number in fields.items()}


@pytest.mark.parametrize(
    ("variables", "shard"),
    [
        ({}, None),
        ({"SLURM_ARRAY_TASK_ID": ""}, None),
        (slurm(0, 4, 0, 3), Shard(0, 4)),
        (slurm(4, 4, 1, 4), Shard(3, 4)),
        (slurm(7, 3, 1, 7), Shard(2, 3)),
        (slurm(5, 1, 5, 5), Shard(0, 1)),
        (slurm(2, 4, 0, 3) | {"HDTF_SHARDS": "8"}, Shard(2, 8)),
        ({"JOB_COMPLETION_INDEX": "2", "HDTF_SHARDS": "3"}, Shard(2, 3)),
        ({"JOB_COMPLETION_INDEX": "2", "HDTF_SHARDS": "3"} | slurm(0, 2, 0, 1), Shard(0, 3)),
    ],
)
def test_a_batch_system_sets_the_shard(variables: dict[str, str], shard: Shard | None) -> None:
    """And the variable with the number; tasks may start at any number and have any step."""
    result = from_environment(variables)
    assert (result and result[0]) == shard
    assert result is None or variables[result[1]]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"JOB_COMPLETION_INDEX": "2"}, "JOB_COMPLETION_INDEX=2: number of shards unknown: set HDTF_SHARDS"),
        ({"JOB_COMPLETION_INDEX": "3", "HDTF_SHARDS": "3"}, "JOB_COMPLETION_INDEX=3: invalid shard 3/3"),
        ({"SLURM_ARRAY_TASK_ID": "x" * 30}, f"SLURM_ARRAY_TASK_ID={'x' * 20}: invalid literal"),
        ({"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_ID=1: invalid literal"),
        (slurm(1, 3, 0, 7), "not evenly spaced"),
        (slurm(2, 3, 1, 7), "not evenly spaced"),
        (slurm(0, 2, 5, 5), "invalid shard -5/2"),
    ],
)
def test_incomplete_variables_of_a_batch_system_are_rejected(variables: dict[str, str], message: str) -> None:
    """The user must then set it."""
    with pytest.raises(ValueError, match=message) as failed:
        from_environment(variables)
    assert str(failed.value).endswith("; use --shard I/N")
