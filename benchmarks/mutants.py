"""Change the package at random, one place at a time, and find changes that no test notices.

    python benchmarks/mutants.py [--seed 1] [--count 300] [--module lanes.throttle ...]

The changes are made in a temporary copy of the repository. Each is followed by the unit tests of its module:
``tests/unit/PACKAGE/test_MODULE.py`` and the test files of the same package that import the module, or, if
there are none, those of other packages. A change that no test notices is a gap in the tests, or makes no
difference ("equivalent"): this must be decided by hand, so the printed share is a lower bound.

Existing tools are not suitable. mutmut 3 only changes undecorated functions, which omits properties, context
managers and all tables and limits at module level, and selects the change through an environment variable in
forks of one process. cosmic-ray 8 has one test command for all modules of a session, writes to the working
tree, and has no operators that remove a ``raise`` or another statement.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "hdtf_async"
DECIDING = (
    "commands.check", "lanes.downloader", "lanes.encoder", "lanes.limits", "lanes.pipeline", "lanes.throttle",
    "media.damage", "media.interlace", "output.journal", "output.locks", "output.partials", "report.result",
)  # fmt: skip
"""Modules that decide and do I/O. Modules without I/O are listed in tests/project/test_architecture.py."""
LEFT_OUT = (".git", ".venv", ".mypy_cache", ".ruff_cache", ".hypothesis", "__pycache__")
FLIPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.ExceptHandler, ast.match_case)
NOT_RUN = {"annotation", "returns", "decorator_list", "type_params", "pattern"}


class Place(NamedTuple):
    """A place in a module that can be changed, and its replacement."""

    before: ast.AST
    parent: ast.AST
    field: str
    at: int | None
    after: ast.AST

    @property
    def change(self) -> str:
        """The line number, and the replacement."""
        texts = (ast.unparse(node).split("\n")[0][:70] for node in (self.before, self.after))
        return f"{getattr(self.before, 'lineno', 0)}: {' -> '.join(texts)}"

    def make(self) -> None:
        """Make the change."""
        if self.at is None:
            setattr(self.parent, self.field, self.after)
        else:
            getattr(self.parent, self.field)[self.at] = self.after


def path_of(module: str) -> Path:
    """Return the path of a module, relative to the root of the repository."""
    return Path(PACKAGE, *module.split(".")).with_suffix(".py")


def tree_of(path: Path) -> ast.Module:
    """Parse a file of the repository."""
    return ast.parse((ROOT / path).read_text("utf-8"))


def pure_modules() -> list[str]:
    """Return the modules that do no I/O, as the tests list them."""
    for node in tree_of(Path("tests/project/test_architecture.py")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="PURE")], value=ast.Dict(keys=keys)):
                return [ast.literal_eval(key) for key in keys if key is not None]
    raise LookupError("no list of the modules that do no I/O")


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield possible replacements of a node."""
    match node:
        case ast.Compare(ops=[op]):
            for other in FLIPPED[type(op)]:
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            yield from map(ast.Constant, (number + 1, number - 1, number * 10) if number else (1,))
        case ast.If() | ast.IfExp():
            changed = copy.copy(node)
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield changed
        case ast.Raise():
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))


def places(node: ast.AST, *, in_branch: bool = False) -> Iterator[Place]:
    """Yield each possible change below a node, except for what has no effect at runtime: types, texts."""
    for name, value in ast.iter_fields(node):
        branch = (in_branch or isinstance(node, BRANCHES)) and name in {"body", "orelse", "handlers", "cases"}
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            if not isinstance(child, ast.AST) or name in NOT_RUN or text or types:
                continue
            others = [*replacements(child)]
            if branch and isinstance(child, ast.Assign | ast.AugAssign | ast.Expr):
                others.append(ast.Pass())
            at = index if isinstance(value, list) else None
            yield from (Place(child, node, name, at, ast.copy_location(other, child)) for other in others)
            yield from places(child, in_branch=branch)


def tests_of(module: str) -> list[str]:
    """Return the test files that should notice a change of a module."""
    package, _, name = module.rpartition(".")
    own = ROOT / "tests/unit" / package.replace(".", "/") / f"test_{name}.py"
    files = (ROOT / "tests/unit").rglob("test_*.py")
    related = [path for path in sorted(files) if path == own or _imports(path, module)]
    near = sorted((path for path in related if path.parent == own.parent), key=lambda path: path != own)
    return [str(path.relative_to(ROOT)) for path in near or related]


def _imports(path: Path, module: str) -> bool:
    package, _, name = f"{PACKAGE}.{module}".rpartition(".")
    found = rf"(?m)^\s*from {re.escape(package)}(\.{name} import| import (\([^)]*|.*)\b{name}\b)"
    return re.search(found, path.read_text("utf-8")) is not None


def passes(copied: Path, tests: list[str], seconds: float) -> bool:
    """Run tests in the copy; a timeout counts as a failure."""
    argv = [sys.executable, "-m", "pytest", "-x", "-q", *tests]
    with suppress(subprocess.TimeoutExpired):
        return not subprocess.call(argv, cwd=copied, stdout=DEVNULL, stderr=DEVNULL, timeout=seconds)
    return False


def main() -> None:
    """Make the changes and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--module", nargs="+", default=[*pure_modules(), *DECIDING])
    parser.add_argument("--seconds", type=float, default=600, help="for the tests of one change")
    said = parser.parse_args()
    tests = {module: tests_of(module) for module in said.module}
    every = [(m, n) for m in said.module if tests[m] for n, _ in enumerate(places(tree_of(path_of(m))))]
    chosen = random.Random(said.seed).sample(every, min(said.count, len(every)))  # noqa: S311 - reproducible
    print(f"{len(chosen)} of {len(every)} possible changes, seed {said.seed};", end=" ")
    print("without unit tests:", [module for module in said.module if not tests[module]], flush=True)
    noticed, survived = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        copied = Path(temporary, "copy")
        shutil.copytree(ROOT, copied, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for module in sorted({module for module, _ in chosen}):
            path = path_of(module)
            if not passes(copied, tests[module], said.seconds):
                raise SystemExit(f"{module}: its tests fail without any change: {' '.join(tests[module])}")
            source = (copied / path).read_text("utf-8")
            for number in sorted(number for each, number in chosen if each == module):
                tree = ast.parse(source)
                place = next(islice(places(tree), number, None))
                place.make()
                (copied / path).write_text(ast.unparse(ast.fix_missing_locations(tree)), "utf-8")
                os.utime(copied / path, (number, number))  # prevents the use of bytecode of another change
                lives = passes(copied, tests[module], said.seconds)
                (survived if lives else noticed)[module] += 1
                print("SURVIVED" if lives else "noticed ", f"{path}:{place.change}", flush=True)
            (copied / path).write_text(source, "utf-8")
    for module in sorted(noticed | survived):
        print(f"{module:28} {noticed[module]:4} noticed {survived[module]:4} survived")
    print(f"{noticed.total() / max(1, len(chosen)):.1%} of {len(chosen)} changes noticed")


if __name__ == "__main__":
    main()
