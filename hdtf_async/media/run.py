"""Running ffmpeg: the one place that starts it as a child, and that says what its failures mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hdtf_async.core.failures import Failure
from hdtf_async.output import atomic
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.stderr import classify_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hdtf_async.process.supervisor import Command, Ended

_FILE = "file:"
"""Precedes the path of each file that ffmpeg reads or writes."""


class FfmpegError(Failure):
    """ffmpeg ended with an error: its messages, and the reason that they indicate."""

    killed = False
    """Whether a signal ended it, so that it has not judged its input."""

    @classmethod
    def of(cls, ended: Ended) -> Self:
        """Return what the end of an ffmpeg with a bad exit code means."""
        error = cls(classify_ffmpeg(ended.stderr), ended.stderr or f"ffmpeg ended with {ended.code}")
        error.killed = ended.code < 0
        return error


async def run_ffmpeg(
    command: Command,
    *,
    deadline: float,
    stall: float | None = None,
    on_line: Callable[[str], bool] = supervisor.no_progress,
    guard: Guard = UNGUARDED,
) -> Ended:
    """Run ffmpeg to its end, and return what it printed. The parameters are those of `supervisor.run`.

    Its messages name files without their directories, and temporary files by their final names.

    Raises `FfmpegError` if it ends with an error, and `Failure` as `supervisor.run` does.
    """
    names = _names(command.argv)

    def shorten_names(line: str) -> str:
        for name, shown in names:
            line = line.replace(name, shown)
        return line

    ended = await supervisor.run(
        replace(command, redact=shorten_names), deadline=deadline, stall=stall, on_line=on_line, guard=guard
    )
    if ended.code != 0:
        raise FfmpegError.of(ended)
    return ended


def _names(argv: Sequence[str]) -> list[tuple[str, str]]:
    """Return what to replace in ffmpeg's messages, and by what."""
    paths = [Path(word.removeprefix(_FILE)) for word in argv if word.startswith(_FILE)]
    directories = {f"{path.parent}/": "" for path in paths if path.parent != Path()}
    return [*directories.items(), *((path.name, atomic.final_name(path.name)) for path in paths)]
