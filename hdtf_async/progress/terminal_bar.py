"""A tqdm bar in a terminal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import SupportsWrite


class TerminalBar(tqdm):  # type: ignore[type-arg]  # not generic at runtime
    """Draws a line and clears the rest of it."""

    monitor_interval = 0  # no thread of tqdm's: `Bars` refreshes it

    @staticmethod
    def status_printer(file: SupportsWrite[str]) -> Callable[[str], None]:
        """Return a function that draws a line and clears the rest of it.

        tqdm would overwrite the rest with spaces, which wrap if the terminal becomes narrower.
        """

        def draw(line: str) -> None:
            file.write(f"\r{line}\x1b[K")

        return draw


TerminalBar.set_lock(threading.RLock())  # tqdm's own lock also locks other processes
