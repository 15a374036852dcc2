"""Make untrusted text safe to print: file names, paths, table cells and the output of tools. Pure.

A terminal executes escape sequences, and bidirectional controls reorder text. So everything that comes from
tables, journals, tools or the command line passes through `printable` before it is printed.
"""

from __future__ import annotations

import re
import textwrap

LONGEST_SHOWN = 60
"""Characters of untrusted text that a message repeats."""
_UNIT = re.compile(r"(\d) (s|min|h|[kMGT]?B)\b")
"""A number and its unit, which stay on one line."""


def printable(text: str) -> str:
    r"""Return text with each character that could affect a terminal replaced by its escape, such as ``\x1b``.

    These are control characters (including line ends), bidirectional and other format controls, and lone
    surrogates. Letters of all scripts are kept.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def printable_lines(text: str) -> str:
    """Apply `printable` to text of several lines, keeping its line ends."""
    return "\n".join(map(printable, text.split("\n")))


def quoted(text: str) -> str:
    """Return untrusted text in quotes, in ASCII, and shortened."""
    return ascii(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")


def shown(value: object) -> str:
    """Return a value for a message: unchanged if it is short printable ASCII, otherwise `quoted`."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and len(text) <= LONGEST_SHOWN
    return text if plain and text.strip() == text != "" else quoted(text)


def format_bytes(number: float) -> str:
    """Return a number of bytes as text, such as ``41.2 GB``."""
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 999.5 or unit == "TB":  # noqa: PLR2004 - it would be shown as 1000
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" or number >= 99.95 else f"{number:.1f} {unit}"  # noqa: PLR2004


def count(number: int, what: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def format_duration(seconds: float) -> str:
    """Return a duration as text, such as ``12.0 min``."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    if seconds < 3600:  # noqa: PLR2004 - an hour
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.2f} h"


def fold(text: str, columns: int, indent: int = 2) -> str:
    """Return lines of so many columns at most, but for longer words; what is folded is indented."""

    def filled(line: str) -> str:
        behind = max(indent, len(line) - len(line.lstrip()) + 2)
        whole = _UNIT.sub("\\1\N{NO-BREAK SPACE}\\2", line)
        return textwrap.fill(
            whole, max(20, columns), subsequent_indent=" " * behind,
            break_long_words=False, break_on_hyphens=False,
        ).replace("\N{NO-BREAK SPACE}", " ")  # fmt: skip

    return "\n".join(map(filled, text.split("\n")))
