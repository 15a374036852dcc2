"""Files of lines are read with little memory, whatever they contain."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async import Failure, OptionsError
from hdtf_async.cli import settings
from hdtf_async.core import jsonlines
from hdtf_async.core.jsonlines import line, lines, records
from hdtf_async.output.directory import open_directory
from hdtf_async.output.journal import JOURNAL, read

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = (10, 64)
"""Maximum bytes of a line, in tests about longer ones."""


@given(
    texts=st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"."))),
    torn=st.binary(max_size=30).map(lambda text: text.replace(b"\n", b".")),
    limit=st.sampled_from(LIMITS),
)
def test_complete_lines_are_read_and_long_ones_skipped(texts: list[bytes], torn: bytes, limit: int) -> None:
    """Each with the offset after it; nothing after the last newline is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonlines, "LONGEST", limit)
        patch.setattr(jsonlines, "_SKIPPED_AT_ONCE", 3)
        found = list(lines(io.BytesIO(b"".join(text + b"\n" for text in texts) + torn)))
    whole = [text + b"\n" for text in texts]
    assert [text for text, _ in found] == [text if len(text) <= limit else b"" for text in whole]
    assert [offset for _, offset in found] == [
        sum(map(len, whole[: number + 1])) for number in range(len(whole))
    ]


@pytest.mark.parametrize("text", ["7", "[]", "not JSON", "[" * 100_000, '"a"', "null", "NaN", '{"a": 1}x'])
def test_an_invalid_line_is_an_empty_record(text: str) -> None:
    """And the lines around it are read."""
    file = io.BytesIO(b'{"n": 1}\n' + text.encode() + b'\n{"n": 2}\n{"n": 3}')
    assert [record for record, _ in records(file)] == [{"n": 1}, {}, {"n": 2}]


async def test_a_record_that_is_too_long_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is unchanged."""
    async with open_directory(tmp_path) as directory:
        await directory.append({"type": "run"})
        before = (tmp_path / JOURNAL).read_bytes()
        monkeypatch.setattr("hdtf_async.output.journal.LONGEST", 100)
        with pytest.raises(Failure, match="longer than 100 bytes"):
            await directory.append({"type": "split", "same": {str(n): "x" for n in range(100)}})
        assert (tmp_path / JOURNAL).read_bytes() == before
        await directory.append({"type": "run"})


def test_no_endless_config_file_is_read(tmp_path: Path) -> None:
    """The message says what is wrong."""
    path = tmp_path / "config.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OptionsError, match="longer than 1048576 bytes"):
        settings.read({}, path)


_HOLE, _MEMORY = 160 << 20, 110 << 20
"""Size of a hole in a file, and address space of a process when it starts to read, in bytes."""
_LIMITED = """
import importlib, resource, sys
from pathlib import Path
import anyio
import hdtf_async.run
from hdtf_async.output import manifests
from hdtf_async.output.directory import open_directory, read_known
from hdtf_async.output.journal import parts, read, shard_of
check = importlib.import_module("hdtf_async.commands.check")
merge = hdtf_async.merge
out, name, memory = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + memory,) * 2)
assert [record["n"] for record in read(out / name) if "n" in record] == [1, 2]
assert [each["clip"] for each in manifests.not_tried(out)] == ["RD_A_000", "RD_B_000"]
assert manifests.count(out)[1].total() == 2
parts(out / name)

async def main():
    known = read_known(out)
    assert len(known.failures) == 2
    check._metadata(known)
    async with open_directory(out, shard_of(name)) as directory:
        await directory.append({"type": "run"})
    await merge(out)

anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing bounds a process so")
@pytest.mark.parametrize(
    ("name", "after"),
    [
        (JOURNAL, b"\n"),
        (JOURNAL, b""),
        ("_journal.shard-0-of-2.jsonl", b""),
    ],
    ids=["a line", "a tail", "a shard's tail"],
)
def test_lines_longer_than_memory_are_skipped(tmp_path: Path, name: str, after: bytes) -> None:
    """By everything that reads journals and manifests; an incomplete last line of any length is removed."""
    first, second = (
        line(
            {
                "type": "failed",
                "clip": f"RD_{clip}_000",
                "youtube_id": clip,
                "reason": "not_tried",
                "n": number,
            }
        )
        for number, clip in ((1, "A"), (2, "B"))
    )
    (tmp_path / JOURNAL).touch()
    for file in (name, "failures.jsonl", "metadata.jsonl"):
        _write_with_hole(tmp_path / file, first, after + second if after else b"")
    if not after:
        for file in (name, "failures.jsonl"):
            _write_with_hole(tmp_path / file, first + second, b"")
    ended = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path), name, str(_MEMORY)],
        env=os.environ | {"MALLOC_ARENA_MAX": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert [record["n"] for record in read(tmp_path / name) if "n" in record] == [1, 2]
    if not after:
        assert (tmp_path / name).stat().st_size < 1000


def _write_with_hole(path: Path, before: bytes, after: bytes) -> None:
    """Write a sparse file with many NULs."""
    with path.open("wb") as file:
        file.write(before)
        file.seek(_HOLE, os.SEEK_CUR)
        file.write(after)
        file.truncate()


def test_written_records_are_read() -> None:
    """Whatever they contain, even lone surrogates."""
    record = {"a": "\ud800", "b": ["ä", 1, None], "c": {"\n": "\n"}}
    assert [parsed for parsed, _ in records(io.BytesIO(line(record)))] == [record]
    assert json.loads(line(record)) == record
