"""A minimal terminal screen for progress bars: text, line ends, cursor movement, clearing; no bottom."""

from __future__ import annotations

import re

_PARTS = re.compile(r"\x1b\[(\d*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """The content of the screen after all input so far."""

    def __init__(self) -> None:
        self.rows = [""]
        self.row = self.column = 0

    @property
    def lines(self) -> list[str]:
        """Return the rows, without trailing blanks, down to the last one with any text."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n").split("\n")

    def feed(self, text: str) -> None:
        """Process a program's output."""
        for number, command, end, characters in _PARTS.findall(text):
            match command or end:
                case "A":
                    self.row = max(0, self.row - int(number or 1))
                case "B":
                    self.row = min(len(self.rows) - 1, self.row + int(number or 1))
                case "J":
                    self._cut()
                    del self.rows[self.row + 1 :]
                case "K":
                    self._cut()
                case "\r":
                    self.column = 0
                case "\n":  # a terminal adds the return
                    self.row, self.column = self.row + 1, 0
                    self.rows += [""] * (self.row + 1 - len(self.rows))
                case "m":
                    pass
                case "":
                    row = self.rows[self.row].ljust(self.column)
                    self.rows[self.row] = (
                        row[: self.column] + characters + row[self.column + len(characters) :]
                    )
                    self.column += len(characters)
                case unknown:
                    raise AssertionError(f"the screen does not know {unknown!r}")

    def fold(self, columns: int) -> None:
        """Reduce the width, like a terminal that wraps longer rows; the cursor stays."""
        above = [self._folded(row, columns) for row in self.rows[: self.row]]
        below = [self._folded(row, columns) for row in self.rows[self.row :]]
        self.row = sum(map(len, above))
        self.rows = [part for parts in (*above, *below) for part in parts]

    @staticmethod
    def _folded(row: str, columns: int) -> list[str]:
        row = row.rstrip()
        return [row[start : start + columns] for start in range(0, len(row), columns)] or [""]

    def _cut(self) -> None:
        self.rows[self.row] = self.rows[self.row][: self.column]
