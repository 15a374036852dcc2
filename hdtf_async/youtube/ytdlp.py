"""Run yt-dlp: extract a video once, then download exactly one format.

A video is extracted with ``-J``; Python chooses the format (`formats`), and only that one is passed back on
stdin (``--load-info-json -``): signed URLs are never written to disk, and yt-dlp has no choice left. The URL
of the page is removed from the passed information, because yt-dlp would otherwise query YouTube again after a
failed download.

Success requires exit code 0, a ``FILE`` line and a file of the announced size; exit code 0 alone is not
enough.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from hdtf_async.core import os_errors, preflight, redact
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.output import atomic
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.stderr import classify
from hdtf_async.youtube import reachability
from hdtf_async.youtube.entries import entries_of
from hdtf_async.youtube.ranges import RANGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.options import Options
    from hdtf_async.core.preflight import CheckResult
    from hdtf_async.youtube.formats import Format

ASK_DEADLINE = 600.0
"""Seconds for extracting a video, mostly without output; a download has as many in addition to its size
divided by the least speed, or by half of its rate limit if that is less."""
ABOUT_DEADLINE = 120.0
"""Seconds for yt-dlp to report about itself."""
LONGEST_WAIT = 600.0
"""Seconds of an advertisement that a download may wait for."""
SAMPLE = 2
"""Number of previously available videos that are queried again, to detect whether YouTube blocks this IP
address."""
_ABOUT = re.compile(r"^ERROR: \[youtube\] ([\w-]{11}): ", re.MULTILINE | re.ASCII)
"""The video that an error is about."""
_INFO_LIMIT = 64 << 20
_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}
"""Environment variables that yt-dlp respects, in lower case."""
_ALWAYS = (
    *("--no-update", "--no-playlist", "--color", "never", "--socket-timeout", "20"),
    *("--extractor-retries", "2", "--retries", "5", "--retry-sleep", "exp=1:20"),
    "--abort-on-unavailable-fragments",
    # The cache is not worth a file in a home directory that may be missing, full or on the network.
    "--no-cache-dir",
)
_RANGES = ("--fixup", "never", "--fragment-retries", "3", "--retry-sleep", "fragment:exp=1:20")
"""Arguments for byte ranges of a file; yt-dlp would ask for a rejected one eleven times without a pause."""
_LARGEST_COOKIES = 16 << 20
"""Maximum size of a cookies file in bytes."""
_KEPT = ("id", "title", "extractor", "extractor_key", "duration", "live_status", "_type")


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a download: bytes so far, total bytes and bytes per second if known."""

    bytes: int
    total: int | None
    speed: float | None


class YtDlp:
    """How yt-dlp is called in this run: the executable, and the user's options."""

    def __init__(
        self,
        options: Options,
        ffmpeg: Path,
        guard: Guard = UNGUARDED,
        environment: Mapping[str, str] | None = None,
        on_other: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`environment` has variables for yt-dlp in addition to those that every child has.

        During a download, `on_other` receives each line of stdout that is neither progress nor the name of
        the file: the output of ``--print-traffic``, with URLs and cookies unredacted.
        """
        # -P: yt-dlp must not be imported from the working directory.
        own = [sys.executable, "-P", "-m", "yt_dlp"]
        self._program = own if options.yt_dlp is None else [str(options.yt_dlp.absolute())]
        self._options = options
        self._ffmpeg = ffmpeg
        self._secrets = _secrets(options)
        self._guard = guard
        self._reached = False
        """Whether the last extraction reached YouTube."""
        self._environment = environment
        self._on_other = on_other

    async def about(self, directory: Path) -> str:
        """Return what yt-dlp reports about itself with these options; `directory` is private to it.

        Raises `Failure`: ``tool_missing``, ``timed_out``, ``cookies_needed``.
        """
        async with self._called(directory) as called:
            # Without a URL it then ends, with an error.
            ended = await supervisor.run(
                called.with_arguments("--verbose"), deadline=ABOUT_DEADLINE, guard=self._guard
            )
        return ended.stderr

    async def extract_by_plugin(self, address: str, plugins: Path, directory: Path) -> supervisor.Ended:
        """Extract a URL with one of this program's plugins, in `plugins`, in addition to those of the user.

        `directory` is private to it. Raises `Failure`: ``tool_missing``, ``timed_out``, ``cookies_needed``.
        """
        async with self._called(directory) as called:
            command = called.with_arguments(
                "--plugin-dirs", str(plugins), "-J", "--", address, max_stdout=_INFO_LIMIT
            )
            return await supervisor.run(command, deadline=ABOUT_DEADLINE, guard=self._guard)

    async def extract(
        self,
        youtube_id: str,
        directory: Path,
        *,
        every_address: bool = False,
        deadline: float = ASK_DEADLINE,
    ) -> dict[str, Any]:
        """Return yt-dlp's information about a video; `directory` is private to it.

        By default yt-dlp keeps one URL of each format, that of the first client. With `every_address` the
        information has those of all clients, each as a separate format. `deadline` is in seconds.

        Raises `Failure`: the reason that yt-dlp's message indicates, ``wrong_video`` if the information is
        about another video, ``tool_missing``, ``timed_out``.
        """
        if not self._reached:
            await reachability.require(self._options, self._guard)
        address = f"https://www.youtube.com/watch?v={youtube_id}"
        async with self._called(directory, "formats=duplicate" if every_address else "") as called:
            command = called.with_arguments("-J", "--", address, max_stdout=_INFO_LIMIT)
            ended = await supervisor.run(command, deadline=deadline, guard=self._guard)
        # yt-dlp follows a trailer that YouTube names instead of a video, and has no option to disable that.
        about = _ABOUT.search(ended.stderr)
        if ended.code != 0 and about is not None and about[1] != youtube_id:
            raise Failure(Reason.WRONG_VIDEO, ended.stderr)
        if ended.code != 0:
            failure = Failure(classify(ended.stderr), ended.stderr or f"yt-dlp ended with {ended.code}")
            self._reached = failure.reason is not Reason.UNREACHABLE
            raise failure
        self._reached = True
        info = _object(ended.out)
        if info is None:
            raise Failure(Reason.UNKNOWN, f"yt-dlp did not print the video's information\n{ended.stderr}")
        if info.get("id") != youtube_id:
            raise Failure(Reason.WRONG_VIDEO, f"yt-dlp returned video {str(info.get('id'))[:40]!r}")
        return info

    async def any_is_available(self, youtube_ids: Iterable[str], directory: Path) -> bool:
        """Query videos until one answer shows whether YouTube blocks this IP address.

        Returns True if a video is available. Returns False if YouTube reports a block or an unavailable video
        without a reason, or if no answer is conclusive.
        """
        for youtube_id in youtube_ids:
            try:
                await self.extract(youtube_id, directory)
            except Failure as failure:
                if failure.reason in {Reason.REFUSED, Reason.UNAVAILABLE}:
                    return False
            else:
                return True
        return False

    async def fetch(
        self,
        info: Mapping[str, Any],
        fmt: Format,
        target: Path,
        on_progress: Callable[[Progress], None],
        *,
        rate: int | None = None,
    ) -> None:
        """Download one format as `target`, in a private directory, with at most `rate` bytes per second.

        Partial files of an earlier attempt are resumed (`partials` ensures that this is valid).

        Raises `Failure`: the reason that yt-dlp's message indicates, ``raw_truncated`` if the file does not
        have the announced size, ``tool_missing``, ``timed_out``, ``stalled``.
        """
        directory = target.parent
        wait = _wait(info, fmt.format_id)
        # A download with a rate limit must not time out because of it.
        least = self._options.least_speed if rate is None else min(self._options.least_speed, rate / 2)
        file_reported = False
        reached = (-1, -1)

        def on_line(line: str) -> bool:
            nonlocal file_reported, reached
            word, _, rest = line.partition(" ")
            if word == "FILE":
                file_reported = True
                return True
            if word != "PROG":
                self._on_other(line)
            fields = _object(rest) if word == "PROG" else None
            progress = None if fields is None else _progress(fields)
            if fields is None or progress is None:
                return False
            # The number of bytes may decrease if a download restarts; fragments count as progress too.
            now = (_count(fields.get("fragment_index")) or 0, progress.bytes)
            alive, reached = now != reached, now
            on_progress(progress)
            return alive

        async with self._called(directory) as called:
            command = called.with_arguments(
                *("--load-info-json", "-", "-f", fmt.format_id, "-o", target.name),
                *(() if rate is None else ("--limit-rate", str(rate))),
                *("--progress", "--newline", "--progress-delta", "0.5"),
                *("--progress-template", "download:PROG %(progress)j"),
                *("--print", "after_move:FILE %(filepath)j"),
                # A server that ignores ranges would send the whole file for each of them.
                *((*_RANGES, "--max-filesize", str(fmt.size)) if fmt.protocol == RANGES else ()),
                stdin=json.dumps(_only(info, fmt.format_id)).encode(),
            )
            ended = await supervisor.run(
                command,
                deadline=wait + ASK_DEADLINE + (fmt.size or 4 << 30) / least,
                stall=wait + self._options.stall_timeout,
                on_line=on_line,
                guard=self._guard,
            )
        if ended.code != 0:
            raise Failure(classify(ended.stderr), ended.stderr or f"yt-dlp ended with {ended.code}")
        size = await run_sync(_size, target)
        if not file_reported or not size:
            raise Failure(Reason.RAW_TRUNCATED, f"yt-dlp exited with 0 without a file\n{ended.stderr}")
        if fmt.size_is_exact and size != fmt.size:
            raise Failure(Reason.RAW_TRUNCATED, f"{size} of {fmt.size} bytes downloaded\n{ended.stderr}")

    @asynccontextmanager
    async def _called(self, directory: Path, extractor_args: str = "") -> AsyncIterator[supervisor.Command]:
        """Build the arguments of any yt-dlp call, and the files that they refer to.

        The arguments are in files without a name, which other users cannot open and which disappear however
        this program ends, instead of on the command line, which every user can read: the user's options may
        contain passwords. The last value of an option wins, so these override the defaults.
        """
        options, own, secrets = self._options, list[str](), self._secrets
        with ExitStack() as files:
            handed: list[int] = []

            async def hand(content: bytes) -> str:
                file = files.enter_context(await run_sync(_nameless, directory, content))
                handed.append(file.fileno())
                return f"/dev/fd/{file.fileno()}"

            if options.cookies is not None:
                # yt-dlp also writes to the cookies file.
                cookies = await run_sync(read_cookies, options.cookies)
                own += ["--cookies", await hand(cookies)]
                secrets = secrets | redact.in_cookies(cookies.decode("utf-8", "replace"))
            if options.cookies_from_browser is not None:
                own += ["--cookies-from-browser", options.cookies_from_browser]
            if options.proxy is not None:
                own += ["--proxy", options.proxy]
            arguments = [*_ALWAYS, "--ffmpeg-location", str(self._ffmpeg), *own, *options.yt_dlp_args]
            arguments = with_extractor_args(arguments, extractor_args)
            place = await hand(os.fsencode(shlex.join(arguments)))
            argv = [*self._program, "--ignore-config", "--config-locations", place]
            mask = await run_sync(redact.Mask, secrets)
            yield supervisor.Command(
                argv,
                directory=directory,
                redact=mask,
                inherit_fds=tuple(handed),
                environment=self._environment,
            )


def _secrets(options: Options) -> set[str]:
    """Return the secrets to redact in yt-dlp's messages, as far as known at the start."""
    proxies = [options.proxy or ""]
    proxies += [value for name, value in os.environ.items() if name.lower() in _PROXIES]
    return redact.in_arguments(options.yt_dlp_args).union(*map(redact.in_address, proxies))


def with_extractor_args(arguments: Sequence[str], more: str) -> list[str]:
    """Return yt-dlp's arguments with more arguments for the YouTube extractor, such as ``formats=duplicate``.

    yt-dlp does not merge several ``--extractor-args`` for one extractor: the last one replaces the others. A
    key that the user has set is not changed.
    """
    found, name = list(arguments), more.partition("=")[0]
    if not more:
        return found
    for place in reversed(range(len(found))):
        value = found[place].removeprefix("--extractor-args=")
        is_value = value != found[place] or (place > 0 and found[place - 1] == "--extractor-args")
        if is_value and value.casefold().startswith("youtube:"):
            if not re.search(rf"[:;]\s*{re.escape(name)}\s*=", value, re.IGNORECASE):
                found[place] += f";{more}"
            return found
    return [*found, "--extractor-args", f"youtube:{more}"]


def _only(info: Mapping[str, Any], format_id: str) -> dict[str, Any]:
    """Return the information that yt-dlp needs for one format, without the URL of the page.

    The aspect ratio that an uploader has requested is removed too: yt-dlp would rewrite the file.
    """
    formats = [
        {name: value for name, value in entry.items() if name != "stretched_ratio"}
        for entry in entries_of(info, format_id)
    ]
    return {key: info[key] for key in _KEPT if key in info} | {"formats": formats}


def _wait(info: Mapping[str, Any], format_id: str) -> float:
    """Return how many seconds yt-dlp waits before it downloads: until an advertisement would end."""
    now = time.time()
    times = [entry.get("available_at") for entry in entries_of(info, format_id)]
    waits = [at - now for at in times if isinstance(at, int | float) and now < at < now + LONGEST_WAIT]
    return max(waits, default=0.0)


def _progress(fields: Mapping[str, Any]) -> Progress | None:
    done = _count(fields.get("downloaded_bytes"))
    if done is None:
        return None
    total = _count(fields.get("total_bytes")) or _count(fields.get("total_bytes_estimate"))
    return Progress(done, total, _speed(fields.get("speed")))


def _object(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object in a text; None if there is none, or it is nested too deeply."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _speed(value: object) -> float | None:
    if isinstance(value, int | float) and 0 <= value < 1 << 60:
        return float(value)
    return None


def _count(value: object) -> int | None:
    if isinstance(value, int | float) and 0 <= value < 1 << 60:
        return int(value)
    return None


def read_cookies(source: Path) -> bytes:
    """Return the content of the user's cookies file. Raises `Failure` with ``cookies_needed``."""
    try:
        return atomic.content(source, _LARGEST_COOKIES)
    except OSError as error:
        reason = os_errors.reason_of(error) or Reason.COOKIES_NEEDED
        raise Failure(reason, f"--cookies {source}: {os_errors.message_of(error)}") from error


def _nameless(directory: Path, content: bytes) -> IO[bytes]:
    """Create a file with this content in a directory, without a name there, readable by this user only."""
    with os_errors_as_failures(directory), ExitStack() as until_written:
        file = until_written.enter_context(tempfile.TemporaryFile(dir=directory))
        file.write(content)
        file.seek(0)
        until_written.pop_all()
    return file


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() and not path.is_symlink() else 0


def look_at_cookies(options: Options, now: float) -> CheckResult | None:
    """Check the user's cookies, if given. Raises `Failure` if they cannot be read."""
    if options.cookies is None:
        return None
    text = read_cookies(options.cookies).decode("utf-8", "replace")
    return preflight.of_cookies(text, written=options.cookies.stat().st_mtime, now=now)


def require_yt_dlp(options: Options) -> None:
    """Raise `Failure` with ``tool_missing`` if there is no yt-dlp."""
    if options.yt_dlp is None:
        if find_spec("yt_dlp") is None:
            raise Failure(Reason.TOOL_MISSING, "yt-dlp is not installed in this environment")
    elif not os.access(options.yt_dlp, os.X_OK):
        raise Failure(Reason.TOOL_MISSING, f"--yt-dlp {options.yt_dlp} is not executable")
