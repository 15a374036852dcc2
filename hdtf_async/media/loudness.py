"""Measure the loudness of a clip's audio, and how much of it is silent.

ffmpeg decodes the audio of the finished clip once more, or its WAV file: `ebur128` converts its input, so
inside the encoder's filters it would change the audio. That takes a process of a few hundredths of a second.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.media.run import run_ffmpeg
from hdtf_async.process.guard import UNGUARDED, Guard
from hdtf_async.process.supervisor import Command

if TYPE_CHECKING:
    from pathlib import Path

SILENT = -50
"""Level in dB below which audio counts as silent."""
SHORTEST = 0.2
"""Minimum duration of a silence, in seconds."""
MUTE = -70.0
"""Loudness that ffmpeg reports if everything is below the gate of EBU R 128."""
_START = 60.0
_LEAST_SPEED = 0.5
_VALUE = re.compile(r"lavfi\.(r128\.I|silence_start|silence_duration)=(-?[0-9]{1,9}(?:\.[0-9]{1,12})?)")


class Heard:
    """Collects what ffmpeg prints about the audio."""

    def __init__(self) -> None:
        self._loudness: float | None = None
        self._silent = 0.0
        self._since: float | None = None

    def line(self, line: str) -> bool:
        """Process one line of its output; return whether it shows progress."""
        found = _VALUE.fullmatch(line)
        if found is None:
            return False
        value = float(found[2])
        if found[1] == "r128.I":
            self._loudness = value
        elif found[1] == "silence_start":
            self._since = max(0.0, value)
        else:
            self._silent, self._since = self._silent + value, None
        return True

    def to_json(self, seconds: float) -> dict[str, Any]:
        """Return the columns of ``metadata.jsonl``, for audio of this duration."""
        silent = self._silent + (0.0 if self._since is None else max(0.0, seconds - self._since))
        columns: dict[str, Any] = {"silence_share": round(min(1.0, silent / seconds), 4)}
        if self._loudness is not None and self._loudness > MUTE:
            columns["loudness"] = self._loudness
        return columns


def loudness_command(ffmpeg: Path, file: Path) -> list[str]:
    """Return the command line that prints facts about the audio of a file of this program."""
    shown = "mode=print:file=-:direct=1:key=lavfi"
    demuxer = "wav" if file.suffix == ".wav" else "mp4"
    keys = ("r128.I", "silence_start", "silence_duration")
    chain = [
        "ebur128=framelog=quiet:metadata=1",
        f"silencedetect=noise={SILENT}dB:duration={SHORTEST}",
        *(f"ametadata={shown}.{key}" for key in keys),
    ]
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-v", "error",
        "-protocol_whitelist", "file", "-f", demuxer, "-vn", "-i", f"file:{file}",
        "-map", "0:a:0", "-filter_threads", "1", "-af", ",".join(chain), "-f", "null", "-",
    ]  # fmt: skip


async def measure(ffmpeg: Path, file: Path, seconds: float, guard: Guard = UNGUARDED) -> dict[str, Any]:
    """Return the columns of ``metadata.jsonl`` about the audio of a clip or WAV file of this duration.

    The caller holds an encode token. They are empty if ffmpeg fails or takes too long: the clip was verified
    already. Raises `Failure` with ``tool_missing``.
    """
    heard = Heard()
    try:
        await run_ffmpeg(
            Command(loudness_command(ffmpeg, file)),
            deadline=_START + seconds / _LEAST_SPEED,
            on_line=heard.line,
            guard=guard,
        )
    except Failure as failure:
        if failure.reason is Reason.TOOL_MISSING:
            raise
        return {}
    return heard.to_json(seconds)
