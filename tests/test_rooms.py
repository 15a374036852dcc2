"""The architecture holds: who may import whom, which rooms do no I/O, and what nobody does."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hdtf_async

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(hdtf_async.__file__).parent

ROOMS = [
    *(
        "model",
        "failures",
        "words",
        "geometry",
        "formats",
        "events",
        "rows",
        "corrections",
        "tables",
        "options",
    ),
    *("plan", "disk", "journal", "store", "sentinel", "guard", "process", "probe", "ytdlp", "ffmpeg"),
    *("lanes", "fetch", "cut", "pipeline", "report", "run"),
    *("progress", "demo", "cli", "__init__", "__main__"),
]
"""A room imports only rooms above it. A new room has to find its place here."""

PURE = {
    "model": set[str](),
    "failures": {"re"},
    "words": {"re"},
    "geometry": set[str](),
    "formats": {"re"},
    "plan": {"difflib", "hashlib", "json"},
    "events": {"anyio"},
    "rows": {"re", "urllib"},
    "corrections": {"csv"},
}
"""Rooms that decide and do no I/O, each with what it needs besides `VALUES`."""

VALUES = {"__future__", "collections", "dataclasses", "enum", "fractions", "itertools", "math", "typing"}
"""Modules that only make and describe values."""

LONGEST = 450
"""Lines of the longest module."""


def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    """Return the room a file belongs to; all of the demo is one."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


_tree = cache(ast.parse)


def _imports(source: str) -> Iterator[str]:
    """Yield the full name of everything that is imported anywhere in a source, also for types alone."""
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def _rooms_of(source: str) -> set[str]:
    """Return the rooms from which a source imports."""
    own = (name.split(".") for name in _imports(source) if name.split(".")[0] == "hdtf_async")
    return {parts[1] if len(parts) > 1 and parts[1] in ROOMS else "__init__" for parts in own}


def _without_types(source: str) -> str:
    """Return a source without what only the type checker sees."""

    class _Drop(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            seen = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            return ast.Pass() if seen else self.generic_visit(node)

    return ast.unparse(_Drop().visit(ast.parse(source)))


def test_every_room_has_its_place() -> None:
    """The list of rooms is the list of modules."""
    assert {_name(path) for path in _files()} == set(ROOMS)


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import hdtf_async.store", {"store"}),
        ("from hdtf_async.store import Store", {"store"}),
        ("from hdtf_async import store, plan", {"store", "plan"}),
        ("from hdtf_async import Options", {"__init__"}),
        ("import hdtf_async", {"__init__"}),
        ("from hdtf_async.demo.site import Site", {"demo"}),
        ("def later():\n    from hdtf_async import cli", {"cli"}),
        ("if TYPE_CHECKING:\n    from hdtf_async.run import Running", {"run"}),
        ("import os, json", set()),
    ],
)
def test_imports_are_seen_in_every_spelling(source: str, rooms: set[str]) -> None:
    """What the other tests of this file stand on."""
    assert _rooms_of(source) == rooms
    assert _rooms_of(_without_types(source)) == (set() if "TYPE_CHECKING" in source else rooms)


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    """So whoever reads a room needs to know those above it and none below, and there is no circle."""
    source, name = path.read_text(encoding="utf-8"), _name(path)
    assert not [imported for imported in _imports(source) if imported.startswith(".")], "by full name only"
    above = set(ROOMS[: ROOMS.index(name)]) | {name}
    assert _rooms_of(source) <= above


@pytest.mark.parametrize("name", PURE)
def test_a_pure_room_does_no_io(name: str) -> None:
    """It imports nothing that touches the world, opens nothing and prints nothing."""
    source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    used = {imported.split(".")[0] for imported in _imports(_without_types(source))} - {"hdtf_async"}
    assert used <= VALUES | PURE[name]
    assert not _calls(source) & {"open", "print", "input"}
    assert _rooms_of(_without_types(source)) <= set(PURE)


@cache
def _calls(source: str) -> set[str]:
    """Return the names of whatever is called, such as ``eval`` or ``os.system``."""
    return {ast.unparse(node.func) for node in ast.walk(_tree(source)) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_runs_words_as_a_program(path: Path) -> None:
    """No shell, no evaluation of text, no format that runs code when it is read."""
    source = path.read_text(encoding="utf-8")
    forbidden = {"eval", "exec", "os.system", "os.popen", "getattr(os, 'system')"}
    assert not _calls(source) & forbidden
    modules = {imported.split(".")[0] for imported in _imports(source)}
    assert not modules & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "commands", "pty"}
    keywords = [node for node in ast.walk(_tree(source)) if isinstance(node, ast.keyword)]
    assert not [node for node in keywords if node.arg == "shell"]


def test_children_are_started_in_one_room_only() -> None:
    """How a child is supervised and ended is written down once; the demo's stand-in is no tool of the job."""
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in _files()}
    ways = {"anyio.open_process", "anyio.run_process", "asyncio.create_subprocess_exec", "os.posix_spawn"}
    starters = {
        name
        for name, source in sources.items()
        if "subprocess" in {imported.split(".")[0] for imported in _imports(source)} or _calls(source) & ways
    }
    assert starters == {"process.py", "demo/standin.py"}


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_long(path: Path) -> None:
    """One room is read in one sitting."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
