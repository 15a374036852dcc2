"""The exceptions for callers: their types, their messages, and that none is raised in a group."""

from __future__ import annotations

import copy

import pytest

from hdtf_async.core.exceptions import (
    AwayError,
    BusyError,
    OptionsError,
    StoreError,
    TableError,
    UnknownVideoError,
    unwrap_exception_group,
)
from hdtf_async.core.failures import ExitCode


def test_errors_have_the_types_that_programs_catch() -> None:
    """With the exit code of a command line that ends with them."""
    assert issubclass(BusyError, StoreError)
    assert issubclass(OptionsError, ValueError)
    assert issubclass(UnknownVideoError, LookupError)
    assert StoreError("x").exit_code is BusyError("x").exit_code is ExitCode.LOCAL
    assert AwayError("x").exit_code is ExitCode.PASSING


def test_an_error_of_a_table_names_its_line() -> None:
    """Also a copy, such as one that comes from another process."""
    original = TableError("a.txt", 3, "no number")
    for error in (original, copy.copy(original)):
        assert (error.file, error.line, error.words) == ("a.txt", 3, "no number")
        assert str(error) == "a.txt:3: no number"
    assert str(TableError("tables/", 0, "not found")) == "tables/: not found"
    assert str(UnknownVideoError("no video is named 'x'")) == "no video is named 'x'"


def test_one_error_of_a_group_is_raised_alone() -> None:
    """At any depth; if there are several, the group is raised."""
    one, other = ValueError("one"), KeyError("other")
    with pytest.raises(ValueError, match="one") as raised, unwrap_exception_group():
        raise BaseExceptionGroup("outer", [ExceptionGroup("inner", [one])])
    assert raised.value is one
    assert raised.value.__context__ is None  # a cycle could not be pickled
    assert raised.value.__suppress_context__
    with pytest.raises(ExceptionGroup, match="inner") as several, unwrap_exception_group():
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [one, other])])
    assert several.value.exceptions == (one, other)
    with pytest.raises(KeyError), unwrap_exception_group():
        raise other
    with unwrap_exception_group():
        pass
