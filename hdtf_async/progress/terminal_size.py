"""The size of a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO


def size_of(terminal: TextIO) -> os.terminal_size:
    """Return the size of a terminal; 80 by 24 if it does not know its own."""
    try:
        size = os.get_terminal_size(terminal.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((80, 24))
    # A terminal whose size was never set reports 0.
    return os.terminal_size((size.columns or 80, size.lines or 24))
