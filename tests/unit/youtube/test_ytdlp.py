"""yt-dlp as a child process: its input, its access, and its results."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.options import Options
from hdtf_async.process import supervisor
from hdtf_async.youtube import ytdlp
from hdtf_async.youtube.formats import Format
from hdtf_async.youtube.ytdlp import Progress, YtDlp

RENDITION = Format(
    format_id="136", ext="mp4", container="mp4", height=720, width=1280, fps=25.0, vcodec="avc1", acodec=None,
    size=10, size_is_exact=True, protocol="https", duration=1.0,
)  # fmt: skip
INFO: dict[str, Any] = {
    "id": "CPCoMyuBRM0", "title": "x", "extractor": "youtube", "extractor_key": "Youtube",
    "webpage_url": "https://www.youtube.com/watch?v=CPCoMyuBRM0",
    "formats": [{"format_id": "136", "url": "http://x/136"}, {"format_id": "247", "url": "http://x/247"}],
}  # fmt: skip


WORDS = """
def words():
    return shlex.split(open(sys.argv[sys.argv.index("--config-locations") + 1]).read())
"""
"""The arguments in the program's private file."""


def tool(tmp_path: Path, body: str, **options: Any) -> YtDlp:
    """Return a yt-dlp whose program is a script with this body; `sys`, `os` and `json` are imported."""
    program = tmp_path / "yt-dlp"
    program.write_text(f"#!{sys.executable} -IS\nimport json, os, shlex, sys\n{WORDS}{body}\n")
    program.chmod(0o755)
    return YtDlp(replace(Options(yt_dlp=program), **options), tmp_path / "ffmpeg")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """The private directory of a video."""
    directory = tmp_path / "private"
    directory.mkdir(mode=0o700)
    return directory


async def fetched(yt_dlp: YtDlp, private: Path) -> Reason | None:
    """Download and return the reason of the failure, if it failed."""
    try:
        await yt_dlp.fetch(INFO, RENDITION, private / "raw.mp4", lambda _: None)
    except Failure as failure:
        return failure.reason
    return None


async def test_an_id_cannot_be_mistaken_for_an_option(tmp_path: Path, private: Path) -> None:
    """The URL follows `--`, and is the only argument there."""
    yt_dlp = tool(tmp_path, "print(json.dumps({'id': '-exec_touch', 'argv': sys.argv[1:]}))")
    argv = (await yt_dlp.extract("-exec_touch", private))["argv"]
    assert argv[-2:] == ["--", "https://www.youtube.com/watch?v=-exec_touch"]
    assert argv[0] == "--ignore-config"
    assert "--no-warnings" not in argv


async def test_the_passed_information_has_one_format_and_no_page_url(tmp_path: Path, private: Path) -> None:
    """With the page's URL yt-dlp would query YouTube again if a download fails."""
    body = """
said = json.load(sys.stdin)
open("said.json", "w").write(json.dumps(said))
open(sys.argv[sys.argv.index("-o") + 1], "w").write("0123456789")
print('FILE "raw.mp4"')"""
    assert await fetched(tool(tmp_path, body), private) is None
    received = json.loads((private / "said.json").read_text())
    assert [entry["format_id"] for entry in received["formats"]] == ["136"]
    assert "webpage_url" not in received


async def test_cookies_are_a_private_copy(tmp_path: Path, private: Path) -> None:
    """yt-dlp writes to its cookies file: the user's own is not changed. The copy has no name."""
    cookies = tmp_path / "my cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n")
    cookies.chmod(0o644)
    body = """
told = words()
given = told[told.index("--cookies") + 1]
found = os.stat(given)
open(given, "r+").write("more")
told = {"mode": found.st_mode, "names": found.st_nlink, "here": os.listdir()}
print(json.dumps({"id": "CPCoMyuBRM0"} | told))"""
    answer = await tool(tmp_path, body, cookies=cookies).extract("CPCoMyuBRM0", private)
    assert stat.S_IMODE(answer["mode"]) == 0o600
    assert (answer["names"], answer["here"]) == (0, [])
    assert cookies.read_text() == "# Netscape HTTP Cookie File\n"


@pytest.mark.slow
async def test_the_real_yt_dlp_uses_the_passed_files(tmp_path: Path, private: Path) -> None:
    """It sends the cookies, and writes new ones to the copy."""
    came: list[str | None] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.append(self.headers["Cookie"])
            self.send_response(HTTPStatus.OK)
            self.send_header("Set-Cookie", "another=fresh; Max-Age=86400")
            self.send_header("Content-Type", "video/mp4")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the library's way to name them

        def log_message(self, *_: object) -> None:
            pass

    cookies = tmp_path / "cookies.txt"
    row = "127.0.0.1\tFALSE\t/\tFALSE\t2147483647\tSID\told\n"
    cookies.write_text(f"# Netscape HTTP Cookie File\n{row}")
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/film.mp4"
        options = Options(cookies=cookies, proxy="")
        async with YtDlp(options, tmp_path / "ffmpeg")._called(private) as called:
            ended = await supervisor.run(
                called.with_arguments("-J", "--", address, max_stdout=1 << 20), deadline=60
            )
            written = os.pread(called.inherit_fds[0], 10_000, 0)
        server.shutdown()
    assert ended.code == 0, ended.stderr
    assert came[0] == "SID=old"
    assert b"SID\told" in written
    assert b"another\tfresh" in written
    assert (os.listdir(private), cookies.read_text()) == ([], f"# Netscape HTTP Cookie File\n{row}")  # noqa: PTH208


async def test_passed_files_are_found_in_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output directory may be relative, and contain characters that a shell would expand."""
    monkeypatch.chdir(tmp_path)
    cookies = tmp_path / "cookies"
    cookies.write_text("# Netscape HTTP Cookie File\n")
    private = Path("~", "$HOME")
    private.mkdir(parents=True)
    body = "print(json.dumps({'id': 'CPCoMyuBRM0', 'told': words(), 'cookies': open(words()[-1]).read()}))"
    answer = await tool(tmp_path, body, cookies=cookies).extract("CPCoMyuBRM0", private)
    assert answer["told"][-2] == "--cookies"
    assert answer["cookies"] == cookies.read_text()


async def test_no_user_option_is_on_the_command_line(tmp_path: Path, private: Path) -> None:
    """Other users can read that; the private file is equivalent."""
    body = """
told = sys.argv[sys.argv.index("--config-locations") + 1]
print(json.dumps({
    "id": "CPCoMyuBRM0",
    "argv": sys.argv, "told": words(), "mode": os.stat(told).st_mode, "here": os.listdir()
}))"""
    proxy, own = "http://me:secret@proxy:3128", ("--password", "se'cret #1", "--socket-timeout", "90")
    answer = await tool(tmp_path, body, proxy=proxy, yt_dlp_args=own).extract("CPCoMyuBRM0", private)
    assert "secret" not in " ".join(answer["argv"])
    assert (stat.S_IMODE(answer["mode"]), answer["here"]) == (0o600, [])
    assert answer["told"][-6:] == ["--proxy", proxy, *own]
    assert answer["told"].index("--socket-timeout") < len(answer["told"]) - 6, (
        "the user's own comes last, and counts"
    )


async def test_yt_dlp_keeps_no_cache_unless_the_user_names_one(tmp_path: Path, private: Path) -> None:
    """A user's option comes later, and wins; variables are added to the environment."""
    body = """
about = {"told": words(), "mine": os.environ["MINE"], "path": os.environ["PATH"]}
print(json.dumps({"id": "CPCoMyuBRM0"} | about))"""
    yt_dlp = tool(tmp_path, body, yt_dlp_args=("--cache-dir", "/cache"))
    yt_dlp._environment = {"MINE": "1"}
    answer = await yt_dlp.extract("CPCoMyuBRM0", private)
    assert answer["told"].index("--no-cache-dir") < answer["told"].index("--cache-dir")
    assert (answer["mine"], answer["path"]) == ("1", os.environ["PATH"])


async def test_the_rate_is_passed_on(tmp_path: Path, private: Path) -> None:
    """In bytes per second."""
    body = """
open("argv.json", "w").write(json.dumps(sys.argv))
open("raw.mp4", "w").write("0123456789"); print('FILE "raw.mp4"')"""
    await tool(tmp_path, body).fetch(INFO, RENDITION, private / "raw.mp4", lambda _: None, rate=125_000)
    argv = json.loads((private / "argv.json").read_text())
    assert argv[argv.index("--limit-rate") + 1] == "125000"


async def test_a_rate_limited_download_does_not_time_out(
    tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten bytes may take twice their time at two bytes per second, whatever the least speed."""
    monkeypatch.setattr(ytdlp, "ASK_DEADLINE", 0.0)
    body = "import time; time.sleep(0.5); open('raw.mp4', 'w').write('0123456789'); print('FILE x')"
    hasty = tool(tmp_path, body, least_speed=10**12)
    assert await fetched(hasty, private) is Reason.TIMED_OUT
    await hasty.fetch(INFO, RENDITION, private / "raw.mp4", lambda _: None, rate=2)


async def test_missing_cookies_are_reported(tmp_path: Path, private: Path) -> None:
    """With the name of the option and of the file, also if they are deleted during a run."""
    cookies = tmp_path / "none.txt"
    cookies.touch()
    yt_dlp = tool(tmp_path, "sys.exit('never')", cookies=cookies)
    cookies.unlink()
    with pytest.raises(Failure, match=r"--cookies .*none\.txt") as failed:
        await yt_dlp.extract("CPCoMyuBRM0", private)
    assert failed.value.reason is Reason.COOKIES_NEEDED


@pytest.mark.parametrize(
    "printed",
    ["''", "'not json'", "'[1]'", "'null'", "'{\"half\": '", "'{\"id\":' * 200_000", "'[' * 200_000"],
)
async def test_invalid_output_is_a_failure(printed: str, tmp_path: Path, private: Path) -> None:
    """Exit code 0 alone is not enough, and deep nesting is rejected."""
    with pytest.raises(Failure) as failed:
        await tool(tmp_path, f"print({printed})").extract("CPCoMyuBRM0", private)
    assert failed.value.reason is Reason.UNKNOWN


@pytest.mark.parametrize("value", ['{"id": "another_id1"}', '{"id": null}', '{"id": ["CPCoMyuBRM0"]}', "{}"])
async def test_the_information_of_another_video_is_a_failure(
    value: str, tmp_path: Path, private: Path
) -> None:
    """Its clip would be recorded under the requested id."""
    with pytest.raises(Failure) as failed:
        await tool(tmp_path, f"print({value!r})").extract("CPCoMyuBRM0", private)
    assert failed.value.reason is Reason.WRONG_VIDEO


async def test_an_error_about_another_video_says_nothing_about_the_requested_one(
    tmp_path: Path, private: Path
) -> None:
    """A private trailer does not make the video private."""
    for name, reason in (("another_id1", Reason.WRONG_VIDEO), ("CPCoMyuBRM0", Reason.PRIVATE)):
        with pytest.raises(Failure) as failed:
            await tool(tmp_path, f"sys.exit('ERROR: [youtube] {name}: Private video')").extract(
                "CPCoMyuBRM0", private
            )
        assert failed.value.reason is reason


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["--extractor-args", "youtube:formats=duplicate"]),
        (["--extractor-args", "generic:x=1"], [..., ..., "--extractor-args", "youtube:formats=duplicate"]),
        (["--extractor-args", "youtube:lang=de"], [..., "youtube:lang=de;formats=duplicate"]),
        (
            ["--extractor-args=YouTube:lang=de", "-v"],
            ["--extractor-args=YouTube:lang=de;formats=duplicate", ...],
        ),
        (["--extractor-args", "youtube:formats=dashy"], [..., "youtube:formats=dashy"]),
        (
            ["--extractor-args", "youtube:a=1", "--extractor-args", "youtube:b=2"],
            [..., "youtube:a=1", ..., "youtube:b=2;formats=duplicate"],
        ),
        (["--username", "youtube:me"], ["--username", "youtube:me", "--extractor-args", ...]),
    ],
)
def test_extractor_arguments_are_added_to_those_of_the_user(given: list[str], expected: list[Any]) -> None:
    """yt-dlp would use a second option instead of them; the user's values are kept."""
    got = ytdlp.with_extractor_args(given, "formats=duplicate")
    assert len(got) == len(expected)
    assert all(wanted in {..., one} for one, wanted in zip(got, expected, strict=True))
    assert ytdlp.with_extractor_args(given, "") == given


async def test_the_passed_information_does_not_make_yt_dlp_rewrite_the_file(
    tmp_path: Path, private: Path
) -> None:
    """With a stretched ratio it would, and the file would not have the announced size."""
    body = """
open("said.json", "w").write(sys.stdin.read())
open("raw.mp4", "w").write("0123456789"); print('FILE x')"""
    info = INFO | {"formats": [INFO["formats"][0] | {"stretched_ratio": 1.5}], "stretched_ratio": 1.5}
    await tool(tmp_path, body).fetch(info, RENDITION, private / "raw.mp4", lambda _: None)
    assert "stretched" not in (private / "said.json").read_text()


@pytest.mark.slow
async def test_the_wait_before_a_download_does_not_count_as_stalled(tmp_path: Path, private: Path) -> None:
    """yt-dlp waits until the end of an advertisement; a time in the far future is ignored."""
    body = "import time; time.sleep(2); open('raw.mp4', 'w').write('0123456789'); print('FILE x')"
    yt_dlp = tool(tmp_path, body, stall_timeout=1.0)
    for ahead, reason in ((30, None), (10**9, Reason.STALLED), (float("nan"), Reason.STALLED)):
        info = INFO | {"formats": [INFO["formats"][0] | {"available_at": time.time() + ahead}]}
        failed = None
        try:
            await yt_dlp.fetch(info, RENDITION, private / "raw.mp4", lambda _: None)
        except Failure as failure:
            failed = failure.reason
        assert failed is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("print('FILE x')", Reason.RAW_TRUNCATED),
        ("open('raw.mp4', 'w').write('0123456789')", Reason.RAW_TRUNCATED),
        ("open('raw.mp4', 'w').write('012345678'); print('FILE x')", Reason.RAW_TRUNCATED),
        ("os.symlink('/etc/passwd', 'raw.mp4'); print('FILE x')", Reason.RAW_TRUNCATED),
        ("sys.exit('ERROR: unable to download video data: HTTP Error 403: Forbidden')", Reason.FORBIDDEN),
        ("sys.exit('ERROR: [download] Got error: 7 bytes read, 3 more expected')", Reason.NETWORK),
        ("sys.exit('ERROR: words that nobody has heard')", Reason.UNKNOWN),
    ],
)
async def test_success_is_exit_0_a_line_and_the_announced_bytes(
    body: str, reason: Reason, tmp_path: Path, private: Path
) -> None:
    """If one of the three is missing, it is a failure with its reason."""
    assert await fetched(tool(tmp_path, body), private) is reason


async def test_an_invalid_entry_among_the_formats_is_skipped(tmp_path: Path, private: Path) -> None:
    """For example null."""
    body = "open('raw.mp4', 'w').write('0123456789'); print('FILE x')"
    info = INFO | {"formats": [None, "x", *INFO["formats"]]}
    await tool(tmp_path, body).fetch(info, RENDITION, private / "raw.mp4", lambda _: None)
    assert (private / "raw.mp4").read_bytes() == b"0123456789"


async def test_progress_is_read_from_any_lines(tmp_path: Path, private: Path) -> None:
    """NA, half a line, a list, text and negative numbers are ignored; valid numbers are passed on."""
    body = """
for line in ("PROG NA", "PROG {", "PROG [1]",
             'PROG {"downloaded_bytes": "x"}', 'PROG {"downloaded_bytes": -1}',
             "PROG " + '{"a":' * 100_000, 'PROG {"downloaded_bytes": 1, "speed": ' + "9" * 400 + "}",
             'PROG {"downloaded_bytes": 4, "total_bytes": 10, "speed": 2.5}', "PROG", "noise",
             'PROG {"downloaded_bytes": 10, "total_bytes_estimate": 10.0, "speed": null}'):
    print(line)
open("raw.mp4", "w").write("0123456789")
print("FILE x")"""
    seen: list[Progress] = []
    await tool(tmp_path, body).fetch(INFO, RENDITION, private / "raw.mp4", seen.append)
    assert seen == [Progress(1, None, None), Progress(4, 10, 2.5), Progress(10, 10, None)]
