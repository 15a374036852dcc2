"""Lists yt-dlp's messages about failed downloads of YouTube videos, from yt-dlp's own source.

The source is parsed, never imported or run. `extract` finds the texts of exceptions, errors and warnings; the
table ``ytdlp_messages.tsv`` maps each of them to its meaning, which was decided by hand.

    python tests/support/ytdlp_messages.py [PACKAGE]         lists what the table lacks of PACKAGE, and what
                                                             is no longer in PACKAGE
    python tests/support/ytdlp_messages.py update [PACKAGE]  adds that to the table, with "?" where a reason
                                                             is required

PACKAGE is the directory of a yt_dlp package; without it, the installed one.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import re
import sys
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TABLE = Path(__file__).with_suffix(".tsv")

SCOPE = (
    "__init__.py",
    "YoutubeDL.py",
    "cache.py",
    "cookies.py",
    "downloader/*.py",
    "extractor/common.py",
    "extractor/youtube/**/*.py",
    "networking/*.py",
    "options.py",
    "postprocessor/common.py",
    "postprocessor/ffmpeg.py",
    "postprocessor/movefilesafterdownload.py",
    "socks.py",
    "utils/*.py",
)
"""The files of yt-dlp that are part of the download of a YouTube video."""

_REPORTERS = {
    "_exit", "_report_error", "deprecated_feature", "deprecation_warning", "error", "exit",
    "raise_geo_restricted", "raise_login_required", "raise_no_formats", "report_error", "report_warning",
    "syntax_error", "to_stderr", "trouble", "warn", "warning", "write_string",
}  # fmt: skip
"""Functions whose first argument is printed as an error or a warning."""
_SILENT = {"debug", "info", "to_screen", "trace", "write_debug"}
"""Functions that print progress, or only with ``--verbose``."""
_EXCEPTION = re.compile(
    r"\w*(Error|Exception|Reached)|IncompleteRead|ReExtractInfo|RejectedRequest|\w+RejectedRequest"
    r"|RetryDownload|UnsupportedRequest|UserNotLive|DownloadCancelled|EntryNotInPlaylist"
)
_KEYWORDS = {"msg", "message", "errnote", "error_message"}
"""Arguments and parameters whose values are parts of messages."""
_OPENING = re.compile(r"(\[\S+( \S+)?\] )?(Cannot|Could not|Failed|Unable) ")
"""A text that starts like this is a message, whatever function it is passed to."""
_MOST = 24
"""Limit of the variants of one message whose parts depend on conditions."""


_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_Around = tuple[_Scope, ...]


@dataclass(frozen=True, order=True)
class Message:
    """A text of yt-dlp: its file, what prints it, and the text with {placeholders}."""

    file: str
    kind: str
    text: str


def package() -> Path:
    """Return the directory of the installed yt-dlp, without importing it."""
    spec = importlib.util.find_spec("yt_dlp")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def version(root: Path) -> str:
    """Return the version of the yt-dlp in a directory."""
    found = re.search(r"__version__ = '([\d.]+)'", (root / "version.py").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def extract(root: Path) -> set[Message]:
    """Return the messages of the yt-dlp in a directory."""
    files = {path for pattern in SCOPE for path in root.glob(pattern)}
    return {
        Message(path.relative_to(root).as_posix(), kind, text)
        for path in files
        for kind, text in messages(path.read_text(encoding="utf-8"))
    }


def messages(source: str) -> Iterator[tuple[str, str]]:
    """Yield what prints a message, and the message, for each in a file."""
    for node, around in _walk(ast.parse(source), ()):
        for kind, expression, opening in _printed(node):
            for text in _readings(expression, around):
                plain = " ".join(text.split())
                if _says_something(plain) and (opening is None or opening.match(plain)):
                    yield kind, plain


def _walk(node: ast.AST, around: _Around) -> Iterator[tuple[ast.AST, _Around]]:
    """Yield all nodes with the functions and classes around them, the innermost first."""
    yield node, around
    if isinstance(node, _Scope):
        around = (node, *around)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, around)


_Printed = tuple[str, ast.expr, re.Pattern[str] | None]
"""What prints a message, and the message; with a pattern, only a text that starts like that is a message."""


def _printed(node: ast.AST) -> Iterator[_Printed]:
    """Yield the expressions in a node that become messages."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            yield from _of_call(name, node)
            yield from ((k.arg, k.value, None) for k in node.keywords if k.arg in _KEYWORDS)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from ((name, text, None) for name, text in _defaults(node.args) if name in _KEYWORDS)
        case ast.ClassDef(name=name) if _EXCEPTION.fullmatch(name):
            yield from ((name, text, None) for text in _of_exception(node))
        case ast.Assign(targets=[ast.Name(id="CODES")], value=ast.Dict(values=values)):
            yield from (("CODES", value, None) for value in values)


def _of_call(name: str, call: ast.Call) -> Iterator[_Printed]:
    """Yield the printed positional arguments of a call."""
    if name in _REPORTERS:
        yield from ((name, argument, None) for argument in call.args[:1])
    elif _EXCEPTION.fullmatch(name):
        yield from ((name, argument, None) for argument in call.args)
    elif name == "append" and "warnings" in ast.unparse(call.func):
        yield "report_warning", call.args[0], None
    elif name not in _SILENT:
        texts = (ast.Constant, ast.JoinedStr, ast.IfExp)
        yield from ((name, argument, _OPENING) for argument in call.args if isinstance(argument, texts))


def _of_exception(definition: ast.ClassDef) -> Iterator[ast.expr]:
    """Yield the texts that an exception class defines."""
    for node in ast.walk(definition):
        match node:
            case ast.Assign(targets=[ast.Name(id="msg" | "_msg")], value=value):
                yield value
            case ast.Call(
                func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"),
                args=[first, *_],
            ):
                yield first


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    """Yield the parameters with defaults, and the defaults."""
    positional = [*arguments.posonlyargs, *arguments.args][::-1]
    for argument, default in zip(positional, arguments.defaults[::-1], strict=False):
        yield argument.arg, default
    for argument, chosen in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if chosen is not None:
            yield argument.arg, chosen


def _readings(node: ast.expr, around: _Around, line: int = sys.maxsize) -> list[str]:
    """Return the possible texts of an expression, with placeholders for unknown parts.

    Names are resolved by the assignments above the given line.
    """

    def read(inner: ast.expr) -> list[str]:
        return _readings(inner, around, line)

    texts: list[str] = []
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            texts = _joined([read(part) for part in parts])
        case ast.FormattedValue(value=value):
            texts = read(value)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = _joined([read(left), read(right)])
        case ast.IfExp(body=body, orelse=orelse):
            texts = [*read(body), *read(orelse)]
        case ast.BoolOp(values=values):
            texts = [text for value in values for text in read(value)]
        case ast.BinOp() | ast.Call():
            texts = _formatted(node, read)
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            assigned = islice(_assigned(name, around, line), _MOST)
            read_above = (text for value in assigned for text in _readings(value, around, value.lineno))
            texts = [text for text in read_above if _says_something(text)][:_MOST]
    return texts or [_placeholder(node)]


def _formatted(node: ast.BinOp | ast.Call, read: Callable[[ast.expr], list[str]]) -> list[str]:
    """Return the texts that are made with ``%``, `str.format` or `str.capitalize`."""
    match node:
        case ast.BinOp(left=left, op=ast.Mod()):
            return [re.sub(r"%(\(\w+\))?[sdrif]", "{}", text) for text in read(left)]
        case ast.Call(func=ast.Attribute(value=template, attr="format"), args=arguments):
            given = _product([read(argument) for argument in arguments])
            return [_filled(text, values) for text in read(template) for values in given]
        case ast.Call(func=ast.Attribute(value=value, attr="capitalize")):
            return [text.capitalize() for text in read(value)]
    return []


def _assigned(name: str, around: _Around, line: int) -> Iterator[ast.expr]:
    """Yield the values assigned to a name, above a line, in the innermost function or class that has it."""
    for scope in around:
        nodes = scope.body if isinstance(scope, ast.ClassDef) else ast.walk(scope)
        found = []
        for node in nodes:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=target)], value=value)
                    | ast.AugAssign(target=ast.Name(id=target), op=ast.Add(), value=value)
                    | ast.NamedExpr(target=ast.Name(id=target), value=value)
                ) if target == name and value.lineno < line:
                    found.append(value)
        if found:
            yield from found
            return


def _product(parts: list[list[str]]) -> list[tuple[str, ...]]:
    """Yield the combinations of one element of each, up to a limit."""
    return [*islice(product(*parts), _MOST)]


def _joined(parts: list[list[str]]) -> list[str]:
    """Join parts in all combinations, up to a limit."""
    return ["".join(reading) for reading in _product(parts)]


def _filled(template: str, values: tuple[str, ...]) -> str:
    """Insert values into the fields of a template for `str.format`; a field without a value stays empty."""
    rest = iter(values)
    return re.sub(r"\{[^{}]*\}", lambda _: next(rest, "{}"), template)


def _placeholder(node: ast.expr) -> str:
    """Return a short name for an unknown part."""
    plain = re.sub(r"\W+", " ", ast.unparse(node)).strip()
    return "{" + plain[:30].strip() + "}"


def _says_something(text: str) -> bool:
    """Return whether a text has words besides its placeholders."""
    return re.search(r"[A-Za-z]{2}", re.sub(r"\{[^{}]*\}", "", text)) is not None


@dataclass(frozen=True)
class Row:
    """A row of the table: a message, the versions of yt-dlp that have it, and its meaning."""

    message: Message
    versions: tuple[str, ...]
    reason: str
    """A reason of `failures.py`; "cause" where the last placeholder decides; "-" where it cannot end the
    download of a YouTube video; "?" where it is undecided."""
    note: str
    """Why it cannot, where the reason is "-"."""


_HEADER = ("file", "kind", "message", "versions", "reason", "note")


def rows() -> list[Row]:
    """Return the rows of the table."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    assert tuple(lines[0].split("\t")) == _HEADER
    fields = (line.split("\t") for line in lines[1:])
    return [Row(Message(*part[:3]), tuple(part[3].split()), part[4], part[5]) for part in fields]


def changes(table: Iterable[Row], found: set[Message], of_version: str) -> list[str]:
    """List a version's messages that the table lacks, and the changed and removed ones, one per line.

    A version in the table must agree exactly; of any other version only new messages count.
    """
    table = list(table)
    in_table = {row.message for row in table}
    exact = any(of_version in row.versions for row in table)
    expected = {row.message for row in table if of_version in row.versions} if exact else in_table
    removed = {message: message for message in sorted(expected - found)}
    listed = []
    for message in sorted(found - expected):
        alike = {old.text: old for old in removed if (old.file, old.kind) == (message.file, message.kind)}
        close = difflib.get_close_matches(message.text, alike, 1, 0.7)
        if close:
            del removed[alike[close[0]]]
            listed.append(f"changed {message.file} {message.kind}: {close[0]} -> {message.text}")
        else:
            listed.append(f"new {message.file} {message.kind}: {message.text}")
    return listed + [f"gone {message.file} {message.kind}: {message.text}" for message in removed]


def _update(root: Path) -> None:
    """Bring the table up to a version of yt-dlp, with "?" for undecided messages."""
    own, found = version(root), extract(root)
    table = {row.message: row for row in rows()}
    for message in found:
        table.setdefault(message, Row(message, (), "?", ""))
    lines = ["\t".join(_HEADER)]
    for message, row in sorted(table.items()):
        kept = {other for other in row.versions if other != own} | ({own} if message in found else set())
        if kept:
            described = (" ".join(sorted(kept)), row.reason, row.note)
            lines.append("\t".join((message.file, message.kind, message.text, *described)))
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """List the differences from the table, or update it; 1 if a message is new, changed or removed."""
    updating = arguments[:1] == ["update"]
    rest = arguments[1:] if updating else arguments
    root = Path(rest[0]) if rest else package()
    if updating:
        _update(root)
    listed = changes(rows(), extract(root), version(root))
    print("\n".join(listed) or f"yt-dlp {version(root)} has what the table says")  # noqa: T201 - a script
    return int(bool(listed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
