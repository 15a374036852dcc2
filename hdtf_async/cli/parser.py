"""The command line parser, derived from the fields of `Options` and `Printing`."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import textwrap
from dataclasses import fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from hdtf_async.cli import settings
from hdtf_async.cli.terminal import say
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.failures import ExitCode
from hdtf_async.core.option_fields import flag_of
from hdtf_async.core.options import Options
from hdtf_async.core.printing import Printing
from hdtf_async.core.recipes import RECIPES
from hdtf_async.core.redact import without_secrets
from hdtf_async.core.system import own_version
from hdtf_async.core.text import printable, shown
from hdtf_async.output.location import local_directory, parse_location

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from hdtf_async.core.option_fields import Flag

T = TypeVar("T", Options, Printing)
OUT = ("--out", "-o", "--output_dir")
_COLUMNS = 78
"""Width of the help's introduction."""
_WIDE = 25
"""Columns for an option and its metavar, before its help."""
_FEW = 5
"""Maximum number of choices that are listed in the help."""
MOST_STILLS = 1000
"""Maximum number of still frames of each clip."""


class Parser(argparse.ArgumentParser):
    """Suggests the nearest option for an unknown one, and adds options from environment and config files."""

    def __init__(
        self, name: str, description: str, *, usage: str = "--out DIR [options]", epilog: str = ""
    ) -> None:
        if "\n" not in description:  # otherwise it has its own line breaks, which argparse keeps
            description = textwrap.fill(description, _COLUMNS)
        super().__init__(
            prog=f"python -m hdtf_async {name}".rstrip(), usage=f"%(prog)s {usage}",
            description=description, epilog=epilog, allow_abbrev=False, formatter_class=_Help,
        )  # fmt: skip
        self.offered: set[str] = set()
        """Fields that this command accepts; if empty, no config file is read."""
        self._out_is_for = ""
        self._commands: Collection[str] = ()

    def add_out(self, help: str, *, needed: str = "", kind: Callable[[str], Any] | None = None) -> None:  # noqa: A002 - argparse's word
        """Add ``--out``. If it is required, `needed` is its purpose."""
        self._out_is_for = needed
        self.add_argument(*OUT, dest="out", metavar="DIR", type=kind or here, help=help)

    def read(self, argv: Sequence[str], commands: Collection[str] = ()) -> argparse.Namespace:
        """Return the options of the command line, environment and files; raises `OptionsError`.

        `commands` are names that an error message may suggest, too.
        """
        self._commands = commands
        arguments = self.parse_args(argv)
        if self._out_is_for and arguments.out is None:
            self.error(f"--out DIR is required: {self._out_is_for}")
        arguments.settings = settings.read(os.environ, arguments.config, self.offered) if self.offered else {}
        return arguments

    def error(self, message: str) -> NoReturn:
        """Print an error and exit with code 2."""
        message = re.sub(r"^argument \S+: (?=--)", "", message)  # our messages name the option themselves
        unknown = message.partition("unrecognized arguments: ")[2].split()
        choices = [*self._option_string_actions, *self._commands]
        for word in unknown:
            near = difflib.get_close_matches(word.split("=")[0], choices, n=1)
            if near:
                message += f"; did you mean {near[0]}?"
                break
        say(f"{self.prog}: {printable(without_secrets(message))}\nsee `{self.prog} --help`", error=True)
        raise SystemExit(int(ExitCode.USAGE))


class _Help(argparse.RawDescriptionHelpFormatter):
    """Compact help: of each option its short and its first long name, and its metavar once."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_WIDE + 4)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        long = [name for name in action.option_strings if name.startswith("--")]
        short = [name for name in action.option_strings if not name.startswith("--")]
        name = long[0] if not isinstance(action, argparse.BooleanOptionalAction) else f"--[no-]{long[0][2:]}"
        takes = (
            ""
            if action.nargs == 0
            else f" [{action.metavar}]"
            if action.nargs == "?"
            else f" {action.metavar}"
        )
        return ", ".join([*short, name]) + takes


class Version(argparse.Action):
    """Prints the version and exits; looks it up only then, because that takes 10 ms."""

    def __init__(self, option_strings: Sequence[str], dest: str, **others: Any) -> None:  # noqa: ANN401 - argparse's
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **others)

    def __call__(self, *_: object) -> NoReturn:
        """Print it."""
        say(f"hdtf_async {own_version()}")
        raise SystemExit(int(ExitCode.DONE))


def here(text: str) -> Path:
    """Return a local directory for a command that does not support object stores."""
    try:
        return local_directory(text)
    except OptionsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def anywhere(text: str) -> str:
    """Return the name of a directory, or the URL of an object store."""
    try:
        parse_location(text)
    except OptionsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def days(text: str) -> timedelta:
    """Read a number of days."""
    try:
        number = float(text)
        if 0 <= number <= 36500:  # noqa: PLR2004 - a hundred years
            return timedelta(days=number)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"--fresh: expected days from 0 to 36500, such as 7 (got {shown(text)})")


def frames(text: str) -> int:
    """Read a number of still frames."""
    if text.isdecimal() and text.isascii() and 1 <= int(text[:5]) <= MOST_STILLS:
        return int(text[:5])
    message = f"--frames: expected an integer from 1 to {MOST_STILLS}, such as 20 (got {shown(text)})"
    raise argparse.ArgumentTypeError(message)


def add(
    parser: Parser,
    what: type[Options | Printing],
    groups: Collection[str] | None = None,
    without: Collection[str] = (),
) -> None:
    """Add a flag for each field, or for those of some groups and names, except for `without`."""
    if not parser.offered:
        parser.add_argument(
            "--config", metavar="FILE", type=Path, help="TOML file with options (docs/options.md)"
        )
    groups_made: dict[str, argparse._ArgumentGroup] = {}
    for option in fields(what):
        flag = flag_of(option)
        if option.name in without or (groups is not None and not {flag.group, option.name} & {*groups}):
            continue
        parser.offered.add(option.name)
        group = groups_made.setdefault(flag.group, parser.add_argument_group(flag.group))
        # Omitted options are recognised by their absence.
        if flag.is_switch:
            both = option.default is not False
            group.add_argument(
                *flag.names, dest=option.name, default=argparse.SUPPRESS,
                action=argparse.BooleanOptionalAction if both else "store_true",
                help=f"{flag.help} ({flag.shown_default})" if both else flag.help,
            )  # fmt: skip
        else:
            group.add_argument(
                *flag.names, dest=option.name, default=argparse.SUPPRESS, metavar=_takes(flag),
                help=f"{flag.help}{_choices(flag)} ({flag.shown_default})".replace("%", "%%"),
                type=partial(_parsed, flag), action=_Extend if flag.many else "store",
                **({} if flag.bare is None else {"nargs": "?", "const": flag.bare}),
            )  # fmt: skip


def _takes(flag: Flag) -> str:
    """Return the metavar of an option: its choices, if they fit next to its name."""
    choices = "|".join(flag.kind.choices)
    return choices if choices and len(f"{flag.names[0]} {choices}") <= _WIDE else flag.metavar or "NAME"


def _choices(flag: Flag) -> str:
    """Return the choices for the help text, unless they are the metavar or the text explains each."""
    choices = flag.kind.choices
    if choices and all(f"{choice}:" in flag.help for choice in choices):
        return ""
    if len(choices) > _FEW:
        return f": {choices[0]} to {choices[-1]}"
    return f": {'|'.join(choices)}" if choices and "|" not in _takes(flag) else ""


class _Extend(argparse.Action):
    """Collects the values of a repeatable option in one tuple."""

    def __call__(
        self, _parser: object, arguments: argparse.Namespace, values: object, _name: str | None = None
    ) -> None:
        so_far = getattr(arguments, self.dest, ())
        more = values if isinstance(values, tuple) else (values,)
        setattr(arguments, self.dest, (*so_far, *more))


def _parsed(flag: Flag, text: str) -> Any:  # noqa: ANN401 - of the field's type
    try:
        return flag.read(text)
    except OptionsError as error:
        raise argparse.ArgumentTypeError(f"{flag.names[0]}: {error}") from None


def options_from(what: type[T], arguments: argparse.Namespace) -> T:
    """Return the options of the command line, environment, files and recipe; raises `OptionsError`.

    Its message does not name the field of the class, which is for programs.
    """
    names = [option.name for option in fields(what)]
    values = {name: value for name, value in preset(arguments).items() if name in names}
    values |= {name: arguments.settings[name].value for name in names if name in arguments.settings}
    values |= {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
    try:
        return what(**values)
    except OptionsError as error:
        raise OptionsError(re.sub(r" \(\w+\.\w+\):", ":", str(error), count=1)) from None


def add_recipe(parser: Parser) -> None:
    """Add the flag for a recipe, which sets some options; explicit options override it."""
    names = ", ".join(RECIPES)
    parser.add_argument("--recipe", metavar="NAME", choices=RECIPES, help=f"preset for a code base: {names}")


def preset(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the recipe, if one was given."""
    recipe = RECIPES.get(getattr(arguments, "recipe", None) or "")
    return {} if recipe is None else recipe.preset


def origins(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the origin of each option that is not set on the command line."""
    names = {option.name: flag_of(option).names[0] for what in (Options, Printing) for option in fields(what)}
    return {
        names[name]: setting.origin
        for name, setting in arguments.settings.items()
        if not hasattr(arguments, name)
    }


def set_elsewhere(elsewhere: dict[str, str]) -> list[str]:
    """Return a line for each option that is not set on the command line."""
    return [f"{name} is set by {origin}" for name, origin in elsewhere.items()]
