"""The report as users see it: opened from the disk in a browser without a network.

With ``HDTF_SCREENSHOTS=DIR`` in the environment, a screenshot of each view is written to DIR.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from shared import HOSTILE

from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.report import outdated, page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared import Finished

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1200, 390)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Run headless Chromium with a temporary profile; it records its console."""
    from selenium import webdriver  # noqa: PLC0415 - of the extra test-browser
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        service = Service(shutil.which("chromedriver") or "chromedriver")
        driver = webdriver.Chrome(options=options, service=service)
        yield driver
        driver.quit()


@pytest.fixture(scope="module")
def report(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo's report, with some failed clips, one of them with a malicious message."""
    out = tmp_path_factory.mktemp("report") / "clips"
    shutil.copytree(finished.out, out, ignore=shutil.ignore_patterns("_videos_raw"))
    (out / "RD_Radio1_001.mp4").unlink()
    (out / "WRA_Guest2_002.mp4").unlink()
    with (out / "_journal.jsonl").open("a", encoding="utf-8") as journal:
        for stem, reason in (("RD_Radio1_001", "private"), ("WRA_Guest2_002", "removed")):
            subset, name, _ = stem.split("_")
            failure = {"type": "failed", "clip": stem, "subset": subset, "name": name, "reason": reason}
            journal.write(json.dumps(failure | {"youtube_id": "demoHead_01", "words": HOSTILE}) + "\n")
    anyio.run(lambda: page.write(out, tool=bundled_ffmpeg, encodes=anyio.CapacityLimiter(1)))
    return out / outdated.REPORT


def look(browser: Any, report: Path, scheme: str, width: int) -> None:
    """Open the report at a screen width and with a colour scheme."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get_log("browser")
    browser.get(report.as_uri())


def keep(browser: Any, name: str) -> None:
    """Write a screenshot if the user asked for one."""
    directory = os.environ.get("HDTF_SCREENSHOTS")
    if directory:
        browser.save_screenshot(str(Path(directory) / f"{name}.png"))


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_opens_without_an_error_and_fits_the_screen(
    browser: Any, report: Path, scheme: str, width: int
) -> None:
    """Every image loads, the console is empty, no element is wider than the screen or from another host."""
    look(browser, report, scheme, width)
    keep(browser, f"report-{scheme}-{width}")
    browser.execute_script("for (const each of document.images) each.loading = 'eager'")
    undrawn = "await Promise.all([...document.images].map(each => each.decode())); "
    browser.execute_async_script(f"(async done => {{ {undrawn} done(); }})(arguments[0])")
    assert browser.execute_script("return document.images.length") == 8
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 3 * 128) == (scheme == "dark")
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(
    ("chosen", "stems"),
    [
        ({"subset": "WDA"}, ["WDA_Speaker1_000", "WDA_Speaker2_000", "WDA_Speaker3_000"]),
        ({"outcome": "missing"}, ["RD_Radio1_001", "WRA_Guest2_002"]),
        ({"outcome": "private"}, ["RD_Radio1_001"]),
        ({"speaker": "guest", "outcome": "done"}, ["WRA_Guest1_000", "WRA_Guest2_000", "WRA_Guest2_001"]),
        ({"speaker": "nobody"}, []),
    ],
    ids=str,
)
def test_its_clips_are_filtered(browser: Any, report: Path, chosen: dict[str, str], stems: list[str]) -> None:
    """Search text and filters select clips, and the page shows how many of how many they are."""
    from selenium.webdriver.common.by import By  # noqa: PLC0415
    from selenium.webdriver.support.select import Select  # noqa: PLC0415

    look(browser, report, "light", 1200)
    for name, value in chosen.items():
        field = browser.find_element(By.NAME, name)
        if field.tag_name == "select":
            Select(field).select_by_visible_text(value)
        else:
            field.send_keys(value)
    tiles = browser.find_elements(By.CSS_SELECTOR, ".grid li")
    assert [tile.find_element(By.TAG_NAME, "b").text for tile in tiles if tile.is_displayed()] == stems
    assert browser.find_element(By.ID, "shown").text == f"{len(stems)} of 10"
    keep(browser, f"report-{'-'.join(chosen.values())}")


def test_an_image_opens_its_clip(browser: Any, report: Path) -> None:
    """With a relative link, which works wherever the directory is moved."""
    from selenium.webdriver.common.by import By  # noqa: PLC0415

    look(browser, report, "light", 390)
    link = browser.find_element(By.CSS_SELECTOR, ".grid a[title=RD_Radio2_000]")
    assert link.get_dom_attribute("href") == "RD_Radio2_000.mp4"
    link.click()
    assert browser.current_url == (report.parent / "RD_Radio2_000.mp4").as_uri()
    video = "const video = document.querySelector('video'); return video && video.error"
    assert browser.execute_script(video) is None
