"""Shared fixtures, each built once: the footage, the mock server and the finished demo directory."""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from section_runs import Films
from shared import QUICK, Finished, exported, made_once

import hdtf_async
from hdtf_async import Options, demo

if TYPE_CHECKING:
    from collections.abc import Iterator


# A shell starts background jobs with SIGINT ignored, and the program keeps an ignored signal ignored.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

# Where this variable is set, each of the hundreds of processes that the tests start would compile the
# program's modules anew, and each test run the tests' modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The duration of an example depends on the machine more than on the tested code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


_NEEDED = {
    "unit/media/face/test_finder.py": "skimage",
    "unit/media/face/test_yaw.py": "skimage",
    "end_to_end/test_object_store.py": "moto",
    "end_to_end/test_cluster.py": "distributed",
    "unit/cluster/test_driver.py": "distributed",
}
collect_ignore = [name for name, package in _NEEDED.items() if not find_spec(package)]
"""Without the extras ``test-face``, ``test-bucket`` and ``test-dask`` these modules cannot be imported; a
user who selects their tests gets none."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests with a Dask cluster in one process, for several clusters at a time would share the CPUs.

    Those of face detection, too: each process would draw the footage again.
    """
    for item in items:
        for name in ("dask", "face"):
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.xdist_group(name))


def pytest_collection_finish() -> None:
    """Keep modules and tests out of garbage collections, which would traverse them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The program requires asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove the user's environment variables and config file for hdtf_async."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("no settings")))
        for name in [name for name in os.environ if name.startswith("HDTF_ASYNC_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def footage() -> Path:
    """Return the directory of the demo's films."""
    return demo.FOOTAGE


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Return the films of which tests download sections."""
    return Films(tmp_path_factory)


@pytest.fixture(scope="session")
def demo_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the demo's tables."""
    directory = tmp_path_factory.mktemp("tables")
    demo.write_tables(directory)
    return directory


@pytest.fixture(scope="session")
def site(footage: Path) -> Iterator[demo.LightMock]:
    """Run the mock server with default answers; children started meanwhile trust its certificate."""
    # The loop is separate: an async fixture of the session would keep one loop for all tests.
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(demo.light_mock(footage)) as site,
        exported(site.environment),
    ):
        yield site


class _Copy:
    """Copies files, and links those that are links to one file."""

    def __init__(self) -> None:
        self._copies: dict[int, str] = {}

    def __call__(self, source: str, target: str) -> None:
        number = Path(source).stat().st_ino
        if number in self._copies:
            os.link(self._copies[number], target)
        else:
            self._copies[number] = shutil.copy2(source, target)


@pytest.fixture(scope="session")
def finished(site: demo.LightMock, demo_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Run the demo once for all test processes, from the tables to the last clip, and return a copy."""
    options = Options(source=demo_tables, pace=0, yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)))

    def make(directory: Path) -> None:
        before = len(anyio.run(site.requests))
        report = anyio.run(hdtf_async.download, directory / "clips", options)
        (directory / "result").write_bytes(pickle.dumps((report, anyio.run(site.requests)[before:])))

    once = made_once(tmp_path_factory, "finished", make)
    report, requests = pickle.loads((once / "result").read_bytes())  # noqa: S301 - the tests wrote it
    # A copy, because a run holds the lock of its directory.
    out = tmp_path_factory.mktemp("demo") / "clips"
    shutil.copytree(once / "clips", out, copy_function=_Copy())
    return Finished(out, options, report, requests)


@pytest.fixture(scope="session")
def small(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return all clips of the demo again, 64 pixels wide, which are made in little time."""
    options = replace(finished.options, **QUICK)

    def make(directory: Path) -> None:
        again = replace(options, recut=True, yt_dlp_args=("--never-asked",))
        shutil.copytree(finished.out, directory / "clips", copy_function=_Copy())
        report = anyio.run(hdtf_async.download, directory / "clips", again)
        (directory / "result").write_bytes(pickle.dumps(report))

    once = made_once(tmp_path_factory, "small", make)
    report = pickle.loads((once / "result").read_bytes())  # noqa: S301 - the tests wrote it
    out = tmp_path_factory.mktemp("small") / "clips"
    shutil.copytree(once / "clips", out, copy_function=_Copy())
    return Finished(out, options, report, [])


@pytest.fixture(scope="session")
def newest_yt_dlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the newest yt-dlp of PyPI into a separate environment, as for a user who installs today."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "newest-yt-dlp"
    program = directory / "bin" / "yt-dlp"
    install = [str(directory / "bin" / "pip"), "--disable-pip-version-check", "install", "-q"]
    with directory.with_suffix(".lock").open("w") as lock:  # tests may run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ([sys.executable, "-m", "venv", str(directory)], [*install, "yt-dlp[default,deno]"]):
            if program.exists():
                break
            ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            if ended.returncode != 0:
                pytest.fail(f"the newest yt-dlp could not be installed: {command}\n{ended.stderr[-2000:]}")
    return program


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path | None:
    """Return the yt-dlp that a test uses; None is the installed one."""
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
    """Fail the test if it starts a process by any function of Python."""
    global _watched  # noqa: PLW0603 - an audit hook cannot be removed
    _forbidden.clear()
    _watched = True
    yield
    _watched = False
    assert _forbidden == []
