"""Change the package at random, one place at a time, and see which changes no test notices.

    python benchmarks/mutants.py [--seed 1] [--count 300] [--module lanes.throttle ...] [--results FILE]

The changes are made in a temporary copy of the repository. The tests of a module are those in its mirror,
``tests/unit/PACKAGE/test_MODULE.py``, and in the test files of the same package that import it; if none of
them notices a change, the others of the package; then those in the test files of other packages that import
it. Tests marked slow are among them. They run once unchanged, which shows how long each takes and which
functions it enters. A change is then followed by the tests that enter the changed function, the fastest
first, until one fails or they have taken `--budget` seconds of CPU.
Each change has a process of its own, forked from this one, which has imported pytest and others already.

Outcomes are appended to `--results`, from which the same command goes on. It ends with 1 if less than
`LEAST_NOTICED` of the changes were noticed. Changes that make no difference do not count: they are listed in
``equivalent_mutants.tsv`` with the reason, and only a person can say which they are.

Existing tools do not fit: mutmut 3 changes neither decorated functions nor tables and limits at module level,
and cosmic-ray 8 starts the same test command anew for each change, in the working tree itself.
"""

from __future__ import annotations

import argparse
import ast
import copy
import csv
import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "hdtf_async"
EQUIVALENT = Path("benchmarks/equivalent_mutants.tsv")
"""Columns: module, function or class, change, reason."""
LEAST_NOTICED = 0.95
SHARED = frozenset({"footage", "site", "finished"})
"""Fixtures that draw videos, start a server or make a whole run: tests with them are not used."""
SELECTED = "not long and not datasets and not browser and not face and not bucket and not dask and not newest"
"""Markers of the tests that run: unlike the test command of the README, also the slow ones."""
MOST_CALLS = 1_000_000
"""Calls of functions that are noted of a test: noting takes longer than calling."""
DECIDING = (
    "lanes.downloader", "lanes.encoder", "lanes.limits", "lanes.pipeline", "lanes.throttle",
    "media.damage", "media.interlace", "output.journal", "output.locks", "output.partials", "report.result",
)  # fmt: skip
"""Modules that decide and do I/O. Those that do none are listed in tests/project/test_architecture.py."""
LEFT_OUT = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__")
FLIPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.ExceptHandler, ast.match_case)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BODIES = {"body", "orelse", "handlers", "cases"}
NOT_RUN = {"annotation", "returns", "decorator_list", "type_params", "pattern"}


# Which changes there are.


class Scope(NamedTuple):
    """A function or class, by its qualified name; empty at module level."""

    name: str = ""
    is_function: bool = False

    def of(self, node: ast.AST, field_name: str) -> Scope:
        """Return the scope of what stands in a field of a node that stands in this scope."""
        if field_name != "body" or not isinstance(node, SCOPES):
            return self
        above = f"{self.name}{'.<locals>' if self.is_function else ''}." if self.name else ""
        return Scope(above + node.name, not isinstance(node, ast.ClassDef))


def _shown(node: ast.AST) -> str:
    """Return the beginning of the source of a node."""
    return ast.unparse(node).split("\n")[0][:70]


@dataclass(frozen=True)
class Mutant:
    """One possible change of a module."""

    module: str
    scope: Scope
    names: frozenset[str]
    """What the statement at module level binds in which it is."""
    before: ast.AST
    after: ast.AST
    parent: ast.AST
    field_name: str
    index: int | None

    @property
    def line(self) -> int:
        """Where it is in its file."""
        return int(getattr(self.before, "lineno", 0))

    @property
    def change(self) -> str:
        """What becomes of what; of a constant also where it stands: a function may have it twice."""
        change = f"{_shown(self.before)} -> {_shown(self.after)}"
        return f"{change} in {_shown(self.parent)}" if isinstance(self.before, ast.Constant) else change

    def source(self, tree: ast.Module) -> str:
        """Return the changed source of the module; the tree is afterwards as it was."""
        self._put(self.after)
        try:
            return ast.unparse(ast.fix_missing_locations(tree))
        finally:
            self._put(self.before)

    def _put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field_name, node)
        else:
            getattr(self.parent, self.field_name)[self.index] = node


def replacements(node: ast.AST, *, in_branch: bool) -> Iterator[ast.AST]:
    """Yield what may stand in place of a node."""
    match node:
        case ast.Compare(ops=[op]):
            for other in FLIPPED[type(op)]:
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool() | int() | float() as value):
            others = (not value,) if isinstance(value, bool) else (value + 1, value - 1, value * 10)
            yield from map(ast.Constant, others if value or isinstance(value, bool) else (1,))
        case ast.If() | ast.IfExp():
            changed = copy.copy(node)
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield changed
        case ast.Raise():
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))
        case ast.Assign() | ast.AugAssign() | ast.Expr() if in_branch:
            yield ast.Pass()


def children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """Yield what is below a node, with its field and index, but for what is not run: types, docstrings."""
    for name, value in ast.iter_fields(node):
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            if isinstance(child, ast.AST) and name not in NOT_RUN and not text and not types:
                yield name, index if isinstance(value, list) else None, child


def path_of(root: Path, module: str) -> Path:
    """Return where a module is."""
    return root.joinpath(PACKAGE, *module.split(".")).with_suffix(".py")


class Module:
    """A module of the package, what may be changed in it, and its test files."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = path_of(root, name).relative_to(root)
        self.tree = ast.parse((root / self.path).read_text("utf-8"))
        self.near, self.beside, self.far = tests_of(root, name)
        self.functions: set[str] = set()
        self.users: dict[str, set[str]] = defaultdict(set)
        """Name to the functions in which it stands."""
        self.at_import: set[str] = set()
        """Functions that are called when the module is imported, before any test."""
        self.mutants = [*self._mutants(name, self.tree, Scope(), frozenset(), in_branch=False)]

    def _mutants(
        self, module: str, node: ast.AST, outer: Scope, names: frozenset[str], *, in_branch: bool
    ) -> Iterator[Mutant]:
        for name, index, child in children(node):
            scope = outer.of(node, name)
            if scope.is_function:
                self.functions.add(scope.name)
            match child:
                case ast.Name(id=used) if scope.is_function:
                    self.users[used].add(scope.name)
                case ast.Call(func=ast.Name(id=called)) if not scope.is_function:
                    self.at_import.add(called)
            if isinstance(node, ast.Module):
                bound = (one for one in ast.walk(child) if isinstance(one, ast.Name))
                names = frozenset(one.id for one in bound if isinstance(one.ctx, ast.Store))
            branch = (in_branch or isinstance(node, BRANCHES)) and name in BODIES
            for other in replacements(child, in_branch=branch):
                after = ast.copy_location(other, child)
                yield Mutant(module, scope, names, child, after, node, name, index)
            yield from self._mutants(module, child, scope, names, in_branch=branch)

    def concerned(self, mutant: Mutant) -> set[str]:
        """Return the functions that a change concerns; none where the source does not show which."""
        if mutant.scope.is_function:
            return {mutant.scope.name} - self.at_import
        if mutant.scope.name:  # what creates or reads a dataclass enters none of its functions
            return set()
        return set().union(*(self.users[name] for name in mutant.names))


def tests_of(root: Path, module: str) -> tuple[list[str], list[str], list[str]]:
    """Return the test files that are to notice a change of a module.

    Those of its package that are about it or import it, the others of its package, and those of other
    packages that import it.
    """
    package, _, name = module.rpartition(".")
    own = root / "tests/unit" / package.replace(".", "/") / f"test_{name}.py"
    near, beside, far = list[str](), list[str](), list[str]()
    for path in sorted((root / "tests/unit").rglob("test_*.py")):
        related = path == own or _imports(path, module)
        if related or path.parent == own.parent:
            kind = far if path.parent != own.parent else near if related else beside
            kind.append(str(path.relative_to(root)))
    return near, beside, far


def _imports(path: Path, module: str) -> bool:
    package, _, name = f"{PACKAGE}.{module}".rpartition(".")
    found = rf"(?m)^\s*from {re.escape(package)}(\.{name} import| import (\([^)]*|.*)\b{name}\b)"
    return re.search(found, path.read_text("utf-8")) is not None


def pure_modules(root: Path) -> list[str]:
    """Return the modules that do no I/O, as the tests list them."""
    for node in ast.parse((root / "tests/project/test_architecture.py").read_text("utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="PURE")], value=ast.Dict(keys=keys)):
                return [ast.literal_eval(key) for key in keys if key is not None]
    raise LookupError("no list of the modules that do no I/O")


def equivalents(root: Path) -> dict[tuple[str, str, str], str]:
    """Return the changes that make no difference, each with the reason."""
    if not (root / EQUIVALENT).exists():
        return {}
    with (root / EQUIVALENT).open(encoding="utf-8", newline="") as file:
        return {(row[0], row[1], row[2]): row[3] for row in csv.reader(file, delimiter="\t")}


# How they are tested.


class Test(NamedTuple):
    """What a test of the unchanged package took, and entered."""

    seconds: float
    """Of CPU, with the fixtures that are its own."""
    functions: frozenset[tuple[str, str]]
    """Path of a module, and qualified name of a function."""
    shared: dict[str, float]
    """Seconds of each fixture that it shares with other tests: it is set up once for all of them."""


def _cpu() -> float:
    """Return the seconds of CPU of this process and its children, which depend little on other load."""
    return sum(os.times()[:4])


@dataclass(eq=False)
class Watch:
    """Plugin of pytest that measures the tests of an unchanged package."""

    root: Path
    fixtures: dict[str, float] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    shared: dict[str, dict[str, float]] = field(default_factory=dict)
    passed: dict[str, bool] = field(default_factory=dict)
    entered: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    _running: str = ""
    _calls: int = 0

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what takes too long."""
        items[:] = [item for item in items if not SHARED & set(getattr(item, "fixturenames", ()))]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        """Measure what a fixture takes."""
        begun = _cpu()
        try:
            return (yield)
        finally:
            if fixturedef.scope == "function":
                self.durations[self._running] += _cpu() - begun
            else:
                self.fixtures.setdefault(fixturedef.argname, _cpu() - begun)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Notice which functions of the package a test enters, in all of its threads."""
        self._running, self._calls = item.nodeid, 0
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            names = getattr(item, "fixturenames", ())
            self.shared[item.nodeid] = {
                name: self.fixtures[name] for name in names if self.fixtures.get(name)
            }

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Measure a test."""
        begun = _cpu()
        try:
            return (yield)
        finally:
            self.durations[item.nodeid] += _cpu() - begun

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in whether a test passes."""
        self.passed[report.nodeid] = self.passed.get(report.nodeid, True) and report.passed

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> None:
        code = frame.f_code
        if PACKAGE in code.co_filename:
            self.entered[self._running].add((code.co_filename, code.co_qualname))
        self._calls += 1
        if self._calls > MOST_CALLS:  # by then it has entered what it enters
            sys.settrace(None)

    def measurements(self) -> dict[str, Any]:
        """Return what was measured, and which modules may be imported before the process is forked."""
        prefix = f"{self.root}/"
        return {
            "tests": {
                test: (
                    self.durations[test],
                    [(path.removeprefix(prefix), name) for path, name in sorted(self.entered[test])],
                    self.shared[test],
                )
                for test, passed in self.passed.items()
                if passed
            },
            "unused": [test for test, passed in self.passed.items() if not passed],
            "modules": [
                name
                for name, module in sys.modules.items()
                if "site-packages" in (getattr(module, "__file__", None) or "")
            ],
        }


@dataclass(eq=False)
class Chosen:
    """Plugin of pytest that runs some tests, in this order, and those that are new."""

    known: Collection[str]
    chosen: list[str]
    failed: str = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose them."""
        order = {test: number for number, test in enumerate(self.chosen)}
        items[:] = [item for item in items if item.nodeid in order or item.nodeid not in self.known]
        items[:] = [item for item in items if not SHARED & set(getattr(item, "fixturenames", ()))]
        items.sort(key=lambda item: order.get(item.nodeid, len(order)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in which test fails."""
        if report.failed:
            self.failed = report.nodeid

    def measurements(self) -> dict[str, Any]:
        """Return which test failed."""
        return {"failed": self.failed}


class Copy:
    """A copy of the repository, in which tests run in forks of this process."""

    def __init__(self, root: Path, directory: Path) -> None:
        self.root = directory / "copy"
        self._report = directory / "report.json"
        self._base = directory / "base"
        shutil.copytree(root, self.root, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))

    def run(
        self, plugin: Watch | Chosen, arguments: list[str], seconds: float
    ) -> tuple[int | None, dict[str, Any]]:
        """Run pytest; return its exit code, None where it took too long, and what the plugin tells."""
        self._report.unlink(missing_ok=True)
        sys.stdout.flush()
        child = os.fork()
        if not child:
            code = 70
            try:
                code = self._in_child(plugin, arguments)
            finally:
                os._exit(code)
        until, ended = time.monotonic() + seconds, (0, 0)
        try:
            while not ended[0] and time.monotonic() < until:
                time.sleep(0.01)
                ended = os.waitpid(child, os.WNOHANG)
        finally:
            with suppress(ProcessLookupError):  # also what the tests have left
                os.killpg(child, signal.SIGKILL)
            if not ended[0]:
                os.waitpid(child, 0)
        if not ended[0]:
            return None, {}
        report = json.loads(self._report.read_text("utf-8")) if self._report.exists() else {}
        return os.waitstatus_to_exitcode(ended[1]), report

    def _in_child(self, plugin: Watch | Chosen, arguments: list[str]) -> int:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(silent, descriptor)
        os.chdir(self.root)
        os.environ["PYTHONPATH"] = str(self.root)
        sys.path.insert(0, str(self.root))
        usual = ["-q", "--assert=plain", "-p", "no:randomly", f"--basetemp={self._base}", "-m", SELECTED]
        code = pytest.main([*usual, *arguments], [plugin])
        self._report.write_text(json.dumps(plugin.measurements()), "utf-8")
        return int(code)

    def measure(self, path: str) -> dict[str, Any]:
        """Run the tests of a file on the unchanged package; return what is known of them."""
        code, measured = self.run(Watch(self.root), [path], 3600)
        if not measured["tests"] and code in {
            pytest.ExitCode.NO_TESTS_COLLECTED,
            pytest.ExitCode.INTERRUPTED,
        }:
            print(f"left out   {path}: its tests take minutes, or need an extra", flush=True)
            return measured
        if code not in {0, 1} or not measured["tests"]:
            raise SystemExit(f"{path}: its tests cannot be run, or all fail (exit code {code})")
        return measured

    def test(
        self, module: Module, mutant: Mutant, plugin: Chosen, files: list[str], seconds: float
    ) -> tuple[str, str]:
        """Run tests after a change; return its outcome, and the test that has noticed it."""
        path = self.root / module.path
        unchanged = path.read_bytes()
        path.write_text(mutant.source(module.tree), "utf-8")
        at = random.SystemRandom().randrange(1 << 30)
        os.utime(path, (at, at))  # no compiled file of another change is taken
        try:
            code, report = self.run(plugin, ["-x", *files], seconds)
        finally:
            path.write_bytes(unchanged)
        if code is None:
            return "noticed", "takes too long"
        return "survived" if code in {0, 5} else "noticed", report.get("failed", "") or f"exit code {code}"


class Results:
    """A file of JSON lines with what is known from this and earlier calls."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                with suppress(ValueError):  # the last line of a call that was killed
                    record = json.loads(line)
                    self._records[record["key"]] = record

    def get(self, find: Callable[[], dict[str, Any]], *of: object) -> dict[str, Any]:
        """Return a record, found now or before for the same things."""
        key = hashlib.sha256(repr(of).encode()).hexdigest()[:20]
        if key not in self._records:
            self._records[key] = {"key": key} | find()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(self._records[key])}\n")
        return self._records[key]


def examine(  # noqa: PLR0913 - what a person may choose
    root: Path, names: list[str], results: Results, *, seed: int, count: int, budget: float
) -> float:
    """Make the changes, print what came of them, and return which share of them was noticed."""
    modules = {name: Module(root, name) for name in names}
    every = [mutant for module in modules.values() for mutant in module.mutants]
    same = equivalents(root)
    existing = {(mutant.module, mutant.scope.name, mutant.change) for mutant in every}
    lost = {name for name, _, _ in same if not path_of(root, name).exists()}
    if gone := [one for one in same if one not in existing and one[0] in modules.keys() | lost]:
        raise SystemExit(f"{EQUIVALENT} lists what is no possible change any more: {gone}")
    chosen = random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311 - guards nothing
    print(f"{len(chosen)} of {len(every)} possible changes, seed {seed}", flush=True)
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        repository = Copy(root, Path(temporary))
        for mutant in sorted(chosen, key=lambda mutant: (mutant.module, mutant.line)):
            name, module = mutant.module, modules[mutant.module]
            if reason := same.get((name, mutant.scope.name, mutant.change)):
                found = {"outcome": "equivalent", "by": reason}
            else:
                found = _tested(repository, module, mutant, results, budget)
            counted[name][found["outcome"]] += 1
            where = f"{module.path}:{mutant.line} {mutant.scope.name}"
            print(f"{found['outcome']:10} {where}: {mutant.change}  [{found['by']}]", flush=True)
    total = sum(counted.values(), Counter[str]())
    for name, outcomes in sorted(counted.items()):
        print(f"{name:28}", *(f"{outcomes[outcome]:4} {outcome}" for outcome in total))
    different = total["noticed"] + total["survived"]
    share = total["noticed"] / different if different else 1.0
    print(f"{share:.1%} of {different} changes that make a difference are noticed")
    return share


def _measured(repository: Copy, results: Results, files: list[str]) -> dict[str, Test]:
    """Return what is known of the tests in some files; import the packages that they need."""
    tests: dict[str, Test] = {}
    for path in files:
        content = (repository.root / path).read_bytes()
        measured = results.get(partial(repository.measure, path), path, content, SELECTED)
        for test, (seconds, entered, shared) in measured["tests"].items():
            tests[test] = Test(seconds, frozenset((module, name) for module, name in entered), shared)
        for name in measured["modules"]:
            if name.partition(".")[0] not in {PACKAGE, "_pytest", "pytest"}:
                with suppress(ImportError):
                    importlib.import_module(name)
    return tests


def _tested(
    repository: Copy, module: Module, mutant: Mutant, results: Results, budget: float
) -> dict[str, Any]:
    """Return what is known of a change, or find it out."""
    concerned = {(str(module.path), name) for name in module.concerned(mutant)}
    survived: dict[str, Any] = {}
    of_module: dict[str, Test] = {}
    for files in (module.near, module.beside, module.far):
        tests = _measured(repository, results, files)
        of_use = {test: tests[test] for test in tests if not concerned or tests[test].functions & concerned}
        of_module |= {
            test: tests[test]
            for test in tests
            if any(path == str(module.path) for path, _ in tests[test].functions)
        }
        if of_use:
            survived = _ran(repository, module, mutant, results, budget, of_use)
            if survived["outcome"] == "noticed":
                return survived
    if not survived and of_module:  # what runs in a child of the tests, they do not enter themselves
        survived = _ran(repository, module, mutant, results, budget, of_module)
    return survived or {"outcome": "survived", "by": "no test enters it"}


def _ran(  # noqa: PLR0913, PLR0917 - one more than usual
    repository: Copy,
    module: Module,
    mutant: Mutant,
    results: Results,
    budget: float,
    tests: dict[str, Test],
) -> dict[str, Any]:
    """Run tests after a change, the fastest first, unless that is known; return the outcome."""
    files = sorted({test.partition("::")[0] for test in tests})
    plugin, left = Chosen(frozenset(_measured(repository, results, files)), []), budget
    set_up = set[str]()
    for test in sorted(tests, key=lambda test: tests[test].seconds):
        shared = tests[test].shared
        takes = tests[test].seconds + sum(shared[name] for name in shared.keys() - set_up)
        if takes < left or not plugin.chosen:
            plugin.chosen.append(test)
            set_up.update(shared)
            left -= takes
    files = sorted({test.partition("::")[0] for test in plugin.chosen})

    def find() -> dict[str, Any]:
        begun = time.monotonic()
        outcome, by = repository.test(module, mutant, plugin, files, 60 + 10 * (budget - left))
        return {"outcome": outcome, "by": by, "seconds": round(time.monotonic() - begun, 2)}

    place = (mutant.line, getattr(mutant.before, "col_offset", 0), mutant.scope.name, mutant.change)
    contents = [(repository.root / path).read_bytes() for path in files]
    return results.get(find, (repository.root / module.path).read_bytes(), place, contents)


def main() -> int:
    """Say with 0 that enough of the changes were noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--module", nargs="+")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument(
        "--budget", type=float, default=20, help="seconds of CPU for the tests after one change"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="repository whose package is changed")
    args = parser.parse_args()
    names = args.module or [*pure_modules(args.root), *DECIDING]
    share = examine(
        args.root, names, Results(args.results), seed=args.seed, count=args.count, budget=args.budget
    )
    return int(share < LEAST_NOTICED)


if __name__ == "__main__":
    raise SystemExit(main())
