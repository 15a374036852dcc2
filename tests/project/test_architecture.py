"""The architecture: which package imports which, which modules do no I/O, and forbidden functions."""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import readme

import hdtf_async

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = Path(hdtf_async.__file__).parent

ALLOWED: dict[str, set[str]] = {
    "cli": {"commands", "demo", "run", "progress", "report", "lanes", "media", "output", "dataset", "core"},
    "commands": {"run", "report", "lanes", "youtube", "media", "output", "dataset", "process", "core"},
    "demo": {"media", "process", "core"},
    "run": {"progress", "cluster", "report", "lanes", "media", "output", "dataset", "core"},
    "progress": {"core"},
    "cluster": {"lanes", "output", "dataset", "core"},
    "report": {"media", "output", "process", "core"},
    "lanes": {"youtube", "media", "output", "dataset", "process", "core"},
    "youtube": {"output", "process", "core"},
    "media": {"output", "dataset", "process", "core"},
    "output": {"dataset", "core"},
    "dataset": {"core"},
    "process": {"core"},
    "core": set(),
}
"""The packages of ``hdtf_async/`` from top to bottom, each with those that it may import. Imports only point
downwards in this list. `demo` is a separate program, which only `cli` starts."""

FACADE = {"__init__", "__main__", "events", "public"}
"""Top-level modules that only import and name the public API."""

PURE = {
    "core.exceptions": {"contextlib"},
    "commands.datasets": set[str](),
    "commands.plan": {"types"},
    "core.clip_record": {"json"},
    "core.divisions": {"hashlib", "json"},
    "core.event_decoder": {"types"},
    "core.event_bus": {"anyio"},
    "core.events": set[str](),
    "core.failures": set[str](),
    "core.fetch": set[str](),
    "core.install": set[str](),
    "core.jsonlines": {"json", "os"},
    "core.merged_events": set[str](),
    "core.reproduction_format": set[str](),
    "core.model": set[str](),
    "core.os_errors": {"errno"},
    "core.preflight": {"datetime", "re"},
    "core.hdtf": set[str](),
    "core.reason_labels": set[str](),
    "core.recipes": set[str](),
    "core.redact": {"base64", "json", "re", "urllib"},
    "core.shards": {"hashlib", "re"},
    "core.splits": {"hashlib"},
    "core.steps": {"anyio", "contextlib", "heapq"},
    "core.tally": set[str](),
    "core.text": {"re", "textwrap"},
    "dataset.corrections": {"csv"},
    "dataset.fields": {"re", "urllib"},
    "dataset.geometry": set[str](),
    "dataset.name_checks": {"difflib", "re"},
    "dataset.plan": {"difflib", "hashlib", "json"},
    "dataset.sizes": set[str](),
    "dataset.scene_cuts": set[str](),
    "lanes.streaks": set[str](),
    "lanes.sliding_window": set[str](),
    "media.containers": set[str](),
    "media.cut": set[str](),
    "media.face.people": {"statistics"},
    "media.face.window": set[str](),
    "media.filters": set[str](),
    "media.measurements": {"re", "statistics"},
    "media.sections": set[str](),
    "media.segment_index": {"bisect", "struct"},
    "media.timeline": {"array", "bisect", "functools", "statistics"},
    "output.object_store.errors": {"re", "urllib"},
    "process.messages": {"re"},
    "process.stderr": {"re"},
    "progress.estimate": set[str](),
    "progress.messages": {"textwrap"},
    "report.charts": {"html", "operator"},
    "report.content": {"datetime"},
    "report.facts": set[str](),
    "report.gallery": {"json", "re", "urllib"},
    "report.given_lists": {"re"},
    "report.history": {"datetime"},
    "report.reproduction_file": {"json"},
    "report.methods": set[str](),
    "report.records": {"re"},
    "youtube.entries": {"re", "urllib"},
    "youtube.formats": {"operator", "re"},
    "youtube.observed": {"re", "urllib"},
    "youtube.ranges": {"urllib"},
    "youtube.tracks": {"re", "urllib"},
}
"""Modules that decide and do no I/O, each with what it needs besides `VALUES`."""

VALUES = {"__future__", "collections", "dataclasses", "enum", "fractions", "itertools", "math", "typing"}
"""Modules that only create and describe values."""

LONGEST = 450
"""Maximum number of lines of a module."""


@cache
def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    """Return the package of a file, or the name of a top-level module."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


_tree = cache(ast.parse)


@cache
def _imports(source: str) -> tuple[str, ...]:
    """Return the full name of everything that is imported anywhere in a source, also for types alone."""
    names: list[str] = []
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names += (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
    return tuple(names)


def _packages_of(source: str) -> set[str]:
    """Return the packages from which a source imports."""
    own = (name.split(".") for name in _imports(source) if name.split(".")[0] == "hdtf_async")
    return {parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "__init__" for parts in own}


def _modules_of(source: str) -> set[str]:
    """Return the modules of this program from which a source imports, as ``package.module``."""
    own = {name.removeprefix("hdtf_async.") for name in _imports(source) if name.startswith("hdtf_async.")}
    files = {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in _files()}
    return {name if name in files else name.rpartition(".")[0] for name in own}


@cache
def _without_types(source: str) -> str:
    """Return a source without the parts that only the type checker sees."""

    class _Drop(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            seen = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            return ast.Pass() if seen else self.generic_visit(node)

    return ast.unparse(_Drop().visit(ast.parse(source)))


def test_every_package_has_its_place() -> None:
    """The list of packages is that of the directories, and few modules are at the top level."""
    assert {_name(path) for path in _files()} == set(ALLOWED) | FACADE
    assert len(list(PACKAGE.glob("*.py"))) <= 6


@pytest.mark.parametrize("module", ["media.probe", "media.damage", "media.face.detector", "demo.site"])
def test_a_child_process_imports_only_what_it_needs(module: str) -> None:
    """It starts in a fraction of the time that importing the whole program takes."""
    code = f"import sys, hdtf_async.{module}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.split(".")[1] for name in ran.stdout.split() if name.startswith("hdtf_async.")}
    assert packages.isdisjoint({"cli", "commands", "lanes", "public", "report", "run"})


@pytest.mark.parametrize("arguments", ["--help", "export --help", "--version", "--otu clips"])
def test_the_command_line_loads_no_command_before_it_runs(arguments: str) -> None:
    """Help and error messages appear at once: neither the commands nor asyncio are imported."""
    code = f"""
import atexit, sys
atexit.register(lambda: print(*sys.modules))
from hdtf_async.cli.main import main
main({arguments.split()})
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 2}, ran.stderr
    loaded = ran.stdout.split("\n")[-2].split()
    assert "hdtf_async.cli.command_table" in loaded
    assert {"anyio", "asyncio", "importlib.metadata", "tomllib"} & {*loaded} <= (
        {"importlib.metadata"} if arguments == "--version" else set()
    )
    packages = {name.split(".")[1] for name in loaded if name.startswith("hdtf_async.")}
    assert packages <= {"cli", "commands", "core", "output", "progress"}
    assert {name for name in loaded if name.startswith("hdtf_async.commands.")} == {
        "hdtf_async.commands.constants"
    }


@pytest.mark.parametrize(
    ("source", "packages"),
    [
        ("import hdtf_async.output.journal", {"output"}),
        ("from hdtf_async.output.journal import Journal", {"output"}),
        ("from hdtf_async.dataset import plan, tables", {"dataset"}),
        ("from hdtf_async import run", {"run"}),
        ("from hdtf_async import Options", {"__init__"}),
        ("import hdtf_async", {"__init__"}),
        ("def later():\n    from hdtf_async import cli", {"cli"}),
        ("if TYPE_CHECKING:\n    from hdtf_async.run import Running", {"run"}),
        ("import os, json", set()),
    ],
)
def test_imports_are_detected_in_every_spelling(source: str, packages: set[str]) -> None:
    """The other tests of this file rely on it."""
    assert _packages_of(source) == packages
    assert _packages_of(_without_types(source)) == (set() if "TYPE_CHECKING" in source else packages)


def test_allowed_imports_point_downwards() -> None:
    """A package may only use those below it in the list, so there is no cycle."""
    order = list(ALLOWED)
    for package, below in ALLOWED.items():
        assert below <= set(order[order.index(package) + 1 :]), package


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_allowed_packages(package: str) -> None:
    """A new dependency between packages is a decision: add it to `ALLOWED` with the reason in the commit."""
    used: set[str] = set()
    for path in _files():
        source = path.read_text(encoding="utf-8")
        assert not [name for name in _imports(source) if name.startswith(".")], "by full name only"
        if _name(path) == package:
            used |= _packages_of(source)
    assert used - {package} == ALLOWED[package]


def test_the_docs_list_the_packages_in_their_order() -> None:
    """A reader finds each package above those that it is built on."""
    text = (readme.DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("| package | responsibility |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert [name for cell in cells for name in re.findall(r"`(\w+)", cell)] == list(ALLOWED)


def test_a_pure_module_does_no_io() -> None:
    """It imports no module for I/O, opens no file and prints nothing."""
    for name, needed in PURE.items():
        source = (PACKAGE / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        used = {imported.split(".")[0] for imported in _imports(_without_types(source))} - {"hdtf_async"}
        assert used <= VALUES | needed, name
        assert not _calls(source) & {"open", "print", "input"}, name
        assert _modules_of(_without_types(source)) <= set(PURE), name


@cache
def _calls(source: str) -> set[str]:
    """Return the names of the called functions, such as ``open``."""
    return {ast.unparse(node.func) for node in ast.walk(_tree(source)) if isinstance(node, ast.Call)}


def _text(node: ast.AST | None = None) -> str | None:
    """Return the text of a string literal, None for any other node."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@cache
def _named(source: str) -> set[str]:
    """Return the full name of everything that is imported or used, whatever its local name.

    `os.system` is found in ``import os as o; o.system``, in ``from os import system as s``, and in
    ``getattr(os, "system")``; ``getattr(os, what)`` counts as ``os.*``.
    """
    tree = _tree(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.asname or each.name.split(".")[0]: each.name for each in node.names if each.asname}
            names |= {
                each.name.split(".")[0]: each.name.split(".")[0] for each in node.names if not each.asname
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    built_in = set(dir(builtins))

    def full(node: ast.AST) -> str | None:
        match node:
            case ast.Name(name):
                return names.get(name, f"builtins.{name}" if name in built_in else None)
            case ast.Attribute(owner, name):
                before = full(owner)
                return f"{before}.{name}" if before else f"?.{name}"
            case ast.Call(ast.Name("getattr" | "vars" | "import_module" | "__import__"), [owner, *rest]):
                before = _text(owner) or full(owner)
                return f"{before}.{_text(*rest[:1]) or '*'}" if before else None
        return None

    found = set(_imports(source)) | {name for node in ast.walk(tree) if (name := full(node))}
    found |= {f"{node.arg}=" for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    return {name.removeprefix("builtins.") for name in found}


WORDS_AS_PROGRAM = (
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "breakpoint",
        "builtins",
        "code",
        "codeop",
        "runpy",
        "types.CodeType",
    ),
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"),
    *("yaml", "ruamel", "numpy.load", "torch.load", "pandas.read_pickle", "logging.config", "imp"),
    *("importlib.import_module", "importlib.machinery", "importlib.util.spec_from_file_location"),
    *("importlib.util.module_from_spec", "ctypes", "cffi"),
    *("os.system", "os.popen", "os.startfile", "os.*", "sys.modules", "pty", "commands", "pipes", "popen2"),
    *(
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "subprocess.*",
        "shell=",
        "executable=",
        "preexec_fn=",
    ),
    *("asyncio.create_subprocess_shell", "?.subprocess_shell", "?.create_subprocess_shell"),
)
"""Functions that execute text: a shell, an evaluator, a format that runs code when it is read."""

UNGUARDED_DEEDS = (
    *("tempfile.mktemp", "os.tempnam", "os.tmpnam", "shutil.unpack_archive", "?.extractall"),
    *(
        "ssl._create_unverified_context",
        "ssl.CERT_NONE",
        "verify=",
        "?.check_hostname",
        "telnetlib",
        "ftplib",
    ),
)
"""Functions that are never safe with untrusted data, and always have an alternative."""

CHILDREN = (
    *(
        "subprocess",
        "multiprocessing",
        "concurrent.futures.ProcessPoolExecutor",
        "concurrent.futures.process",
    ),
    *("os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp", "os.exec", "os.spawn"),
    *("asyncio.create_subprocess_exec", "?.subprocess_exec", "asyncio.subprocess"),
    *("anyio.open_process", "anyio.run_process", "anyio.to_process", "anyio.to_interpreter"),
)
"""The functions that start processes."""

STARTERS = {
    "process/supervisor.py": {"subprocess"},
    "process/guard.py": {"subprocess"},
    "media/probe.py": {"os.fork"},
    "media/face/detector.py": {"subprocess"},
    "demo/mocks.py": {"subprocess", "anyio.open_process"},
}
"""Modules that start processes, and how: all tools; the reaper; the forks that parse untrusted media; the
ffmpeg whose frames the face detection's child reads; and the demo's mock server."""


def _uses(source: str, names: Iterable[str]) -> set[str]:
    """Return which of some names, or of their members, a source uses."""
    used = _named(source)
    families = {"os.exec", "os.spawn"}
    return {
        name
        for name in names
        if any(
            each == name or each.startswith(f"{name}.") or (name in families and each.startswith(name))
            for each in used
        )
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("eval('1')", "eval"),
        ("run = exec\nrun('x = 1')", "exec"),
        ("import builtins\nbuiltins.eval('1')", "eval"),
        ("list(map(eval, words))", "eval"),
        ("compile(words, 'x', 'exec')", "compile"),
        ("__import__('os').system('id')", "__import__"),
        ("import os\nos.system('id')", "os.system"),
        ("import os as o\no.system('id')", "os.system"),
        ("from os import system as run\nrun('id')", "os.system"),
        ("import os\ngetattr(os, 'system')('id')", "os.system"),
        ("import os\ngetattr(os, word)('id')", "os.*"),
        ("import os\nvars(os)[word]('id')", "os.*"),
        ("import os\nlater = partial(os.popen, 'id')", "os.popen"),
        ("import sys\nsys.modules['o' + 's']", "sys.modules"),
        ("from importlib import import_module\nimport_module(word)", "importlib.import_module"),
        ("import subprocess\nsubprocess.run(words, shell=True)", "shell="),
        ("import subprocess\nsubprocess.Popen('id', executable='/bin/sh')", "executable="),
        ("from subprocess import getoutput\ngetoutput('id')", "subprocess.getoutput"),
        ("import asyncio\nasyncio.create_subprocess_shell('id')", "asyncio.create_subprocess_shell"),
        ("loop.subprocess_shell(protocol, 'id')", "?.subprocess_shell"),
        ("import pickle", "pickle"),
        ("def later():\n    from pickle import loads", "pickle"),
        ("import _pickle as json\njson.loads(b'')", "_pickle"),
        ("import marshal\nmarshal.loads(b'')", "marshal"),
        ("import shelve", "shelve"),
        ("import yaml\nyaml.load(text)", "yaml"),
        ("from yaml import unsafe_load", "yaml"),
        ("import numpy\nnumpy.load(file, allow_pickle=True)", "numpy.load"),
        ("import ctypes", "ctypes"),
    ],
)
def test_execution_of_text_is_detected_in_every_spelling(source: str, found: str) -> None:
    """The next test relies on it: it can fail, and names the function."""
    assert found in _uses(source, WORDS_AS_PROGRAM)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import subprocess\nsubprocess.run(['id'])", "subprocess"),
        ("from subprocess import Popen as Path\nPath(['id'])", "subprocess"),
        ("import asyncio\nasyncio.create_subprocess_exec('id')", "asyncio.create_subprocess_exec"),
        ("asyncio.get_running_loop().subprocess_exec(protocol, 'id')", "?.subprocess_exec"),
        ("import anyio\nanyio.run_process(['id'])", "anyio.run_process"),
        ("from anyio import open_process", "anyio.open_process"),
        ("from anyio import to_process", "anyio.to_process"),
        ("import os\nos.fork()", "os.fork"),
        ("import os\nos.execvp('id', ['id'])", "os.exec"),
        ("from os import spawnlp\nspawnlp(os.P_WAIT, 'id', 'id')", "os.spawn"),
        ("import os\nos.posix_spawn('id', [], {})", "os.posix_spawn"),
        ("from multiprocessing import Pool", "multiprocessing"),
        ("from concurrent.futures import ProcessPoolExecutor", "concurrent.futures.ProcessPoolExecutor"),
    ],
)
def test_a_child_is_detected_however_it_is_started(source: str, found: str) -> None:
    """The test of the modules that start children relies on it."""
    assert found in _uses(source, CHILDREN)


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('a')",
        "session.exec(query)",
        "self.eval = 1",
        "words = 'os.system(1)'  # eval(words)",
        "import json\njson.loads(text)",
        "import os\nos.fspath(path), os.waitpid(1, 0), os.environ",
        "from dataclasses import fields\n[getattr(event, each.name) for each in fields(event)]",
        "import importlib.metadata, importlib.util\nimportlib.util.find_spec('yt_dlp')",
    ],
)
def test_harmless_code_is_not_reported(source: str) -> None:
    """A rule with false positives would be switched off."""
    assert not _uses(source, (*WORDS_AS_PROGRAM, *UNGUARDED_DEEDS, *CHILDREN))


def test_no_module_executes_text() -> None:
    """No shell, no evaluation of text, no format that runs code when it is read."""
    for path in _files():
        assert not _uses(path.read_text(encoding="utf-8"), (*WORDS_AS_PROGRAM, *UNGUARDED_DEEDS)), path


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("import subprocess\nsubprocess.run('id', shell=True)", "S602"),
        ("import subprocess\nsubprocess.getoutput('id')", "S605"),
        ("import os\nos.system('id')", "S605"),
        ("run(words, shell=True)", "S604"),
        ("eval('1')", "S307"),
        ("exec('x = 1')", "S102"),
        ("import pickle\npickle.loads(b'')", "S301"),
        ("import marshal\nmarshal.loads(b'')", "S302"),
        ("import yaml\nyaml.load(text)", "S506"),
    ],
)
@pytest.mark.parametrize("directory", ["hdtf_async", "tests", "tests/support/fakes", "benchmarks"])
def test_the_linter_forbids_it_everywhere(directory: str, source: str, rule: str) -> None:
    """With this project's configuration, for the package, the tests and the benchmarks."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    command += ["--stdin-filename", f"{directory}/new.py", "-"]
    root = readme.ROOT
    ended = subprocess.run(command, input=source, capture_output=True, text=True, check=False, cwd=root)
    assert ended.returncode == 1, ended.stderr
    assert f" {rule} " in ended.stdout


def test_children_are_started_in_few_modules_only() -> None:
    """Supervision and termination of children are implemented once, with few justified exceptions."""
    used = {
        path.relative_to(PACKAGE).as_posix(): _uses(path.read_text(encoding="utf-8"), CHILDREN)
        for path in _files()
    }
    assert {name: ways for name, ways in used.items() if ways} == STARTERS


def test_the_failures_of_ffmpeg_are_classified_in_one_place() -> None:
    """All modules start it with `run_ffmpeg`; the encoder classifies a part of its messages once more."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in _files()
        if "hdtf_async.process.stderr.classify_ffmpeg" in _named(path.read_text(encoding="utf-8"))
    }
    assert users == {"media/run.py", "media/ffmpeg.py"}


def test_a_child_gets_a_list_of_arguments() -> None:
    """Where a process is started, its command line is a literal list, or made from a sequence."""
    starts = {
        "Popen", "subprocess.Popen", "subprocess.run", "subprocess.check_output", "anyio.open_process",
        "anyio.run_process",
    }  # fmt: skip
    for name in STARTERS.keys() - {"media/probe.py"}:  # a fork has no command line
        calls = [
            node
            for node in ast.walk(_tree((PACKAGE / name).read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in starts
        ]
        assert calls, f"{name}: no call that this test knows"
        for call in calls:
            arguments = call.args[0]
            assert isinstance(arguments, ast.List) or ast.unparse(arguments).startswith("list("), name


def test_no_module_is_long() -> None:
    """A module can be read in one sitting."""
    for path in _files():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST, path
