"""Untrusted text never affects a terminal: names, paths, options, keys, and the output of tools."""

from __future__ import annotations

import ast
import json
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared import slow_unless

import hdtf_async
from hdtf_async.cli import main
from hdtf_async.commands import faces as sheet
from hdtf_async.core.jsonlines import line
from hdtf_async.core.text import count, fold, format_bytes, format_duration, printable, quoted, shown
from hdtf_async.output.journal import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared import Finished

HOSTILE = {
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "screen": "\x1b[2J\x1b[1;1H",
    "title": "\x1b]0;all is well\x1b\\",
    "C1": "\x9b2J\x9d0;title\x9c",
    "bidi": "\u202egnp.4pm\u2066",
    "return": "\r[K0 missing",
    "line": "x\nReady.",
    "separators": "\u2028\u2029\x0b\x0c\x85",
    "tags": "\U000e0001\U000e0041\u200b\ufeff",
    "delete": "\x7f\x08\x08",
    "surrogate": "\udce9",
}
"""Text that affects a terminal, or is invisible, or looks like a line of this program."""
PACKAGE = Path(hdtf_async.__file__).parent


def assert_printed_safely(text: str) -> None:
    """Raise unless everything printed consists of printable characters in regular lines."""
    assert [each for each in text if not each.isprintable() and each != "\n"] == []
    assert "Ready." not in text.splitlines()


@given(st.text(st.characters()))
def test_unprintable_characters_become_escapes(text: str) -> None:
    """The result is printable, and shows which character was replaced."""
    result = printable(text)
    assert result.isprintable()
    assert printable(result) == result
    if text.isprintable():
        assert result == text
    for quote in (quoted(text), shown(text)):
        assert quote.isascii()
        assert quote.isprintable()
        assert len(quote) <= 660


@pytest.mark.parametrize("kind", ["Cc", "Cf", "Zl", "Zp", "Cs"])
def test_no_control_or_format_character_is_printable(kind: str) -> None:
    """All of Unicode's own categories; letters of every script are printable."""
    every = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == kind]
    assert len(every) > 0
    assert all(printable(each).isascii() for each in every)
    assert printable("Zoë 漢字 עברית 🎬") == "Zoë 漢字 עברית 🎬"


def test_everything_is_printed_by_one_function() -> None:
    """No other module writes to stdout or stderr, except for the children, whose output is a protocol."""
    own = {
        *("cli/terminal.py", "demo/server.py"),
        *("media/probe.py", "media/damage.py", "media/face/detector.py", "media/face/model_file.py"),
    }
    writes = (
        "print",
        "sys.stdout.write",
        "sys.stderr.write",
        "traceback.print_exc",
        "traceback.print_exception",
    )
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in writes
    }
    assert found <= own
    assert "cli/terminal.py" in found


@pytest.fixture(params=slow_unless(HOSTILE, {"clipboard", "bidi", "line", "surrogate"}))
def hostile(request: pytest.FixtureRequest) -> str:
    """One of them."""
    return HOSTILE[request.param]


@pytest.fixture
def _no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ``faces`` draws its image with an optional package; its table needs none."""

    async def written(*_: object) -> list[str]:
        return []

    monkeypatch.setattr(sheet, "draw", written)


def received(finished: Finished, out: Path, *names: str) -> Path:
    """Create a directory as if received from someone else: records with hostile names, and their files."""
    journal = [json.loads(text) for text in (finished.out / JOURNAL).read_bytes().splitlines()]
    run = next(record for record in journal if record["type"] == "run")
    clip = next(record for record in journal if record["type"] == "clip")
    out.mkdir()
    for name in names:
        _add(out, run, clip, name)
    return out


def _add(out: Path, run: dict[str, Any], clip: dict[str, Any], name: str) -> None:
    stem = f"RD_{name}_000"
    size = 5
    faces = {"zoom": 1.2, "faces": 1, "face_share": 1.0}
    metadata = clip["metadata"] | faces | {"file_name": f"{stem}.mp4", "name": name, "bytes": size}
    failed = {
        "type": "failed",
        "clip": f"{stem}x",
        "subset": "RD",
        "name": name,
        "index": 0,
        "youtube_id": name,
    }
    records: list[dict[str, Any]] = [
        run | {"host": name, "versions": {"ffmpeg": name}},
        clip | {"clip": stem, "metadata": metadata},
        clip | {"clip": f"{stem}/x", "metadata": metadata},
        clip | {"clip": f"{stem}\ud83d", "metadata": metadata},
        failed | {"reason": "unknown", "words": name},
        {"type": name, "clip": name},
    ]
    with (out / JOURNAL).open("ab") as journal:
        journal.writelines(map(line, records))
    with (out / "metadata.jsonl").open("ab") as metadata_file:
        metadata_file.write(line({"file_name": f"{name}.mp4", name: name}))
    for file in (f"{stem}.mp4", f"{name}.txt"):
        try:
            (out / file).write_bytes(b"12345")
        except (OSError, ValueError):  # no file can have this name
            continue


COMMANDS: dict[str, Callable[[str, str, str], list[str]]] = {
    "faces": lambda out, _name, _to: ["faces", "--out", out],
    "report": lambda out, _name, _to: ["report", "--out", out],
    "merge": lambda out, _name, _to: ["merge", "--out", out],
    "plan": lambda out, _name, _to: ["plan", "--out", out, "--limit", "1"],
    "plan --json": lambda out, _name, _to: ["plan", "--json", "--out", out, "--limit", "1"],
    "export": lambda out, _name, to: ["export", "--recipe", "latentsync", "--out", out, "--to", to],
    "main": lambda out, _name, _to: ["--out", out, "--limit", "1", "--ffmpeg", "/nowhere"],
    "out": lambda out, name, _to: ["--out", f"{out}/{JOURNAL}/{name}"],
    "merge nothing": lambda out, name, _to: ["merge", "--out", f"{out}/{name}"],
    "option": lambda out, name, _to: ["--out", out, f"--{name}"],
    "word": lambda _out, name, _to: [name],
    "value": lambda out, name, _to: ["--out", out, "--size", name],
    "recipe": lambda out, name, _to: ["--out", out, "--recipe", name],
    "video": lambda _out, name, _to: ["plan", "--video", name],
    "source": lambda _out, name, _to: ["plan", "--source", f"/nowhere/{name}"],
    "raw": lambda out, name, _to: ["--out", f"{out}-2", "--raw-dir", f"/nowhere/{name}"],
    "cookies": lambda out, name, _to: ["--out", out, "--cookies", f"/nowhere/{name}"],
    "bucket": lambda _out, name, _to: ["--out", f"s3://bucket/{name}?x"],
    "days": lambda out, name, _to: ["census", "--out", out, "--fresh", name],
    "config": lambda _out, name, _to: ["plan", "--config", f"/nowhere/{name}"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("_no_extra")
def test_no_command_prints_control_characters(
    command: str, hostile: str, finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a directory from someone else, and with hostile arguments on the command line."""
    out = received(finished, tmp_path / "out", hostile)
    try:
        code = main.main(COMMANDS[command](str(out), hostile, str(tmp_path / "tree")))
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else -1
    printed = capsys.readouterr()
    assert printed.out + printed.err
    assert code in {0, 1, 2, 4}
    assert "please report it" not in printed.err
    assert_printed_safely(printed.out)
    assert_printed_safely(printed.err)


@pytest.mark.parametrize("more", [[], ["--quiet"], ["--log-level", "info"]], ids=" ".join)
def test_a_check_prints_no_control_characters(
    more: list[str], finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each hostile name is among its findings."""
    out = received(finished, tmp_path / "out", *HOSTILE.values())
    assert main.main(["check", "--out", str(out), *more]) == 1
    told = capsys.readouterr()
    assert_printed_safely(told.out)
    assert_printed_safely(told.err)
    assert all(printable(f"RD_{name}_000") in told.out + told.err for name in HOSTILE.values())


def test_hostile_settings_are_printed_safely(
    hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys and values of a file, and names of variables."""
    file = tmp_path / "a.toml"
    name = hostile.encode("utf-8", "replace").decode()
    for text in (
        f"{json.dumps(name)} = 1\n",
        f"size = {json.dumps(name)}\n",
        f"crop = [{json.dumps(name)}]\n",
    ):
        file.write_text(text)
        assert main.main(["plan", "--config", str(file)]) == 2
        assert_printed_safely(capsys.readouterr().err)
    monkeypatch.setenv(f"HDTF_ASYNC_{hostile.replace('=', '')}", "1")
    assert main.main(["plan"]) == 2
    assert_printed_safely(capsys.readouterr().err)


def test_output_of_tools_is_printed_safely(
    hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Versions, runtimes and errors of --ffmpeg and --yt-dlp, in `doctor`."""
    raw_bytes = hostile.encode("utf-8", "surrogateescape" if "\udce9" not in hostile else "replace")
    output = (
        b"ffmpeg version " + raw_bytes + b"9 Copyright\n[debug] yt-dlp version 2026.01.01" + raw_bytes + b"\n"
        b"[debug] JS runtimes: " + raw_bytes + b"\n" + raw_bytes + b"\n"
    )
    (tmp_path / "words").write_bytes(output)
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\ncat {tmp_path / 'words'}\ncat {tmp_path / 'words'} >&2\n")
    tool.chmod(0o755)
    assert main.main(["doctor", "--ffmpeg", str(tool), "--yt-dlp", str(tool)]) == 4
    printed = capsys.readouterr()
    assert "ffmpeg" in printed.out
    assert_printed_safely(printed.out.removesuffix("Ready.\n"))
    assert_printed_safely(printed.err)


# Numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.4, "999 B"),
        (999.5, "1.0 kB"),
        (99_940, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (41_234_000_000, "41.2 GB"),
        (5e12, "5.0 TB"),
        (5e15, "5000 TB"),
    ],
)
def test_bytes_have_three_digits_and_a_unit(number: float, text: str) -> None:
    """Rounding never shows a thousand of a unit below the largest one."""
    assert format_bytes(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.9, "59.9 s"), (60, "1.0 min"), (3599, "60.0 min"), (3600, "1.00 h"), (9000, "2.50 h")],
)
def test_times_have_a_suitable_unit(seconds: float, text: str) -> None:
    """Seconds, minutes or hours."""
    assert format_duration(seconds) == text


def test_one_is_singular() -> None:
    """All other numbers are plural."""
    assert [count(number, "clip") for number in (0, 1, 2, 10)] == ["0 clips", "1 clip", "2 clips", "10 clips"]


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("a", "a"),
        ("a b", "a b"),
        ("x" * 60, "x" * 60),
        ("x" * 61, f"'{'x' * 60}...'"),
        ("", "''"),
        (" a", "' a'"),
        ("a\n", "'a\\n'"),
        ("\x1b[2J", "'\\x1b[2J'"),
        ("é", "'\\xe9'"),
        (12, "12"),
    ],
)
def test_only_short_printable_ascii_is_shown_without_quotes(text: object, as_shown: str) -> None:
    """Everything else is quoted, in ASCII, and shortened to sixty characters."""
    assert shown(text) == as_shown
    assert quoted("x" * 60) == f"'{'x' * 60}'"


@pytest.mark.parametrize(("length", "ending"), [(60, "x'"), (61, "x...'")])
def test_sixty_characters_of_untrusted_text_are_repeated(length: int, ending: str) -> None:
    """Of a longer one the beginning."""
    assert quoted("x" * length) == "'" + "x" * 59 + ending
    assert shown("x" * length) == ("x" * 60 if length == 60 else quoted("x" * 61))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        ("", "''"),
        (" a", "' a'"),
        (5, "5"),
        (None, "None"),
        ("\x1b", r"'\x1b'"),
        ("\xe9", r"'\xe9'"),
    ],
)
def test_a_short_plain_value_is_shown_as_it_is(value: object, text: str) -> None:
    """Others are quoted."""
    assert shown(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"), (999, "999 B"), (999.4, "999 B"), (999.5, "1.0 kB"), (99_900, "99.9 kB"),
        (99_949, "99.9 kB"), (99_950, "100 kB"), (999_499, "999 kB"),
        (999_500, "1.0 MB"), (5e15, "5000 TB"), (2e12, "2.0 TB"),
    ],
)  # fmt: skip
def test_a_number_of_bytes_has_three_digits(number: float, text: str) -> None:
    """One decimal below a hundred of a unit."""
    assert format_bytes(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59.9, "59.9 s"), (60, "1.0 min"), (3599, "60.0 min"), (3600, "1.00 h"), (86400, "24.00 h")],
)
def test_a_duration_changes_its_unit_at_sixty(seconds: float, text: str) -> None:
    """From minutes on there are no seconds."""
    assert format_duration(seconds) == text


def test_folded_lines_are_indented_and_keep_units_together() -> None:
    """At least twenty columns are used; further lines are two columns further right than the first."""
    assert fold("one two three four five", 20) == "one two three four\n  five"
    assert fold("one two three four five", 5) == fold("one two three four five", 20)
    assert fold("    one two three four five", 21) == "    one two three\n      four five"
    assert fold("one two three four five", 20, 8) == "one two three four\n        five"
    assert fold("takes as long as 12 GB of it", 20) == "takes as long as\n  12 GB of it"
    assert fold("a\nb", 20) == "a\nb"
    assert fold("x" * 30, 20) == "x" * 30
    assert count(1, "clip") == "1 clip"
    assert count(0, "clip") == "0 clips"
