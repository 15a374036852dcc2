"""Renders the drawings in `tests/support/artwork` (SVG) into the files that the demo reads (WebP).

    python tests/support/artwork.py

Run it after changing a drawing, and increase ``_REVISION`` in `hdtf_async.demo.footage`. It needs an ffmpeg
with librsvg and libwebp, such as that of imageio-ffmpeg for Linux. `hdtf_async.demo.scene` lists where the
parts of a person are in the drawing.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from hdtf_async.demo.scene import ARTWORK, PEOPLE, SHEET_SCALE
from hdtf_async.media.ffmpeg import bundled_ffmpeg

DRAWINGS = Path(__file__).with_suffix("")
SHEET_WIDTH = 1456
"""In drawing units."""
ROOM_WIDTH = 569
"""In pixels: backgrounds are out of focus."""


def render(name: str, width: int, filters: str) -> None:
    """Render one drawing with a width in pixels."""
    subprocess.run(
        [
            *(str(bundled_ffmpeg()), "-nostdin", "-v", "error", "-y", "-width", str(width)),
            *("-i", str(DRAWINGS / f"{name}.svg"), "-vf", filters),
            *("-frames:v", "1", "-c:v", "libwebp", "-quality", "85", "-compression_level", "6"),
            *("-bitexact", str(ARTWORK / f"{name}.webp")),
        ],
        check=True,
    )


if __name__ == "__main__":
    for person in PEOPLE:
        # librsvg returns premultiplied colours.
        render(person, round(SHEET_WIDTH * SHEET_SCALE), "format=gbrap,unpremultiply=inplace=1")
        render(f"{person}-room", ROOM_WIDTH, "format=rgb24")
