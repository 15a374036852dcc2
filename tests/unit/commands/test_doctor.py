"""`doctor` checks the real tools; a run refuses early what would fail for every video."""

from __future__ import annotations

import json
import shlex
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from shared import QUICK, exported

import hdtf_async
from hdtf_async import ExitCode, Options, Reason, demo
from hdtf_async.cli import main
from hdtf_async.commands import doctor
from hdtf_async.core.preflight import Status, is_ready
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.output.directory import open_directory

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

    from hdtf_async.core.preflight import CheckResult

TOKENS = """
from yt_dlp.extractor.youtube.pot.provider import PoTokenProvider, PoTokenResponse, register_provider


@register_provider
class TokensPTP(PoTokenProvider):
    PROVIDER_VERSION = "1.0"
    BUG_REPORT_LOCATION = "nowhere"
    _SUPPORTED_CLIENTS = None
    _SUPPORTED_CONTEXTS = None

    def is_available(self):
        return True

    def _real_request_pot(self, request):
        return PoTokenResponse(po_token="dG9rZW4tb2YtYS1wbHVnaW4=")
"""
"""A yt-dlp plugin that provides PO tokens, as users may have installed one."""


def by_subject(signs: list[CheckResult]) -> dict[str, CheckResult]:
    """Return check results by their subject."""
    assert len({sign.subject for sign in signs}) == len(signs)
    return {sign.subject: sign for sign in signs}


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """Install a plugin in the user's own directory; return the environment for it."""
    module = tmp_path / "config/yt-dlp/plugins/tokens/yt_dlp_plugins/extractor/getpot_tokens.py"
    module.parent.mkdir(parents=True)
    module.write_text(TOKENS)
    archive = module.parents[3] / "more.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("yt_dlp_plugins/postprocessor/packed.py", "")
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.mark.slow
async def test_a_working_machine_is_ready(tmp_path: Path, plugin: dict[str, str]) -> None:
    """Every tool is listed with its version, plugins too; nothing is left in the directory."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t0\tSID\tsecret-value\n")
    out = tmp_path / "not" / "there"
    with exported(plugin):
        signs = by_subject(await doctor.examine(Options(cookies=cookies, min_free=0), out))
    assert is_ready(signs.values())
    assert [*signs] == [
        "yt-dlp", "JavaScript", "plugins", "ffmpeg", "codecs", "PyAV", "cookies", "directory", "disk",
    ]  # fmt: skip
    assert signs["JavaScript"].words.startswith("deno-")
    assert signs["plugins"].words == "getpot_tokens, packed (1 for PO tokens)"
    assert str(bundled_ffmpeg()) in signs["ffmpeg"].words
    assert "352 downloads" in signs["disk"].words
    assert "secret-value" not in f"{signs}"
    assert {path.name for path in tmp_path.iterdir()} == {"config", "cookies.txt"}


async def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """No yt-dlp, no ffmpeg, a file in place of the directory, invalid cookies: each with a remedy."""
    tool, cookies, out = tmp_path / "tool", tmp_path / "cookies.txt", tmp_path / "file"
    tool.write_text("#!/bin/sh\necho hello; echo hello >&2; exit 2\n")
    tool.chmod(0o755)
    cookies.write_text("hello\n")
    out.touch()
    options = Options(cookies=cookies, ffmpeg=tmp_path / "nowhere", yt_dlp=tool)
    signs = by_subject(await doctor.examine(options, out))
    assert {name for name, sign in signs.items() if sign.verdict is Status.WRONG} == {
        "yt-dlp", "ffmpeg", "cookies", "directory",
    }  # fmt: skip
    assert all(sign.remedy for sign in signs.values() if sign.verdict is Status.WRONG)
    (nothing,) = (await doctor.examine(replace(options, yt_dlp=tmp_path / "nowhere")))[:1]
    assert (nothing.verdict, nothing.reason) == (Status.WRONG, Reason.TOOL_MISSING)


@pytest.mark.slow
async def test_a_full_disk_and_a_busy_directory_are_detected(tmp_path: Path) -> None:
    """From another process, whose lock is not taken."""
    async with open_directory(tmp_path):
        signs = by_subject(await doctor.examine(Options(min_free=10**17), tmp_path))
    assert signs["directory"].verdict is Status.WARNING
    assert "another run" in signs["directory"].words
    assert (signs["disk"].verdict, signs["disk"].reason) == (Status.WRONG, Reason.DISK_FULL)


@pytest.mark.slow
def test_the_command_prints_ready_or_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of text or one JSON object; exit code 0 or 4."""
    assert main.main(["doctor", "--out", str(tmp_path), "--min-free", "0", "--limit", "1"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith("Ready.\n")
    arguments = ["doctor", "--json", "--out", str(tmp_path), "--ffmpeg", str(tmp_path / "nowhere")]
    assert main.main(arguments) == ExitCode.LOCAL
    report = json.loads(capsys.readouterr().out)
    assert report["ready"] is False
    (wrong,) = (sign for sign in report["signs"] if sign["verdict"] == "wrong")
    assert wrong["subject"] == "ffmpeg"
    assert wrong["what_to_do"]


@pytest.mark.parametrize("what", ["cookies", "ffmpeg"])
async def test_a_run_does_not_start_if_every_video_would_fail(
    what: str, finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """Exit code 4, a message, and no request to YouTube; in a finished directory it does not matter."""
    cookies, ffmpeg = tmp_path / "cookies.txt", tmp_path / "ffmpeg"
    cookies.write_text('[{"name": "SID", "value": "secret-value"}]')
    ffmpeg.write_text("#!/bin/sh\necho ffmpeg version 7.0.2-static Copyright\n")
    ffmpeg.chmod(0o755)
    bad = {"cookies": cookies} if what == "cookies" else {"ffmpeg": ffmpeg}
    before = len(await site.requests())
    report = await hdtf_async.download(tmp_path / "clips", replace(finished.options, **bad))  # type: ignore[arg-type]
    assert report.exit_code == ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.NOT_READY
    assert "secret-value" not in f"{report.stopped}"
    assert len(await site.requests()) == before
    assert (await hdtf_async.download(finished.out, replace(finished.options, **bad))).exit_code == 0  # type: ignore[arg-type]


@pytest.mark.slow
async def test_cookies_do_not_matter_without_downloads(finished: Finished, tmp_path: Path) -> None:
    """Clips are created from existing videos, even on a nearly full disk."""
    (tmp_path / "cookies.txt").write_text("hello\n")
    options = replace(
        finished.options, raw_dirs=(finished.out / "_videos_raw",), videos=("Radio2",),
        cookies=tmp_path / "cookies.txt", min_free=10**17, **QUICK,
    )  # fmt: skip
    assert (await hdtf_async.download(tmp_path / "clips", options)).exit_code == ExitCode.DONE


@pytest.mark.slow
async def test_a_users_token_provider_is_used(
    finished: Finished, site: demo.LightMock, tmp_path: Path, plugin: dict[str, str]
) -> None:
    """Without the plugin a client that needs PO tokens fails, and so does the video."""
    mweb = site.yt_dlp_args.replace("player_skip=", "player_client=mweb;player_skip=")
    options = replace(finished.options, yt_dlp_args=tuple(shlex.split(mweb)), videos=("Radio2",), **QUICK)
    without = await hdtf_async.download(tmp_path / "clips", options)
    assert without.reasons == {Reason.UPDATE_NEEDED: without.asked}
    with exported(plugin):
        report = await hdtf_async.download(tmp_path / "clips", options)
    assert report.exit_code == ExitCode.DONE
    assert "pot=" in (await site.requests())[-1]["path"]


@pytest.mark.slow
def test_expired_cookies_are_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 4 if all have expired; one valid cookie is enough."""
    cookies = tmp_path / "cookies.txt"
    expired = "# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t1000000000\tSID\tsecret-value\n"
    cookies.write_text(expired)
    assert main.main(["doctor", "--cookies", str(cookies)]) == 4
    output = capsys.readouterr().out
    assert "all expired" in output
    assert output.endswith("Not ready.\n")
    cookies.write_text(f"{expired}.google.com\tTRUE\t/\tTRUE\t0\tSID2\tsecret-value\n")
    assert main.main(["doctor", "--json", "--cookies", str(cookies)]) == 0
    signs = {sign["subject"]: sign for sign in json.loads(capsys.readouterr().out)["signs"]}
    assert signs["cookies"]["verdict"] == "fine"
