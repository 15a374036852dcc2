"""The generated parts of README and docs, and the commands that they contain.

python tests/support/readme.py demo|test|datasets|...   prints a command as README or CONTRIBUTING has it
python tests/support/readme.py write                    regenerates the tables and the events' schema
"""

from __future__ import annotations

import ast
import json
import re
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from hdtf_async.core.events import Event

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCS = ROOT / "docs"
SCHEMA = DOCS / "events.schema.json"


def pages() -> list[Path]:
    """Return all pages of the documentation."""
    return [README, CONTRIBUTING, *sorted(DOCS.glob("*.md"))]


def command(name: str) -> str:
    """Return the shell block after the marker ``<!-- command: name -->``, of which there is one."""
    text = README.read_text(encoding="utf-8") + CONTRIBUTING.read_text(encoding="utf-8")
    found = re.findall(rf"<!-- command: {re.escape(name)} -->\n+```sh\n(.*?)```", text, re.DOTALL)
    if len(found) != 1:
        raise SystemExit(f"README.md and CONTRIBUTING.md have {len(found)} commands {name!r}")
    return str(found[0])


def options_table() -> str:
    """Return the table of options, from `Options` and `Printing`."""
    from hdtf_async.core.option_fields import flag_of  # noqa: PLC0415 - CI: not installed yet
    from hdtf_async.core.options import Options  # noqa: PLC0415 - CI: not installed yet
    from hdtf_async.core.printing import Printing  # noqa: PLC0415 - CI: not installed yet

    rows = ["| option | meaning | default |", "|---|---|---|"]
    for option in (*fields(Options), *fields(Printing)):
        flag = flag_of(option)
        values = "\\|".join(flag.kind.choices) or flag.metavar or ""
        names = ", ".join(f"`{name}`" for name in flag.names) + (f" {values}" if values else "")
        rows.append(f"| {names} | {flag.help} | {flag.shown_default} |")
    return "\n".join(rows)


def reasons_table() -> str:
    """Return the table of reasons, from `failures`."""
    from hdtf_async.core.failures import ADVICE  # noqa: PLC0415

    rows = ["| reason | what it means | what to do | the program | exit |", "|---|---|---|---|---|"]
    for reason, advice in ADVICE.items():
        rows.append(
            f"| `{reason}` | {advice.meaning} | {advice.remedy} | {advice.action} | {int(advice.exit_code)} |"
        )
    return "\n".join(rows)


def kinds_of_events() -> list[type[Event]]:
    """Return the kinds of events in the order of their module."""
    from hdtf_async.core import events  # noqa: PLC0415

    kinds = [each for each in vars(events).values() if isinstance(each, type)]
    return [kind for kind in kinds if issubclass(kind, events.Event) and kind is not events.Event]


def _described(module: ModuleType) -> dict[str, dict[str, str]]:
    """Return the docstring of each field of each class in a module."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(Path(module.__file__ or "").read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            docs = found.setdefault(node.name, {})
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    name, text_of_field = ast.unparse(field.target), ast.literal_eval(text.value)
                    docs[name] = " ".join(text_of_field.split()).replace("``", "`")
    return found


def _schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON schema of a field's type, as it is written."""
    from hdtf_async.core.failures import Reason  # noqa: PLC0415

    schemas: dict[str, dict[str, Any]] = {
        "str": {"type": "string"},
        "int": {"type": "integer"},
        "float": {"type": "number"},
        "bool": {"type": "boolean"},
        "None": {"type": "null"},
        "Reason": {"enum": [reason.value for reason in Reason]},
        "dict[str, int]": {"type": "object", "additionalProperties": {"type": "integer"}},
        "tuple[float, ...]": {"type": "array", "items": {"type": "number"}},
        "tuple[str, ...]": {"type": "array", "items": {"type": "string"}},
        "tuple[tuple[str, str], ...]": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        },
    }
    parts = [schemas[part] for part in kind.split(" | ")]
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def events_schema() -> str:
    """Return the JSON schema of a line of ``--json``."""
    from hdtf_async.core import events  # noqa: PLC0415

    described = _described(events)
    kinds = []
    for kind in kinds_of_events():
        properties: dict[str, Any] = {"type": {"const": kind.type}}
        for field in fields(kind):
            description = described[kind.__name__].get(field.name)
            properties[field.name] = _schema_of(str(field.type)) | (
                {"description": description} if description else {}
            )
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
    from hdtf_async.core import events  # noqa: PLC0415

    described = _described(events)
    rows = ["| `type` | when | fields |", "|---|---|---|"]
    for kind in kinds_of_events():
        cells = []
        for field in fields(kind):
            description = described[kind.__name__].get(field.name)
            cells.append(f"`{field.name}`" + (f" ({description.removesuffix('.')})" if description else ""))
        when = (kind.__doc__ or "").partition("\n")[0]
        rows.append(f"| `{kind.type}` | {when} | {', '.join(cells)} |")
    return "\n".join(rows)


EXPORTED = {"RD_Radio2_000": "train", "WDA_Speaker1_000": "val", "WRA_Guest1_000": "test"}
"""Clips of the demo, each with its split, as the docs show them in the trees."""
FRAMES = {"RD_Radio2_000": 75, "WDA_Speaker1_000": 75, "WRA_Guest1_000": 75}
"""The frames of each of them at 25 fps."""


def split_table() -> str:
    """Return the table of the default splits of the published tables."""
    from hdtf_async.core import splits  # noqa: PLC0415
    from hdtf_async.dataset import tables  # noqa: PLC0415

    read = tables.read()
    split = splits.Split().knowing(read.videos)
    clips = {
        side: [clip for clip in read.clips if split.side(clip.video.name) == side] for side in splits.SIDES
    }
    hours = {side: sum(clip.interval.seconds for clip in of) / 3600 for side, of in clips.items()}
    rows = ["| | groups | clips | | hours | |", "|---|---|---|---|---|---|"]
    for side, of in clips.items():
        groups = len({split.group(clip.video.name) for clip in of})
        share, of_hours = len(of) / len(read.clips), hours[side] / sum(hours.values())
        rows.append(f"| {side} | {groups} | {len(of)} | {share:.1%} | {hours[side]:.2f} | {of_hours:.1%} |")
    return "\n".join(rows)


def datasets_table() -> str:
    """Return the table of the datasets that are part of this program."""
    from hdtf_async.dataset import datasets  # noqa: PLC0415

    rows = [
        "| `--dataset` | clips | hours | licence of the list | `--source` | crop window |",
        "|" + "---|" * 6,
    ]
    for dataset in datasets.installed():
        clips = "" if dataset.clips is None else f"{dataset.clips:,}"
        hours = "" if dataset.hours is None else f"{dataset.hours:,.10g}"
        window = f"refused: {dataset.refusal}" if dataset.refusal else dataset.rule
        cells = f"`{dataset.name}`", clips, hours, dataset.licence, dataset.bring, window
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def overview_table() -> str:
    """Return the short table of datasets for the README: what exists and what users bring."""
    from hdtf_async.dataset import datasets  # noqa: PLC0415

    rows = ["| `--dataset` | clips | hours | licence of the list | boxes |", "|---|---|---|---|---|"]
    for dataset in datasets.installed():
        if not dataset.refusal:
            clips = "" if dataset.clips is None else f"{dataset.clips:,}"
            hours = "" if dataset.hours is None else f"{dataset.hours:,.10g}"
            boxes = "no" if dataset.rule.startswith("no box") else "yes"
            licence = re.sub(r"(; see| according to) https?://[^\s;]+", "", dataset.licence)
            rows.append(f"| `{dataset.name}` | {clips} | {hours} | {licence} | {boxes} |")
    return "\n".join(rows)


def presets_table() -> str:
    """Return the short table of recipes for the README."""
    from hdtf_async.core.recipes import FORMATS, RECIPES  # noqa: PLC0415

    rows = ["| `--recipe` | code base | settings |", "|---|---|---|"]
    for name, recipe in RECIPES.items():
        repository = recipe.commit.partition("@")[0]
        preset = " ".join(f"--{key} {value}" for key, value in recipe.preset.items() if value is not None)
        rows.append(f"| `{name}` | [{repository}](https://github.com/{repository}) | `{preset}` |")
    rows.append(f"| {', '.join(f'`{name}`' for name in FORMATS)} (`export` only) | any | any |")
    return "\n".join(rows)


def disk_table() -> str:
    """Return the estimated disk space of each dataset, by the rule that docs/disk.md states."""
    from hdtf_async.dataset import datasets, sizes, tables  # noqa: PLC0415

    clips = tables.read().clips
    seconds = sum(clip.interval.seconds for clip in clips)
    area = sum(clip.box.width**2 * clip.interval.seconds for clip in clips if clip.box) / seconds
    rows = ["| dataset | hours of clips | as published | 512x512 | 256x256 |", "|---|---|---|---|---|"]
    for dataset in datasets.installed():
        if dataset.hours and not dataset.refusal:
            areas = (area if dataset.name == "hdtf" else None, 512**2, 256**2)
            rates = [sizes.BYTES_PER_PIXEL * each if each else None for each in areas]
            cells = [_gigabytes(rate * dataset.hours * 3600 if rate else None) for rate in rates]
            rows.append(f"| `{dataset.name}` | {dataset.hours:,.10g} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _gigabytes(size: float | None) -> str:
    if size is None:
        return ""
    rounded = float(f"{size / 1e9:.2g}")
    return f"{rounded:,.10g} GB" if rounded < 1000 else f"{rounded / 1000:,.10g} TB"


def columns_table() -> str:
    """Return the table of the columns of a list of clips."""
    from hdtf_async.dataset import clip_row  # noqa: PLC0415

    described = _described(clip_row)["ClipRow"]
    rows = ["| column | meaning | default |", "|---|---|---|"]
    for column in fields(clip_row.ClipRow):
        if column.name in clip_row.COLUMNS:
            required = column.name in clip_row.REQUIRED
            default = "" if column.default in {None, MISSING, ""} else f"`{column.default}`".lower()
            rows.append(
                f"| `{column.name}` | {described[column.name]} | {'required' if required else default} |"
            )
    return "\n".join(rows)


def recipes_table() -> str:
    """Return the table of recipes."""
    from hdtf_async.core.recipes import FORMATS, RECIPES  # noqa: PLC0415

    rows = ["| recipe | options | how to use the export | read at |", "|---|---|---|---|"]
    for name, recipe in RECIPES.items():
        preset = " ".join(f"--{key} {value}" for key, value in recipe.preset.items() if value is not None)
        repository, _, commit = recipe.commit.partition("@")
        link = f"[`{commit[:7]}`](https://github.com/{repository}/tree/{commit})"
        rows.append(f"| `{name}` | `{preset}` | {recipe.use} | {link} |")
    rows += [f"| `{name}` | any | {recipe.use} | |" for name, recipe in FORMATS.items()]
    return "\n".join(rows)


def trees() -> str:
    """Return the trees of all recipes for three clips of the demo, one below the other."""
    from hdtf_async.commands.export import MANIFEST, OF_ALL_CLIPS  # noqa: PLC0415
    from hdtf_async.core.clip_record import ClipRecord  # noqa: PLC0415
    from hdtf_async.core.recipes import LAYOUTS, How  # noqa: PLC0415

    trees_of = []
    clips = {stem: ClipRecord({"frames": FRAMES[stem]}) for stem in EXPORTED}
    for name, recipe in LAYOUTS.items():
        sides = {side: [stem] for stem, side in EXPORTED.items()}
        places = [MANIFEST, *recipe.lists_of(sides, "")]
        for stem, clip in clips.items():
            for place, item in recipe.items(stem, clip):
                frames = [f"{place}/{number}.jpg" for number in range(item.frames)]
                beside = [f"{place}/{other}" for other in item.beside]
                stills = [f"{place}/{number:06d}.png" for number in item.only]
                places += [*frames, *beside] if item.how is How.FRAMES else stills or [place]
        if name in OF_ALL_CLIPS:
            places += OF_ALL_CLIPS[name](clips, sides)
        if name == "tables":  # whether pyarrow is installed or not
            places = sorted({*places, "metadata.parquet"})
        trees_of.append("\n".join([f"{name}/", *tree(places)]))
    return "```\n" + "\n\n".join(trees_of) + "\n```"


def tree(places: Iterable[str], before: str = "") -> Iterator[str]:
    """Yield the lines of a tree of files; of numbered ones the first and the last."""
    below: dict[str, list[str]] = {}
    for place in sorted(places):
        first, _, rest = place.partition("/")
        below.setdefault(first, []).extend([rest] if rest else [])
    numbers = sorted(int(name.removesuffix(".jpg")) for name in below if name.endswith(".jpg"))
    stills = [name for name in below if name.endswith(".png")]
    shown = {name: inside for name, inside in below.items() if not name.endswith((".jpg", ".png"))}
    if stills:
        shown = {f"{stills[0]} ... {stills[-1]}": []} | shown
    if numbers:
        assert numbers == [*range(len(numbers))]
        shown = {f"0.jpg ... {numbers[-1]}.jpg": []} | shown
    for name, inside in shown.items():
        last = name == [*shown][-1]
        yield f"{before}{'└── ' if last else '├── '}{name}{'/' if inside else ''}"
        yield from tree(inside, before + ("    " if last else "│   "))


TABLES = {
    "options": options_table,
    "reasons": reasons_table,
    "events": events_table,
    "split": split_table,
    "datasets": datasets_table,
    "overview": overview_table,
    "presets": presets_table,
    "disk": disk_table,
    "columns": columns_table,
    "recipes": recipes_table,
    "trees": trees,
}


def with_tables(text: str) -> str:
    """Return a page's text with each table between its markers regenerated."""
    for name, table in TABLES.items():
        marked = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        made = table().replace("\\", r"\\")
        text = re.sub(marked, rf"\g<1>{made}\n\g<2>", text, flags=re.DOTALL)
    return text


def main(arguments: list[str]) -> None:
    """Run the command described in the docstring of this file."""
    if arguments == ["write"]:
        for page in pages():
            page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
        SCHEMA.write_text(events_schema(), encoding="utf-8")
    else:
        print(command(arguments[0]), end="")  # noqa: T201 - its purpose


if __name__ == "__main__":
    main(sys.argv[1:])
