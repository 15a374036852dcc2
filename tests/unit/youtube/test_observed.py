"""Reports about YouTube's responses, and the cost of children: never a URL."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import fields
import live_report
import pytest
import readme
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process import supervisor
from hdtf_async.process.guard import UNGUARDED
from hdtf_async.process.meter import measuring
from hdtf_async.youtube.observed import Traffic, choose, message, part, summary, without_addresses

NOW = 1_796_000_000.0
HOST = "https://rr1---sn-abc.googlevideo.com/videoplayback"


def entry(format_id: str, **more: Any) -> dict[str, Any]:
    """Return a format as yt-dlp lists it; H.264 at 144p over https."""
    values = {
        "format_id": format_id, "ext": "mp4", "protocol": "https", "vcodec": "avc1.4d400c", "acodec": "none",
        "height": 144, "width": 256, "fps": 25, "filesize": 100_000,
        "url": f"{HOST}?expire={int(NOW) + 7200}&ip=192.0.2.7&c=TVHTML5&sig=abcdef",
    }  # fmt: skip
    return values | more


def test_a_summary_counts_complete_formats() -> None:
    """H.264 and VP9 over https with size and expiry; the first expiry counts."""
    hls = {"protocol": "m3u8_native", "url": "https://manifest.googlevideo.com/c/WEB/index.m3u8"}
    info = {
        "_version": {"version": "2026.10.26"},
        "formats": [
            entry("160"),
            entry("278", vcodec="vp9", url=f"{HOST}?expire={int(NOW) + 3600}&c=VISIONOS"),
            entry("394", vcodec="av01.0.00M.08"),
            entry("134", filesize=None),
            entry("135", url=f"{HOST}?c=WEB"),
            entry("229", **hls),
            entry("sb0", protocol="mhtml", ext="mhtml", vcodec="none"),
            "no format",
        ],
    }
    found = summary(info, NOW)
    assert (found.complete, found.valid_hours, found.formats) == (2, 1.0, 6)
    assert found.clients == ["TVHTML5", "VISIONOS", "WEB"]
    assert found.protocols == {"https": 5, "m3u8_native": 1, "mhtml": 1}
    assert (found.hls, found.heights, found.yt_dlp) == (True, [144], "2026.10.26")


@given(st.dictionaries(st.sampled_from(["url", "protocol", "vcodec", "height", "filesize", "ext"]), st.one_of(
    st.none(), st.text(max_size=40), st.integers(), st.floats(), st.lists(st.text(max_size=3), max_size=2),
    st.just(f"{HOST}?expire=inf"), st.just("https://[::1/?expire=1&expire=2"),
)))  # fmt: skip
def test_any_input_results_in_a_summary(info: dict[str, Any]) -> None:
    """Fields may be missing, of another type or absurd."""
    found = summary({"formats": [entry("160") | info, info]}, NOW)
    assert 0 <= found.complete <= 2


@pytest.mark.parametrize("size", [100, 65536, 65537, 100_000])
def test_both_ends_of_a_file_are_requested_by_range(size: int) -> None:
    """Together they have at most 128 KiB; the second range is open, which shows the size of the file."""
    info = {"id": "x", "formats": [entry("160", filesize=size, downloader_options={"http_chunk_size": 10})]}
    video = choose(info)
    length = min(size, 65536)
    for last, asked in ((False, f"bytes=0-{length - 1}"), (True, f"bytes={size - length}-")):
        changed, promised = part(info, video, last=last)
        (one,) = changed["formats"]
        assert one["http_headers"] == {"Range": asked}
        assert "downloader_options" not in one
        assert (promised.size, promised.size_is_exact) == (length, True)
    assert "http_headers" not in info["formats"][0]


def test_the_last_response_counts_and_no_value_of_a_header_is_kept() -> None:
    """After a redirect; the proxy's headers are not YouTube's."""
    traffic = Traffic()
    for line in [
        "send: b'CONNECT rr1---sn-abc.googlevideo.com:443 HTTP/1.0'", "header: Via: the proxy",
        "send: b'GET /videoplayback?sig=abcdef HTTP/1.1'", r"reply: 'HTTP/1.1 302 Found\r\n'",
        f"header: Location: {HOST}?sig=abcdef", r"reply: 'HTTP/1.1 206 Partial Content\r\n'",
        "header: Content-Range: bytes 0-65535/469124", "header: Set-Cookie: SID=secret", "",
        "reply: nonsense",
    ]:  # fmt: skip
        traffic.line(line)
    assert (traffic.statuses, traffic.status, traffic.total_bytes) == ([302, 206], 206, 469124)
    assert traffic.headers == {"location", "content-range", "set-cookie"}
    assert "secret" not in f"{traffic}"
    assert "abcdef" not in f"{traffic}"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see  https://github.com/x?y=1  for", "see  (address)  for"),
        ("host='rr4---sn-h5q7.googlevideo.com', port=443", "host='(media host)', port=443"),
        ("from 203.0.113.9:4711, blocked", "from (IP address), blocked"),
        ("from 2001:db8::8a2e:370:7334.", "from (IP address)."),
        ("host='::1' port=443", "host='(IP address)' port=443"),
        ("ERROR: [youtube] abc: yt-dlp 2026.10.26.232837 at 12:30", None),
        ("cannot resolve www.youtube.com", None),
    ],
)
def test_urls_are_removed_from_messages(text: str, clean: str | None) -> None:
    """URLs, media hosts (which reveal a location) and IP addresses; versions and times are kept."""
    assert without_addresses(text) == (text if clean is None else clean)


def test_the_message_of_a_failure_is_its_error() -> None:
    """Without one, the last line and the one before it."""
    assert message(Failure(Reason.AGE, "WARNING: a\nERROR: b\nc")) == "ERROR: b"
    assert message(Failure(Reason.TIMED_OUT, "WARNING: a\nlate")) == "late; before that: WARNING: a"
    assert message(Failure(Reason.AGE)) == Reason.AGE.advice.meaning


@pytest.mark.parametrize(
    ("changed", "complete"),
    [
        ({"filesize": 4 * 1024**4}, True),
        ({"filesize": 4 * 1024**4 + 1}, False),
        ({"vcodec": "avc3.1"}, True),
        ({"vcodec": "vp09.1"}, True),
        ({"vcodec": "hev1"}, False),
        ({"protocol": "m3u8"}, False),
        ({"url": f"{HOST}?expire=0"}, False),
        ({"url": f"{HOST}?expire=-1"}, False),
        ({"url": f"{HOST}?expire=nan"}, False),
        ({"url": f"{HOST}?expire={1024**4 - 1}"}, True),
        ({"url": f"{HOST}?expire={1024**4}"}, False),
        ({"url": f"{HOST}?{'&'.join(f'a{n}=1' for n in range(99))}&expire=9"}, True),
        ({"url": f"{HOST}?{'&'.join(f'a{n}=1' for n in range(100))}&expire=9"}, False),
        ({"url": f"{HOST}?expire=9&expire=x"}, True),
    ],
)
def test_a_complete_format_has_a_plausible_size_and_expiry(
    changed: dict[str, Any], *, complete: bool
) -> None:
    """Otherwise its download could neither be checked nor planned."""
    assert summary({"formats": [entry("160") | changed]}, NOW).complete == complete


@pytest.mark.parametrize(
    ("changed", "heights", "ratio"),
    [
        ({"height": 8192}, [8192], None),
        ({"height": 8193}, [], None),
        ({"stretched_ratio": 100.0}, [144], 100.0),
        ({"stretched_ratio": 100.5}, [144], None),
        ({"height": 0, "stretched_ratio": 0}, [], None),
    ],
)
def test_implausible_heights_and_ratios_are_not_reported(
    changed: dict[str, Any], heights: list[int], ratio: float | None
) -> None:
    """Of all formats; the heights once each, ascending, and the first ratio."""
    found = summary({"formats": [entry("160") | changed]}, NOW)
    assert (found.heights, found.stretched_ratio) == (heights, ratio)
    several = [entry("1", height=720), entry("2", height=144), entry("3", height=144, stretched_ratio=2)]
    found = summary({"formats": [*several, entry("4", stretched_ratio=3)]}, NOW)
    assert (found.heights, found.stretched_ratio) == ([144, 720], 2)


def test_the_time_to_the_first_expiry_is_in_hours() -> None:
    """With one decimal, negative if it has passed; unknown without a complete format."""
    url = f"{HOST}?expire={int(NOW) + 3600 * 5 + 200}"
    assert summary({"formats": [entry("160", url=url)]}, NOW).valid_hours == 5.1
    assert summary({"formats": [entry("160", url=url)]}, NOW + 3600 * 6).valid_hours == -0.9
    empty = summary({"formats": [entry("140", vcodec="none", acodec="mp4a", protocol="m3u8")]}, NOW)
    assert (empty.valid_hours, empty.complete, empty.hls, empty.yt_dlp) == (None, 0, False, "?")
    assert summary({"formats": 3}, NOW).formats == 0


def test_a_format_is_chosen_over_https_or_over_hls() -> None:
    """At 144p, or the nearest height above it."""
    playlist = {"protocol": "m3u8_native", "acodec": "mp4a"}
    table = [
        entry("133", height=240, width=426), entry("160"), entry("93", height=360, width=640, **playlist),
        entry("92", height=240, width=426, **playlist),
    ]  # fmt: skip
    info = {"formats": table}
    assert (choose(info).format_id, choose(info, hls=True).format_id) == ("160", "92")
    assert choose(info, height=300).format_id == "133"
    assert choose({"formats": table[:1]}).format_id == "133"


def test_a_part_keeps_other_headers_and_other_formats_are_omitted() -> None:
    """yt-dlp finds exactly the one that it downloads."""
    info = {"formats": [entry("160", http_headers={"User-Agent": "x"}), entry("133"), "none"]}
    changed, _ = part(info, choose({"formats": [entry("160")]}), last=False)
    assert [(one["format_id"], one["http_headers"]) for one in changed["formats"]] == [
        ("160", {"User-Agent": "x", "Range": "bytes=0-65535"})
    ]
    wrong = {"formats": [entry("160", http_headers="x")]}
    assert part(wrong, choose(wrong), last=False)[0]["formats"][0]["http_headers"] == {
        "Range": "bytes=0-65535"
    }


def test_what_is_noted_of_responses_is_bounded() -> None:
    """A thousand of them, two hundred and one names of headers, and a size of fifteen digits."""
    assert Traffic().status is None
    traffic = Traffic()
    traffic.line("header: X: before the first response")
    for number in range(1001):
        traffic.line(f"reply: 'HTTP/1.1 {200 + number % 2} OK")
        traffic.line(f"header: X{number}: 1")
    assert (len(traffic.statuses), traffic.status, len(traffic.headers)) == (1000, 201, 201)
    for digits, total in ((15, int("9" * 15)), (16, None)):
        traffic = Traffic([206])
        traffic.line(f"header: Content-Range: bytes 0-1/{'9' * digits}")
        assert traffic.total_bytes == total


def test_a_message_has_two_hundred_and_forty_characters() -> None:
    """Of each of its lines; the last error counts."""
    assert message(Failure(Reason.AGE, "ERROR: a\nERROR: " + "x" * 300)) == "ERROR: " + "x" * 233
    two = message(Failure(Reason.TIMED_OUT, "one\n" + "y" * 300 + "\n" + "z" * 300))
    assert two == "z" * 240 + "; before that: " + "y" * 240


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system has no /proc")
async def test_memory_and_runtimes_of_a_child_include_its_descendants(tmp_path: Path) -> None:
    """A grandchild counts; a runtime that only prints its version does not count as one."""
    deno = tmp_path / "deno"
    deno.write_text(
        f"#!{sys.executable}\nimport time\nkept = bytearray(b'x' * (80 << 20))\ntime.sleep(1.5)\n"
    )
    deno.chmod(0o755)
    start = "import subprocess, sys\nkept = bytearray(b'x' * (40 << 20))\nsubprocess.run(sys.argv[1:])"
    costs = []
    async with measuring(UNGUARDED) as meter:
        for argument in ("run", "--version"):
            # The interpreter of a script precedes it on the command line, so it is named like the runtime.
            with meter.cost() as cost:
                command = [
                    sys.executable,
                    "-c",
                    start,
                    "bash",
                    "-c",
                    f"exec -a deno {sys.executable} {deno} {argument}",
                ]
                await supervisor.run(supervisor.Command(command), deadline=60, guard=meter)
            costs.append(cost)
    assert [cost.runtimes for cost in costs] == [["deno"], []]
    for cost in costs:
        assert cost.memory_bytes is not None
        assert 120 << 20 < cost.memory_bytes < 300 << 20
        assert cost.seconds >= 1.5
        assert 0 < cost.cpu_seconds < cost.seconds + 1
    assert not meter._groups


def test_fields_of_two_sources_are_compared_by_name_and_type() -> None:
    """A field that is null or missing in one of them has no known type."""
    youtube = fields.of_infos([{"id": "a", "formats": [entry("1", language="en", tbr="5")], "0b_x-1": 1}])
    mock = fields.of_infos([{"id": "b", "formats": [entry("1", language=None, tbr=5.5, has_drm=False)]}])
    found = fields.differences(youtube, mock)
    assert found.only_first == ["info: (other)"]
    assert found.only_second == ["format: https video: has_drm"]
    assert found.types == {"format: https video: tbr": ["string", "number"]}
    several = fields.of_infos([{"id": "a", "formats": [entry("1"), entry("2", fps=None)]}])
    assert several["format: https video"]["fps"] == "null|number"
    report = {"differs_from_mock": {"only_mock": ["format: https video: url"], "types": found.types}}
    assert live_report.missing(report) == ["format: https video: tbr", "format: https video: url"]


def test_each_field_that_is_read_exists_in_the_mock() -> None:
    """Otherwise its absence could not be reported."""
    for record in live_report.record().values():
        for group, names in live_report.READ.items():
            assert {*names} <= record["fields"][group].keys()


def test_defaults_of_the_live_tests_are_those_of_contributing() -> None:
    """Pace, report and the ids of unavailable videos."""
    settings = live_report.Settings.read({})
    assert (settings.pace, f"{settings.report}", settings.stretched) == (30.0, "live.json", False)
    assert len(settings.ids) > 300
    text = readme.CONTRIBUTING.read_text(encoding="utf-8")
    for name, default in {
        "PACE": "30", "REPORT": "live.json", "DELETED": settings.deleted, "PRIVATE": settings.private,
        "AGE": settings.age,
    }.items():  # fmt: skip
        assert f"| `{live_report.SWITCH}_{name}` | `{default}` |" in text
    assert live_report.Settings.read({"HDTF_LIVE_PACE": "7", "HDTF_LIVE_STRETCH": "1"}).pace == 7


def test_a_workflow_runs_the_live_tests_on_a_schedule_and_never_for_a_change() -> None:
    """With the command of CONTRIBUTING, the pinned yt-dlp and the newest one."""
    text = (readme.ROOT / ".github" / "workflows" / "live.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert {*workflow[True]} == {"schedule", "workflow_dispatch"}  # YAML parses the key "on" as a boolean
    job = workflow["jobs"]["live"]
    assert job["strategy"]["matrix"] == {"yt-dlp": ["pinned", "newest"]}
    commands = [step["run"].strip() for step in job["steps"] if "run" in step]
    assert readme.command("test-live").strip() in commands
    step = next(step for step in job["steps"] if "HDTF_LIVE" in step.get("run", ""))
    names = {name for name in step["env"] if name.startswith("HDTF_LIVE")}
    assert names <= {f"HDTF_LIVE_{name}" for name in ("REPORT", "STRETCH", "PACE", "PROXY")}


@pytest.mark.slow
async def test_the_live_tests_are_skipped_by_default() -> None:
    """Even if they are named, so that no ordinary run queries YouTube."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/live"]
    environment = {name: value for name, value in os.environ.items() if name != live_report.SWITCH}
    ended = await anyio.run_process(command, cwd=readme.ROOT, env=environment, check=False)
    assert b"collected 0 items / 1 skipped" in ended.stdout
