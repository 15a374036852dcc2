"""Check whether this machine is ready for a run: tools, directory, disk, cookies. Changes nothing.

`preflight` judges the findings. A run makes the quick checks itself (`run`); this command starts processes,
and makes all checks even if one has failed already.
"""

from __future__ import annotations

import fcntl
import os
import pkgutil
import re
import shutil
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from hdtf_async.core import os_errors, preflight
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Crop
from hdtf_async.core.preflight import CheckResult, Status
from hdtf_async.dataset import name_checks, plan, reading
from hdtf_async.lanes import existing_parts, user_videos
from hdtf_async.media import ffmpeg
from hdtf_async.media.face import finder, model_file
from hdtf_async.media.ffmpeg import find_ffmpeg
from hdtf_async.media.probe import Prober
from hdtf_async.media.run import FfmpegError, run_ffmpeg
from hdtf_async.output import locks
from hdtf_async.output.directory import read_known
from hdtf_async.output.journal import JournalIndex
from hdtf_async.process.supervisor import Command
from hdtf_async.youtube.javascript import JavaScript, private_cache
from hdtf_async.youtube.ytdlp import YtDlp, look_at_cookies, require_yt_dlp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hdtf_async.core.options import Options
    from hdtf_async.dataset.plan import VideoJob

_NAMED = 20
"""Maximum number of listed files."""
_PLUGINS = ("extractor", "postprocessor")


async def examine(options: Options, out: Path | None = None) -> list[CheckResult]:
    """Check everything that a run with these options needs, and the directory if one is given.

    Raises `TableError` and `UnknownVideoError`, as the run would.
    """
    signs = await _looked_at("yt-dlp", partial(_yt_dlp, options))
    signs += await _looked_at("ffmpeg", partial(_ffmpeg, options))
    signs += await _looked_at("PyAV", _pyav)
    if options.crop is Crop.FACE:
        signs += await _looked_at("faces", partial(_faces, options))
    if options.cookies is not None:
        signs += await _looked_at("cookies", partial(_cookies, options))
    if options.raw_dirs:
        signs += await _looked_at("own files", partial(_own_files, options, out))
    if out is not None:
        directory = await run_sync(_directory, out)
        signs.append(directory)
        if directory.verdict is not Status.WRONG:
            signs.append(await run_sync(_disk_space, options, out))
    return signs


async def _looked_at(subject: str, look: Callable[[], Awaitable[list[CheckResult]]]) -> list[CheckResult]:
    """Run a check, and turn its failure into a result too."""
    try:
        return await look()
    except Failure as failure:
        advice = failure.reason.advice
        message = failure.words or advice.meaning
        return [CheckResult(subject, Status.WRONG, message, advice.remedy, failure.reason)]


async def _yt_dlp(options: Options) -> list[CheckResult]:
    require_yt_dlp(options)
    # The prefix identifies its owner, if it is ever left behind.
    with tempfile.TemporaryDirectory(prefix="hdtf-doctor-") as private:
        async with private_cache() as environment:
            tool = YtDlp(options, Path("ffmpeg"), environment=environment)
            output = await tool.about(Path(private))
            header = preflight.parse_debug_header(output)
            if header is None:
                last = output.splitlines()[-1:] or ["no output"]
                what = "check --yt-dlp and --yt-dlp-args"
                return [CheckResult("yt-dlp", Status.WRONG, f"does not print its version: {last[0]}", what)]
            javascript = await JavaScript(options, tool).look(Path(private), header.runtimes)
    plugins = await run_sync(_modules, header.plugin_directories)
    return [
        preflight.of_yt_dlp(header.version, datetime.now(UTC).date()),
        javascript,
        preflight.of_plugins(plugins),
    ]


def _modules(directories: tuple[str, ...]) -> list[str]:
    """Return the names of the modules in directories of yt-dlp's plugins, which may be inside archives."""
    paths = [f"{directory}/{kind}" for directory in directories for kind in _PLUGINS]
    return sorted({module.name for module in pkgutil.iter_modules(paths) if not module.name.startswith("_")})


async def _ffmpeg(options: Options) -> list[CheckResult]:
    tool = await run_sync(find_ffmpeg, options)
    version = await ffmpeg.read_version(tool)
    sign = preflight.of_ffmpeg(version.version, version.switches, keeps_rate=options.fps is None)
    abilities = [await _names(tool, of) for of in ("-encoders", "-decoders", "-filters")]
    whose = "--ffmpeg" if options.ffmpeg else "bundled" if find_spec("imageio_ffmpeg") else "on PATH"
    named = CheckResult(sign.subject, sign.verdict, f"{sign.words} ({whose}: {tool})", sign.remedy)
    audio, facts = options.audio is not Audio.NONE, not options.no_facts
    return [named, preflight.of_abilities(*abilities, audio=audio, facts=facts)]


async def _names(tool: Path, of: str) -> set[str]:
    """Return the names in one of ffmpeg's lists: the second field of each line."""
    try:
        ended = await run_ffmpeg(Command([str(tool), "-hide_banner", of], max_stdout=1 << 20), deadline=30)
    except FfmpegError:
        return set()
    return set(re.findall(r"^ \S+ +(\w[\w-]*)", ended.out.decode("utf-8", "replace"), re.MULTILINE))


async def _pyav() -> list[CheckResult]:
    async with Prober() as prober:
        await prober.ready()
    return [CheckResult("PyAV", Status.FINE, "ok")]


async def _faces(options: Options) -> list[CheckResult]:
    sign = finder.look_at_tools(options)
    if sign is None or sign.verdict is Status.WRONG:
        return [] if sign is None else [sign]
    given = options.face_model
    model = await model_file.cached() if given is None else given
    if model is None:
        message = f"{sign.words}; its model is not cached yet: a run downloads it from {model_file.HOME}"
        return [CheckResult(sign.subject, Status.WARNING, message, "without a network, pass --face-model")]
    await finder.Finder(Path("ffmpeg"), model).ready()
    return [CheckResult(sign.subject, Status.FINE, f"{sign.words} loads {model}")]


async def _cookies(options: Options) -> list[CheckResult]:
    sign = await run_sync(look_at_cookies, options, time.time())
    return [] if sign is None else [sign]


def _directory(out: Path) -> CheckResult:
    """Test in the nearest existing directory whether a run could write, sync and lock."""
    existing = _nearest(out)
    try:
        with tempfile.TemporaryDirectory(prefix=".hdtf-doctor-", dir=existing) as private:
            tried = Path(private) / "tried"
            with tried.open("wb") as file:
                file.write(b"tried")
                file.flush()
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tried.replace(tried.with_name("renamed"))
        is_locked = locks.is_held(out)
    except OSError as error:
        message = f"{existing} is not writable, or does not support file locks: {os_errors.message_of(error)}"
        return CheckResult("directory", Status.WRONG, message, "choose another --out")
    if is_locked:
        message = f"another run is active in {out}"
        return CheckResult("directory", Status.WARNING, message, "wait for it, or choose another --out")
    return CheckResult("directory", Status.FINE, f"{existing} is writable and supports file locks")


def _nearest(out: Path) -> Path:
    """Return the directory, or its nearest existing parent."""
    # Not Path.exists, which raises if a parent is not accessible.
    return next(part for part in (out.absolute(), *out.absolute().parents) if os.path.exists(part))  # noqa: PTH110


async def _own_files(options: Options, out: Path | None) -> list[CheckResult]:
    """Check the user's own files: which videos they are for, and whether they open.

    Truncated files are only detected by a run, which reads files to their end.
    """
    jobs, index = await run_sync(_remaining, options, out)
    own = await user_videos.looked_into(await run_sync(user_videos.find_user_videos, options.raw_dirs), jobs)
    unused = [
        f"{each['file']} (for {each['video']}): {each['unused']}"
        for each in own.listed(jobs)
        if each["unused"]
    ]
    opened = 0
    async with Prober() as prober:
        for job in jobs:
            for each in own.of(job):
                if each.kind is user_videos.Kind.NEITHER:
                    continue
                try:
                    await prober.glance(each.path, container=each.container)
                    opened += 1
                except Failure as failure:
                    if failure.reason is not Reason.RAW_UNREADABLE:
                        raise
                    unused.append(f"{failure.words} (for {job.stem})")
    available = len(jobs) - len(user_videos.to_fetch(jobs, own, index, options))
    message = f"{opened} files can be read; {available} of {len(jobs)} videos need no download"
    more = [f"{len(unused) - _NAMED} more unused files"] if len(unused) > _NAMED else []
    return [CheckResult("own files", Status.FINE, message)] + [
        CheckResult("own files", Status.WARNING, message, "replace, convert or remove it")
        for message in [*unused[:_NAMED], *more]
    ]


def _remaining(options: Options, out: Path | None) -> tuple[tuple[VideoJob, ...], JournalIndex]:
    """Return the remaining videos, and the index of the directory."""
    read = name_checks.checked(reading.read(options), options)
    index = JournalIndex(Path()) if out is None else read_known(out)
    return plan.make(read, options, there=index.existing_clips(), failed=index.failures).jobs, index


def _disk_space(options: Options, out: Path) -> CheckResult:
    """Judge the free disk space by the remaining downloads."""
    jobs, index = _remaining(options, out)
    own = user_videos.find_user_videos(options.raw_dirs)
    # Audio of the user's own videos takes almost no space.
    lacking = user_videos.to_fetch(jobs, own, index, replace(options, audio=Audio.NONE))
    least = [existing_parts.least_bytes(index, job, options) for job in lacking]
    existing = _nearest(out)
    free = shutil.disk_usage(existing).free
    return preflight.of_disk_space(
        free=free, min_free=options.min_free, least=least, keep_raw=options.keeps_raws
    )
