"""What a field of an options class carries: flags, help, validator; and how its value is normalised."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hdtf_async.core import validators
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.text import printable, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from hdtf_async.core.validators import Kind

Given_contra = TypeVar("Given_contra", contravariant=True)
Value_co = TypeVar("Value_co", covariant=True)


class Accepts(Protocol[Given_contra, Value_co]):
    """The type of a field for type checkers: the values that it accepts, and the type that it holds."""

    def __get__(self, owner: object, kind: type | None = None) -> Value_co: ...

    def __set__(self, owner: object, value: Given_contra) -> None: ...


@dataclass(frozen=True, slots=True)
class Flag:
    """The command-line flag and the documentation of a field of `Options`."""

    names: tuple[str, ...]
    group: str
    help: str
    kind: Kind[Any]
    """What it accepts."""
    shown_default: str
    metavar: str | None
    many: bool
    """Whether it is repeatable."""
    bare: Any
    """The value if the option is given without one; None if it requires one."""
    secret: bool
    """Whether a value may contain a password, which must not appear in messages or ``repr``."""

    @property
    def is_switch(self) -> bool:
        """Whether it is a boolean switch."""
        return self.kind is validators.SWITCH

    def read(self, value: object) -> Any:  # noqa: ANN401 - of the field's own type
        """Return the field's value for a user's input.

        Raises `OptionsError`, whose message does not name the option yet.
        """
        try:
            return self.kind.read(value)
        except validators.RefusedError as error:
            raise OptionsError(printable(str(error))) from None
        except (ValueError, TypeError, ArithmeticError):
            got = "" if self.secret else f" (got {shown(value)})"
            raise OptionsError(f"expected {self.kind.expected}{got}") from None


def flag_of(of: Field[Any]) -> Flag:
    """Return the flag of a field of an options class."""
    flag: Flag = of.metadata["flag"]
    return flag


def option(  # noqa: PLR0913 - all attributes of a flag
    *names: str,
    default: Any,  # noqa: ANN401 - of the field's own type, which a test checks against its kind
    group: str,
    kind: Kind[Any],
    help: str,  # noqa: A002 - argparse's word
    unset: str = "none",
    metavar: str | None = None,
    many: bool = False,
    bare: Any = None,  # noqa: ANN401 - of the field's own type, too
    secret: bool = False,
) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Return a field. `unset` describes the default if that is ``None`` or an empty tuple."""
    default_text = unset if default in {None, ()} else kind.write(default)
    flag = Flag(names, group, help, kind, default_text, metavar, many, bare, secret)
    return field(default=default, repr=not secret, metadata={"flag": flag})


def normalise(options: DataclassInstance) -> None:
    """Convert every field to its own type; raises `OptionsError` for the first invalid value."""
    for each in fields(options):
        flag, value = flag_of(each), getattr(options, each.name)
        if value is not None or each.default is not None:
            try:
                object.__setattr__(options, each.name, flag.read(value))
            except OptionsError as error:
                name = f"{flag.names[0]} ({type(options).__name__}.{each.name})"
                raise OptionsError(f"{name}: {error}") from None
