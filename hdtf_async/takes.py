"""What options take: how their texts are read, and which values are refused, and why."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdtf_async.model import SUBSETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction


def between(least: float, most: float, unit: str = "") -> Callable[[Any], str | None]:
    """Return what refuses a number outside of a range."""

    def check(value: float) -> str | None:
        return None if least <= value <= most else f"takes {least:g} to {most:g}{unit}, not {value:g}"

    return check


def even_side(value: int) -> str | None:
    """Refuse what cannot be the side of a clip."""
    if value % 2 or not 16 <= value <= 8192:  # noqa: PLR2004 - the range that H.264 encoders take
        return f"takes an even number of pixels from 16 to 8192, not {value}"
    return None


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def size_in_bytes(text: str) -> int:
    """Read a size such as ``500M``, ``2G`` or ``1.5GiB`` as bytes; a bare number is bytes.

    Raises `ValueError` for anything else.
    """
    number = text.strip().upper().removesuffix("B")
    unit = number.lstrip("0123456789.")
    return (
        int(float(number.removesuffix(unit)) * _UNITS[unit.strip()]) if unit.strip() in _UNITS else int(text)
    )


def subsets(text: str) -> tuple[str, ...]:
    """Read one or more subsets. Raises `ValueError` for none."""
    found = tuple(text.upper().replace(",", " ").split())
    if not found:
        raise ValueError("no subset is named")
    return found


def names(text: str) -> tuple[str, ...]:
    """Read one name."""
    return (text,)


def paths(text: str) -> tuple[Path, ...]:
    """Read one path."""
    return (Path(text),)


def readable(value: Path) -> str | None:
    """Refuse a file that cannot be opened."""
    try:
        value.open("rb").close()
    except OSError as error:
        return f"{value}: {error.strerror}"
    return None


def known_subsets(value: tuple[str, ...]) -> str | None:
    """Refuse a subset that there is not."""
    unknown = [subset for subset in value if subset not in SUBSETS]
    return f"takes {', '.join(SUBSETS)}, not {unknown[0]!r}" if unknown else None


def face_rate(text: str) -> float | None:
    """Read a rate; None is every frame. Raises `ValueError`."""
    return None if text == "every" else float(text)


def rate(value: Fraction) -> str | None:
    """Refuse what is no rate of a video."""
    return None if 1 <= value <= 240 else f"takes 1 to 240 frames a second, not {value}"  # noqa: PLR2004


def hundred(value: tuple[int, int, int]) -> str | None:
    """Refuse shares that are not of a hundred."""
    if min(value) < 0 or sum(value) != 100:  # noqa: PLR2004 - per cent
        return f"takes three shares of a hundred such as 90/5/5, not {'/'.join(map(str, value))}"
    return None


def split(text: str) -> tuple[str, ...]:
    """Read words as a shell would divide them. Raises `ValueError`."""
    return tuple(shlex.split(text))


def scheduler(value: str) -> str | None:
    """Refuse what cannot be the address of a Dask scheduler."""
    fine = re.fullmatch(r"(\w+://)?\S+:\d{1,5}/?", value)
    return None if fine else f"takes an address such as tcp://host:8786, not {value!r}"
