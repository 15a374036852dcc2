"""Validators of options: convert a value, or its text, to the value of a field.

Each `Kind` accepts natural input, from Python, TOML or a command line, and describes what it accepts, with an
example. `options` turns errors into an `OptionsError` that names the option.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from hdtf_async.core import name_lists, os_errors, reproduction_file, reproduction_format, ytdlp_args
from hdtf_async.core.shards import Shard
from hdtf_async.core.splits import MOST_RECORDED, SHARES, NameList, shares_of

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class RefusedError(ValueError):
    """A value is rejected for a reason that `Kind.expected` does not describe; safe to print."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What an option accepts."""

    expected: str
    """What is accepted, with an example; it continues "expected ..."."""
    read: Callable[[object], T]
    """Returns the value of the field. Raises `ValueError`, `TypeError` or `ArithmeticError`."""
    write: Callable[[T], str] = str
    """Returns the text for a value."""
    choices: tuple[str, ...] = ()
    """The accepted values, if these are a list of words."""
    is_path: bool = False
    """Whether it is a path, which may be relative."""
    is_word: Callable[[str], bool] = lambda _text: False
    """Whether a text is no path, although others are."""


def _refuse(_value: object) -> NoReturn:
    raise ValueError


def _whole(value: object) -> int:
    """Read an integer; ``25.0`` is one, and ``True`` is not."""
    if isinstance(value, str):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        _refuse(value)
    if isinstance(value, Integral):
        return int(value)
    return int(float(value)) if float(value).is_integer() else _refuse(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | Real | Decimal):
        _refuse(value)
    return float(value)


def _within(least: float, most: float | None, value: float) -> bool:
    return least <= value and (most is None or value <= most)  # false for NaN


def whole(expected: str, least: int, most: int | None = None) -> Kind[int]:
    """Return the kind of integers in a range."""

    def read(value: object) -> int:
        number = _whole(value)
        return number if _within(least, most, number) else _refuse(value)

    return Kind(expected, read)


def number(expected: str, least: float, most: float) -> Kind[float]:
    """Return the kind of numbers in a range."""

    def read(value: object) -> float:
        found = _real(value)
        return found if _within(least, most, found) else _refuse(value)

    return Kind(expected, read, write="{:g}".format)


CUT = number("seconds from 0.1 to 86400, such as 10", 0.1, 86400)
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


def _in_units(size: int) -> str:
    """Return a size as a user writes it, such as ``30k`` or ``2G``."""
    for unit in ("T", "G", "M", "K"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit.replace('K', 'k')}"
    return str(size)


def size(expected: str, least: int, most: int) -> Kind[int]:
    """Return the kind of sizes in bytes."""

    def read(value: object) -> int:
        found = size_in_bytes(value) if isinstance(value, str) else _whole(value)
        return found if _within(least, most, found) else _refuse(value)

    return Kind(expected, read, write=_in_units)


def choice(members: type[E]) -> Kind[E]:
    """Return the kind of the members of an enumeration, or their names."""

    def read(value: object) -> E:
        return members(value.strip().lower()) if isinstance(value, str) else _refuse(value)

    names = tuple(members)
    return Kind(_one_of(names), read, choices=names)


def word(choices: tuple[str, ...]) -> Kind[str]:
    """Return the kind of some fixed words."""

    def read(value: object) -> str:
        return value if isinstance(value, str) and value in choices else _refuse(value)

    return Kind(_one_of(choices), read, choices=choices)


def _one_of(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


_ON, _OFF = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = _text(value).strip().lower()
    return text in _ON if text in {*_ON, *_OFF} else _refuse(value)


SWITCH = Kind("true or false", _switch, write=lambda value: "on" if value else "off")
"""The kind of boolean switches."""


def _text(value: object) -> str:
    return value if isinstance(value, str) and "\0" not in value else _refuse(value)


def _name(value: object) -> str:
    return _text(value) or _refuse(value)


def name(expected: str) -> Kind[str]:
    """Return the kind of non-empty strings."""
    return Kind(expected, _name)


def names(expected: str) -> Kind[tuple[str, ...]]:
    """Return the kind of several non-empty strings."""
    return many(expected, _name)


def _path(value: object) -> Path:
    named = os.fspath(value) if isinstance(value, os.PathLike) else value
    found = _name(named)
    if len(found) >= name_lists.LONGEST_PATH:
        _refuse(value)
    try:
        return Path(found).absolute()  # the host program may change its working directory
    except OSError as error:
        raise RefusedError(
            f"{found} is a relative path, and there is no working directory: {error.strerror}"
        ) from None


def path(expected: str) -> Kind[Path]:
    """Return the kind of paths."""
    return Kind(expected, _path, is_path=True)


def paths(expected: str) -> Kind[tuple[Path, ...]]:
    """Return the kind of several paths."""
    return replace(many(expected, _path), is_path=True)


def _readable(value: object) -> Path:
    file = _path(value)
    try:
        file.open("rb").close()
    except OSError as error:
        raise RefusedError(f"cannot read {file}: {os_errors.message_of(error)}") from None
    return file


def readable(expected: str) -> Kind[Path]:
    """Return the kind of readable files."""
    return Kind(expected, _readable, is_path=True)


def many(
    expected: str, one: Callable[[object], T], split: Callable[[str], Iterable[str]] = lambda text: (text,)
) -> Kind[tuple[T, ...]]:
    """Return the kind of several values of one kind; a single string is one of them, or is split."""

    def read(value: object) -> tuple[T, ...]:
        if isinstance(value, str):
            found = tuple(map(one, split(value)))
            return found or _refuse(value)
        if isinstance(value, os.PathLike):
            return (one(value),)
        if isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, Iterable):
            _refuse(value)
        return tuple(map(one, value))

    return Kind(expected, read, write=lambda values: ",".join(map(str, values)))


def _subset(value: object) -> str:
    return _text(value).strip() or _refuse(value)


SUBSET = many(
    "one or more subsets, such as RD,WDA",
    _subset,
    lambda text: text.replace(",", " ").split(),
)


def _rate(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, str | Real | Decimal):
        _refuse(value)
    # A decimal number of few digits is exact, and one of many is the fraction that was divided:
    # 29.97002997002997 is 30000/1001. The bound also keeps both parts within what ffmpeg accepts.
    found = Fraction(value if isinstance(value, str) else str(value)).limit_denominator(10**6)
    return found if _within(1, 240, float(found)) else _refuse(value)


RATE = Kind("a frame rate from 1 to 240, such as 25 or 30000/1001", _rate)
_FACE_RATE = number("", 0.2, 240)


def _face_rate(value: object) -> float | None:
    return None if value is None or value == "every" else _FACE_RATE.read(value)


FACE_RATE = Kind(
    "frames per second from 0.2 to 240, such as 5, or every",
    _face_rate,
    write=lambda value: "every" if value is None else f"{value:g}",
)


def _side(value: object) -> int:
    side = _whole(value)
    # The range of H.264 encoders.
    return side if side % 2 == 0 and _within(16, 8192, side) else _refuse(value)


SIDE = Kind("an even number of pixels from 16 to 8192, such as 512", _side)


def _shard(value: object) -> Shard:
    if isinstance(value, tuple | list):
        index, count = value
        return Shard(_whole(index), _whole(count))
    return value if isinstance(value, Shard) else Shard.read(_text(value))


SHARD = Kind("I/N with 0 <= I < N, such as 0/4 for the first of four shards", _shard)


def _name_list(value: object) -> NameList:
    try:
        return name_lists.of(value)
    except name_lists.NameListError as error:
        raise RefusedError(str(error)) from None


def _is_published(text: str) -> bool:
    return text in name_lists.published()


ONLY = Kind(
    f"a file of clip names or YouTube ids, or {' or '.join(name_lists.published())}",
    _name_list,
    is_path=True,
    is_word=_is_published,
)
_SHARES = re.compile(r"\s*-?\d*\s*(/\s*-?\d*\s*)*")
"""Matches valid and invalid ratios, which are not the path of a list."""


def _split(value: object) -> tuple[int, int, int] | NameList:
    if value is True:
        return SHARES
    if isinstance(value, NameList | os.PathLike) or (isinstance(value, str) and not _SHARES.fullmatch(value)):
        listed = _name_list(value)
        if not listed.is_recordable:
            raise RefusedError(f"{listed}: cannot record lists of more than {MOST_RECORDED >> 20} MiB")
        return listed
    parts = shares_of(value) if isinstance(value, str) else value
    if not isinstance(parts, tuple | list):
        _refuse(value)
    train, val, test = map(_whole, parts)
    return (train, val, test) if min(train, val, test) >= 0 and train + val + test == 100 else _refuse(value)  # noqa: PLR2004 - per cent


SPLIT = Kind(
    "percentages of training, validation and test that add up to 100, such as 90/5/5, or lists of clips:"
    f" {', '.join(name_lists.published())}, a file, or a directory",
    _split,
    write=lambda split: f"{split}" if isinstance(split, NameList) else "/".join(map(str, split)),
    is_path=True,
    is_word=lambda text: _is_published(text) or _SHARES.fullmatch(text) is not None,
)


def _reproduction(value: object) -> reproduction_file.ReproductionFile:
    try:
        return reproduction_file.of(value)
    except reproduction_file.ReproductionFileError as error:
        raise RefusedError(str(error)) from None


REPRODUCTION = Kind(
    f"a file that the command report has written, {reproduction_format.REPRODUCTION_FILE}",
    _reproduction,
    is_path=True,
)


def _scheduler(value: object) -> str:
    address = _text(value)
    return address if re.fullmatch(r"(\w+://)?\S+:\d{1,5}/?", address) else _refuse(value)


SCHEDULER = Kind("the address of a Dask scheduler, such as tcp://host:8786", _scheduler)


def _proxy(value: object) -> str:
    address = _text(value)
    return address if ytdlp_args.is_proxy(address) else _refuse(value)


PROXY = Kind(ytdlp_args.PROXY, _proxy)


def _argument(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        _refuse(value)
    return _text(str(value))


_ARGUMENTS = many(
    "options of yt-dlp, such as --extractor-args youtube:player_client=web", _argument, shlex.split
)


def _yt_dlp_arguments(value: object) -> tuple[str, ...]:
    arguments = () if value == "" else _ARGUMENTS.read(value)
    if wrong := ytdlp_args.yt_dlp_arguments(arguments):
        raise RefusedError(wrong)
    return arguments


YT_DLP_ARGS = Kind(_ARGUMENTS.expected, _yt_dlp_arguments, shlex.join)
