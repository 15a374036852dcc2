"""Makes an event of the JSON object that another process made of one. Pure: the object can be anything."""

from __future__ import annotations

from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin, get_type_hints

from hdtf_async.core import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hdtf_async.core.events import Event

PUBLIC: tuple[type[Event], ...] = tuple(
    kind
    for name, kind in vars(events).items()
    if name in events.__all__ and issubclass(kind, events.Event) and kind is not events.Event
)


class EventDecoder:
    """Knows some kinds of events."""

    def __init__(self, kinds: Iterable[type[Event]] = PUBLIC) -> None:
        self._kinds = {kind.type: (kind, _fields(kind)) for kind in kinds}

    def decode(self, message: object) -> Event:
        """Return the event that `Event.to_json` described.

        Raises `ValueError` if the message has other fields, or a value of another type.
        """
        given: dict[str, object] = {**message} if isinstance(message, dict) else {}
        kind, hints = self._kinds.get(str(given.pop("type", None)), (None, {}))
        if kind is None or given.keys() != hints.keys():
            raise ValueError(f"no event: {message!r:.80}")
        return kind(**{name: _value(given[name], hint) for name, hint in hints.items()})


def _fields(kind: type[Event]) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(kind).items() if get_origin(hint) is not ClassVar}


def _value(value: object, hint: Any) -> object:  # noqa: ANN401 - the annotation of a field
    """Return a value as an event holds it. JSON has no tuples and no enumerations."""
    args = get_args(hint)
    if value is None and NoneType in args:
        return None
    if isinstance(hint, UnionType):
        return _value(value, next(each for each in args if each is not NoneType))
    if isinstance(value, list | tuple) and get_origin(hint) is tuple:
        kinds = [args[0]] * len(value) if args[1:] == (...,) else args
        return tuple(_value(each, kind) for each, kind in zip(value, kinds, strict=True))
    if isinstance(value, dict) and get_origin(hint) is dict:
        return {_value(key, args[0]): _value(each, args[1]) for key, each in value.items()}
    if isinstance(value, str) and isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if type(value) is hint or (hint is float and type(value) is int):
        return value
    raise ValueError(f"expected {hint}, got {value!r:.80}")
