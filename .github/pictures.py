"""Make the pictures of the README from a run of the demo.

    pip install -e '.[pictures]'                 # also needs chromium and chromedriver for the screenshot
    python .github/pictures.py recording         # .github/demo.svg: the terminal during the demo
    python .github/pictures.py screenshot        # .github/report.png: the report of the demo

The recording is an animated SVG: one long strip with every state of the screen, which moves by one state at
a time. It contains text, not pixels, and no script, so GitHub shows it. Who prefers no motion sees the end.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyte.screens import Char

HERE = Path(__file__).resolve().parent
COLUMNS, ROWS = 88, 22
COMMANDS = ("python -m hdtf_async demo --out demo", "ls demo")
SPEED = 2.0
"""How much faster than it happened the recording is played."""
INTERVAL = 0.25
"""Seconds between two looks at the screen."""
LAST = 6.0
"""Seconds for which the end is shown."""
CELL_WIDTH, CELL_HEIGHT, MARGIN, FONT_SIZE = 8.43, 18, 14, 14
COLOURS = {
    "default": "#d5d9e0", "black": "#3b4252", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#ffffff",
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """The screen from a time on: each row as pieces of text with a colour and whether they are bold."""

    seconds: float
    rows: tuple[tuple[tuple[str, str, bool], ...], ...]


def pieces(row: Mapping[int, Char]) -> tuple[tuple[str, str, bool], ...]:
    """Return a row of pyte's screen as pieces of equal style, without the blanks at its end."""
    cells = [row[column] for column in range(COLUMNS)]
    while cells and cells[-1].data == " ":
        cells.pop()
    styles = groupby(cells, key=lambda cell: (cell.fg, cell.bold))
    return tuple(
        ("".join(cell.data for cell in same), str(colour), bool(bold)) for (colour, bold), same in styles
    )


def record(commands: tuple[str, ...], where: Path) -> list[State]:
    """Run commands in a terminal, one after the other, and return the states of its screen."""
    import pyte  # noqa: PLC0415 - of the extra pictures

    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    states: list[State] = []
    begun = time.monotonic()

    def look() -> None:
        rows = tuple(pieces(screen.buffer[number]) for number in range(ROWS))
        if not states or states[-1].rows != rows:
            states.append(State(time.monotonic() - begun, rows))

    for command in commands:
        stream.feed(f"\x1b[32m$\x1b[0m {command}\r\n".encode())
        look()
        for output in outputs(command, where):
            stream.feed(output)
            look()
    stream.feed(b"\x1b[32m$\x1b[0m ")
    look()
    return states


def outputs(command: str, where: Path) -> Iterator[bytes]:
    """Yield what a command has written to its terminal since the last time, every `INTERVAL`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = os.environ | {"TERM": "xterm-256color", "PATH": path}
    environ |= {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    with subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=where, env=environ, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        gathered, due = b"", time.monotonic() + INTERVAL
        while True:
            if select.select([ours], [], [], max(0.0, due - time.monotonic()))[0]:
                try:
                    written = os.read(ours, 65536)
                except OSError:  # Linux: the last process with this terminal has ended
                    written = b""
                if not written:
                    break
                gathered += written
            if time.monotonic() >= due:
                yield gathered
                gathered, due = b"", time.monotonic() + INTERVAL
        yield gathered
        os.close(ours)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}")


def svg_of(states: list[State], speed: float) -> str:
    """Return the recording as an animated SVG."""
    width, height = round(COLUMNS * CELL_WIDTH + 2 * MARGIN), ROWS * CELL_HEIGHT + 2 * MARGIN
    numbers: dict[tuple[tuple[str, str, bool], ...], int] = {}
    strip = []
    for place, state in enumerate(states):
        for number, row in enumerate(state.rows):
            if row:
                same = numbers.setdefault(row, len(numbers))
                strip.append(f'<use href="#r{same}" y="{place * height + number * CELL_HEIGHT}"/>')
    times = [state.seconds / speed for state in states]
    whole = times[-1] + LAST
    shares = enumerate(100 * at / whole for at in times)
    keys = [f"{share:.3f}%{{transform:translateY(-{place * height}px)}}" for place, share in shares]
    end = f"translateY(-{(len(states) - 1) * height}px)"
    classes = "".join(f".{name}{{fill:{colour}}}" for name, colour in COLOURS.items())
    title = f"{COMMANDS[0]}: {states[-1].seconds:.0f} seconds, played at {speed:g} times the speed"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img"><title>{escape(title)}</title><style>'
        f"text{{font:{FONT_SIZE}px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}"
        f"{classes}.b{{font-weight:bold}}"
        f"@keyframes play{{{''.join(keys)}100%{{transform:{end}}}}}"
        f"#strip{{animation:play {whole:.2f}s step-end infinite}}"
        f"@media(prefers-reduced-motion){{#strip{{animation:none;transform:{end}}}}}</style>"
        f'<rect width="{width}" height="{height}" rx="8" fill="#1e222a"/>'
        f"<defs>{''.join(text_of(row, number) for row, number in numbers.items())}</defs>"
        f'<svg x="{MARGIN}" y="{MARGIN}" width="{width - 2 * MARGIN}" height="{height - 2 * MARGIN}">'
        f'<g id="strip">{"".join(strip)}</g></svg></svg>\n'
    )


def text_of(row: tuple[tuple[str, str, bool], ...], number: int) -> str:
    """Return a row of the screen as SVG text; each piece starts at its column whatever the font's width."""
    column, spans = 0, []
    for text, colour, bold in row:
        kind = colour if colour in COLOURS else "default"
        style = f"{kind} b" if bold else kind
        if text.strip():
            left, length = column * CELL_WIDTH, len(text) * CELL_WIDTH
            opened = f'<tspan x="{left:.1f}" class="{style}" textLength="{length:.1f}">'
            spans.append(f"{opened}{escape(text)}</tspan>")
        column += len(text)
    return f'<text id="r{number}" y="{FONT_SIZE}">{"".join(spans)}</text>'


def screenshot(report: Path, picture: Path) -> None:
    """Write what a browser shows of a report: its top, at twice the pixels, in few colours."""
    from PIL import Image  # noqa: PLC0415 - of the extra pictures
    from selenium import webdriver  # noqa: PLC0415 - of the extra pictures
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or ""))
        try:
            screen = {"width": 1100, "height": 1400, "deviceScaleFactor": 1.5, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            driver.get(report.as_uri())
            eager = "for (const each of document.images) each.loading = 'eager';"
            decoded = "Promise.all([...document.images].map(each => each.decode()))"
            driver.execute_async_script(f"const done = arguments[0]; {eager} {decoded}.then(done, done)")
            driver.save_screenshot(str(picture))
        finally:
            driver.quit()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(colors=128).save(picture, optimize=True)


def main() -> None:
    """Run the command described in the docstring of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("picture", choices=("recording", "screenshot"))
    parser.add_argument("--speed", type=float, default=SPEED)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        where = Path(temporary)
        if arguments.picture == "recording":
            picture = HERE / "demo.svg"
            picture.write_text(svg_of(record(COMMANDS, where), arguments.speed), encoding="utf-8")
        else:
            picture = HERE / "report.png"
            for _output in outputs(COMMANDS[0], where):
                pass
            screenshot(where / "demo" / "report.html", picture)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
