"""Write ``CLIP.track.json`` beside a clip: what its dataset knows about each frame.

It is written before the clip, so an existing clip has its track. It only depends on the list of clips.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core.exceptions import TableError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.dataset import datasets
from hdtf_async.output.atomic import os_errors_as_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hdtf_async.core.model import Clip
    from hdtf_async.core.options import Options
    from hdtf_async.lanes.encoder import Encoder
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.output.directory import OutputDirectory

TRACK = ".track.json"
"""End of the name of the file with a clip's track."""


def with_tracks(encoder: Encoder, options: Options) -> Encoder | TrackWriter:
    """Return an encoder that also writes tracks, if the dataset has some. Blocks.

    Raises `OptionsError`.
    """
    if options.is_hdtf or options.source is None:
        return encoder
    track = datasets.find(options.dataset).track
    return encoder if track is None else TrackWriter(encoder, encoder.store, track, options.source)


@dataclass(frozen=True, slots=True)
class TrackWriter:
    """Creates clips with their tracks."""

    encoder: Encoder
    store: OutputDirectory
    track: Callable[[Path, Mapping[str, Any]], object]
    source: Path

    def estimate(self, clip: Clip, raw: SourceVideo) -> Callable[[], float]:
        """Return a function that estimates the seconds that a clip takes; 0 if it is impossible."""
        return self.encoder.estimate(clip, raw)

    async def cut(self, clip: Clip, raw: SourceVideo) -> None:
        """Write the track of a clip, then create the clip (see `Encoder.cut`). Raises `Failure`."""
        content = await run_sync(self._content, clip)
        if content:
            await self._write(clip, content)
        await self.encoder.cut(clip, raw)

    async def _write(self, clip: Clip, content: bytes) -> None:
        final = self.store.out / f"{clip.stem}{TRACK}"
        temporary = await run_sync(self.store.temporary, final)
        try:
            with os_errors_as_failures(final):
                await anyio.Path(temporary).write_bytes(content)
            await self.store.publish(temporary, final)
        finally:
            await self.store.remove(temporary)

    def _content(self, clip: Clip) -> bytes:
        extra = clip.annotation.extra if clip.annotation is not None else None
        try:
            track = self.track(self.source, json.loads(extra or "{}"))
        except TableError as error:
            raise Failure(Reason.ROW_REFUSED, f"{clip.stem}: no track: {error}") from error
        return b"" if track is None else json.dumps(track, separators=(",", ":")).encode() + b"\n"
