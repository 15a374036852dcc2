"""JavaScript challenges: the real yt-dlp and deno solve a test challenge; messages if they do not."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from shared import slow_unless

import hdtf_async
from hdtf_async import ExitCode, Options, Reason, demo
from hdtf_async.core import preflight
from hdtf_async.core.failures import Failure
from hdtf_async.core.preflight import Status
from hdtf_async.process import supervisor
from hdtf_async.youtube import javascript
from hdtf_async.youtube.javascript import JavaScript, private_cache
from hdtf_async.youtube.ytdlp import YtDlp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdtf_async.core.preflight import CheckResult

LIMIT = 16 << 30
"""Bytes of address space: more than everything else here needs, and less than deno reserves."""
NODE = shutil.which("node")
PRLIMIT = shutil.which("prlimit")


async def looked_at(
    options: Options, directory: Path, environment: Mapping[str, str] | None = None
) -> CheckResult:
    """Return the result of the test challenge with these options."""
    tool = YtDlp(options, directory / "ffmpeg", environment=environment)
    return await JavaScript(options, tool).look(directory)


def runtime(tmp_path: Path, script: str, name: str = "deno", version: str = "deno 2.9.8") -> Options:
    """Return options that make yt-dlp use a fake runtime, a shell script."""
    program = tmp_path / name
    program.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; exit; fi\n{script}\n')
    program.chmod(0o755)
    return Options(yt_dlp_args=("--no-js-runtimes", "--js-runtimes", f"{name}:{program}"))


def locked(stack: ExitStack, cache: Path) -> None:
    """Fill a deno cache, and lock it as another deno might."""
    deno = Path(sys.executable).with_name("deno")
    subprocess.run(
        [deno, "run", "--ext=js", "-"], input=b"1", env=os.environ | {"DENO_DIR": str(cache)}, check=True
    )
    databases = [*cache.glob("*_cache_v2")]
    assert databases
    for path in databases:
        stack.enter_context(closing(sqlite3.connect(path))).execute("BEGIN EXCLUSIVE")


async def test_the_real_deno_solves_it_in_a_private_cache(tmp_path: Path) -> None:
    """The cache is private, used, and deleted at the end; nothing is left elsewhere."""
    async with private_cache() as environment:
        cache = Path(environment["DENO_DIR"])
        assert stat.S_IMODE(cache.stat().st_mode) == 0o700
        assert cache.parent == Path(tempfile.gettempdir())
        sign = await looked_at(Options(), tmp_path, environment)
        assert [*cache.iterdir()]
    assert sign.verdict is Status.FINE
    assert sign.words.startswith("deno-")
    assert "solved a test challenge" in sign.words
    assert not cache.exists()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("what", slow_unless(("home", "locked"), {"locked"}))
async def test_neither_a_missing_home_nor_a_locked_cache_matters(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deno that waits for the lock would take longer than the threshold for slow ones."""
    with ExitStack() as stack:
        if what == "locked":
            locked(stack, tmp_path / ".cache/deno")
            monkeypatch.setenv("HOME", str(tmp_path))
            monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        else:
            monkeypatch.delenv("HOME")
        async with private_cache() as environment:
            sign = await looked_at(Options(), tmp_path, environment)
    assert sign.verdict is Status.FINE, sign.words


@pytest.mark.long
async def test_the_users_own_cache_is_used_and_a_locked_one_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deno waits for three quarters of a minute: a warning, because it works."""
    monkeypatch.setenv("DENO_DIR", str(tmp_path / "cache"))
    with ExitStack() as stack:
        locked(stack, tmp_path / "cache")
        async with private_cache() as environment:
            assert environment == {}
            sign = await looked_at(Options(), tmp_path, environment)
    assert sign.verdict is Status.WARNING
    assert "DENO_DIR" in sign.remedy


async def test_a_missing_temporary_directory_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deno then uses its own cache, and works without one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    async with private_cache() as environment:
        assert environment == {}


@pytest.mark.slow
@pytest.mark.parametrize("command", slow_unless(("doctor", "census", ""), [""]))
@pytest.mark.skipif(not PRLIMIT, reason="limits another program's memory with prlimit")
def test_with_too_little_address_space_nothing_starts(
    command: str, site: demo.LightMock, demo_tables: Path, tmp_path: Path
) -> None:
    """As on the login node of a cluster: exit code 4 before the first request, with cause and remedy."""
    arguments = site.yt_dlp_args.replace("configs,js,", "configs,")
    line = [
        *(sys.executable, "-m", "hdtf_async", *filter(None, [command]), "--json"),
        *("--out", str(tmp_path), "--source", str(demo_tables), f"--yt-dlp-args={arguments}", "--pace", "0"),
    ]
    ended = subprocess.run(
        [PRLIMIT or "", f"--as={LIMIT}", *line], check=False, capture_output=True, text=True
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == ExitCode.LOCAL, output
    assert "17.2 GB of address space (ulimit -v)" in output
    assert "--yt-dlp-args=--no-js-runtimes" in output
    assert "download_started" not in output


@pytest.mark.slow
async def test_a_run_stops_unless_javascript_works_or_is_disabled(
    site: demo.LightMock, demo_tables: Path, tmp_path: Path
) -> None:
    """No request is made before.

    In a run and in a census it has the private cache.
    """
    broken = runtime(tmp_path, f'echo "$DENO_DIR" >> {tmp_path}/caches; echo boom >&2; exit 1').yt_dlp_args
    arguments = tuple(shlex.split(site.yt_dlp_args.replace("configs,js,", "configs,")))
    options = Options(source=demo_tables, pace=0, videos=("Radio2",), yt_dlp_args=(*arguments, *broken))
    before = len(await site.requests())
    report = await hdtf_async.download(tmp_path / "clips", options)
    assert report.stopped is not None
    assert (report.stopped.reason, report.exit_code) == (Reason.JAVASCRIPT, ExitCode.LOCAL)
    assert "boom" in report.stopped.words
    assert (await hdtf_async.census(tmp_path / "0", options, fresh=timedelta())).exit_code == ExitCode.LOCAL
    assert len(await site.requests()) == before
    caches = {Path(line) for line in (tmp_path / "caches").read_text().splitlines()}
    assert len(caches) == 2
    assert {cache.parent for cache in caches} == {Path(tempfile.gettempdir())}
    assert not any(cache.exists() for cache in caches)
    for place, more in (("1", ()), ("2", ("--no-js-runtimes",))):
        options = replace(options, yt_dlp_args=(*arguments, *more))
        assert (
            await hdtf_async.census(tmp_path / place, options, fresh=timedelta())
        ).exit_code == ExitCode.DONE
    assert len(await site.requests()) > before


async def test_it_is_tested_once(tmp_path: Path) -> None:
    """For any number of callers; and each gets the failure."""
    options = runtime(tmp_path, f"echo x >> {tmp_path}/runs; exit 1")
    checked = JavaScript(options, YtDlp(options, tmp_path / "ffmpeg"))
    for _ in range(3):
        with pytest.raises(Failure, match=r"deno-2\.9\.8 cannot run") as failed:
            await checked.require(tmp_path)
        assert failed.value.reason is Reason.JAVASCRIPT
    assert (tmp_path / "runs").read_text().count("x") == 2, "the challenge, and the simplest script"


@pytest.mark.parametrize(
    ("script", "verdict", "message"),
    [
        ("echo cannot write the cache >&2; exit 1", Status.WRONG, "cannot write the cache"),
        pytest.param("kill -KILL $$", Status.WRONG, "was killed", marks=pytest.mark.slow),
        pytest.param("echo '{}'", Status.WRONG, "cannot run", marks=pytest.mark.slow),
        # It runs; the solver does not support the synthetic player script, but may support YouTube's.
        ("grep -q _yt_player && exit 1; echo 42", Status.WARNING, "runs but did not solve"),
    ],
)
async def test_a_runtime_that_fails_is_reported_with_a_remedy(
    script: str, verdict: Status, message: str, tmp_path: Path
) -> None:
    """By its output, or its exit status."""
    sign = await looked_at(runtime(tmp_path, script), tmp_path)
    assert (sign.verdict, message in sign.words) == (verdict, True), sign.words
    assert sign.remedy
    assert sign.reason is (Reason.JAVASCRIPT if verdict is Status.WRONG else Reason.NOT_READY)


@pytest.mark.slow
async def test_a_missing_runtime_is_reported(tmp_path: Path) -> None:
    """If the user has disabled all of them, it is a warning."""
    none = await looked_at(Options(yt_dlp_args=("--no-js-runtimes", "--js-runtimes", "deno:/no")), tmp_path)
    assert (none.verdict, none.reason) == (Status.WRONG, Reason.JAVASCRIPT)
    assert "found no supported JavaScript runtime" in none.words
    off = await looked_at(Options(yt_dlp_args=("--no-js-runtimes",)), tmp_path)
    assert off.verdict is Status.WARNING


@pytest.mark.skipif(not NODE, reason="stands in for a newer node")
@pytest.mark.slow
async def test_the_advice_to_use_node_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the advised option, this machine's node solves the challenge if deno does not work."""
    broken = runtime(tmp_path, "exit 1")
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    runtime(directory, f'exec "{NODE}" "$@"', "node", "v21.9.0")
    assert "install node 22" in (await looked_at(broken, tmp_path)).remedy
    runtime(directory, f'exec "{NODE}" "$@"', "node", "v22.1.0")
    remedy = (await looked_at(broken, tmp_path)).remedy
    assert f"use the installed node: {preflight.NODE}" in remedy
    (advised,) = shlex.split(preflight.NODE)
    options = Options(yt_dlp_args=tuple(advised.partition("=")[2].split()))
    sign = await looked_at(options, tmp_path)
    assert (sign.verdict, sign.words.split()[0]) == (Status.FINE, "node-22.1.0")


@pytest.mark.usefixtures("no_children")
async def test_nothing_is_tested_if_the_player_script_is_skipped(
    site: demo.LightMock, tmp_path: Path
) -> None:
    """Then no challenge is ever solved, and no process is started for it."""
    options = Options(yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)))
    sign = await looked_at(options, tmp_path)
    assert (sign.verdict, "not tested" in sign.words) == (Status.FINE, True)


@pytest.mark.parametrize("printed", ["", "[]", "{}", "nonsense", '{"hdtf_async": {"error": "no such name"}}'])
async def test_a_yt_dlp_that_does_not_load_the_plugin_is_not_blamed(printed: str, tmp_path: Path) -> None:
    """A run continues, and `doctor` says that it was not tested."""
    program = tmp_path / "yt-dlp"
    program.write_text(f"#!/bin/sh\necho '{printed}'; echo yt-dlp: error: no such option >&2; exit 2\n")
    program.chmod(0o755)
    options = Options(yt_dlp=program)
    checked = JavaScript(options, YtDlp(options, tmp_path / "ffmpeg"))
    await checked.require(tmp_path)
    sign = await checked.look(tmp_path, ("deno-2.9.8",))
    assert sign.verdict is Status.FINE
    assert sign.words.startswith("deno-2.9.8 (not tested: ")
    assert "no such" in sign.words


@pytest.mark.slow
async def test_a_users_own_yt_dlp_is_tested_too(tmp_path: Path) -> None:
    """Any real one loads the plugin, wherever it is."""
    sign = await looked_at(Options(yt_dlp=Path(sys.executable).with_name("yt-dlp")), tmp_path)
    assert (sign.verdict, "solved a test challenge" in sign.words) == (Status.FINE, True)


@pytest.mark.slow
async def test_an_incompatible_yt_dlp_is_not_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin returns an error if a name that it needs is missing; no request is made."""
    package = tmp_path / "plugins/challenge"
    shutil.copytree(javascript.PLUGINS / "challenge", package)
    (plugin,) = package.rglob("hdtf_async_challenge.py")
    plugin.write_text(plugin.read_text().replace("_load_player = ", "_renamed = "))
    monkeypatch.setattr(javascript, "PLUGINS", tmp_path / "plugins")
    sign = await looked_at(Options(), tmp_path)
    assert "not tested" in sign.words
    assert sign.verdict is not Status.WRONG


async def test_the_plugin_prints_one_object(tmp_path: Path) -> None:
    """With what the real yt-dlp has found, and the versions."""
    ended = await YtDlp(Options(), tmp_path / "ffmpeg").extract_by_plugin(
        javascript.ADDRESS, javascript.PLUGINS, tmp_path
    )
    assert isinstance(ended, supervisor.Ended)
    found = json.loads(ended.out)["hdtf_async"]
    assert found["enabled"] == ["deno"]
    assert [found["solved_by"]] == found["runtimes"]
    assert found["failed"] == []
