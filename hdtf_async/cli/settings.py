"""Options from a TOML file and from environment variables.

Keys and variables follow from the fields of `Options` and `Printing`: ``limit-rate`` and
``HDTF_ASYNC_LIMIT_RATE`` for ``--limit-rate``. The command line takes precedence, then the environment, then
the ``--config`` file, then the user's config file, then the defaults. No file is ever read from the working
directory: it could name executables, and another user may have created it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.option_fields import flag_of
from hdtf_async.core.options import Options
from hdtf_async.core.printing import Printing
from hdtf_async.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PREFIX = "HDTF_ASYNC_"
"""Prefix of the environment variables."""
KEYS = {
    flag_of(option).names[0].removeprefix("--"): option
    for what in (Options, Printing)
    for option in fields(what)
}
"""Key in a file to the field that it sets."""


LARGEST = 1 << 20
"""Maximum size of a config file in bytes."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where the user has set it."""

    value: Any
    origin: str


def read(
    environ: Mapping[str, str], named: Path | None = None, fields: Collection[str] | None = None
) -> dict[str, Setting]:
    """Return the settings by field name, optionally only those of the wanted fields.

    `named` is the ``--config`` file. Raises `OptionsError`, which names file and key, or the variable: for
    unknown ones, even if not wanted, and for a value that the command line would reject.
    """
    layers = [_in_environment(environ)]
    if named is not None:
        layers.insert(0, _in_file(named))
    own = users_file(environ)
    if own is not None and own.exists():
        layers.insert(0, _in_file(own))
    found: dict[str, Setting] = {}
    for layer in layers:
        for key, value, origin, base in layer:
            name = KEYS[key].name
            if fields is None or name in fields:
                found[name] = Setting(_value(key, value, origin, base), origin)
    return found


def users_file(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the user's config file, if the user has a home directory."""
    config_home = environ.get("XDG_CONFIG_HOME", "")
    home = environ.get("HOME", "")
    # The XDG specification says to ignore relative paths; here it would be the working directory.
    if Path(config_home).is_absolute():
        directory = Path(config_home)
    elif Path(home).is_absolute():
        directory = Path(home) / ".config"
    else:
        return None
    return directory / "hdtf_async" / "config.toml"


_Entry = tuple[str, object, str, Path | None]
"""A key, its value, its origin, and the directory for relative paths."""


def _in_file(path: Path) -> Iterator[_Entry]:
    import tomllib  # noqa: PLC0415 - few users have such a file

    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"longer than {LARGEST} bytes")  # noqa: TRY301
        document = tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise OptionsError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise OptionsError(f"{path}: {error}") from None
    for written, value in document.items():
        key = written.replace("_", "-")
        if key not in KEYS:
            raise OptionsError(f"{path}: unknown option {shown(written)}{_nearest(key, KEYS)}")
        yield key, value, f"{path}: {written}", path.absolute().parent


def _in_environment(environ: Mapping[str, str]) -> Iterator[_Entry]:
    variables = {f"{PREFIX}{key.replace('-', '_').upper()}": key for key in KEYS}
    for name, value in environ.items():
        if name.startswith(PREFIX):
            if name not in variables:
                raise OptionsError(f"unknown variable {shown(name)}{_nearest(name, variables)}")
            yield variables[name], value, name, None


def _value(key: str, value: object, origin: str, base: Path | None) -> object:
    """Return the value of a field, validated as on the command line."""
    option = KEYS[key]
    flag = flag_of(option)
    if base is not None and flag.is_switch and not isinstance(value, bool):  # TOML has booleans
        raise OptionsError(f"{origin}: expected {flag.kind.expected} (got {shown(value)})")
    try:
        is_path = flag.kind.is_path and not (isinstance(value, str) and flag.kind.is_word(value))
        return flag.read(_placed(value, base) if is_path and base is not None else value)
    except OptionsError as error:
        raise OptionsError(f"{origin}: {error}") from None


def _placed(value: object, base: Path) -> object:
    """Return a path in a file relative to that file, or to the user's home directory."""
    if isinstance(value, list):
        return [_placed(each, base) for each in value]
    try:
        return base / Path(value).expanduser() if isinstance(value, str) and value else value
    except RuntimeError as error:  # there is no such user
        raise OptionsError(f"expected a path: {error} (got {shown(value)})") from None


def _nearest(word: str, names: Collection[str]) -> str:
    near = get_close_matches(word, list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""
