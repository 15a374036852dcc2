"""What all tests share: one footage, one stand-in, one finished demo directory, each made once."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from shared import Finished, exported

import hdtf_async
from hdtf_async import Options, demo

if TYPE_CHECKING:
    from collections.abc import Iterator


# A shell that starts the tests in the background has SIGINT ignored, and the program leaves that as it is.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

# How long an example takes says more about the machine than about what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


_NEEDED = {
    "unit/media/face/test_finder.py": "skimage",
    "end_to_end/test_object_store.py": "moto",
    "end_to_end/test_cluster.py": "distributed",
}
collect_ignore = [name for name, package in _NEEDED.items() if not find_spec(package)]
"""Without the extras ``test-face``, ``test-bucket``, ``test-dask`` not even the imports of these work;
whoever asks for their tests then gets none."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The program is written for asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What whoever runs the tests has set for the program is not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("no settings")))
        for name in [name for name in os.environ if name.startswith("HDTF_ASYNC_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def footage() -> Path:
    """The demo's films."""
    return demo.FOOTAGE


@pytest.fixture(scope="session")
def demo_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's tables."""
    directory = tmp_path_factory.mktemp("tables")
    demo.write_tables(directory)
    return directory


@pytest.fixture(scope="session")
def site(footage: Path) -> Iterator[demo.StandIn]:
    """The stand-in, with plain answers; its certificate is trusted by children started meanwhile."""
    # On a loop of its own: an async fixture of the session would hold one loop for all tests.
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(demo.stand_in(footage)) as site,
        exported(site.environment),
    ):
        yield site


@pytest.fixture(scope="session")
def finished(site: demo.StandIn, demo_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The demo, run once from the tables to the last clip."""
    out = tmp_path_factory.mktemp("demo") / "clips"
    options = Options(source=demo_tables, pace=0, yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)))
    report = anyio.run(hdtf_async.download, out, options)
    return Finished(out, options, report, len(anyio.run(site.requests)))


@pytest.fixture(scope="session")
def newest_yt_dlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest yt-dlp of PyPI, in an environment of its own: what a user gets who installs today."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "newest-yt-dlp"
    program = directory / "bin" / "yt-dlp"
    install = [str(directory / "bin" / "pip"), "--disable-pip-version-check", "install", "-q"]
    with directory.with_suffix(".lock").open("w") as lock:  # tests may run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in ([sys.executable, "-m", "venv", str(directory)], [*install, "yt-dlp[default,deno]"]):
            if program.exists():
                break
            ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
            if ended.returncode != 0:
                pytest.fail(f"the newest yt-dlp could not be installed: {words}\n{ended.stderr[-2000:]}")
    return program


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path | None:
    """The yt-dlp that a test is about; None is the installed one."""
    newest: Path | None = request.getfixturevalue("newest_yt_dlp") if request.param == "newest" else None
    return newest


_forbidden: list[str] = []
_watched = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and event == "subprocess.Popen":
        _forbidden.append(f"{arguments[1]}")


sys.addaudithook(_watch)


@pytest.fixture
def no_children() -> Iterator[None]:
    """Fail the test if it starts a process, by whatever way of Python's."""
    global _watched  # noqa: PLW0603 - an audit hook cannot be taken out again
    _forbidden.clear()
    _watched = True
    yield
    _watched = False
    assert _forbidden == []
