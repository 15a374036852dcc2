"""The cuts that the rules of this version decide.

Run ``python tests/support/golden_cuts.py write`` after increasing the version of the rules.

`model.CUTTING_RULES` is a part of each clip's fingerprint. It must be increased whenever a clip changes;
otherwise a directory could mix clips of two rules unnoticed. Therefore ``golden_cuts.json`` has, for each
version, the decisions for a few dozen cuts: the frames, the box, and the command lines.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdtf_async.core.failures import Failure
from hdtf_async.core.model import (
    CUTTING_RULES,
    SQUARE_RULES,
    Annotation,
    Audio,
    Box,
    Clip,
    Codec,
    Crop,
    Deinterlace,
    Interval,
    OutputSettings,
    Square,
    Video,
)
from hdtf_async.core.model import Region as ListRegion
from hdtf_async.dataset.plan import fingerprint
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.media import ffmpeg
from hdtf_async.media.demux import AudioInfo, MediaInfo
from hdtf_async.media.face import people, window
from hdtf_async.media.face.people import Frame, Region
from hdtf_async.media.framing import Part
from hdtf_async.media.interlace import Combing
from hdtf_async.media.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hdtf_async.media.timeline import Shown

FILE = Path(__file__).with_suffix(".json")
_CLIP = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 720), 0, Interval(10.0, 15.5), Box(467, 31, 535, 535))
_LAST = 20.0


def timelines() -> dict[str, tuple[Timeline, Fraction]]:
    """Return the timestamps of various videos of 20 seconds, each with its time base."""
    found = {}
    for name, base, ticks, durations in (
        ("25 fps", Fraction(1, 12800), [512 * n for n in range(500)], 512),
        ("29.97 fps", Fraction(1, 30000), [1001 * n for n in range(600)], 1001),
        ("60 fps from 0.1 s", Fraction(1, 90000), [9000 + 1500 * n for n in range(1200)], 1500),
        ("1 frame in 4 s", Fraction(1, 1000), [4000 * n for n in range(5)], 4000),
        ("a gap", Fraction(1, 1000), [40 * n for n in range(500) if not 230 < n < 320], 40),
        ("uneven", Fraction(1, 1000), [33 * n + (n * n) % 7 for n in range(606)], 33),
        ("reordered", Fraction(1, 12800), [512 * (n + (3, -1, -1, -1)[n % 4]) for n in range(500)], 512),
    ):
        timeline = Timeline()
        for tick in ticks:
            timeline.add(tick, durations)
        timeline.close()
        found[name] = timeline, base
    return found


def _shown(timeline: Timeline, base: Fraction, interval: Interval) -> Shown:
    start, end = (-int(-Fraction(str(second)) // base) for second in (interval.start, interval.end))
    return timeline.shown(start, end, base, timeline.end(None))


def _raw(clip: Clip, timeline: Timeline, base: Fraction, **facts: Any) -> SourceVideo:
    ticks = timeline.first, timeline.last, timeline.step, timeline.end(None)
    first, last, step, end = (float(each * base) for each in ticks)
    info = MediaInfo(
        "h264", 1280, 720, round(1 / step, 5), len(timeline), first, end, end - first, str(base),
        step=step, last=last,
    )  # fmt: skip
    sound = AudioInfo("aac", 48000, 2, 0.0, _LAST, _LAST)
    shown = {clip.stem: _shown(timeline, base, clip.interval)}
    raw = SourceVideo(Path("raw.mp4"), "mp4", replace(info, sound=sound, **facts), shown, "136", None)
    return raw.with_own_audio()


def _part(width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"width": width, "height": height, "parts": (Part(0.0, width, height, **more),)}


SOURCES: dict[str, dict[str, Any]] = {
    "360 lines": _part(640, 360),
    "1080 lines": _part(1920, 1080),
    "1088 lines": _part(1920, 1088),
    "odd width": _part(853, 480),
    "portrait": _part(608, 1080),
    "no square pixels": _part(960, 720, aspect="4/3"),
    "full range": _part(1280, 720, full_range=True),
    "HDR": _part(1280, 720, colours=(9, 16, 9), pixels="yuv420p10le"),
    "HDR, not declared": _part(1280, 720, colours=(2, 18, 2), pixels="yuv420p10le"),
    "two sizes": {"parts": (Part(0.0, 1280, 720), Part(16.0, 640, 360))},
    "another clock": {"zero": 1.4, "lead": 0.08},
    "second track": {"track": 1},
}
FORMS: dict[str, OutputSettings] = {
    "as it comes": OutputSettings(),
    "512 pixels": OutputSettings(size=512),
    "25 fps": OutputSettings(fps=Fraction(25)),
    "29.97 fps": OutputSettings(fps=Fraction(30000, 1001)),
    "lossless": OutputSettings(codec=Codec.LOSSLESS),
    "medium, crf 18": OutputSettings(preset="medium", crf=18),
    "deinterlaced": OutputSettings(deinterlace=Deinterlace.ON),
    "never deinterlaced": OutputSettings(deinterlace=Deinterlace.OFF),
    "sound": OutputSettings(audio=Audio.BOTH),
    "sound, 25 fps": OutputSettings(audio=Audio.AAC, fps=Fraction(25), size=256),
    "all of it": OutputSettings(crop=Crop.NONE),
    "two threads": OutputSettings(threads=2),
}
CLIPS: dict[str, Clip] = {
    "from the start": replace(_CLIP, interval=Interval(0.0, 4.0)),
    "off the frames": replace(_CLIP, interval=Interval(9.987, 14.321)),
    "beyond the end": replace(_CLIP, interval=Interval(14.0, 22.0)),
    "outside": replace(_CLIP, interval=Interval(19.0, 40.0)),
    "at the edge": replace(_CLIP, box=Box(745, 185, 535, 535)),
    "out of the frame": replace(_CLIP, box=Box(900, 185, 535, 535)),
    "another height": replace(_CLIP, video=replace(_CLIP.video, reference_height=1080)),
}
REGIONS: dict[str, ListRegion] = {
    "pixels": ListRegion(101, 21, 301, 203, 640, 360),
    "fractions": ListRegion(0.1964, 0, 0.4958, 0.8815, 1, 1),
    "shorter side, enlarged": ListRegion(0.1964, 0, 0.4958, 0.8815, 1, 1, 0.02, Square.MIN),
    "longer side": ListRegion(101, 21, 301, 203, 640, 360, square=Square.MAX),
    "longer than the frame": ListRegion(0, 0, 640, 203, 640, 360, square=Square.MAX),
}


def _cases() -> Iterator[tuple[str, Clip, SourceVideo, OutputSettings]]:
    plain = timelines()["25 fps"]
    for name, (timeline, base) in timelines().items():
        for rate in ("as it comes", "25 fps"):
            yield f"video: {name}; form: {rate}", _CLIP, _raw(_CLIP, timeline, base), FORMS[rate]
    for name, facts in SOURCES.items():
        yield f"source: {name}", _CLIP, _raw(_CLIP, *plain, **facts), OutputSettings()
    measured = replace(_CLIP, video=replace(_CLIP.video, reference_height=1080))
    yield "lines that were added", measured, _raw(measured, *plain, **SOURCES["1088 lines"]), OutputSettings()
    for name, form in FORMS.items():
        yield f"form: {name}", _CLIP, _raw(_CLIP, *plain), form
    for name, clip in CLIPS.items():
        yield f"clip: {name}", clip, _raw(clip, *plain), OutputSettings()
    for name, region in REGIONS.items():
        for size in ("360 lines", "1080 lines", "odd width"):
            listed = replace(_CLIP, box=None, annotation=Annotation(region))
            rules = f"; square rules {SQUARE_RULES}" if region.square is not Square.NO else ""
            yield (
                f"region: {name}; {size}{rules}",
                listed,
                _raw(listed, *plain, **SOURCES[size]),
                OutputSettings(),
            )
    for place, piece in enumerate(_CLIP.divided(2.0)):
        yield f"piece {place}", piece, _raw(piece, *plain), OutputSettings(segment=2.0)


def _decided(clip: Clip, raw: SourceVideo, form: OutputSettings) -> dict[str, Any]:
    try:
        cut = plan_cut(clip, raw, form)
    except Failure as failure:
        return {"reason": failure.reason.value}
    commands = [
        ffmpeg.clip_command(Path("ffmpeg"), cut, Path("clip.mp4"), ffmpeg.Decoding(preroll))
        for preroll in (0.0, 4.0)
    ]
    if cut.audio is not None and form.has_wav_file:
        commands.append(ffmpeg.wav_command(Path("ffmpeg"), cut.audio, Path("clip.wav")))
    return {
        "fingerprint": fingerprint(clip, form),
        "interval": [cut.interval.start, cut.interval.end],
        "frames": cut.frames,
        "source": asdict(cut.source) if cut.source else None,
        "commands": [shlex.join(command) for command in commands],
    }


def _windows() -> Iterator[tuple[str, Any]]:
    """Yield windows around faces that move, blink out, reappear elsewhere, and are not alone."""
    one = [Region(400 + 2 * n, 200 + n, 560 + 2 * n, 380 + n) for n in range(40)]
    small, large = Region(900, 100, 980, 190), Region(800, 100, 1100, 420)
    for name, faces in {
        "one face": [[each] for each in one],
        "a small one beside": [[each, small] for each in one],
        "a large one beside": [[each, large] for each in one],
        "with holes": [[each] if n % 5 else [] for n, each in enumerate(one)],
        "one outlier": [[each if n != 20 else Region(0, 0, 900, 700)] for n, each in enumerate(one)],
        "somewhere else": [[each if n < 30 else large] for n, each in enumerate(one)],
    }.items():
        frames = [Frame(n / 5, each) for n, each in enumerate(faces)]
        doubtful = [[each.start, each.end] for each in people.doubtful(frames)]
        found = people.find(frames)
        result: dict[str, Any] = {"doubtful": doubtful, "found": None}
        if found is not None:  # the size of the face and its rotation are only recorded
            result["found"] = {
                name: value for name, value in asdict(found).items() if name not in {"sides", "yaw"}
            }
        if found is not None:
            result["boxes"] = [
                asdict(window.place(found.region, zoom, margin, 1280, 720))
                for zoom, margin in ((1.0, 0.0), (1.4, 0.1))
            ]
        yield f"window: {name}", result


def computed() -> dict[str, Any]:
    """Return the decisions of this version's rules, by name."""
    found: dict[str, Any] = {name: _decided(clip, raw, form) for name, clip, raw, form in _cases()}
    found |= _windows()
    for counts in ((50, 0, 0), (0, 40, 10), (20, 20, 10), (2, 0, 48)):
        found[f"combing: {counts}"] = Combing(*counts).parity
    # As in the file: tuples become lists.
    again: dict[str, Any] = json.loads(json.dumps(found))
    return again


def kept() -> dict[str, dict[str, Any]]:
    """Return the content of the file: version of the rules to their decisions."""
    versions: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    return versions


def write() -> None:
    """Add the decisions of this version. Existing ones must not change."""
    versions, now = kept(), computed()
    before = versions.get(str(CUTTING_RULES), {})
    if changed := [name for name, decided in before.items() if now.get(name) != decided]:
        sys.exit(
            f"{', '.join(changed)}: other than before; raise CUTTING_RULES in model.py (CONTRIBUTING.md)"
        )
    versions[str(CUTTING_RULES)] = now
    FILE.write_text(json.dumps(versions, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["write"]:
        sys.exit(__doc__)
    write()
