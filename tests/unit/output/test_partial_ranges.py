"""Bytes of ranges that have arrived are used again, if it is certain which they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core import system
from hdtf_async.output import partial_ranges, partials
from hdtf_async.output.partial_ranges import arrived, arrived_at, begin, finish, prepare, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OF = "CPCoMyuBRM0 134 index"
RANGES = ((100, 110), (300, 305), (400, 420))


def left(
    place: Path, content: bytes = b"", *, of: str = OF, ranges: Sequence[tuple[int, int]] = RANGES
) -> Path:
    """Leave a directory as yt-dlp does that was interrupted."""
    place.mkdir(exist_ok=True)
    target = begin(place, "raw.mp4", of, ranges)
    target.with_name(f"{target.name}.part").write_bytes(content)
    return target


def beside(target: Path, ending: str, content: bytes) -> None:
    """Write another file of the same download."""
    target.with_name(target.name + ending).write_bytes(content)


def spans(place: Path, of: str = OF) -> list[tuple[int, int]]:
    """Return which bytes have arrived, and check that they can be read where they are."""
    found = arrived(place, of)
    for each in found:
        assert each.position + each.behind - each.first <= each.path.stat().st_size
    return [(each.first, each.behind) for each in found]


@pytest.mark.parametrize(
    ("content", "current", "found"),
    [
        (0, {}, []),
        (0, {".part-Frag1.part": 4}, [(100, 104)]),
        (0, {".part-Frag1": 10}, [(100, 110)]),
        (10, {}, [(100, 110)]),
        # It has been appended, and not been removed yet.
        (10, {".part-Frag1": 10}, [(100, 110)]),
        (10, {".part-Frag2.part": 3}, [(100, 110), (300, 303)]),
        (15, {".part-Frag3.part": 19, ".ytdl": 9}, [(100, 110), (300, 305), (400, 419)]),
        (35, {}, [(100, 110), (300, 305), (400, 420)]),
        # An answer was too short, or was being appended.
        (9, {".part-Frag2.part": 3}, []),
        (12, {}, []),
        (40, {}, []),
        # Another downloader counts from 0.
        (10, {".part-Frag0": 10, ".part-Frag2": 3}, [(100, 110)]),
    ],
)
def test_a_beginning_of_the_requested_bytes_has_arrived(
    tmp_path: Path, content: int, current: dict[str, int], found: list[tuple[int, int]]
) -> None:
    """Whole ranges first, then what there is of the current one."""
    target = left(tmp_path, bytes(content))
    for ending, size in current.items():
        beside(target, ending, bytes(size))
    assert spans(tmp_path) == found
    assert [(each.first, each.behind) for each in arrived_at(target)] == found
    assert tidy(tmp_path) is bool(found)
    assert spans(tmp_path) == found


def test_several_attempts_add_up_and_are_removed_at_the_end(tmp_path: Path) -> None:
    """A complete download too; another file on YouTube has none of these bytes."""
    place = tmp_path / "sections"
    left(place, bytes(10))
    done = left(place, ranges=RANGES[1:2])
    done.with_name(f"{done.name}.part").rename(done)
    done.write_bytes(bytes(5))
    left(place, bytes(10), of="CPCoMyuBRM0 134 another")
    (place / "raw-index0.mp4").write_bytes(bytes(9))
    prepare(place)
    assert not (place / "raw-index0.mp4").exists()
    assert spans(place) == [(100, 110), (300, 305)]
    (place / "raw-1-3.mp4").touch()
    finish(place)
    assert not arrived(place, OF)
    assert (place / "raw-1-3.mp4").exists()
    prepare(place)
    assert list(place.iterdir()) == []


def test_nothing_is_used_after_a_restart_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before may be missing, with the right length."""
    left(tmp_path, bytes(10))
    monkeypatch.setattr(system, "this_system", lambda: "another start")
    assert spans(tmp_path) == []
    assert not tidy(tmp_path)


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "{}", "null", '{"name": "../x", "of": "", "ranges": [[0, 1]], "system": ""}']
)
def test_an_invalid_note_is_ignored(tmp_path: Path, note: str) -> None:
    """It may be from anyone."""
    target = left(tmp_path, bytes(10))
    beside(target, ".ranges.json", note.encode())
    assert spans(tmp_path) == []
    assert arrived_at(target) == []
    assert not tidy(tmp_path)


@given(st.lists(st.lists(st.integers(-5, 50), max_size=3), max_size=4))
def test_invalid_ranges_are_ignored(
    tmp_path_factory: pytest.TempPathFactory, ranges: list[list[int]]
) -> None:
    """Unless they are pairs of a first byte and one behind it."""
    place = tmp_path_factory.mktemp("ranges")
    left(place, bytes(50), ranges=ranges)  # type: ignore[arg-type]
    for first, behind in spans(place):
        assert [first, behind] in ranges


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Neither instead of the directory, nor instead of a file."""
    real, place = tmp_path / "real", tmp_path / "sections"
    left(real, bytes(10))
    place.symlink_to(real)
    assert not tidy(place)
    assert spans(real) == [(100, 110)]
    part = real / "raw0.mp4.part"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    assert spans(real) == []


def test_the_private_directory_of_a_video_is_kept_with_them(tmp_path: Path) -> None:
    """And with nothing else in it."""
    private = tmp_path / "private"
    left_in = private / partial_ranges.DIRECTORY
    private.mkdir()
    left(left_in, bytes(10))
    (private / "cookies.txt").touch()
    assert partials.tidy(private)
    assert [path.name for path in private.iterdir()] == [partial_ranges.DIRECTORY]
    partial_ranges.forget(left_in)
    assert not partials.tidy(private)
    assert not private.exists()
