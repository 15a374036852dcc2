"""The model file for face detection: given by the user, or downloaded once into the user's cache by pooch.

A downloaded file is only used if its hash is the expected one. A child process downloads it (`serve`),
because it can be terminated while it waits for the network.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hdtf_async.core import os_errors
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED, Guard

NAME = "face_landmarker.task"
HOME = f"https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/{NAME}"
"""URL at which its authors publish it."""
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
_DEADLINE = 300.0


async def available(given: Path | None, *, home: str = HOME, guard: Guard = UNGUARDED) -> Path:
    """Return the path of the model file: the given one, the cached one, or one downloaded now.

    Raises `Failure` with ``tool_missing``.
    """
    if given is not None:
        return given
    try:
        return Path(await _run_child([home], guard))
    except Failure as failure:
        message = f"{NAME} could not be downloaded from {home} (or pass it with --face-model)"
        raise Failure(os_errors.of_child(failure), f"{failure.words}\n{message}") from failure


async def cached() -> Path | None:
    """Return the path of the model file if it is cached. Raises `Failure` with ``tool_failed``."""
    path = await _run_child([], UNGUARDED)
    return Path(path) if path else None


async def _run_child(arguments: list[str], guard: Guard) -> str:
    argv = supervisor.own_module_argv("hdtf_async.media.face.model_file", *arguments)
    ended = await supervisor.run(
        supervisor.Command(argv, max_stdout=1 << 16), deadline=_DEADLINE, guard=guard
    )
    if ended.code != 0:
        raise Failure(Reason.TOOL_FAILED, ended.stderr)
    return ended.out.decode().removesuffix("\n")


def serve(*arguments: str) -> None:
    """Print the path of the cached model; download it first if a URL is given and it is not cached."""
    import pooch  # noqa: PLC0415 - needed only in this child

    cache, checksum = Path(pooch.os_cache("hdtf_async")), f"sha256:{SHA256}"
    path = cache / NAME
    if arguments:
        try:
            path = Path(pooch.retrieve(arguments[0], checksum, fname=NAME, path=cache))
        except (OSError, ValueError) as error:  # no network, disk full, or a wrong hash
            sys.exit(f"{type(error).__name__}: {error}")
    elif not path.is_file() or pooch.file_hash(str(path), alg="sha256") != SHA256:
        return
    sys.stdout.write(f"{path}\n")
