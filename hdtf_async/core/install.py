"""Where this program is installed from, in one place. Pure: text for messages.

Not published yet: an extra is installed from a clone of the repository. Once the package is on an index,
`SOURCE` becomes its name there, and `WHERE` empty.
"""

from __future__ import annotations

SOURCE = "."
"""What pip installs this program from."""
WHERE = " in a clone of the repository"
"""Where the command of `install_extra` must be run."""
UPDATE_YT_DLP = "pip install -U 'yt-dlp[default,deno]'"
"""Installs the newest yt-dlp with everything that it needs for YouTube."""
REINSTALL = f"pip install {SOURCE}{WHERE}"
"""Installs this program again, with the entry points of its version."""


def install_extra(name: str) -> str:
    """Return the command that installs an extra of this program, and where to run it."""
    return f"pip install '{SOURCE}[{name}]'{WHERE}"
