"""The work of the encode lane on one clip: from a source video to a verified, published and recorded clip."""

from __future__ import annotations

import wave
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.core import os_errors
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.events import ClipDone, ClipSplit, EncodeProgress, EncodeStarted
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Crop, Deinterlace, SceneCuts
from hdtf_async.dataset import scene_cuts
from hdtf_async.dataset.plan import fingerprint, row
from hdtf_async.lanes.clip_metadata import metadata_of
from hdtf_async.lanes.cut_plan import plan_cut, verify
from hdtf_async.lanes.order import EncodeCosts, Workload
from hdtf_async.media import ffmpeg, interlace, loudness
from hdtf_async.media.cut import WAV_RATE
from hdtf_async.media.face.window import plan_window
from hdtf_async.media.filters import scaled, side_lengths
from hdtf_async.media.measurements import Measurements
from hdtf_async.process.guard import UNGUARDED, Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hdtf_async.core.event_bus import EventBus
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Clip, OutputSettings
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.media.cut import AudioCut, Cut
    from hdtf_async.media.demux import MediaInfo
    from hdtf_async.media.face.finder import Finder
    from hdtf_async.media.probe import Prober
    from hdtf_async.output.directory import OutputDirectory


_FEW = 5
"""Maximum number of scene cuts that a message lists."""

_MAY_BE_PARTIAL = frozenset({
    Reason.RAW_UNREADABLE, Reason.UNSUPPORTED_SOURCE, Reason.INTERVAL_OUTSIDE, Reason.CLIP_WRONG,
})  # fmt: skip
"""Reasons that a whole source video might not have led to."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """Creates clips with the same output settings."""

    settings: OutputSettings
    store: OutputDirectory
    tool: Path
    versions: dict[str, str]
    """Tool to version, for the metadata."""
    prober: Prober
    events: EventBus
    guard: Guard = UNGUARDED
    finder: Finder | None = None
    """Required if clips are cropped to the face."""
    measures: bool = True
    """Whether facts about each clip are measured."""
    costs: EncodeCosts = field(default_factory=EncodeCosts)
    """What the clips of this run have taken."""

    def estimate(self, clip: Clip, raw: SourceVideo) -> Callable[[], float]:
        """Return a function that estimates the seconds that a clip takes; 0 if it is impossible."""
        try:
            work = Workload.of(plan_cut(clip, raw.of(clip.stem), self.settings))
        except Failure:
            work = Workload(0, 0)
        return partial(self.costs.expected, work)

    async def cut(self, clip: Clip, raw: SourceVideo) -> None:
        """Encode, verify, publish and record one clip, in this order.

        The caller holds an encode token. Raises `Failure`, after deleting the temporary file. If one of the
        user's own files cannot be decoded, that is ``raw_dir_file``: it is not replaced by a download. If a
        partial file may be the cause, that is ``raw_unreadable``: then the whole file is downloaded.
        """
        raw = raw.of(clip.stem)
        try:
            await self._cut(clip, raw)
        except Failure as failure:
            if raw.partial and failure.reason in _MAY_BE_PARTIAL:
                message = f"in a partial source video: {failure.words}"
                raise Failure(Reason.RAW_UNREADABLE, message) from failure
            if raw.own and failure.reason is Reason.RAW_UNREADABLE:
                files = dict.fromkeys(path.name for path in (raw.path, raw.audio) if path is not None)
                message = f"{' or '.join(files)}: {failure.words}"
                raise Failure(Reason.RAW_DIR_FILE, message) from failure
            raise

    async def _cut(self, clip: Clip, raw: SourceVideo) -> None:
        begun = anyio.current_time()
        cut = plan_cut(clip, raw, self.settings)
        final = self.store.clip_path(clip)
        self.events.emit(EncodeStarted(clip.stem, cut.interval.seconds))
        face: Record = {}
        if self.settings.crop is Crop.FACE:
            cut, face = await self._around_face(clip, raw, cut)
        if self.settings.deinterlace is Deinterlace.AUTO:
            combing = await interlace.look(self.tool, cut, self.guard)
            cut = replace(cut, parity=combing.parity)
        measured = Measurements(*scaled(cut)) if self.measures else None
        async with AsyncExitStack() as temporaries:
            beside: Record = {}
            if cut.audio is not None and self.settings.has_wav_file:
                wav = await temporaries.enter_async_context(self._temporary(self.store.wav_path(clip)))
                beside = {"wav": self.store.wav_path(clip).name} | await self._wav(cut.audio, wav)
            temporary = await temporaries.enter_async_context(self._temporary(final))
            counted = await ffmpeg.encode(
                self.tool,
                cut,
                temporary,
                on_seconds=lambda seconds: self.events.emit(EncodeProgress(clip.stem, seconds)),
                guard=self.guard,
                measured=measured,
            )
            facts = await self._facts(temporary)
            verify(cut, facts, counted)
            seen = await self._measured(measured, cut, wav if beside else temporary)
            if await self._is_divided(clip, cut, seen.get("scene_cuts", [])):
                return
            size = await self.store.size(temporary)
            digest = await self.store.sha256(temporary)
            # The WAV file first: an existing clip has all its files.
            await self.store.publish_beside(wav if beside else None, clip)
            await self.store.publish(temporary, final)
        duration = anyio.current_time() - begun
        self.costs.learn(Workload.of(cut), duration)
        metadata = ClipRecord.from_json(
            metadata_of(clip, raw, cut, facts)
            | face
            | {"bytes": size, "sha256": digest}
            | beside
            | seen
            | {
                "fingerprint": fingerprint(clip, self.settings),
                "versions": self.versions | ({"yt_dlp": raw.yt_dlp} if raw.yt_dlp else {}),
            }
        )
        await self.store.append(
            {
                "type": "clip",
                "clip": clip.stem,
                "form": row(clip, self.settings) | self.settings.to_json(),
                "metadata": metadata.to_json(),
                "took": round(duration, 3),
            }
        )
        missing = metadata.ends_early or 0.0
        self.events.emit(ClipDone(clip.stem, final.name, cut.interval.seconds, size, duration, missing))

    async def _around_face(self, clip: Clip, raw: SourceVideo, cut: Cut) -> tuple[Cut, Record]:
        """Find the face, and return the cut with its box and the metadata about it."""
        if self.finder is None:
            raise RuntimeError("--crop face requires a face finder")
        size = cut.frame_size or (raw.facts.width, raw.facts.height)
        frames = await self.finder.look(cut, size)
        # This takes half a second if every frame of a long clip was searched.
        box, metadata = await run_sync(plan_window, clip, frames, size, self.settings)
        width, height = side_lengths(box, self.settings.size, self.settings.fit)
        cut = replace(cut, box=box, width=width, height=height)
        if (sides := metadata.get("face_size")) is not None:
            scale = scaled(cut)[0] / box.width
            metadata["face_size"] = [round(side * scale, 1) for side in sides]
        return cut, metadata

    async def _measured(self, measured: Measurements | None, cut: Cut, heard: Path) -> Record:
        """Return the metadata that were measured; `heard` is the file with the audio.

        Raises `Failure` with ``scene_cut`` if clips with scene cuts are not wanted.
        """
        if measured is None:
            return {}
        columns = measured.to_json(cut.seconds)
        if columns["scene_cuts"] and self.settings.scene_cuts is SceneCuts.DROP:
            raise Failure(Reason.SCENE_CUT, _cuts_message(columns["scene_cuts"]))
        if cut.audio is not None:
            columns |= await loudness.measure(self.tool, heard, cut.audio.seconds, self.guard)
        return columns

    async def _is_divided(self, clip: Clip, cut: Cut, seconds: list[float]) -> bool:
        """Record the cuts of a clip that is split there; return whether it is. Its parts come later.

        Raises `Failure` with ``scene_cut`` if no part is long enough.
        """
        if self.settings.scene_cuts is not SceneCuts.SPLIT or not seconds or clip.segment is not None:
            return False
        begin = cut.interval.start if cut.source is None or cut.held else cut.source.first
        step = 0.0 if cut.source is None else cut.source.step
        cuts = scene_cuts.bounds(seconds, begin, step, self.settings.fps)
        parts = scene_cuts.parts(clip, cuts)
        if not parts:
            message = f"{_cuts_message(seconds)}, and every part is shorter than {scene_cuts.SHORTEST:g} s"
            raise Failure(Reason.SCENE_CUT, message)
        if clip.stem in self.store.known.clips:  # with other settings
            await self.store.append({"type": "replacing", "clip": clip.stem})
            await self.store.remove(self.store.clip_path(clip))
            await self.store.publish_beside(None, clip)
        await self.store.append(scene_cuts.record_of(clip, self.settings, cuts))
        self.events.emit(ClipSplit(clip.stem, tuple(seconds), len(parts)))
        return True

    @asynccontextmanager
    async def _temporary(self, final: Path) -> AsyncIterator[Path]:
        """Provide an empty temporary file; it is deleted afterwards if it still exists."""
        temporary = await run_sync(self.store.temporary, final)
        try:
            yield temporary
        finally:
            await self.store.remove(temporary)

    async def _wav(self, audio: AudioCut, target: Path) -> Record:
        """Write a clip's audio, verify it, and return its metadata."""
        await ffmpeg.wav(self.tool, audio, target, guard=self.guard)
        found = await run_sync(_wav_facts, target)
        planned = (WAV_RATE, 1, 2, audio.samples)
        if found != planned:
            raise Failure(
                Reason.CLIP_WRONG,
                f"the WAV has (sample rate, channels, bytes per sample, samples) {found}, expected {planned}",
            )
        return {
            "wav_samples": audio.samples,
            "wav_bytes": await self.store.size(target),
            "wav_sha256": await self.store.sha256(target),
        }

    async def _facts(self, path: Path) -> MediaInfo:
        try:
            return await self.prober.facts(path, container="mp4")
        except Failure as failure:
            if failure.reason is Reason.RAW_UNREADABLE:  # a file of this program, not the source video
                raise Failure(Reason.CLIP_WRONG, failure.words) from failure
            raise


def _cuts_message(seconds: list[float]) -> str:
    return f"at {', '.join(f'{second:g} s' for second in seconds[:_FEW])} of the clip"


def _wav_facts(path: Path) -> tuple[int, int, int, int]:
    """Return sample rate, channels, bytes per sample, and samples of a WAV file of this program."""
    try:
        with wave.open(str(path), "rb") as file:
            return file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()
    except (OSError, EOFError, wave.Error) as error:
        raise Failure(
            os_errors.reason_of(error) or Reason.CLIP_WRONG, f"cannot read the WAV: {error}"
        ) from error
