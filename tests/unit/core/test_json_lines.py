"""A line of JSON is written as people can read it, and read within bounds."""

from __future__ import annotations

import io

import pytest

from hdtf_async.core import jsonlines
from hdtf_async.core.jsonlines import line, lines, parsed, records


def test_letters_of_all_scripts_are_written_as_they_are() -> None:
    """Half a surrogate pair, which has no UTF-8, as its escape."""
    assert line({"a": "grün 中", "b": 1}) == '{"a": "grün 中", "b": 1}\n'.encode()
    assert line({"a": "\ud800"}) == b'{"a": "\\ud800"}\n'
    assert parsed(line({"a": "\ud800 \n"})) == {"a": "\ud800 \n"}


@pytest.mark.parametrize("text", [b"", b"[1]", b"1", b"null", b"{", b"\xff", b"[" * 100_000])
def test_a_line_that_is_no_object_has_an_empty_record(text: bytes) -> None:
    """Whatever else it is."""
    assert parsed(text) == {}


def test_each_line_comes_with_the_offset_behind_it() -> None:
    """One without an end was torn, and is not read."""
    file = io.BytesIO(b'{"a": 1}\n\n{"b": 2}\n{"c":')
    assert list(records(file)) == [({"a": 1}, 9), ({}, 10), ({"b": 2}, 19)]
    file.seek(9)
    assert list(lines(file)) == [(b"\n", 1), (b'{"b": 2}\n', 10)]


@pytest.mark.parametrize(("size", "found"), [(1, True), (16 * 1024**2, True), (16 * 1024**2 + 1, False)])
def test_a_line_may_have_sixteen_mebibytes(size: int, *, found: bool) -> None:
    """With its end; the next one is read in any case."""
    text = b" " * (size - 1) + b"\n"
    assert list(lines(io.BytesIO(text + b"{}\n"))) == [(text if found else b"", size), (b"{}\n", size + 3)]


@pytest.mark.parametrize("at_once", [3, 4, 5, 6, 7, 100])
def test_a_line_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """The next one is read where it begins, however much is skipped at once."""
    monkeypatch.setattr(jsonlines, "LONGEST", 4)
    monkeypatch.setattr(jsonlines, "_SKIPPED_AT_ONCE", at_once)
    file = io.BytesIO(b"abc\n12345678901\nx\n")
    assert list(lines(file)) == [(b"abc\n", 4), (b"", 16), (b"x\n", 18)]
    assert list(lines(io.BytesIO(b"a\n1234567"))) == [(b"a\n", 2)]
    assert list(lines(io.BytesIO(b"1234\n"))) == [(b"", 5)]
    assert list(lines(io.BytesIO(b""))) == []
