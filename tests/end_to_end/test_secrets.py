"""Cookies, passwords, headers and signed addresses are passed to the real tools and leaked nowhere."""

from __future__ import annotations

import base64
import re
import shlex
import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from shared import QUICK_WORDS, exported

from hdtf_async import ExitCode, Options, OptionsError, demo
from hdtf_async.cli import main
from hdtf_async.demo import Answer, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD, COOKIE, HEADER = (
    "marker-user-Zq7",
    "marker word,Zq8",
    "marker-cookie-Zq9",
    "marker-header-Zq10",
)
SPELLED = {
    *(USER, PASSWORD, COOKIE, HEADER),
    *("marker%20word%2CZq8", "marker%20word,Zq8", "marker+word%2CZq8"),
    *(base64.b64encode(f"{USER}:{word}".encode()).decode() for word in (PASSWORD, "marker%20word%2CZq8")),
}
"""Each secret in all spellings in which a tool could print it."""
SIGNED = re.compile(rb"(?:&|%26|\\u0026)sig(?:=|%3d)[0-9a-f]{8}", re.IGNORECASE)
"""The signature of the mock server's media addresses."""
PRIVATE = Answer(playability={"status": "LOGIN_REQUIRED", "reason": "Private video"})
FORBIDDEN = Answer(media=(Fault(status=HTTPStatus.FORBIDDEN),))


class _Proxy(socketserver.ThreadingTCPServer):
    """A proxy that rejects clients without the password."""

    daemon_threads = True
    allow_reuse_address = True
    let_in = turned_away = 0


class _Through(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        proxy = self.server
        assert isinstance(proxy, _Proxy)
        first, *head = iter(lambda: self.rfile.readline(65536).rstrip(b"\r\n"), b"")
        due = base64.b64encode(f"{USER}:{PASSWORD}".encode())
        if not any(line.lower().startswith(b"proxy-authorization:") and line.endswith(due) for line in head):
            proxy.turned_away += 1
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        proxy.let_in += 1
        method, address, _ = first.split()
        host, port = re.sub(rb"^http://([^/]+).*$", rb"\1", address).split(b":")
        with socket.create_connection((host.decode(), int(port))) as other:
            if method == b"CONNECT":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = re.sub(rb"^http://[^/]+", b"", address)
                kept = (line for line in head if not line.lower().startswith((b"proxy-", b"connection:")))
                request = [method + b" " + path + b" HTTP/1.1", *kept, b"Connection: close", b"", b""]
                other.sendall(b"\r\n".join(request))
            back = threading.Thread(target=_pump, args=(other, self.connection), daemon=True)
            back.start()
            _pump(self.connection, other)
            back.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while chunk := one.recv(65536):
            other.sendall(chunk)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@contextmanager
def proxy() -> Iterator[_Proxy]:
    """Run the proxy on loopback."""
    with _Proxy(("127.0.0.1", 0), _Through) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def leaked(content: bytes) -> list[str]:
    """Return which of the secrets are in some bytes."""
    found = [secret for secret in SPELLED if secret.encode() in content]
    return found + [match.decode() for match in SIGNED.findall(content)]


def below(process: int) -> bytes:
    """Return the command lines of all descendants of a process, which every local user can read.

    The process's own is excluded: the user typed it, and a child has it too until it executes another
    program.
    """
    lines, family = b"", {process}
    own = b"hdtf_async\0--out\0"
    for entry in sorted(Path("/proc").iterdir(), key=lambda path: (len(path.name), path.name)):
        with suppress(OSError, IndexError, ValueError):
            if entry.name.isdigit():
                parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                if int(parent) in family:
                    family.add(int(entry.name))
                    arguments = (entry / "cmdline").read_bytes()
                    lines += b"" if own in arguments else arguments
    return lines


def leaking_yt_dlp(place: Path) -> Path:
    """Write a wrapper of the real yt-dlp that ends by printing all its inputs."""
    path = place / "yt-dlp"
    # Its standard input has the signed addresses.
    path.write_text(f"""#!/bin/sh
case "$*" in
*--load-info-json*) fed=$(cat); echo "$fed" | {shlex.quote(sys.executable)} -m yt_dlp "$@" ;;
*) fed=; {shlex.quote(sys.executable)} -m yt_dlp "$@" ;;
esac
code=$?
inputs=$(cat "$3")
tail -n 2 "$(echo "$inputs" | sed 's/.*--cookies \\([^ ]*\\) .*/\\1/')" >&2
echo "$inputs" >&2
echo "$fed" | tail -c 900 >&2
exit $code
""")
    path.chmod(0o755)
    return path


def arguments_of(site: demo.LightMock, tables: Path, place: Path, port: int, *more: str) -> list[str]:
    """Return the options of a run that uses every kind of secret."""
    cookies = place / "cookies.txt"
    lines = (
        f"{host}\t/\tFALSE\t2147483647\tSID\t{COOKIE}\n"
        for host in (".youtube.com\tTRUE", "127.0.0.1\tFALSE")
    )
    cookies.write_text("# Netscape HTTP Cookie File\n" + "".join(lines))
    header = shlex.join(["--add-headers", f"Authorization:Bearer {HEADER}", *more])
    return [
        *(
            "--yt-dlp",
            str(leaking_yt_dlp(place)),
            "--source",
            str(tables),
            "--pace",
            "0",
            "--retry-wait",
            "0",
            "--cookies",
            str(cookies),
        ),
        *("--proxy", f"http://{USER}:marker%20word%2CZq8@127.0.0.1:{port}"),
        f"--yt-dlp-args={site.yt_dlp_args} {header}",
        *("--video", "Radio1", "--video", "Radio2", "--video", "Speaker1", "--log-level", "debug"),
        *QUICK_WORDS,
    ]


@pytest.mark.parametrize(
    "printing",
    [pytest.param("--json", marks=pytest.mark.slow), pytest.param("--no-progress", marks=pytest.mark.long)],
)
async def test_no_secret_is_leaked_by_a_run(
    footage: Path, demo_tables: Path, tmp_path: Path, printing: str
) -> None:
    """One video is available, one private, one forbidden; files, output and command lines are searched."""
    answers = {"demoHead_01": PRIVATE, "demoHead_03": FORBIDDEN}
    seen = b""
    out = tmp_path / "clips"
    with proxy() as server:
        port = server.server_address[1]
        async with demo.light_mock(footage, answers) as site:
            # With -v yt-dlp prints its options and all its requests.
            arguments = arguments_of(site, demo_tables, tmp_path, port, "-v")
            command = [sys.executable, "-m", "hdtf_async", "--out", str(out), *arguments, printing]
            with exported(site.environment), (tmp_path / "said").open("wb") as log:
                running = subprocess.Popen(command, stdout=log, stderr=log)
                while running.poll() is None:
                    seen += below(running.pid)
                    with suppress(subprocess.TimeoutExpired):
                        running.wait(0.05)
        assert running.returncode == 75, (tmp_path / "said").read_text()
        # The secrets were used: YouTube was reached through the proxy, which required its password.
        assert server.let_in > 5
    output = (tmp_path / "said").read_bytes()
    assert (out / "RD_Radio2_000.mp4").exists()
    assert b"forbidden" in output.lower()
    assert b"yt_dlp" in seen
    assert leaked(output) == []
    assert leaked(seen) == []
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert len(files) > 6
    assert {path.name: found for path, content in files.items() if (found := leaked(content))} == {}


def test_no_secret_is_in_the_repr_of_options() -> None:
    """Neither of valid options nor of rejected ones."""
    options = Options(proxy=f"http://{USER}:{PASSWORD}@host:1", yt_dlp_args=("--add-headers", HEADER))
    assert leaked(repr(options).encode()) == []
    for wrong in ({"proxy": f"ftp://{USER}:{PASSWORD}@host"}, {"yt_dlp_args": (f"--proxy={PASSWORD}",)}):
        with pytest.raises(OptionsError) as error:
            Options(**wrong)
        assert leaked(f"{error.value!r} {error.value}".encode()) == []


@pytest.mark.parametrize(
    "argument",
    [
        f"--yt-dlp-args=--add-headers 'Authorization:{HEADER}",
        f"--proxi=http://{USER}:marker%20word%2CZq8@host:1",
        f"--proxy=http://{USER}:{PASSWORD}@host:port",
        f"--yt-dlp-args=--proxy=http://{USER}:x@host",
        f"--yt-dlp-args=https://{USER}:x@host",
    ],
)
@pytest.mark.parametrize("command", [[], ["plan"], ["census"]], ids=["main", "plan", "census"])
def test_no_secret_is_in_the_message_about_a_wrong_option(
    command: list[str], argument: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A typing error ends with exit code 2, and a log of the terminal contains no password."""
    out = ["--out", str(tmp_path)]
    try:
        code = main.main([*command, *out, argument])
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == ExitCode.USAGE
    output = "".join(capfd.readouterr())
    assert "--proxi" in output or "--proxy" in output or "--yt-dlp-args" in output
    assert leaked(output.encode()) == []
