"""Accuracy and speed of face detection, as tables. Needs the extra ``test-face``.

    python benchmarks/faces.py [DIRECTORY]

The footage is a photograph of a real face on known paths (`tests/support/astronaut.py`), kept in the
directory if given. Windows are compared by intersection over union, at a zoom of 1.2.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import astronaut
import numpy as np

from hdtf_async.core.model import Box, Crop, Interval, OutputSettings
from hdtf_async.core.system import usable_cpus
from hdtf_async.media.cut import Cut
from hdtf_async.media.face.detector import Detect, Score, Search, detector, scorer
from hdtf_async.media.face.finder import Finder
from hdtf_async.media.face.people import Frame, Region, doubtful, find, overlap
from hdtf_async.media.face.window import place
from hdtf_async.media.ffmpeg import bundled_ffmpeg

ZOOM = 1.2
RATES = (None, 10.0, 5.0, 2.0, 1.0)
SIZE = astronaut.WIDTH, astronaut.HEIGHT
HEIGHTS = (40, 48, 56, 64, 80, 100, 130, 160, 200, 290, 400)
SMALL = (
    astronaut.Motion("next to a small one", astronaut.MOTIONS[3].at, lambda _second: (1100, 200, 80)),
    astronaut.Motion("small and alone", lambda second: (640 + 20 * second, 300, 80)),
    astronaut.Motion("nobody", lambda _second: None),
)
FOUND = 0.7
"""Intersection over union with the marked face from which on it counts as found."""


def planned(raw: Path, rate: float | None) -> Cut:
    """Return the cut of a whole film."""
    form = OutputSettings(crop=Crop.FACE, face_rate=rate)
    return Cut(
        raw, "mp4", Interval(0, astronaut.SECONDS), Box(0, 0, *SIZE), *SIZE, 150, form, Fraction(1, 12800)
    )


def window(frames: list[Frame]) -> Region:
    """Return the region that would be cropped; an empty one without a face."""
    found = find(frames)
    if found is None:
        return Region(0, 0, 0, 0)
    box = place(found.region, ZOOM, 0, *SIZE)
    return Region(box.left, box.top, box.right, box.bottom)


def used() -> float:
    """Return the CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def motions(finder: Finder, directory: Path) -> None:
    """Print the intersection over union of the windows of the five motions with the marked face's."""
    labels = ["every frame" if rate is None else f"{rate:g}/s" for rate in RATES]
    rates = "".join(f"{label:>13}" for label in labels)
    print(f"{'motion':20}{'faces':>6}{'seen':>6}{rates}   5/s compared with every frame")
    for motion in astronaut.MOTIONS:
        raw = astronaut.render(motion, directory / f"{motion.name.replace(' ', '_')}.mp4")
        looked = {rate: await finder.look(planned(raw, rate), SIZE) for rate in RATES}
        found = find(looked[5.0])
        expected = astronaut.due(motion, ZOOM)
        near = "".join(f"{overlap(window(frames), expected):13.3f}" for frames in looked.values())
        same = overlap(window(looked[5.0]), window(looked[None]))
        seen = "" if found is None else f"{found.people:6}{found.seen / len(looked[5.0]):6.0%}"
        print(f"{motion.name:20}{seen}{near}{same:12.3f}")


async def speed(finder: Finder, directory: Path) -> None:
    """Print the cost of the search: one clip of each kind, then as many in parallel as there are CPUs."""
    raw = directory / "alone.mp4"
    begun = used()
    await finder.look(planned(raw, 1.0), SIZE)
    few = used() - begun
    print(f"\n{'CPU per frame, including decoding':36}{'ms':>6}")
    for motion in (astronaut.MOTIONS[1], *SMALL):
        film = astronaut.render(motion, directory / f"{motion.name.replace(' ', '_')}.mp4")
        begun = used()
        frames = len(await finder.look(planned(film, None), SIZE))
        each = (used() - begun - few) / (frames - astronaut.SECONDS)
        print(f"{motion.name:36}{each * 1000:6.1f}")
    print(f"in addition, a clip takes about {few:.1f} CPU s to load the detector")
    at_a_time, clock = usable_cpus(), time.monotonic()
    async with anyio.create_task_group() as group:
        for _ in range(at_a_time):
            group.start_soon(finder.look, planned(raw, None), SIZE)
    seconds = time.monotonic() - clock
    rate = at_a_time * frames / seconds
    print(f"{at_a_time} clips in parallel: {rate:.0f} frames per second of elapsed time, including loading")


def small() -> None:
    """Print how many faces of each height are found: by the detector alone, and by the search."""
    with detector(astronaut.model()) as detect, scorer(astronaut.model()) as score:
        _small(detect, score)


def _small(detect: Detect, score: Score) -> None:
    chance = np.random.default_rng(1)
    columns = f"{'of the frame':>14}{'detector':>10}{'search':>8}{'its CPU':>11}"
    print(f"\n{'height of the face':18}{columns}   of 10, at random positions")
    for height in HEIGHTS:
        alone = searched = 0
        seconds = 0.0
        for _ in range(10):
            x = chance.uniform(height, SIZE[0] - height)
            y = chance.uniform(0.8 * height, SIZE[1] - 0.8 * height)
            image = astronaut.background().copy()
            astronaut.paste_head(image, (x, y, height))
            expected = astronaut.marked((x, y, height))
            alone += any(overlap(found, expected) > FOUND for found in detect(image))
            search = Search(detect, score)
            search.faces(image[:64, :64])  # the first image of a clip is always searched completely
            begun = time.process_time()
            searched += any(overlap(found, expected) > FOUND for found in search.faces(image))
            seconds += (time.process_time() - begun) / 10
        print(f"{height:15} px  {height / SIZE[1]:13.1%}{alone:10}{searched:8}{seconds * 1000:8.0f} ms")


def anywhere(chance: random.Random) -> Region:
    """Return a region of random size and position."""
    side, x, y = chance.uniform(60, 600), chance.uniform(0, SIZE[0]), chance.uniform(0, SIZE[1])
    return Region(x - 0.4 * side, y - side / 2, x + 0.4 * side, y + side / 2)


def wild(frames: list[Frame], every: list[Frame]) -> None:
    """Print how random regions in place of the face affect the window: simulated, among a film's regions.

    The additional frames that are searched because of them come from `every`, and some of those are random
    too.
    """
    right = window(frames)
    columns = f"{'mean IoU':>10}{'least':>8}{'merged all':>12}"
    print(f"\n{'random frames':19}{columns}   of 200 draws, relative to the window without any")
    for share in (0.02, 0.05, 0.1, 0.2, 0.3):
        near, plain = [], []
        for seed in range(200):
            chance = random.Random(seed)  # noqa: S311 - guards nothing
            drawn = list(frames)
            for number in chance.sample(range(len(drawn)), round(share * len(drawn))):
                drawn[number] = replace(drawn[number], faces=[anywhere(chance)])
            searched, between = list(drawn), doubtful(drawn)
            for frame in every[::3]:
                already = any(frame.second == each.second for each in frames)
                if not already and any(each.start < frame.second < each.end for each in between):
                    seen = [anywhere(chance)] if chance.random() < share else frame.faces
                    searched.append(Frame(frame.second, seen, sampled=False))
            near.append(overlap(window(sorted(searched, key=lambda frame: frame.second)), right))
            edges = list(zip(*(region.edges for frame in drawn for region in frame.faces), strict=True))
            merged = place(Region(min(edges[0]), min(edges[1]), max(edges[2]), max(edges[3])), ZOOM, 0, *SIZE)
            plain.append(overlap(Region(merged.left, merged.top, merged.right, merged.bottom), right))
        print(f"{share:19.0%} {np.mean(near):10.3f}{min(near):8.3f}{np.mean(plain):12.3f}")


async def main(directory: Path) -> None:
    """Draw, search and print."""
    finder = Finder(bundled_ffmpeg(), astronaut.model())
    await motions(finder, directory)
    await speed(finder, directory)
    small()
    alone = directory / "alone.mp4"
    wild(*[await finder.look(planned(alone, rate), SIZE) for rate in (5.0, None)])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="faces-") as temporary:
        kept = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        kept.mkdir(parents=True, exist_ok=True)
        anyio.run(main, kept)
