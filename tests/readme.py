"""The parts of README and docs that follow from the code, and the commands that they tell people to type.

python tests/readme.py demo|test|browser      prints a command as the README has it
python tests/readme.py write          writes the tables, and the schema of the events, anew
"""

from __future__ import annotations

import ast
import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdtf_async.events import Event

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
SCHEMA = DOCS / "events.schema.json"


def pages() -> list[Path]:
    """Return all pages that people read."""
    return [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def command(name: str) -> str:
    """Return the shell block behind the marker ``<!-- command: name -->``."""
    found = re.search(
        rf"<!-- command: {name} -->\n+```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    if found is None:
        raise SystemExit(f"README.md has no command {name!r}")
    return found[1]


def options_table() -> str:
    """Return the table of options, as `Options` and `Printing` have them."""
    from hdtf_async.options import Options, Printing, flag_of  # noqa: PLC0415 - CI asks before the install

    rows = ["| option | meaning | default |", "|---|---|---|"]
    for option in (*fields(Options), *fields(Printing)):
        flag = flag_of(option)
        takes = "\\|".join(flag.choices) or flag.metavar or ""
        names = ", ".join(f"`{name}`" for name in flag.names) + (f" {takes}" if takes else "")
        rows.append(f"| {names} | {flag.help} | {flag.shown_default} |")
    return "\n".join(rows)


def reasons_table() -> str:
    """Return the table of reasons, as `failures` has them."""
    from hdtf_async.failures import ADVICE  # noqa: PLC0415

    rows = ["| reason | what it means | what to do | the program | exit |", "|---|---|---|---|---|"]
    for reason, advice in ADVICE.items():
        rows.append(
            f"| `{reason}` | {advice.meaning} | {advice.remedy} | {advice.action} | {int(advice.exit_code)} |"
        )
    return "\n".join(rows)


def kinds_of_events() -> list[type[Event]]:
    """Return the kinds of events in the order of their module."""
    from hdtf_async import events  # noqa: PLC0415

    kinds = [each for each in vars(events).values() if isinstance(each, type)]
    return [kind for kind in kinds if issubclass(kind, events.Event) and kind is not events.Event]


def _described() -> dict[str, dict[str, str]]:
    """Return what stands below each field of each class in `events`."""
    from hdtf_async import events  # noqa: PLC0415

    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(Path(events.__file__).read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            told = found.setdefault(node.name, {})
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    name, words = ast.unparse(field.target), ast.literal_eval(text.value)
                    told[name] = " ".join(words.split()).replace("``", "`")
    return found


def _schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON schema of a field's type, as it is written."""
    from hdtf_async.failures import Reason  # noqa: PLC0415

    known: dict[str, dict[str, Any]] = {
        "str": {"type": "string"},
        "int": {"type": "integer"},
        "float": {"type": "number"},
        "bool": {"type": "boolean"},
        "None": {"type": "null"},
        "Reason": {"enum": [reason.value for reason in Reason]},
        "dict[str, int]": {"type": "object", "additionalProperties": {"type": "integer"}},
        "tuple[tuple[str, str], ...]": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        },
    }
    parts = [known[part] for part in kind.split(" | ")]
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def events_schema() -> str:
    """Return the JSON schema of a line of ``--json``."""
    described = _described()
    kinds = []
    for kind in kinds_of_events():
        properties: dict[str, Any] = {"type": {"const": kind.type}}
        for field in fields(kind):
            words = described[kind.__name__].get(field.name)
            properties[field.name] = _schema_of(str(field.type)) | ({"description": words} if words else {})
        kinds.append(
            {
                "title": kind.type,
                "description": (kind.__doc__ or "").partition("\n")[0],
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            }
        )
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of hdtf_async: one line of --json",
        "oneOf": kinds,
    }
    return json.dumps(whole, indent=2) + "\n"


def events_table() -> str:
    """Return the table of events."""
    described = _described()
    rows = ["| `type` | when | fields |", "|---|---|---|"]
    for kind in kinds_of_events():
        told = []
        for field in fields(kind):
            words = described[kind.__name__].get(field.name)
            told.append(f"`{field.name}`" + (f" ({words.removesuffix('.')})" if words else ""))
        when = (kind.__doc__ or "").partition("\n")[0]
        rows.append(f"| `{kind.type}` | {when} | {', '.join(told)} |")
    return "\n".join(rows)


TABLES = {"options": options_table, "reasons": reasons_table, "events": events_table}


def with_tables(text: str) -> str:
    """Return a page's text with each table between its markers made anew."""
    for name, table in TABLES.items():
        marked = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        made = table().replace("\\", r"\\")
        text = re.sub(marked, rf"\g<1>{made}\n\g<2>", text, flags=re.DOTALL)
    return text


def main(words: list[str]) -> None:
    """Do what the docstring of this file says."""
    if words == ["write"]:
        for page in pages():
            page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
        SCHEMA.write_text(events_schema(), encoding="utf-8")
    else:
        print(command(words[0]), end="")  # noqa: T201 - what it is for


if __name__ == "__main__":
    main(sys.argv[1:])
