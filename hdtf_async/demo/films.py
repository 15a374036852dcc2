"""The films of the demo, and the HDTF tables that list them.

Together they contain all features of the real tables: three subsets, several clips of one video, one YouTube
video in two rows, reference heights without a YouTube format, boxes with odd sides, an id that starts with a
hyphen, and 25, 30 and 29.97 fps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from hdtf_async.core.model import SUBSETS, Box, Interval
from hdtf_async.demo.answers import Answer, Conditions, Fault, Refusal, Then
from hdtf_async.demo.film import Film
from hdtf_async.demo.motion import head_box

FOOTAGE = Path(__file__).with_name("footage")
"""The films as files, rendered from the definitions below by ``tests/support/artwork.py``."""
PACE = 0.5
"""Seconds between two download starts: with all at once there would be nothing to encode meanwhile."""
CONDITIONS = Conditions(refusal=Refusal(after_videos=5, requests=2))
"""The mock server of the demo blocks the IP address at the last video: the two requests of one yt-dlp."""
COOL_DOWN = 2.0
"""Value of ``--cool-down`` in the demo."""
TITLE = "synthetic-demo"
"""Name of the directory of the demo's tables, which is what reports call their videos."""
RETRY_WAIT = 1.0
"""Value of ``--retry-wait`` in the demo."""
ZOOM = 1.2
"""Value of ``xx_crop_ratio.txt`` for every clip of the demo."""

_RADIO_HOST = Film("demoHead_01", "On air: how a radio programme is made", 14, look=0)
_AUTHOR = Film("-demoHead_2", "An author on his library", 6, fps=Fraction(30), look=1)
_SPEAKER = Film("demoHead_03", "Opening statement", 7, heights=(1080, 720, 144), look=2)
_TEACHER = Film("demoHead_04", "Weekly address: schools", 4, vp9_heights=(720,), look=3)
_PAINTER = Film("demoHead_05", "A painter and his gallery", 6, fps=Fraction(30000, 1001), look=4)
_ARCHITECT = Film("demoHead_06", "An architect on her city", 9, look=5)

FILMS = (_RADIO_HOST, _AUTHOR, _SPEAKER, _TEACHER, _PAINTER, _ARCHITECT)
"""The films of the demo: 46 seconds in total. Each ends one second after its last clip."""

FAULTS = {
    _AUTHOR.youtube_id: Answer(
        playability={
            "status": "LOGIN_REQUIRED",
            "reason": "Private video. Sign in if you've been granted access to this video",
        }
    ),
    _PAINTER.youtube_id: Answer(media=(Fault(requests=1, after=1000, then=Then.NOISE),)),
}
"""The answers of ``demo --faults``: a private video, and one whose first download is damaged."""


@dataclass(frozen=True, slots=True)
class Row:
    """One video of the demo's tables."""

    subset: str
    name: str
    film: Film
    reference_height: int
    intervals: tuple[Interval, ...]
    """In whole seconds, because the tables contain no fractions; none starts on a key frame except at 0."""
    aside: int = 0
    """Pixels by which the box is off the centre, as if another person had annotated it."""

    def boxes(self) -> tuple[Box, ...]:
        """Return the box of each clip: a square around the head's whole path, at the reference height."""
        return tuple(
            replace(box, left=box.left + self.aside)
            for box in (head_box(self.film, interval, self.reference_height) for interval in self.intervals)
        )


ROWS = (
    Row("RD", "Radio1", _RADIO_HOST, 720, (Interval(2, 6), Interval(7, 13))),
    Row("RD", "Radio2", _AUTHOR, 714, (Interval(2, 5),)),
    Row("WDA", "Speaker1", _SPEAKER, 1080, (Interval(3, 6),)),
    Row("WDA", "Speaker2", _TEACHER, 720, (Interval(1, 3),)),
    Row("WDA", "Speaker3", _TEACHER, 720, (Interval(1, 3),), aside=-9),
    Row("WRA", "Guest1", _PAINTER, 1080, (Interval(2, 5),)),
    Row("WRA", "Guest2", _ARCHITECT, 720, (Interval(1, 3), Interval(4, 6), Interval(7, 8))),
)
"""The demo's tables: seven rows for six films, ten clips."""


def write_tables(directory: Path) -> None:
    """Write the five tables of each subset for the films of the demo, in the format of HDTF."""
    directory.mkdir(parents=True, exist_ok=True)
    for subset in SUBSETS:
        tables: dict[str, list[str]] = {
            name: [] for name in ("video_url", "resolution", "annotion_time", "crop_wh", "crop_ratio")
        }
        for row in ROWS:
            if row.subset != subset:
                continue
            times = " ".join(f"{_clock(span.start)}-{_clock(span.end)}" for span in row.intervals)
            tables["video_url"].append(f"{row.name} https://www.youtube.com/watch?v={row.film.youtube_id}")
            tables["resolution"].append(f"{row.name}.mp4 {row.reference_height}")
            tables["annotion_time"].append(f"{row.name}.mp4 {times}")
            for index, box in enumerate(row.boxes()):
                clip = f"{row.name}_{index}.mp4"
                tables["crop_wh"].append(f"{clip} {box.left} {box.width} {box.top} {box.height}")
                tables["crop_ratio"].append(f"{clip} {ZOOM}")
        for name, lines in tables.items():
            (directory / f"{subset}_{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"
