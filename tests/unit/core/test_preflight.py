"""Check results for different machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from hdtf_async import Reason
from hdtf_async.core import preflight
from hdtf_async.core.preflight import Challenge, Status

HEADER = """\
[debug] Command-line config: ['--ignore-config']
WARNING: Your yt-dlp version (2026.08.19) is older than 90 days!
[debug] yt-dlp version {version}
[debug] Python 3.11.7 (CPython x86_64 64bit)
[debug] exe versions: none
[debug] JS runtimes: {runtimes}
[debug] Plugin directories: {plugins}
Usage: yt-dlp [OPTIONS] URL [URL...]
yt-dlp: error: You must provide at least one URL.
"""
TODAY = date(2026, 11, 25)
NOW = 1_800_000_000.0
DAY = 86400
NETSCAPE = "# Netscape HTTP Cookie File\n"
GB = 10**9


def cookie(domain: str = ".youtube.com", expires: object = 0) -> str:
    """Return a line of a cookies file."""
    return f"{domain}\tTRUE\t/\tTRUE\t{expires}\tSID\tsecret-value\n"


def test_the_verbose_output_of_yt_dlp_is_parsed() -> None:
    """Version, runtimes and plugin directories; several of each, or none."""
    output = HEADER.format(
        version="stable@2026.08.19 from yt-dlp/yt-dlp [594bd50c2] (pip)",
        runtimes="deno-2.9.8, node-20.1.0 (unsupported)",
        plugins="/a/yt_dlp_plugins, /b.zip/yt_dlp_plugins",
    )
    versions = preflight.parse_debug_header(output)
    assert versions == preflight.DebugHeader(
        "2026.08.19",
        ("deno-2.9.8", "node-20.1.0 (unsupported)"),
        ("/a/yt_dlp_plugins", "/b.zip/yt_dlp_plugins"),
    )
    output = HEADER.format(version="2026.10.26.123456", runtimes="none (disabled)", plugins="none")
    assert preflight.parse_debug_header(output) == preflight.DebugHeader("2026.10.26.123456", (), ())
    assert preflight.parse_debug_header("Usage: yt-dlp\n\nyt-dlp: error: no such option: --nonsense") is None


@pytest.mark.parametrize(
    ("version", "verdict", "message"),
    [
        ("2026.08.27", Status.FINE, "90 days"),
        ("2026.08.26", Status.WARNING, "91 days"),
        ("2026.10.26.123456", Status.FINE, "30 days"),
        ("2026.13.45", Status.WARNING, "unknown age"),
        ("2027.1.1", Status.FINE, "0 days"),
        ("unknown", Status.WARNING, "unknown age"),
    ],
)
def test_an_old_yt_dlp_is_a_warning(version: str, verdict: Status, message: str) -> None:
    """Its version is a date; others have an unknown age."""
    sign = preflight.of_yt_dlp(version, TODAY)
    assert sign.verdict is verdict
    assert message in sign.words
    assert bool(sign.remedy) is (verdict is not Status.FINE)


@pytest.mark.parametrize(
    ("runtimes", "verdict"),
    [
        (("deno-2.9.8",), Status.FINE),
        (("deno-2.9.8", "node-20.1.0 (unsupported)"), Status.FINE),
        (("node-20.1.0 (unsupported)",), Status.WARNING),
        (("xyz (unknown)",), Status.WARNING),
        ((), Status.WARNING),
    ],
)
def test_a_javascript_runtime_must_be_supported_by_yt_dlp(runtimes: tuple[str, ...], verdict: Status) -> None:
    """An old one counts as none, and is listed."""
    sign = preflight.of_runtimes(runtimes)
    assert sign.verdict is verdict
    assert all(runtime in sign.words for runtime in runtimes)


DENO = ("deno-2.9.8",)
CAGE = (
    "Error running deno process (returncode: -5): #\n# Fatal process out of memory: Oilpan.\n#\n==== C stack"
)
SOLVED = Challenge(enabled=True, runtimes=DENO, solved_by=DENO[0], seconds=0.2)
UNSOLVED = replace(SOLVED, solved_by="", seconds=0, failed=((DENO[0], ""),))


@pytest.mark.parametrize(
    ("challenge", "limit", "verdict", "message", "remedy"),
    [
        (SOLVED, None, Status.FINE, "deno-2.9.8 solved a test challenge in 0.2 s", ""),
        (SOLVED, 10**10, Status.FINE, "solved", ""),
        (replace(SOLVED, failed=(("node-24.0.0", CAGE),)), None, Status.FINE, "(node-24.0.0 did not)", ""),
        (replace(SOLVED, seconds=10.0), None, Status.FINE, "10.0 s", ""),
        (replace(SOLVED, seconds=10.1), None, Status.WARNING, "10.1 s", "DENO_DIR"),
        (Challenge(False, ()), None, Status.WARNING, "no runtime is enabled", "--no-js-runtimes"),
        (Challenge(True, ()), None, Status.WRONG, "(none)", "yt-dlp[default,deno]"),
        (Challenge(True, ("node-20.1.0 (unsupported)",)), None, Status.WRONG, "node-20.1.0", "node 22"),
        (
            replace(UNSOLVED, failed=((DENO[0], CAGE),)),
            16 * GB,
            Status.WRONG,
            "with 16.0 GB of address space (ulimit -v): Error running deno process (returncode: -5): Fatal"
            " process out of memory: Oilpan",
            "ulimit -v unlimited",
        ),
        (replace(UNSOLVED, failed=((DENO[0], CAGE),)), None, Status.WRONG, "memory", "more memory"),
        (replace(UNSOLVED, killed=True), None, Status.WRONG, "was killed", "more memory"),
        (replace(UNSOLVED, failed=((DENO[0], "no HOME"),)), None, Status.WRONG, "no HOME", "DENO_DIR"),
        (UNSOLVED, None, Status.WARNING, "runs but did not solve", "pip install"),
        (UNSOLVED, 16 * GB, Status.WARNING, "runs but did not solve", "pip install"),
        (replace(UNSOLVED, failed=(("custom", None),)), None, Status.WARNING, "custom", "pip install"),
    ],
)
def test_a_test_challenge_shows_whether_javascript_works(
    challenge: Challenge, limit: int | None, verdict: Status, message: str, remedy: str
) -> None:
    """A problem that stops a run has its reason, a remedy, and a way to run without JavaScript."""
    sign = preflight.of_challenge(challenge, address_space=limit, has_node=False)
    assert sign.verdict is verdict
    assert message in sign.words
    assert remedy in sign.remedy
    wrong = verdict is Status.WRONG
    assert (sign.reason is Reason.JAVASCRIPT) is wrong
    assert ("--yt-dlp-args=--no-js-runtimes" in sign.remedy) is wrong


def test_only_the_beginning_of_a_runtimes_message_is_shown() -> None:
    """Its first 200 characters, without a stack trace."""
    broken = replace(UNSOLVED, failed=((DENO[0], "x" * 300),))
    sign = preflight.of_challenge(broken, address_space=None, has_node=False)
    assert "x" * 200 in sign.words
    assert "x" * 201 not in sign.words


def test_users_of_node_are_not_advised_to_use_it() -> None:
    """And an installed node need not be installed."""
    node = Challenge(True, ("node-22.1.0",), failed=(("node-22.1.0", "boom"),))
    deno = Challenge(True, DENO, failed=(("deno-2.9.8", "boom"),))
    assert preflight.NODE not in preflight.of_challenge(node, address_space=None, has_node=True).remedy
    assert "installed node" in preflight.of_challenge(deno, address_space=None, has_node=True).remedy


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [
        (("--extractor-args", "youtube:innertube_host=x;player_skip=webpage,configs,js,initial_data"), True),
        (("--extractor-args=youtube:player_skip=js",), True),
        (("--extractor-args", "youtube:player_skip=webpage,configs"), False),
        (("--extractor-args", "youtube:player_client=js"), False),
        ((), False),
    ],
)
def test_no_challenge_is_needed_without_the_player_script(arguments: tuple[str, ...], needless: bool) -> None:
    """Then there is nothing to test."""
    assert preflight.needs_no_player(arguments) is needless


def test_plugins_are_listed_and_those_for_tokens_counted() -> None:
    """By the required name of their module."""
    assert preflight.of_plugins([]).words == "none"
    message = preflight.of_plugins(["getpot_bgutil_http", "getpot_bgutil_script", "other"]).words
    assert message == "getpot_bgutil_http, getpot_bgutil_script, other (2 for PO tokens)"


@pytest.mark.parametrize(
    ("version", "switches", "keeps_rate", "verdict"),
    [
        ("n9.0.2-17-g2a571b6068", {"--enable-libx264"}, True, Status.FINE),
        ("5.1.9-0+deb12u1", {"--enable-libx264"}, True, Status.FINE),
        ("n9.0.2-fake", set(), True, Status.FINE),
        ("7.0.2-static", {"--enable-libx264"}, True, Status.WRONG),
        ("n7.0", {"--enable-libx264"}, True, Status.WRONG),
        ("7.0.2-static", {"--enable-libx264"}, False, Status.WARNING),
        ("7.01", {"--enable-libx264"}, True, Status.FINE),
        ("9.0.2", {"--enable-gpl"}, False, Status.WRONG),
    ],
)
def test_an_unsuitable_ffmpeg_is_recognised_by_its_version(
    version: str, switches: set[str], keeps_rate: bool, verdict: Status
) -> None:
    """And one that cannot encode by its build options, if it reports them."""
    assert preflight.of_ffmpeg(version, switches, keeps_rate=keeps_rate).verdict is verdict


FILTERS = {
    *("trim", "settb", "metadata", "setpts", "tpad", "fps", "crop", "scale", "setsar", "bwdif", "idet"),
    *("zscale", "tonemap"),
}


def test_missing_features_of_ffmpeg_are_listed() -> None:
    """A feature that every clip needs is an error; one that some need, a warning."""
    encoders, decoders = {"libx264"}, {"h264", "vp9", "av1", "libdav1d"}
    filters = FILTERS
    assert preflight.of_abilities(encoders, decoders, filters).verdict is Status.FINE
    hdr = preflight.of_abilities(encoders, decoders, filters - {"zscale"})
    assert (hdr.verdict, "HDR" in hdr.words) == (Status.WARNING, True)
    without = preflight.of_abilities(set(), decoders, filters - {"crop"})
    assert without.verdict is Status.WRONG
    assert "encode H.264" in without.words
    assert "filter with crop" in without.words
    some = preflight.of_abilities(encoders, {"h264", "vp9", "av1"}, filters)
    assert some.verdict is Status.WARNING
    assert "AV1" in some.words
    assert preflight.of_abilities(encoders, decoders - {"h264"}, filters).verdict is Status.WRONG


def test_missing_audio_features_are_an_error_if_audio_is_requested() -> None:
    """Otherwise they are not reported."""
    encoders, decoders = {"libx264", "aac", "pcm_s16le"}, {"h264", "vp9", "libdav1d", "aac"}
    video_filters = FILTERS
    filters = video_filters | {"atrim", "asetpts", "aresample", "aformat", "apad"}
    assert preflight.of_abilities(encoders, decoders, filters, audio=True).verdict is Status.FINE
    assert preflight.of_abilities({"libx264"}, decoders - {"aac"}, video_filters).verdict is Status.FINE
    without = preflight.of_abilities({"libx264"}, decoders - {"aac"}, video_filters, audio=True)
    assert without.verdict is Status.WRONG
    for lack in ("encode AAC", "encode PCM", "decode AAC", "filter with aresample"):
        assert lack in without.words


@pytest.mark.parametrize(
    ("free", "least", "keep_raw", "verdict"),
    [
        (6 * GB, [GB, 3 * GB], True, Status.FINE),
        (6 * GB - 1, [GB, 3 * GB], True, Status.WRONG),
        (5 * GB, [GB, 3 * GB], False, Status.FINE),
        (5 * GB - 1, [GB, 3 * GB], False, Status.WRONG),
        (2 * GB, [], True, Status.FINE),
        (2 * GB - 1, [], True, Status.WRONG),
    ],
)
def test_the_disk_must_have_space_for_the_lower_bound(
    free: int, least: list[int], keep_raw: bool, verdict: Status
) -> None:
    """For all videos if they are kept, otherwise for the longest; plus the space to keep free."""
    sign = preflight.of_disk_space(free=free, min_free=2 * GB, least=least, keep_raw=keep_raw)
    assert sign.verdict is verdict
    assert (sign.reason is Reason.DISK_FULL) is (verdict is Status.WRONG)


@pytest.mark.parametrize(
    ("text", "verdict", "message"),
    [
        ("", Status.WRONG, "Netscape"),
        ("hello\n", Status.WRONG, "Netscape"),
        ('[{"name": "SID", "value": "secret-value"}]', Status.WRONG, "JSON"),
        (cookie(), Status.WRONG, "Netscape"),
        (NETSCAPE, Status.WARNING, "no cookies for YouTube"),
        (NETSCAPE + cookie(".notyoutube.com"), Status.WARNING, "no cookies for YouTube"),
        (NETSCAPE + cookie(expires=1_700_000_000), Status.WRONG, "expired"),
        (NETSCAPE + cookie(), Status.FINE, "1 for YouTube"),
        (NETSCAPE.replace("\n", "\r\n") + "#HttpOnly_" + cookie(), Status.FINE, "1 for YouTube"),
        ("# HTTP Cookie File\n" + cookie("accounts.google.com"), Status.FINE, "1 for YouTube"),
        (NETSCAPE + cookie(expires=NOW + 9 * DAY) + cookie(expires=1), Status.FINE, "expires in 9 days"),
        (NETSCAPE + cookie(expires="soon") + "half a line", Status.FINE, "1 for YouTube"),
    ],
)
def test_cookies_are_judged_by_format_and_dates(text: str, verdict: Status, message: str) -> None:
    """And none of their values is repeated."""
    sign = preflight.of_cookies(text, written=NOW - 12 * DAY, now=NOW)
    assert sign.verdict is verdict
    assert message in sign.words
    assert verdict is not Status.FINE or "12 days old" in sign.words
    assert "secret-value" not in f"{sign}"


def test_a_cookies_file_of_the_future_is_new() -> None:
    """The clock of another machine may be ahead."""
    assert "0 days old" in preflight.of_cookies(NETSCAPE + cookie(), written=NOW + DAY, now=NOW).words


def test_face_detection_requires_recent_packages() -> None:
    """Otherwise the message names the extra; pooch is only needed if the model must be downloaded."""
    assert preflight.of_face_tools("1.2.3", pooch=True).verdict is Status.FINE
    assert preflight.of_face_tools("2.0", pooch=True).verdict is Status.FINE
    for version, pooch in ((None, True), ("1.2.3", False), ("0.10.35", True), ("1.1.9", True), ("x", True)):
        sign = preflight.of_face_tools(version, pooch=pooch)
        assert (sign.verdict, sign.reason) == (Status.WRONG, Reason.NOT_READY)
        assert "pip install '.[face]'" in sign.remedy
