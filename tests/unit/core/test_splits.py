"""Splits are speaker-disjoint for any tables, and later rows move no existing ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdtf_async
from hdtf_async import Options, OptionsError
from hdtf_async.commands.check import OURS
from hdtf_async.core import splits
from hdtf_async.core.jsonlines import LONGEST, line
from hdtf_async.core.model import SUBSETS, Video
from hdtf_async.core.splits import SEED, SHARES, SIDES, Member, Split
from hdtf_async.dataset import tables
from hdtf_async.output.manifests import LISTS

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from shared import Finished

    from hdtf_async.core.model import Tables

VIDEOS = st.lists(
    st.builds(
        Video,
        st.sampled_from(SUBSETS),
        st.from_regex(r"[A-E][a-c]?[0-9]{0,2}", fullmatch=True),
        st.from_regex(r"[0-9a-c]", fullmatch=True).map("v{:0>10}".format),
        st.just(720),
    ),
    max_size=30,
    unique_by=lambda video: video.stem,
)
SPLITS = st.builds(
    Split,
    st.tuples(st.integers(0, 100), st.integers(0, 100))
    .map(sorted)
    .map(lambda ends: (ends[0], ends[1] - ends[0], 100 - ends[1])),
    st.integers(0, 2**63),
)


@pytest.fixture(scope="module")
def published() -> Tables:
    """HDTF's own tables."""
    return tables.read()


def sides(videos: list[Video] | tuple[Video, ...], split: Split) -> dict[str, str]:
    """Return the split of each video, by its stem."""
    knowing = split.knowing(videos)
    return {video.stem: knowing.side(video.name) for video in videos}


def distances(read: Tables, split: Split) -> list[float]:
    """Return the difference of each split's share of clips and hours from its ratio, in percent."""
    side_of = sides(read.videos, split)
    weights = [
        dict.fromkeys(read.clips, 1.0),
        {clip: clip.interval.seconds for clip in read.clips},
    ]
    return [
        abs(
            100 * sum(weight[clip] for clip in read.clips if side_of[clip.video.stem] == side)
            / sum(weight.values()) - share
        )
        for weight in weights
        for side, share in zip(SIDES, split.shares, strict=True)
    ]  # fmt: skip


@given(VIDEOS, SPLITS)
def test_splits_are_speaker_disjoint(videos: list[Video], split: Split) -> None:
    """Neither a name without its digits nor a YouTube video is in two splits; and each clip is in one."""
    side_of = sides(videos, split)
    of: dict[str, set[str]] = {}
    for video in videos:
        for key in (video.name.rstrip("0123456789"), video.youtube_id):
            of.setdefault(key, set()).add(side_of[video.stem])
    assert all(len(sides) == 1 for sides in of.values())
    clips = {f"{video.stem}_{index:03d}": Member(video.name) for video in videos for index in range(2)}
    lists = split.knowing(videos).lists(clips)
    assert sorted(stem for stems in lists.values() for stem in stems) == sorted(clips)
    assert all(stems == sorted(stems) for stems in lists.values())


@given(VIDEOS, SPLITS, st.randoms())
@pytest.mark.slow
def test_a_split_does_not_depend_on_the_order_of_rows(
    videos: list[Video], split: Split, random: Random
) -> None:
    """The same rows in another order are split equally."""
    shuffled = list(videos)
    random.shuffle(shuffled)
    assert sides(shuffled, split) == sides(videos, split)


@pytest.mark.slow
@given(VIDEOS, VIDEOS, SPLITS)
def test_additional_rows_move_no_existing_ones(videos: list[Video], more: list[Video], split: Split) -> None:
    """More rows of the same people, and other people."""
    persons = {splits.person(video.name): video for video in videos}
    later = [
        replace(video, name=f"{splits.person(video.name)}{900 + place}", youtube_id=f"new{place:08}")
        for place, video in enumerate(more)
    ]
    before, after = sides(videos, split), sides([*videos, *later], split)
    assert {stem: after[stem] for stem in before} == before
    for video in later:
        if splits.person(video.name) in persons:
            assert after[video.stem] == before[persons[splits.person(video.name)].stem]


@given(SPLITS)
def test_a_split_with_ratio_0_is_empty(split: Split) -> None:
    """And one with 100 percent contains everyone."""
    used = {split.side(f"person {number}") for number in range(200)}
    assert used <= {side for side, share in zip(SIDES, split.shares, strict=True) if share}


def test_the_two_rows_of_one_video_are_in_one_split(published: Tables) -> None:
    """For any seed: they are one interval of one video under two names, and a published split leaks."""
    for seed in range(200):
        side_of = sides(published.videos, Split((34, 33, 33), seed))
        assert side_of["WDA_WhipJimClyburn"] == side_of["WDA_JamesClyburn1"]
        assert len({side_of[video.stem] for video in published.videos if video.subset == "RD"}) == 1


def test_the_default_seed_is_the_best_of_the_first_hundred(published: Tables) -> None:
    """Within half a percent, in clips and in hours, for each split."""
    worst = {seed: max(distances(published, Split(SHARES, seed))) for seed in range(100)}
    assert min(worst, key=lambda seed: worst[seed]) == SEED
    assert worst[SEED] < 0.5


def test_the_default_split_is_near_its_ratios(published: Tables) -> None:
    """Within half a percent; other seeds are further away."""
    assert max(distances(published, Split())) < 0.5
    assert max(distances(published, Split(seed=SEED + 1))) > 0.5
    assert max(distances(published, Split(seed=SEED - 1))) > 0.5


@pytest.mark.parametrize(("longer", "recordable"), [(0, True), (1, False)])
def test_a_list_is_recorded_if_it_fits_into_a_line_of_the_journal(*, longer: int, recordable: bool) -> None:
    """Twelve mebibytes, with sixteen bytes for each entry besides its name."""
    entries = [splits.Entry("a" * (6 * 1024**2 - 16 + each), "list:1", "val") for each in (0, longer)]
    listed = splits.NameList("list", tuple(entries))
    assert listed.is_recordable is recordable
    if recordable:
        assert len(line({"given": listed.sides})) < LONGEST


def test_a_speaker_is_in_the_split_that_a_list_states() -> None:
    """For one clip at least; otherwise the seed decides by the speaker, and not by the name of the video."""
    members = {
        "a": Member("x1", speaker="Ada"), "b": Member("y", speaker="Ada", given="test"),
        "c": Member("x2", speaker="Bea"), "d": Member("Cid1"), "e": Member("Cid2"),
        "f": Member("z", speaker="Ada", given="val"),
    }  # fmt: skip
    split = next(
        split
        for split in (Split((34, 33, 33), seed) for seed in range(100))
        if (split._side_of("Bea"), split.side("Cid1"), split.side("x2")) == ("val", "train", "test")
    )
    assert split.lists(members) == {"train": ["d", "e"], "val": ["c", "f"], "test": ["a", "b"]}


def test_given_lists_are_used_as_they_are() -> None:
    """Clips on none of them are in the split of the rest, if there is one."""
    members = {
        "a": Member("x", clip="a", youtube_id="one"), "b": Member("x", clip="b", youtube_id="two"),
        "c": Member("y", clip="c", youtube_id="two"), "d": Member("y", clip="d", youtube_id="three"),
    }  # fmt: skip
    split = Split(given={"a": "val", "two": "test", "c": "val"})
    assert split.lists(members) == {"train": [], "val": ["a", "c"], "test": ["b"]}
    assert split.shared(members) == {"x": {"val": ["a"], "test": ["b"]}}
    rest = replace(split, rest="train")
    assert rest.lists(members) == {"train": ["d"], "val": ["a", "c"], "test": ["b"]}
    assert rest.shared(members) == {
        "x": {"val": ["a"], "test": ["b"]},
        "y": {"train": ["d"], "val": ["c"]},
    }


@pytest.mark.parametrize("shares", [(90, 5, 4), (101, 0, -1), (0, 0, 0)])
def test_ratios_add_up_to_a_hundred(shares: tuple[int, int, int]) -> None:
    """Otherwise the error describes the format."""
    with pytest.raises(OptionsError, match=r"^--split .*: expected percentages .* such as 90/5/5"):
        Options(split=shares)


@pytest.mark.parametrize(
    "given",
    [{"a": "val", "b": "all"}, {"a": ["val"]}, ["a"], "a", None, {"a": None}],
)
def test_invalid_given_lists_in_a_journal_are_ignored(given: object) -> None:
    """It may be from another user; a valid record is read as it was written."""
    record = {"shares": [90, 5, 5], "seed": 1, "same": {}, "given": given, "rest": given}
    assert Split.from_json(record) == Split(SHARES, 1)
    assert Split.from_json({"shares": [1]}) is None
    for split in (
        Split(SHARES, 7, {"b": "a"}),
        Split(given={"a": "val"}, rest="train"),
        Split(given={"a": "test"}),
    ):
        assert Split.from_json(split.to_json()) == split
    assert "given" not in Split().to_json()


@pytest.mark.slow
async def test_a_run_writes_the_lists_and_later_runs_keep_them(finished: Finished, tmp_path: Path) -> None:
    """Including runs without the option: a list without the newest clips would be worse than none."""
    out = tmp_path / "clips"
    shutil.copytree(finished.out, out)
    assert not [side for side in SIDES if (out / f"{side}.txt").exists()]
    split = Split((34, 33, 33), 61)
    await hdtf_async.download(out, replace(finished.options, split=split.shares, split_seed=split.seed))
    before = {side: (out / f"{side}.txt").read_text() for side in SIDES}
    assert before == {
        "train": "RD_Radio1_000\nRD_Radio1_001\nRD_Radio2_000\n",
        "val": "WDA_Speaker1_000\nWDA_Speaker2_000\nWDA_Speaker3_000\n",
        "test": "WRA_Guest1_000\nWRA_Guest2_000\nWRA_Guest2_001\nWRA_Guest2_002\n",
    }

    assert {path.name for path in out.glob("*.[tm][xd]*")} == {"README.md", *LISTS} <= OURS

    (out / "RD_Radio2_000.mp4").unlink()
    shutil.rmtree(out / "_videos_raw")
    only = replace(finished.options, raw_dirs=(finished.out / "_videos_raw",))
    await hdtf_async.download(out, replace(only, subsets=("WDA",)))
    assert (out / "train.txt").read_text() == "RD_Radio1_000\nRD_Radio1_001\n"
    await hdtf_async.download(out, only)
    assert {side: (out / f"{side}.txt").read_text() for side in SIDES} == before


async def test_a_users_own_readme_is_kept(finished: Finished, tmp_path: Path) -> None:
    """The dataset card is for the loader of datasets; another README is intentional."""
    assert "metadata.jsonl" in (finished.out / "README.md").read_text()
    out = tmp_path / "clips"
    shutil.copytree(finished.out, out)
    (out / "README.md").write_text("mine")
    await hdtf_async.download(out, finished.options)
    assert (out / "README.md").read_text() == "mine"
