"""README and docs agree with the code, and their commands are run here."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import readme
from example_events import ONE_OF_EACH
from shared import QUICK_WORDS

from hdtf_async.cli import main, signals
from hdtf_async.dataset import clip_lists, rows

if TYPE_CHECKING:
    from shared import Finished

CONTAINER = (
    "podman build -f examples/Containerfile -t hdtf-async .",
    "podman run --rm -v ./clips:/clips:Z --userns=keep-id:uid=1000 hdtf-async --out /clips",
    "podman build -f examples/Containerfile --build-arg EXTRAS=face --build-arg CONSTRAINTS= -t hdtf-async .",
)
RUN_ELSEWHERE = {
    **dict.fromkeys(readme.command("demo").splitlines(), "tests/project/test_packaging.py runs it whole"),
    **dict.fromkeys(readme.command("test").splitlines(), "it is what runs this"),
    **{
        line: ".ci/run"
        for name in ("slow", "browser", "test-extras")
        for line in readme.command(name).splitlines()
    },
    readme.command("test-newest").strip(): ".github/workflows/tests.yml, every week",
    "pip install '.[dask]'": ".ci/run, as part of the extra for the tests",
    "pip install '.[store]'": ".ci/run, as part of the extra for the tests",
    "python benchmarks/sections.py --live --video jNQXAC9IVRw --start 8 --end 11": "a user: it needs YouTube",
    "pip install '.[face]'": ".ci/run, as part of the extra for the tests",
    "pip install '.[face,store]'": ".ci/run, as part of the extra for the tests",
    "python3 -m venv .venv && .venv/bin/pip install .": "test_packaging.py, in the first command",
    "pip install -U 'yt-dlp[default,deno]'": "the tests with the newest yt-dlp",
    "pip install -U bgutil-ytdlp-pot-provider": "nothing: see what the page says was only read",
    "pip uninstall -y imageio-ffmpeg deno": "by hand; tests/unit/media/test_installed_ffmpeg.py in part",
    "chmod 600 cookies.txt": "not of this program",
    "rsync -a clips/ other:/data/clips/": "not of this program",
    **dict.fromkeys(CONTAINER, "tests/project/test_container.py, as far as possible without an engine"),
    "python examples/plain.py clips": "tests/project/test_examples.py",
    "python examples/web_service.py clips": "tests/project/test_examples.py",
    "python examples/shared_limits.py clips": "tests/project/test_examples.py",
    ".venv/bin/pip install -c constraints.txt -e '.[pictures]'": "by hand",
    ".venv/bin/python .github/pictures.py recording": "by hand; tests/project/test_readme.py in part",
    ".venv/bin/python .github/pictures.py screenshot": "by hand",
    ".venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy": ".ci/run",
    ".venv/bin/python -m pytest -m long": "a test command",
    "HDTF_LIVE=1 .venv/bin/python -m pytest tests/live": "test_live_report.py, against the full mock",
}
"""Shell lines that are not run here, and who runs them instead."""


@dataclass(frozen=True)
class Block:
    """A block of shell on a page, or a command within a sentence."""

    page: str
    marker: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its commands without their comments."""
        joined = self.text.replace("\\\n", " ").splitlines()
        return [line for each in joined if (line := re.sub(r"\s+#.*", "", each).strip())]


@cache
def blocks() -> list[Block]:
    """Return all commands of the documentation."""
    found = []
    for page in readme.pages():
        text, name = page.read_text("utf-8"), page.name
        fenced = r"(?:<!-- ([^<>]*) -->\n+)?```sh\n(.*?)```"
        found += [Block(name, marker, shell) for marker, shell in re.findall(fenced, text, re.DOTALL)]
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))
        found += [Block(name, "", span) for span in spans if span.startswith("python -m hdtf_async")]
    return found


def parsed() -> list[tuple[str, str]]:
    """Return page and line of each command line of this program that is only parsed."""
    return [
        (block.page, line)
        for block in blocks()
        if not block.marker.startswith("run")
        for line in block.lines
        if line.startswith("python -m hdtf_async")
    ]


def test_every_command_is_tested_somewhere() -> None:
    """It is parsed or run here, or listed with who runs it instead."""
    tested = {line for _, line in parsed()} | RUN_ELSEWHERE.keys()
    lines = {line for block in blocks() if not block.marker.startswith("run") for line in block.lines}
    assert lines <= tested
    assert len(parsed()) > 15


@pytest.mark.parametrize(("page", "line"), parsed())
def test_command_lines_of_the_docs_are_valid(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real parser accepts it; a command that needs YouTube is not started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cookies.txt").write_text("# Netscape HTTP Cookie File\n")
    (tmp_path / "clips.lock.json").write_text('{"format": 1, "settings": {}, "clips": [{}]}')
    monkeypatch.setattr(signals, "until_signal", lambda _work, **_more: 0)
    # Words in capitals are placeholders.
    arguments = shlex.split(line.replace("[", "").replace("]", ""))[3:]
    try:
        code = main.main(arguments)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else -1
    assert code == 0, f"{page}: {line}"


def _shell(text: str, where: Path) -> str:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", text],
        cwd=where, env=environ, check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "block", [block for block in blocks() if block.marker == "run"], ids=lambda b: b.page
)
def test_commands_marked_to_run_work(block: Block, tmp_path: Path) -> None:
    """Unmodified, in an empty directory, by the shell."""
    assert _shell(block.text, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "block", [block for block in blocks() if block.marker == "run: long"], ids=lambda block: str(block.page)
)
def test_commands_marked_to_run_long_work(block: Block, tmp_path: Path) -> None:
    """The same, for commands that render the demo's footage."""
    assert _shell(block.text, tmp_path)


def test_generated_tables_and_schema_are_up_to_date() -> None:
    """`python tests/support/readme.py write` updates them; each is on one page."""
    for page in readme.pages():
        text = page.read_text(encoding="utf-8")
        assert text == readme.with_tables(text), page.name
    whole = "".join(page.read_text(encoding="utf-8") for page in readme.pages())
    assert {name: whole.count(f"<!-- table: {name} -->") for name in readme.TABLES} == dict.fromkeys(
        readme.TABLES, 1
    )
    assert readme.SCHEMA.read_text(encoding="utf-8") == readme.events_schema()


def test_the_lists_of_clips_in_the_docs_are_valid(tmp_path: Path) -> None:
    """Each example of a list is read without a finding, and that of a program, too."""
    text = (readme.DOCS / "datasets.md").read_text("utf-8")
    read = []
    for suffix, language in (("csv", "csv"), ("jsonl", "json")):
        (example,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        (tmp_path / f"list.{suffix}").write_text(example, encoding="utf-8")
        read.append(clip_lists.read(tmp_path / f"list.{suffix}"))
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ast.parse(program)
    (given,) = re.findall(r"^rows = (.*)$", program, re.MULTILINE)
    read.append(rows.assemble(ast.literal_eval(given)))
    assert [(len(tables.clips), tables.findings) for tables in read] == [(2, ()), (1, ()), (1, ())]


@cache
def _schema() -> jsonschema.Draft202012Validator:
    schema = json.loads(readme.SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: str(event.type))
def test_the_schema_accepts_exactly_the_events(event: Any) -> None:
    """Not with a missing or additional field, or one of another type."""
    record = json.loads(json.dumps(event.to_json()))
    assert _schema().is_valid(record)
    assert not _schema().is_valid(record | {"more": 1})
    assert not _schema().is_valid(record | {"type": "another"})
    for name in record:
        assert not _schema().is_valid({other: value for other, value in record.items() if other != name})
        assert not _schema().is_valid(record | {name: {"more": [3.5]}})


@pytest.mark.slow
def test_the_schema_accepts_the_output_of_a_run(finished: Finished, tmp_path: Path) -> None:
    """Each line of a real run's --json, with a failure in it, from the first to the last."""
    command = [sys.executable, "-m", "hdtf_async", "--out", str(tmp_path / "out"), "--json"]
    command += ["--source", str(finished.options.source), "--video", "Radio2", "--pace", "0", "--fps", "25"]
    command += [*QUICK_WORDS, f"--yt-dlp-args={shlex.join(finished.options.yt_dlp_args)}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["type"] for line in lines} >= {"run_started", "raw_ready", "clip_done", "run_ended"}
    for line in lines:
        _schema().validate(line)


def test_links_between_the_pages_are_valid() -> None:
    """To an existing file, and to one of its headings."""
    followed = headings = 0
    for page in [*readme.pages(), readme.ROOT / "CHANGELOG.md", readme.ROOT / "SECURITY.md"]:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if link.startswith("https:"):
                continue
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {link}"
            if heading:
                titles = re.findall(r"(?m)^#+ (.*)", target.read_text("utf-8"))
                slugs = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
                assert heading in slugs, f"{page.name}: {link}"
            followed, headings = followed + 1, headings + bool(heading)
    assert followed >= 50, "the links of README and docs were not found"
    assert headings >= 5


def test_the_readme_is_short() -> None:
    """Short enough to be read completely, and with the two commands that come first."""
    text = readme.README.read_text("utf-8")
    assert len(text.splitlines()) <= 170
    assert re.findall(r"<!-- command: (.*?) -->", text) == ["demo", "test"]


def test_the_readme_has_three_sentences_about_using_the_clips() -> None:
    """About the tables' licence, YouTube's terms, and the people shown."""
    (text,) = re.findall(r"(?s)Using the clips: (.*)", readme.README.read_text("utf-8"))
    sentences = re.findall(r"[^.]+\.", " ".join(text.split()))
    subjects = ("licence of the tables", "YouTube's terms", "people shown")
    assert len(sentences) == 3
    assert all(subject in sentence for subject, sentence in zip(subjects, sentences, strict=True))
