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

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.splits import Split
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.report import gallery, outdated, page
from hdtf_async.report.records import ReportData

pytest.importorskip("selenium", reason="of the extra test-browser")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

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
        split = Split(given={"WRA_Guest1_000": "val"}, rest="train").to_json()
        journal.write(json.dumps({"type": "split", **split}) + "\n")
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
    undrawn = "await Promise.all([...document.images].map(each => each.decode())); "
    browser.execute_async_script(f"(async done => {{ {undrawn} done(); }})(arguments[0])")
    assert browser.execute_script("return document.images.length") == 8
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 3 * 128) == (scheme == "dark")
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []


def tiles(browser: Any) -> list[str]:
    """Return the stems of the clips that the gallery shows, in order."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('.grid li')].map(each => each.dataset.stem)"
    )
    return found


def choose(browser: Any, **chosen: str) -> None:
    """Fill in the form above the gallery, as with the keyboard."""
    for name, value in chosen.items():
        field = browser.find_element(By.NAME, name)
        if field.tag_name == "select":
            Select(field).select_by_value(value)
        else:
            field.send_keys(value)


@pytest.mark.parametrize(
    ("chosen", "stems"),
    [
        ({"subset": "WDA"}, ["WDA_Speaker1_000", "WDA_Speaker2_000", "WDA_Speaker3_000"]),
        ({"split": "val"}, ["WRA_Guest1_000"]),
        ({"outcome": "missing"}, ["RD_Radio1_001", "WRA_Guest2_002"]),
        ({"outcome": "private"}, ["RD_Radio1_001"]),
        ({"speaker": "guest", "outcome": "done"}, ["WRA_Guest1_000", "WRA_Guest2_000", "WRA_Guest2_001"]),
        ({"speaker": "nobody"}, []),
        ({"text": "private VIDEO"}, ["RD_Radio1_001"]),
        ({"text": "wra guest2 done"}, []),
        ({"text": "speaker2"}, ["WDA_Speaker2_000"]),
        (
            {"least": "3", "most": "4"},
            ["RD_Radio1_000", "RD_Radio2_000", "WDA_Speaker1_000", "WRA_Guest1_000"],
        ),
        (
            {"sort": "longest", "least": "3"},
            ["RD_Radio1_000", "RD_Radio2_000", "WDA_Speaker1_000", "WRA_Guest1_000"],
        ),
        ({"sort": "shortest", "speaker": "radio"}, ["RD_Radio2_000", "RD_Radio1_000", "RD_Radio1_001"]),
        ({"sort": "reason", "text": "guest2"}, ["WRA_Guest2_002", "WRA_Guest2_000", "WRA_Guest2_001"]),
        ({"sort": "speaker", "outcome": "missing"}, ["WRA_Guest2_002", "RD_Radio1_001"]),
    ],
    ids=str,
)
def test_its_clips_are_searched_and_sorted(
    browser: Any, report: Path, chosen: dict[str, str], stems: list[str]
) -> None:
    """By name, speaker, subset, split, reason and length; the page shows how many of how many they are."""
    look(browser, report, "light", 1200)
    choose(browser, **chosen)
    assert tiles(browser) == stems
    assert browser.find_element(By.ID, "shown").text == f"{len(stems)} of 10"
    keep(browser, f"report-{'-'.join(chosen.values())}")


def plays(browser: Any) -> bool:
    """Wait until the clip in the player has advanced; return whether it has."""
    wait = """
        const [done] = arguments, video = document.querySelector("dialog[open] video");
        const check = () => { if (video.error) done(false); if (video.currentTime > 0) done(true); };
        for (const kind of ["timeupdate", "error"]) video.addEventListener(kind, check);
        check();
    """
    return bool(browser.execute_async_script(wait))


@pytest.mark.parametrize("width", [390, 1200])
def test_a_clip_plays_in_place(browser: Any, report: Path, width: int) -> None:
    """After a click; the file is a relative link, which works wherever the directory is moved."""
    look(browser, report, "light", width)
    browser.find_element(By.CSS_SELECTOR, "[data-stem=RD_Radio2_000] button").click()
    assert plays(browser)
    dialog = browser.find_element(By.ID, "player")
    keep(browser, f"player-{width}")
    assert dialog.find_element(By.TAG_NAME, "h2").text == "RD_Radio2_000"
    assert "train" in dialog.text
    link = dialog.find_element(By.CSS_SELECTOR, "a[href$='.mp4']")
    assert link.get_dom_attribute("href") == "RD_Radio2_000.mp4"
    youtube = dialog.find_element(By.CSS_SELECTOR, "a[href*=youtube]").get_dom_attribute("href")
    assert youtube == "https://www.youtube.com/watch?v=-demoHead_2&t=2s"
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.current_url == report.as_uri()
    assert browser.get_log("browser") == []


def test_clips_are_reviewed_with_the_keyboard_alone(browser: Any, report: Path) -> None:
    """Enter plays, the arrows change the clip, also to a missing one, and Escape returns to its tile."""
    look(browser, report, "dark", 1200)
    browser.execute_script("document.querySelector('.grid button').focus()")
    keys = ActionChains(browser)
    keys.send_keys(Keys.ENTER).perform()
    assert plays(browser)
    browser.find_element(By.ID, "close").send_keys(Keys.ARROW_RIGHT)
    dialog = browser.find_element(By.ID, "player")
    assert dialog.find_element(By.TAG_NAME, "h2").text == "RD_Radio1_001"
    assert not dialog.find_element(By.TAG_NAME, "video").is_displayed()
    assert "private video (private)" in dialog.text
    assert HOSTILE in dialog.text
    keep(browser, "player-missing")
    browser.find_element(By.ID, "close").send_keys(Keys.ARROW_RIGHT)
    assert plays(browser)
    browser.find_element(By.ID, "close").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert not browser.find_element(By.ID, "previous").is_enabled()
    browser.find_element(By.ID, "next").click()
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not dialog.is_displayed()
    focused = "return document.activeElement.closest('li').dataset.stem"
    assert browser.execute_script(focused) == "RD_Radio1_001"


def test_a_clip_that_is_not_beside_the_report_is_explained(
    browser: Any, report: Path, tmp_path: Path
) -> None:
    """As for a reader who got the report alone: its images are embedded."""
    alone = Path(shutil.copy(report, tmp_path))
    look(browser, alone, "light", 1200)
    assert browser.execute_script("return document.images.length") == 8
    browser.find_element(By.CSS_SELECTOR, "[data-stem=RD_Radio2_000] button").click()
    trouble = browser.find_element(By.ID, "trouble")
    WebDriverWait(browser, 60).until(lambda _: trouble.is_displayed())
    assert "beside report.html" in trouble.text


def test_every_control_and_image_has_a_name(browser: Any, report: Path) -> None:
    """For screen readers, in the tree that the browser gives them."""
    look(browser, report, "light", 1200)
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "link", "image", "textbox", "searchbox", "combobox", "spinbutton", "table", "region"}
    named: dict[str, list[str]] = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in roles and not node.get("ignored"):
            named.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    for role in ("button", "link", "image", "searchbox", "combobox", "spinbutton"):
        assert named[role], role
        assert all(named[role]), (role, named[role])
    assert "Play RD_Radio1_000, 4.0 seconds" in named["button"]
    assert "RD_Radio1_001, missing: private video. Details" in named["button"]
    assert any(name.startswith("Timeline of ") for name in named["image"])
    assert any(name.startswith("Duration. Number of clips: ") for name in named["image"])


@pytest.mark.parametrize("box", ["paragraph", "bibtex"])
def test_the_methods_paragraph_and_the_citation_are_copied(
    browser: Any, report: Path, tmp_path: Path, box: str
) -> None:
    """As they are shown. The demo's videos have no paper to cite, but HDTF has one."""
    of_hdtf = tmp_path / outdated.REPORT
    of_hdtf.write_bytes(page.render(ReportData(page.find(report.parent).clips)))
    look(browser, of_hdtf, "light", 1200)
    browser.execute_script("document.getElementById('methods').scrollIntoView()")
    browser.execute_script(
        "document.addEventListener('copy', () => { window.copied = `${getSelection()}`; })"
    )
    browser.execute_script(
        "Object.defineProperty(navigator, 'clipboard',"
        " { value: { writeText: async (text) => { window.copied = text; } } })"
    )
    browser.find_element(By.CSS_SELECTOR, f"[data-copy={box}]").click()
    WebDriverWait(browser, 60).until(lambda _: browser.find_element(By.ID, "copied").text == "Copied.")
    shown = browser.execute_script(f"return document.getElementById('{box}').textContent")
    assert browser.execute_script("return window.copied") == shown
    keep(browser, "report-methods")


@pytest.fixture(scope="module")
def large(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of 35,000 clips of one film, most of them without an image in the page."""
    out = tmp_path_factory.mktemp("large")
    found = page.find(report.parent)
    record = found.clips["RD_Radio1_000"].to_json()
    found.clips = {}
    for number in range(34_000):
        stem = f"RD_Many{number}_000"
        columns = {"file_name": f"{stem}.mp4", "name": f"Many{number}", "sha256": f"{number:064x}"}
        found.clips[stem] = ClipRecord(record | columns)
    found.missing *= 500
    image = next(image for image in found.pictures.values() if image)
    found.pictures = {f"{line.sha256}": image for line in gallery.pictured(found.clips)}
    for number in range(100):
        os.link(report.parent / "RD_Radio1_000.mp4", out / f"RD_Many{number}_000.mp4")
    (out / outdated.REPORT).write_bytes(page.render(found))
    return out / outdated.REPORT


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_a_large_directory_creates_few_elements(browser: Any, large: Path, scheme: str, width: int) -> None:
    """Only what is shown: so it opens at once, and a search finds any of all clips."""
    look(browser, large, scheme, width)
    keep(browser, f"large-{scheme}-{width}")
    assert browser.find_element(By.ID, "shown").text == "35,000 of 35,000"
    assert browser.execute_script("return document.getElementsByTagName('*').length") < 3000
    assert browser.execute_script("return document.images.length") == 60, "those with an image come first"
    more = browser.find_element(By.ID, "more")
    assert more.text == "Show 120 more of 34,940"
    browser.execute_script("arguments[0].click()", more)
    assert len(tiles(browser)) == 180
    choose(browser, text="many33999")
    assert tiles(browser) == ["RD_Many33999_000"]


def test_a_clip_without_an_image_shows_its_own_frames(browser: Any, large: Path) -> None:
    """Once it is on the screen, from the file; it plays like any other."""
    look(browser, large, "light", 1200)
    choose(browser, sort="name", text="many5_")
    assert tiles(browser) == ["RD_Many5_000"]
    shot = "return document.querySelector('.shot video')?.readyState >= 2"
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(shot))
    browser.find_element(By.CSS_SELECTOR, ".grid button").click()
    assert plays(browser)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_a_directory_without_clips_is_readable(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    """It lists what is missing and invents no methods."""
    lost = [
        {"clip": f"RD_Radio{n}_000", "subset": "RD", "name": f"Radio{n}", "reason": "not_tried"}
        for n in range(70)
    ]
    empty = tmp_path / outdated.REPORT
    empty.write_bytes(page.render(ReportData({}, lost, directory="empty")))
    look(browser, empty, scheme, width)
    keep(browser, f"empty-{scheme}-{width}")
    assert browser.title == "HDTF in empty: report"
    assert browser.find_element(By.TAG_NAME, "h1").text == "HDTF in empty"
    assert len(tiles(browser)) == 60
    assert "nothing to describe" in browser.find_element(By.ID, "methods").text
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.get_log("browser") == []
