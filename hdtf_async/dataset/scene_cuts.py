"""Split clips at their scene cuts, with ``--scene-cuts split``. Pure.

Cuts are only known once a clip was encoded. Then the journal has them, and the parts between them take the
place of the clip in the tables: each is a clip of its own, numbered like a segment.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hdtf_async.core.model import Interval, SceneCuts
from hdtf_async.core.steps import steps
from hdtf_async.dataset.plan import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from hdtf_async.core.model import Clip, OutputSettings, Tables
    from hdtf_async.core.options import Options

SHORTEST = 1.0
"""Minimum duration of a part, in seconds; shorter ones are omitted."""


def record_of(clip: Clip, settings: OutputSettings, cuts: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the journal's record of the cuts in a clip; see `bounds`."""
    return {
        "type": "cuts",
        "clip": clip.stem,
        "fingerprint": fingerprint(clip, settings),
        "cuts": [list(cut) for cut in cuts],
    }


def bounds(
    seconds: Iterable[float], begin: float, step: float, rate: Fraction | None
) -> list[tuple[float, float]]:
    """Return where the part before each cut ends, and the one after it starts, in seconds of the source.

    `seconds` are those of the first frames after the cuts, from the first frame of the clip, which is at
    `begin`. Frames have the source's usual distance of `step` seconds. If they were converted to a `rate`,
    the frame of the source is only known to half of its period: then both parts lose this much.
    """
    if rate is None:
        return [(begin + second - step / 2,) * 2 for second in seconds]
    half = float(1 / rate / 2)
    return [(begin + second - half, begin + second + half) for second in seconds]


def parts(clip: Clip, cuts: Iterable[tuple[float, float]]) -> list[Clip]:
    """Return the parts of a clip between its cuts."""
    whole = clip.interval
    ends = [(whole.start, whole.start), *sorted(cuts), (whole.end, whole.end)]
    found = [
        Interval(round(max(whole.start, start), 6), round(min(whole.end, end), 6), whole.rate)
        for (_, start), (end, _) in pairwise(ends)
    ]
    long = (interval for interval in found if interval.seconds >= SHORTEST)
    return [replace(clip, interval=interval, segment=number) for number, interval in enumerate(long)]


def divided(tables: Tables, options: Options, recorded: Mapping[str, Mapping[str, Any]]) -> Tables:
    """Return the tables with the parts of each clip whose cuts are recorded with these settings."""
    if options.scene_cuts is not SceneCuts.SPLIT or not recorded:
        return tables
    settings = options.output_settings
    clips: list[Clip] = []
    for clip in steps(tables.clips):
        record = recorded.get(clip.stem)
        cuts = None
        if record is not None:
            short = clip.shortened(options.first, options.middle)
            cuts = _cuts(record) if record.get("fingerprint") == fingerprint(short, settings) else None
        clips += [clip] if cuts is None else parts(short, cuts)
    return replace(tables, clips=tuple(clips))


def _cuts(record: Mapping[str, Any]) -> list[tuple[float, float]] | None:
    """Return the cuts in a record; None if it is invalid: a journal may come from somebody else."""
    found = []
    for cut in record["cuts"]:
        match cut:
            case [int() | float() as end, int() | float() as start]:
                found.append((end, start))
            case _:
                return None
    return found
