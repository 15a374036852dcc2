"""Exceptions that the public functions raise, and how one is taken out of a task group's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hdtf_async.core.failures import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unwrap_exception_group() -> Iterator[None]:
    """Take the one error out of a task group's, so that the caller can name it in an ``except``."""
    try:
        yield
    except BaseExceptionGroup as several:
        error: BaseException = several
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


class StoreError(Exception):
    """The output directory cannot be used; the text says why and what to do. Exit code 4."""

    exit_code = ExitCode.LOCAL


class BusyError(StoreError):
    """Another run is at work on the directory."""


class AwayError(StoreError):
    """The object store does not answer: another run may help, so the exit code is 75."""

    exit_code = ExitCode.PASSING


class FormError(Exception):
    """The directory holds clips in another form than the one asked for. Exit code 2."""


class TableError(Exception):
    """There is no table to read, or a line that is no row of its table.

    ``file`` is the table's name, or the directory where that is what is wrong; ``line`` counts from 1
    and is 0 where no single line is meant.
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
    """A video was asked for that the tables do not have; the text names it. Exit code 2."""

    def __str__(self) -> str:
        return str(self.args[0])


class OptionsError(ValueError):
    """An option does not accept a value; the text names the option and what it accepts."""
