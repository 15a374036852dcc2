"""Lists of clips by name: what a file may contain, and the bundled lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hdtf_async import Options, OptionsError
from hdtf_async.core import name_lists
from hdtf_async.core.name_lists import LARGEST, NameListError
from hdtf_async.core.splits import NameList
from hdtf_async.dataset import tables

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_has_one_name_per_line_and_comments(tmp_path: Path) -> None:
    """Byte order mark, line ends of Windows, empty lines and ``.mp4`` are accepted; a name counts once."""
    file = tmp_path / "held_out.txt"
    file.write_bytes(b"\xef\xbb\xbf# ours\r\n\r\n RD_A_000.mp4 # first\r\nCPCoMyuBRM0\r\nRD_A_000\r\n")
    listed = name_lists.read(file)
    assert [(entry.name, entry.place) for entry in listed.entries] == [
        ("RD_A_000", "held_out.txt:3"),
        ("CPCoMyuBRM0", "held_out.txt:4"),
    ]


def test_a_single_file_is_the_test_list_and_the_rest_is_for_training(tmp_path: Path) -> None:
    """Whatever its name is."""
    (tmp_path / "val.txt").write_text("RD_A_000\n")
    listed = name_lists.read(tmp_path / "val.txt")
    assert (listed.sides, listed.rest) == ({"RD_A_000": "test"}, "train")


@pytest.mark.parametrize(("files", "rest"), [(("val", "test"), "train"), (("train", "val"), None)])
def test_a_directory_has_one_list_per_split(tmp_path: Path, files: tuple[str, ...], rest: str | None) -> None:
    """Clips on none of them are for training, unless there is a list for training."""
    for side in files:
        (tmp_path / f"{side}.txt").write_text(f"RD_{side}_000\n")
    listed = name_lists.read(tmp_path)
    assert listed.sides == {f"RD_{side}_000": side for side in files}
    assert listed.rest == rest


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no train.txt, val.txt or test.txt"),
        ({"val.txt": b"# nothing\n"}, r"contains no names of clips"),
        ({"val.txt": b"A\nB\n", "test.txt": b"\nB\n"}, r"lists/test.txt:2: B is also in lists/val.txt:2"),
        ({"val.txt": b"\xff\xfe"}, r"lists/val.txt: not a text file in UTF-8"),
        ({"val.txt": b"a" * (LARGEST + 1)}, r"lists/val.txt: larger than 67108864 bytes"),
    ],
)
def test_an_invalid_list_is_an_error_that_names_the_file(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    """And the line, if it concerns one."""
    directory = tmp_path / "lists"
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    with pytest.raises(NameListError, match=message):
        name_lists.read(directory)
    with pytest.raises(OptionsError, match=rf"^--split .*{message}"):
        Options(split=directory)


@pytest.mark.slow
def test_lists_that_do_not_fit_into_the_journal_are_rejected(tmp_path: Path) -> None:
    """A line of the journal is limited; a selection is not recorded."""
    (tmp_path / "test.txt").write_text("".join(f"{number:011}\n" for number in range(480_000)))
    assert Options(only=tmp_path).only is not None
    with pytest.raises(OptionsError, match="cannot record lists of more than 12 MiB"):
        Options(split=tmp_path)


def test_a_missing_file_is_named() -> None:
    """As for other files."""
    with pytest.raises(OptionsError, match=r"^--only .*: cannot read absent.txt: No such file"):
        Options(only="absent.txt")


@pytest.mark.parametrize("name", name_lists.published())
def test_a_bundled_list_names_its_source_and_clips_of_the_tables(name: str) -> None:
    """Repository and commit are in a comment, and each entry is a clip."""
    listed = name_lists.read(name)
    assert isinstance(listed, NameList)
    clips = {clip.stem for clip in tables.read().clips}
    assert listed.sides.keys() <= clips
    for file in (name_lists.PUBLISHED / name).iterdir():
        assert "at commit " in file.read_text(encoding="utf-8")


def test_musetalk_validates_on_twenty_clips() -> None:
    """All other clips are for training."""
    listed = name_lists.read("musetalk")
    assert len(listed.entries) == 20
    assert {entry.side for entry in listed.entries} == {"val"}
    assert listed.rest == "train"
