"""The flags of the command line, made from the fields of `Options` and `Printing`."""

from __future__ import annotations

import argparse
import difflib
import sys
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from hdtf_async.failures import ExitCode
from hdtf_async.masks import without_secrets
from hdtf_async.options import Options, Printing, flag_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from hdtf_async.options import Flag

T = TypeVar("T", Options, Printing)


class Parser(argparse.ArgumentParser):
    """Names the nearest option where one is not known."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        unknown = message.partition("unrecognized arguments: ")[2].split()
        for word in unknown:
            near = difflib.get_close_matches(word.split("=")[0], list(self._option_string_actions), n=1)
            if near:
                message += f"; did you mean {near[0]}?"
                break
        said = f"{self.prog}: {without_secrets(message)}\n{self.prog} --help lists what there is\n"
        sys.stderr.write(said)
        raise SystemExit(int(ExitCode.USAGE))


def add(
    parser: argparse.ArgumentParser,
    what: type[Options | Printing],
    groups: Collection[str] | None = None,
    without: Collection[str] = (),
) -> None:
    """Add a flag for each field, or for those of some groups; but for some."""
    groups_made: dict[str, argparse._ArgumentGroup] = {}
    for option in fields(what):
        flag = flag_of(option)
        if option.name in without or (groups is not None and flag.group not in groups):
            continue
        group = groups_made.setdefault(flag.group, parser.add_argument_group(flag.group))
        text = flag.help if isinstance(option.default, bool) else f"{flag.help} ({flag.shown_default})"
        if isinstance(option.default, bool):
            action = argparse.BooleanOptionalAction if option.default else "store_true"
            group.add_argument(
                *flag.names, dest=option.name, default=option.default, action=action, help=text
            )
        else:
            group.add_argument(
                *flag.names, dest=option.name, default=option.default, metavar=flag.metavar, help=text,
                type=partial(_parsed, flag), choices=flag.choices or None,
                action=_Extend if flag.many else "store",
            )  # fmt: skip


class _Extend(argparse.Action):
    """Collects the values of an option that may be given several times in one tuple."""

    def __call__(
        self, _parser: object, said: argparse.Namespace, values: object, _name: str | None = None
    ) -> None:
        so_far = getattr(said, self.dest)
        more = values if isinstance(values, tuple) else (values,)
        setattr(said, self.dest, (*so_far, *more))


def _parsed(flag: Flag, text: str) -> Any:  # noqa: ANN401 - of the field's type
    try:
        return flag.parse(text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        why = f"cannot be read: {error}" if flag.secret else f"does not take {text!r}"
        raise argparse.ArgumentTypeError(f"{flag.names[0]} {why}") from None


def made(what: type[T], said: argparse.Namespace) -> T:
    """Return the options that were said; raises `OptionsError`."""
    names = [option.name for option in fields(what) if hasattr(said, option.name)]
    return what(**{name: getattr(said, name) for name in names})
