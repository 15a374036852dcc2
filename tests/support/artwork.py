"""Renders the drawings in `tests/support/rendering/artwork` (SVG to WebP), and from them the demo's films.

    python tests/support/artwork.py

Run it after changing a drawing, a film of the demo, or how films are rendered; in the last case increase
``_REVISION`` in `rendering`. It requires an ffmpeg with librsvg and libwebp, such as that of imageio-ffmpeg
for Linux. `rendering.scene` contains the positions of a person's parts in the drawing.
"""

from __future__ import annotations

import subprocess

import anyio
from rendering import SMALL, draw
from rendering.scene import ARTWORK, PEOPLE, SHEET_SCALE

from hdtf_async import demo
from hdtf_async.media.ffmpeg import bundled_ffmpeg

SHEET_WIDTH = 1456
"""In drawing units."""
ROOM_WIDTH = 569
"""In pixels: backgrounds are out of focus."""


def render(name: str, width: int, filters: str) -> None:
    """Render one drawing with a width in pixels."""
    subprocess.run(
        [
            *(str(bundled_ffmpeg()), "-nostdin", "-v", "error", "-y", "-width", str(width)),
            *("-i", str(ARTWORK / f"{name}.svg"), "-vf", filters),
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
    anyio.run(draw, demo.FOOTAGE, demo.FILMS, SMALL)
