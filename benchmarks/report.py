"""Time until report.html is usable in a browser, compared with a page of the same bytes without its script.

    python benchmarks/report.py [--clips 421 35000] [--runs 5]

Needs the extra ``test-browser``, and Chromium with chromedriver on PATH. The records have different names,
speakers and durations, and all clips share an image of noise of the usual size. A report is usable when the
images of the gallery's first clips are decoded and the page was drawn with them.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.report import gallery, page
from hdtf_async.report.records import ReportData

if TYPE_CHECKING:
    from collections.abc import Iterator

USABLE = """
const done = arguments[arguments.length - 1];
for (const each of document.images) each.loading = "eager";
Promise.all([...document.images].map(each => each.decode()))
    .then(() => requestAnimationFrame(() => requestAnimationFrame(() => done(document.images.length))));
"""
NOISE = "nullsrc=s=192x192,geq=random(1)*255:128:128"


def image() -> str:
    """Return a thumbnail in Base64."""
    command = [str(bundled_ffmpeg()), "-v", "error", "-f", "lavfi", "-i", NOISE, "-frames:v", "1"]
    command += ["-q:v", "31", "-f", "image2pipe", "-c:v", "mjpeg", "-"]
    return base64.b64encode(subprocess.run(command, check=True, capture_output=True).stdout).decode()


def report(clips: int) -> bytes:
    """Return the report of so many clips."""
    found = ReportData({})
    for number in range(clips):
        stem = f"WDA_Speaker{number // 3}_{number % 3:03}"
        found.clips[stem] = ClipRecord({
            "file_name": f"{stem}.mp4", "subset": "WDA", "name": f"Speaker{number // 3}", "index": number % 3,
            "youtube_id": f"{number // 3:011}", "start": 10.0, "end": 40.0, "width": 512, "height": 512,
            "duration": 3.0 + number % 57, "fps": 25.0, "frames": 750, "sha256": f"{number:064x}",
            "bytes": 200_000 + 997 * (number % 2801), "source_height": 720, "brightness": 100.0,
        })  # fmt: skip
    shown = image()
    found.pictures = {f"{line.sha256}": shown for line in gallery.pictured(found.clips)}
    return page.render(found)


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Run headless Chromium with a temporary profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        service = Service(shutil.which("chromedriver") or "chromedriver")
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield driver
        finally:
            driver.quit()


def seconds(driver: webdriver.Chrome, path: Path) -> float:
    """Open a page and return the seconds until it is usable."""
    driver.get("about:blank")
    begun = time.perf_counter()
    driver.get(path.as_uri())
    driver.execute_async_script(USABLE)
    return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[421, 35_000])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, medians of {args.runs}")
    print(f"{'clips':>7}{'MB':>7}{'seconds':>9}{'no script':>11}{'ratio':>7}")
    with tempfile.TemporaryDirectory(prefix="report-") as temporary, browser() as driver:
        whole, inert = Path(temporary, "report.html"), Path(temporary, "inert.html")
        for clips in args.clips:
            html = report(clips)
            whole.write_bytes(html)
            inert.write_bytes(re.sub(rb"<script(?![^>]* type=)", b'<script type="text/plain"', html))
            times: dict[Path, list[float]] = {whole: [], inert: []}
            for path in times:  # warm-up, not measured
                seconds(driver, path)
            for _ in range(args.runs):
                for path, measured in times.items():
                    measured.append(seconds(driver, path))
            usable, bound = median(times[whole]), median(times[inert])
            print(f"{clips:7}{len(html) / 1e6:7.1f}{usable:9.2f}{bound:11.2f}{usable / bound:7.1f}")


if __name__ == "__main__":
    main()
