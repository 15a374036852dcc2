"""Options from a file or the environment: precedence and errors."""

from __future__ import annotations

import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hdtf_async.cli import main, settings
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.option_fields import flag_of
from hdtf_async.core.options import Options
from hdtf_async.core.printing import Printing
from hdtf_async.report import page, reproducibility

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio

EVERY = {
    "source": Path("/tables"),
    "subsets": ("RD", "WDA"),
    "fps": Fraction(25),
    "limit_rate": 10_000_000,
    "yt_dlp_args": ("--extractor-args", "youtube:player_client=web"),
    "raw_dirs": (Path("/raws"), Path("/more")),
    "keep_raw": False,
    "log_level": "debug",
}
"""One field of each kind, and a value for it."""
IN_FILE = """
source = "/tables"
subset = ["RD", "WDA"]
fps = 25
limit-rate = "10M"
yt_dlp_args = ["--extractor-args", "youtube:player_client=web"]
raw-dir = ["/raws", "/more"]
keep-raw = false
log-level = "debug"
"""


def write(home: Path, text: str) -> Path:
    """Write the user's config file, and return its path."""
    path = home / ".config" / "hdtf_async" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def values(
    environ: dict[str, str], named: Path | None = None, wanted: set[str] | None = None
) -> dict[str, Any]:
    """Return the values of settings, without their origin."""
    return {name: setting.value for name, setting in settings.read(environ, named, wanted).items()}


def test_a_file_accepts_each_kind_of_option(tmp_path: Path) -> None:
    """Strings, numbers, lists and switches, as in TOML; dashes or underscores."""
    write(tmp_path, IN_FILE)
    assert values({"HOME": str(tmp_path)}) == EVERY


def test_the_environment_accepts_the_same_values_as_the_command_line() -> None:
    """A list is split as a shell would; a switch is written as a word."""
    options = {
        "HDTF_ASYNC_SOURCE": "/tables",
        "HDTF_ASYNC_SUBSET": "RD,WDA",
        "HDTF_ASYNC_FPS": "25",
        "HDTF_ASYNC_LIMIT_RATE": "10M",
        "HDTF_ASYNC_YT_DLP_ARGS": "--extractor-args 'youtube:player_client=web'",
        "HDTF_ASYNC_KEEP_RAW": "no",
        "HDTF_ASYNC_LOG_LEVEL": "debug",
    }
    assert values(options) == {name: value for name, value in EVERY.items() if name != "raw_dirs"}


def test_every_option_has_its_own_key_and_variable() -> None:
    """They follow from its first flag."""
    assert {option.name for option in settings.KEYS.values()} == {
        option.name for what in (Options, Printing) for option in fields(what)
    }
    assert all(f"--{key}" == flag_of(option).names[0] for key, option in settings.KEYS.items())


def test_precedence_is_command_line_then_environment_then_named_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each overrides all later ones, and a list is replaced, not merged."""
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    own = write(tmp_path, 'subset = ["RD"]\nlimit = 1\npace = 100\n')
    named = tmp_path / "named.toml"
    named.write_text('subset = ["WDA"]\nlimit = 2\n')
    monkeypatch.setenv("HDTF_ASYNC_SUBSET", "WRA")

    def planned(*arguments: str) -> dict[str, Any]:
        assert main.main(["plan", "--json", *arguments]) == 0
        plan: dict[str, Any] = json.loads(capsys.readouterr().out)
        return plan

    result = planned("--config", str(named), "--subset", "RD", "--subset", "WDA")
    assert (set(result["subsets"]), result["videos"]) == ({"RD"}, 2)
    assert result["settings"] == {"--pace": f"{own}: pace", "--limit": f"{named}: limit"}
    assert result["least_hours_at_pace"] == round(2 * 100 / 3600, 2)
    result = planned("--config", str(named))
    assert (set(result["subsets"]), result["videos"]) == ({"WRA"}, 2)
    assert result["settings"]["--subset"] == "HDTF_ASYNC_SUBSET"
    monkeypatch.delenv("HDTF_ASYNC_SUBSET")
    assert set(planned("--config", str(named))["subsets"]) == {"WDA"}
    result = planned()
    assert (set(result["subsets"]), result["videos"]) == ({"RD"}, 1)


def test_no_config_file_is_read_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither directly nor through a home directory that is not absolute."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "limit = 1")
    for name in ("config.toml", "hdtf_async.toml", ".hdtf_async.toml"):
        (tmp_path / name).write_text("limit = 1")
    (tmp_path / "hdtf_async").mkdir()
    (tmp_path / "hdtf_async" / "config.toml").write_text("limit = 1")
    for environ in ({}, {"HOME": "."}, {"XDG_CONFIG_HOME": "."}, {"XDG_CONFIG_HOME": ".config", "HOME": ""}):
        assert values(environ) == {}
    assert values({"XDG_CONFIG_HOME": ".", "HOME": str(tmp_path)}) == {"limit": 1}
    assert values({"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/"}) == {"limit": 1}


def test_paths_in_a_file_are_relative_to_the_file_or_home(tmp_path: Path) -> None:
    """They mean the same wherever the program is started; in a variable they are unchanged."""
    file = tmp_path / "settings" / "a.toml"
    file.parent.mkdir()
    file.write_text('source = "tables"\nraw-dir = ["../raws", "~/raws"]\n')
    options = values({}, file)
    assert options["source"] == file.parent / "tables"
    assert options["raw_dirs"] == (file.parent / "../raws", Path("~/raws").expanduser())
    assert values({"HDTF_ASYNC_SOURCE": "tables"}) == {"source": Path("tables").absolute()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("siez = 3", "unknown option siez; did you mean size?"),
        ("size = 255", "size: expected an even number of pixels from 16 to 8192, such as 512 (got 255)"),
        ('size = "big"', "size: expected an even number of pixels from 16 to 8192, such as 512 (got big)"),
        ("size = true", "size: expected an even number"),
        ("size = [16, 18]", "size: expected an even number"),
        ("keep-raw = 1", "keep-raw: expected true or false"),
        ('keep-raw = "yes"', "keep-raw: expected true or false"),
        ('crop = "circle"', "crop: expected table, face or none (got circle)"),
        ('preset = "placebo"', "preset: expected ultrafast"),
        ('subset = [""]', "subset: expected one or more subsets, such as RD,WDA"),
        ("[lanes]\ndownloads = 3", "unknown option lanes"),
        ("[size]\nof = 3", "size: expected an even number"),
        ("limit =", "Invalid value (at end of document)"),
        ('yt-dlp-args = ["--exec", "id"]', "yt-dlp-args: --exec is not allowed"),
        ('cookies = "nowhere"', "nowhere: No such file"),
    ],
)
def test_an_error_in_a_file_names_file_and_key(text: str, message: str, tmp_path: Path) -> None:
    """With the message of the command line, and exit code 2."""
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(OptionsError) as wrong:
        settings.read({}, file)
    assert str(wrong.value).startswith(f"{file}: ")
    assert message in str(wrong.value)
    assert main.main(["--out", str(tmp_path / "out"), "--config", str(file)]) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HDTF_ASYNC_SIEZ", "3", "unknown variable HDTF_ASYNC_SIEZ; did you mean HDTF_ASYNC_SIZE?"),
        ("HDTF_ASYNC_SIZE", "255", "HDTF_ASYNC_SIZE: expected an even number"),
        ("HDTF_ASYNC_KEEP_RAW", "perhaps", "HDTF_ASYNC_KEEP_RAW: expected true or false"),
    ],
)
def test_an_error_in_the_environment_names_the_variable(name: str, value: str, message: str) -> None:
    """Also if it is misspelt: otherwise users would believe that it is set."""
    with pytest.raises(OptionsError, match=f"^{message}".replace("?", r"\?")):
        settings.read({name: value})


def test_messages_about_settings_contain_no_password(tmp_path: Path) -> None:
    """Neither if it is invalid, nor in its origin."""
    file = tmp_path / "a.toml"
    file.write_text('proxy = "ftp://me:hunter2@example.org"\n')
    with pytest.raises(OptionsError) as wrong:
        settings.read({"HDTF_ASYNC_YT_DLP_ARGS": "--password 'hunter2"})
    assert "hunter2" not in str(wrong.value)
    with pytest.raises(OptionsError) as wrong:
        settings.read({}, file)
    assert "hunter2" not in str(wrong.value)


@pytest.mark.slow
def test_a_command_only_uses_its_own_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other known options are ignored; the demo uses none of the main command's."""
    file = tmp_path / "a.toml"
    file.write_text('cookies = "nowhere"\nsize = 64\n')
    assert values({}, file, {"size"}) == {"size": 64}
    monkeypatch.setenv("HDTF_ASYNC_COOKIES", "/nowhere")
    monkeypatch.setenv("HDTF_ASYNC_RECUT", "true")
    assert main.main(["check", "--out", str(tmp_path / "none"), "--config", "/dev/null"]) == 2
    assert "HDTF_ASYNC_COOKIES: cannot read /nowhere: No such file" in capsys.readouterr().err
    monkeypatch.delenv("HDTF_ASYNC_COOKIES")
    assert main.main(["doctor", "--json", "--ffmpeg", "/nowhere"]) == 4
    assert json.loads(capsys.readouterr().out)["settings"] == {"--recut": "HDTF_ASYNC_RECUT"}


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [(("merge", "--config", "/dev/null"), "--config"), (("check", "--no-report"), "--no-report"),
     (("check", "--scratch", "x"), "--scratch"), (("demo", "--limit", "1"), "--limit")],
    ids=" ".join,
)  # fmt: skip
def test_no_command_offers_options_that_it_would_ignore(
    arguments: tuple[str, ...], unknown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are unknown options."""
    with pytest.raises(SystemExit):
        main.main([*arguments, "--out", str(tmp_path)])
    assert f"unrecognized arguments: {unknown}" in capsys.readouterr().err


def test_report_uses_settings_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Including errors in them."""
    seen: list[tuple[Path, float]] = []

    async def write(_out: Path, *, tool: Callable[[], Path], encodes: anyio.CapacityLimiter) -> str:
        seen.append((tool(), encodes.total_tokens))
        return ""

    async def nothing(_out: Path) -> list[Path]:
        return []

    monkeypatch.setattr(page, "write", write)
    monkeypatch.setattr(reproducibility, "write", nothing)
    file = tmp_path / "a.toml"
    file.write_text('ffmpeg = "mine"\n')
    monkeypatch.setenv("HDTF_ASYNC_ENCODES", "3")
    assert main.main(["report", "--out", str(tmp_path), "--config", str(file)]) == 0
    assert seen == [(tmp_path / "mine", 3)]
    monkeypatch.setenv("HDTF_ASYNC_ENCODES", "none")
    assert main.main(["report", "--out", str(tmp_path)]) == 2
    assert (
        "HDTF_ASYNC_ENCODES: expected an integer from 1 to 1024, such as 4 (got none)"
        in capsys.readouterr().err
    )
