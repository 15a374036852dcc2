"""Exceptions that the public functions raise, and a helper to unwrap an exception group."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hdtf_async.core.failures import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unwrap_exception_group() -> Iterator[None]:
    """Raise the only error of an exception group itself, so that callers can name it in an ``except``."""
    try:
        yield
    except BaseExceptionGroup as several:
        error: BaseException = several
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        try:
            raise error from None
        finally:
            error.__context__ = None  # the group, which contains the error: such a cycle cannot be pickled


class StoreError(Exception):
    """The output directory cannot be used; the message contains cause and remedy. Exit code 4."""

    exit_code = ExitCode.LOCAL


class BusyError(StoreError):
    """Another run is active in the directory."""


class AwayError(StoreError):
    """The object store does not respond; another run may succeed, so the exit code is 75."""

    exit_code = ExitCode.PASSING


class FormError(Exception):
    """The directory contains clips made with other settings. Exit code 2."""


class TableError(Exception):
    """There is no table to read, or a line that is no row of its table.

    ``file`` is the table's name, or the directory if the error concerns it; ``line`` counts from 1 and is 0
    if the error concerns no single line.
    """

    def __init__(self, file: str, line: int, words: str) -> None:
        super().__init__(file, line, words)
        self.file = file
        self.line = line
        self.words = words

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.words}"


class UnknownVideoError(LookupError):
    """A requested video is not in the tables; the message names it. Exit code 2."""

    def __str__(self) -> str:
        return str(self.args[0])


class OptionsError(ValueError):
    """An option has an invalid value; the message names the option and the accepted values."""
