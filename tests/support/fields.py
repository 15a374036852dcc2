"""Names and JSON types of the fields of yt-dlp's information and of reports, to compare two sources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Fields = dict[str, dict[str, str]]
"""Names of fields to their JSON types, by the object that has the fields; several types are joined by
``|``."""
_MOST = 500
_JSON = {
    "NoneType": "null", "bool": "boolean", "int": "number", "float": "number", "str": "string",
    "list": "array", "dict": "object",
}  # fmt: skip


def of_infos(infos: Iterable[Mapping[str, Any]]) -> Fields:
    """Return the fields of info dicts, and of their formats by protocol. Info dicts are untrusted.

    ``missing`` is one of the types of a field that only some of them have.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for info in infos:
        groups.setdefault("info", []).append(info)
        for entry in info["formats"]:
            protocol = str(entry.get("protocol"))[:24]
            kind = f"{protocol} {'audio' if entry.get('vcodec') == 'none' else 'video'}"
            kind = "storyboard" if protocol == "mhtml" else kind
            groups.setdefault(f"format: {kind}", []).append(entry)
            for name, of in (("http_headers", "headers"), ("downloader_options", "downloader options")):
                if isinstance(entry.get(name), dict):
                    groups.setdefault(f"{of}: {kind}", []).append(entry[name])
    return {group: _types(of) for group, of in sorted(groups.items())}


def _types(several: list[Mapping[str, Any]]) -> dict[str, str]:
    names = sorted({name for one in several for name in one})[:_MOST]
    return {
        # Keys that are no field names, such as ids, are not repeated.
        name if re.fullmatch(r"[A-Za-z_][\w-]{0,60}", name, re.ASCII) else "(other)": "|".join(
            sorted({type_of(one[name]) if name in one else "missing" for one in several})
        )
        for name in names
    }


def type_of(value: object) -> str:
    """Return the JSON name of a value's type."""
    return _JSON.get(type(value).__name__, "object")


@dataclass(frozen=True)
class Differences:
    """Where the fields of two sources differ; each item is ``group: name``."""

    only_first: list[str]
    only_second: list[str]
    types: dict[str, list[str]]
    """Types in the first and in the second where they have none in common."""


def differences(first: Fields, second: Fields) -> Differences:
    """Compare fields. Null or missing values have no type to compare."""
    one, other = _flat(first), _flat(second)
    void = {"null", "missing"}
    types = {
        name: [one[name], other[name]]
        for name in sorted(one.keys() & other.keys())
        if (mine := {*one[name].split("|")} - void)
        and (theirs := {*other[name].split("|")} - void)
        and not mine & theirs
    }
    return Differences(sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys()), types)


def _flat(fields: Fields) -> dict[str, str]:
    return {f"{group}: {name}": types for group, of in fields.items() for name, types in of.items()}


def of_report(report: Mapping[str, Any], but: Collection[str]) -> dict[str, str]:
    """Return the fields of a report by their paths, with types; the items of a list share one path.

    Objects at the paths `but` have names that depend on the data, and are not entered.
    """
    found: dict[str, set[str]] = {}

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict) and path not in but:
            for name, inside in value.items():
                walk(inside, f"{path}/{name}")
        elif isinstance(value, list) and path not in but:
            for inside in value:
                walk(inside, f"{path}[]")
        else:
            found.setdefault(path, set()).add(type_of(value))

    walk(report, "")
    return {path: "|".join(sorted(types)) for path, types in sorted(found.items())}
