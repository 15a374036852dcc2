"""Compare face windows with the published boxes: a table, and an image with a frame of each clip.

Each window is listed with the published box, if that is valid, and their intersection over union. This shows
which margin and detector match the crops of the dataset's authors.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from math import ceil, sqrt
from statistics import fmean, median
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from hdtf_async.commands.constants import SHEET
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.exceptions import StoreError, unwrap_exception_group
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.install import install_extra
from hdtf_async.core.model import Box, Clip, Crop, Interval, OutputSettings, Resolution, Video
from hdtf_async.core.text import count, printable
from hdtf_async.dataset.geometry import place, scale_of
from hdtf_async.lanes import existing_parts
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.lanes.partial_videos import container_of
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.lanes.user_videos import find_user_videos
from hdtf_async.media.face.finder import input_arguments
from hdtf_async.media.face.people import Region, overlap
from hdtf_async.media.ffmpeg import PREROLLS, find_ffmpeg
from hdtf_async.media.filters import decimal, decoded_frames
from hdtf_async.media.probe import Prober
from hdtf_async.media.run import FfmpegError, run_ffmpeg
from hdtf_async.output import atomic
from hdtf_async.output.atomic import os_errors_as_failures
from hdtf_async.output.directory import read_known
from hdtf_async.output.journal import SOURCE_VIDEOS
from hdtf_async.output.partials import VIDEO
from hdtf_async.process.supervisor import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.options import Options
    from hdtf_async.lanes.user_videos import OwnFiles
    from hdtf_async.media.cut import Cut
    from hdtf_async.output.journal import JournalIndex

_CELL, _TITLE, _GAP = (320, 180), 14, 4
_WINDOW, _PUBLISHED, _TEXT, _GROUND = (90, 220, 120), (255, 170, 60), (230, 230, 230), (24, 24, 24)
_DEADLINE = 120.0
_SETTINGS = OutputSettings(crop=Crop.FACE)


@dataclass(frozen=True, slots=True)
class Window:
    """The crop of a clip in which a face was searched."""

    stem: str
    video: str
    """File name of the source video without its extension."""
    youtube_id: str
    middle: float
    end: float
    """Of the clip, in seconds of the source video."""
    size: tuple[int, int]
    """Width and height of the source video."""
    cut: Region
    published: Region | None
    """The published box in pixels of the source video; None if its height is unknown."""
    zoom: float | None
    faces: int
    inside: float
    """Fraction of the frames in which the face is entirely inside the crop."""
    by_table: bool
    """Whether the published box was used, because no face was found."""

    @property
    def agreement(self) -> float | None:
        """Intersection over union with the published box."""
        return None if self.published is None or self.by_table else overlap(self.cut, self.published)


def windows(index: JournalIndex) -> list[Window]:
    """Return the windows of the existing clips, sorted. Raises `StoreError` if there are none."""
    records = index.existing_clips()
    windows = (_window(stem, ClipRecord.of(records[stem])) for stem in sorted(records))
    found = [window for window in windows if window is not None]
    if not found:
        raise StoreError(f"{index.out} has no clips made with --crop face")
    return found


def _window(stem: str, clip: ClipRecord) -> Window | None:
    share, column = clip.face_share, clip.clip
    match column, clip.box_cut, clip.source_width, clip.source_height:
        case Clip() as published, Box() as cut, int(width), int(height) if share is not None:
            whole = published.interval
            begin, end = whole.start + (clip.starts_late or 0), whole.end - (clip.ends_early or 0)
            return Window(
                stem,
                published.video.stem,
                published.video.youtube_id,
                (begin + end) / 2,
                end,
                (width, height),
                _region(cut),
                _published(published, width, height),
                clip.zoom,
                clip.faces or 0,
                share if clip.face_inside_share is None else clip.face_inside_share,
                by_table=clip.face_fallback is not None,
            )
    return None


def _published(clip: Clip, width: int, height: int) -> Region | None:
    """Return the published box in a source video of a size; None if there is none or its scale is unknown."""
    if clip.region is not None:
        return _region(place(clip.region, width, height))
    if clip.box is None or not clip.video.reference_height:
        return None
    scale = float(scale_of(clip.video.reference_height, width, height))
    return _region(clip.box).scaled(scale, scale)


def _region(box: Box) -> Region:
    return Region(box.left, box.top, box.left + box.width, box.top + box.height)


_ROW = "{:32} {:>5} {:>6} {:>6} {:>20} {:>20} {:>6}"


def table(found: Sequence[Window]) -> str:
    """Return the windows as a table, followed by a summary of the agreement."""
    lines = [_ROW.format("clip", "zoom", "faces", "inside", "window", "published", "IoU")]
    for each in found:
        agreement = each.agreement
        lines.append(
            _ROW.format(
                printable(each.stem),
                "none" if each.zoom is None else f"{each.zoom:g}",
                each.faces,
                f"{each.inside:.0%}",
                "as published" if each.by_table else _placed(each.cut),
                "unknown" if each.published is None else _placed(each.published),
                "" if agreement is None else f"{agreement:.3f}",
            )
        )
    all_of = [each.agreement for each in found if each.agreement is not None]
    if all_of:
        lines.append(
            f"\nintersection over union of {count(len(all_of), 'clip')}: mean {fmean(all_of):.3f},"
            f" median {median(all_of):.3f}, least {min(all_of):.3f}"
        )
    return "\n".join(lines)


def _placed(region: Region) -> str:
    width, height = region.right - region.left, region.bottom - region.top
    return f"{width:.0f}x{height:.0f}+{region.left:.0f}+{region.top:.0f}"


async def write_sheet(out: Path, options: Options) -> str:
    """Write the contact sheet of a directory, and return the table and messages.

    Raises `StoreError` if there is nothing to show, or it cannot be written.
    """
    index = await run_sync(read_known, out)
    found = await run_sync(windows, index)
    try:
        missing = await draw(index, options, found)
    except Failure as failure:
        raise StoreError(f"{failure}") from failure
    lines = [table(found), *(f"no frame for {message}" for message in missing)]
    return "\n".join([*lines, f"face window in green, published box in orange: {out / SHEET}"])


async def draw(index: JournalIndex, options: Options, found: Sequence[Window]) -> list[str]:
    """Write the contact sheet to the directory; return which frames are missing, and why.

    Raises `Failure`: ``tool_missing``, ``disk_full``, ``not_writable``.
    """
    if find_spec("PIL") is None:
        raise Failure(Reason.TOOL_MISSING, f"Pillow is required for the image: {install_extra('face')}")
    tool, own = await run_sync(find_ffmpeg, options), await run_sync(find_user_videos, options.raw_dirs)
    missing: list[str] = []
    source_videos: dict[Path, list[Window]] = {}
    for each in found:
        if (raw := source_video(index, own, each)) is None:
            missing.append(f"{printable(each.stem)}: source video not found")
        else:
            source_videos.setdefault(raw, []).append(each)
    frames, others = await middles(tool, source_videos, options.width_of_encode_lane)
    content = await run_sync(_drawn, found, frames)
    with os_errors_as_failures(index.out / SHEET):
        await run_sync(atomic.replace, index.out / SHEET, [content])
    return sorted([*missing, *others])


def source_video(index: JournalIndex, own: OwnFiles, each: Window) -> Path | None:
    """Return the source video of a clip, or a part of it with its middle; None if there is none."""
    parts = existing_parts.of_video(index, each.youtube_id, VIDEO, Resolution.BEST)
    record = index.existing_source_video(each.youtube_id) or existing_parts.covering(
        parts, Interval(each.middle, each.end)
    )
    if record is None:
        return own.get(each.youtube_id, own.get(each.video))
    path: Path = index.out / SOURCE_VIDEOS / record["file"]
    return path


async def middles(
    tool: Path, raws: Mapping[Path, Sequence[Window]], at_a_time: int
) -> tuple[dict[str, bytes], list[str]]:
    """Return the middle frame of each clip, as pixels of a cell, and which frames are missing, and why.

    Raises `Failure` with ``tool_missing``.
    """
    frames: dict[str, bytes] = {}
    missing: list[str] = []
    lane = anyio.CapacityLimiter(at_a_time)

    async def take(raw: Path, requested: Sequence[Window]) -> None:
        clips = [_second_half(each) for each in requested]
        intervals = [clip.interval for clip in clips]
        container = container_of(raw)
        async with lane:
            try:
                facts = await prober.facts(raw, container=container, intervals=intervals)
            except Failure as failure:
                missing.extend(f"{printable(each.stem)}: {failure}" for each in requested)
                return
            for each, clip, shown in zip(requested, clips, facts.shown, strict=True):
                source = SourceVideo(raw, container, facts, {clip.stem: shown}, None, None)
                try:
                    frames[each.stem] = await _frame(tool, plan_cut(clip, source, _SETTINGS), each.size)
                except Failure as failure:
                    missing.append(f"{printable(each.stem)}: {failure}")

    with unwrap_exception_group():
        async with Prober() as prober, anyio.create_task_group() as group:
            for raw, requested in raws.items():
                group.start_soon(take, raw, requested)
    return frames, missing


def _second_half(each: Window) -> Clip:
    """Return a clip whose first frame is the middle of the window's clip."""
    video = Video("", each.video, each.youtube_id, 0)
    return Clip(video, 0, Interval(each.middle, each.end), Box(0, 0, *each.size))


async def _frame(ffmpeg: Path, cut: Cut, size: tuple[int, int]) -> bytes:
    """Return the first frame of a cut as pixels of a cell, with square pixels, as in the clip."""
    width, height = _CELL
    scale = min(width / size[0], height / size[1])
    inner = f"{max(1, round(size[0] * scale))}:{max(1, round(size[1] * scale))}"
    message = ""
    for preroll in PREROLLS:
        chain = [
            *decoded_frames(cut),
            f"trim=start={decimal(cut.begin - cut.origin(preroll))}",
            f"scale={inner}",
            f"pad={width}:{height}:-1:-1",
        ]
        argv = [
            *input_arguments(ffmpeg, cut, preroll), "-vf", ",".join(chain), "-frames:v", "1",
            "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1",
        ]  # fmt: skip
        try:
            ended = await run_ffmpeg(Command(argv, max_stdout=width * height * 3), deadline=_DEADLINE)
        except FfmpegError as failure:
            message = failure.words
        else:
            if len(ended.out) == width * height * 3:
                return ended.out
            message = ended.stderr
    raise Failure(Reason.RAW_UNREADABLE, message)


def _drawn(found: Sequence[Window], frames: Mapping[str, bytes]) -> bytes:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - an optional dependency

    width, height = _CELL[0] + _GAP, _CELL[1] + _TITLE + _GAP
    columns = max(1, ceil(sqrt(len(found) * height / width)))
    sheet = Image.new("RGB", (columns * width, ceil(len(found) / columns) * height), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for number, each in enumerate(found):
        x, y = number % columns * width, number // columns * height
        agreement = "" if each.agreement is None else f"  IoU {each.agreement:.2f}"
        draw.text((x + 2, y + 1), f"{each.stem}{agreement}", fill=_TEXT)
        if each.stem not in frames:
            continue
        cell = Image.frombytes("RGB", _CELL, frames[each.stem])
        lines = ImageDraw.Draw(cell)
        scale = min(_CELL[0] / each.size[0], _CELL[1] / each.size[1])
        across, down = (
            (available - side * scale) / 2 for available, side in zip(_CELL, each.size, strict=True)
        )
        for box, colour in ((each.published, _PUBLISHED), (each.cut, _WINDOW)):
            if box is not None:
                left, top, right, bottom = box.scaled(scale, scale).edges
                edges = (left + across, top + down, right + across - 1, bottom + down - 1)
                lines.rectangle(edges, outline=colour, width=2)
        sheet.paste(cell, (x, y + _TITLE))
    content = BytesIO()
    sheet.save(content, "JPEG", quality=88)
    return content.getvalue()
