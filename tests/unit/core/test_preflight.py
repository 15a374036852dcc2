"""Check results for different machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from hdtf_async import Reason
from hdtf_async.core import preflight
from hdtf_async.core.install import UPDATE_YT_DLP
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


@pytest.mark.parametrize(
    ("challenge", "limit", "node", "message", "remedy"),
    [
        (
            Challenge(True, ()),
            GB,
            True,
            "yt-dlp found no supported JavaScript runtime (none)",
            "{update}{node}",
        ),
        (
            replace(UNSOLVED, failed=((DENO[0], "# boom #\n x. ==== trace"), ("bun-1.0", None)), killed=True),
            None,
            False,
            "deno-2.9.8, bun-1.0 was killed or ran out of memory while solving a test challenge: boom x",
            "give the job more memory{install}",
        ),
        (
            replace(UNSOLVED, failed=((DENO[0], "boom"), ("bun-1.0", "bang"))),
            None,
            False,
            "deno-2.9.8, bun-1.0 cannot run: boom bang",
            "{update}; if it cannot write its cache, set DENO_DIR to a directory on a local disk{install}",
        ),
        (
            replace(UNSOLVED, failed=(("node-24.0.0", "boom"),)),
            2 * GB,
            True,
            "node-24.0.0 cannot run with 2.0 GB of address space (ulimit -v): boom",
            "raise the limit (ulimit -v unlimited, or the batch job's virtual memory): deno reserves 32 GB",
        ),
    ],
)
def test_a_challenge_that_no_runtime_solves_has_its_cause_and_a_remedy(
    challenge: Challenge, limit: int | None, node: bool, message: str, remedy: str
) -> None:
    """The remedy ends with node, if that is another runtime, and with a run without JavaScript."""
    sign = preflight.of_challenge(challenge, address_space=limit, has_node=node)
    assert sign.words == message
    expected = remedy.format(
        update=UPDATE_YT_DLP,
        node=f"; or use the installed node: {preflight.NODE}",
        install=f"; or install node 22 and pass {preflight.NODE}",
    )
    without = "to run without JavaScript (formats or whole videos may be missing)"
    assert sign.remedy == f"{expected}; {without}: --yt-dlp-args=--no-js-runtimes"


def test_a_runtime_that_solves_a_challenge_is_named_with_those_that_do_not() -> None:
    """A slow one costs that time for each video."""
    solved = replace(SOLVED, failed=(("node-24.0.0", CAGE), ("bun-1.0", None)))
    sign = preflight.of_challenge(solved, address_space=None, has_node=False)
    assert sign.words == "deno-2.9.8 solved a test challenge in 0.2 s (node-24.0.0, bun-1.0 did not)"
    assert sign.remedy == ""
    slow = preflight.of_challenge(replace(SOLVED, seconds=12), address_space=None, has_node=False)
    assert slow.words == "deno-2.9.8 solved a test challenge in 12.0 s; each video will take as long"


def test_a_runtime_that_runs_is_not_blamed_for_another_one() -> None:
    """Unless one was killed: the next challenge may be killed too."""
    some = replace(UNSOLVED, failed=((DENO[0], CAGE), ("bun-1.0", "")))
    sign = preflight.of_challenge(some, address_space=None, has_node=False)
    assert (sign.verdict, sign.words.partition(" runs but")[0]) == (Status.WARNING, "deno-2.9.8, bun-1.0")
    killed = preflight.of_challenge(replace(some, killed=True), address_space=None, has_node=False)
    assert killed.verdict is Status.WRONG


def test_runtimes_that_could_not_be_tested_are_listed() -> None:
    """With the remedy if none is supported."""
    assert preflight.of_runtimes(("deno-2.9.8", "bun-1.0")).words == "deno-2.9.8, bun-1.0"
    assert preflight.of_runtimes(()).words == "no runtime: yt-dlp may miss formats or whole videos"
    remedy = preflight.of_runtimes(()).remedy
    assert remedy == f"{UPDATE_YT_DLP}, or install node 22 and pass {preflight.NODE}"


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
    ("keep_raw", "least", "message"),
    [
        (True, [GB, 3 * GB], "5.0 GB free; 2 downloads: at least 4.0 GB"),
        (False, [GB, 3 * GB], "5.0 GB free; the longest download: at least 3.0 GB"),
        (True, [], "5.0 GB free"),
    ],
)
def test_the_space_on_the_disk_is_stated_with_what_is_needed(
    keep_raw: bool, least: list[int], message: str
) -> None:
    """If it is too little, with --min-free; without keeping videos there is nothing left to save."""
    sign = preflight.of_disk_space(free=5 * GB, min_free=0, least=least, keep_raw=keep_raw)
    assert (sign.words, sign.remedy) == (message, "")
    short = preflight.of_disk_space(free=5 * GB, min_free=9 * GB // 2 + GB, least=least, keep_raw=keep_raw)
    assert short.words == f"{message}, and --min-free is 5.5G"
    assert short.remedy.endswith("(--subset, --limit)") is not keep_raw
    assert short.remedy.endswith("; --no-keep-raw needs least space") is keep_raw


@pytest.mark.parametrize(
    ("free", "words"),
    [(0, "0.0"), (49_999_999, "0.0"), (50_000_000, "0.1"), (1_049_999_999, "1.0"), (10**15, "1000000.0")],
)
def test_space_is_stated_in_tenths_of_a_gigabyte(free: int, words: str) -> None:
    """Of a billion bytes."""
    sign = preflight.of_disk_space(free=free, min_free=0, least=[], keep_raw=True)
    assert sign.words == f"{words} GB free"


@pytest.mark.parametrize(
    ("cookies", "message"),
    [
        ([0], "1 for YouTube, 12 days old"),
        ([0, NOW + 9 * DAY, NOW + 3 * DAY], "3 for YouTube, 12 days old; the next expires in 3 days"),
        ([NOW + 9 * DAY, NOW - 1], "2 for YouTube, 12 days old, 1 expired; the next expires in 9 days"),
        ([0, NOW], "2 for YouTube, 12 days old, 1 expired"),
        ([NOW, 1], "2 for YouTube, 12 days old, all expired"),
        (["1" * 15 + ".123456789"], "1 for YouTube, 12 days old; the next expires in 1285987397 days"),
        (["1" * 16], "1 for YouTube, 12 days old"),
    ],
)
def test_cookies_are_counted_with_the_date_on_which_the_next_one_expires(
    cookies: list[object], message: str
) -> None:
    """Those without a date do not expire."""
    text = NETSCAPE + "".join(cookie(expires=expires) for expires in cookies)
    assert preflight.of_cookies(text, written=NOW - 12.4 * DAY, now=NOW).words == message


def test_what_is_no_cookie_is_not_counted() -> None:
    """Comments, lines with other fields, and other domains."""
    lines = (
        "#" + cookie(), "#HttpOnly_" + cookie(), cookie().replace("SID\t", ""),
        cookie("youtube.com.evil.org"), cookie("google.com"),
    )  # fmt: skip
    message = preflight.of_cookies(NETSCAPE + "".join(lines), written=NOW, now=NOW).words
    assert message == "2 for YouTube, 0 days old"
    assert preflight.of_cookies("x", written=NOW, now=NOW).words.endswith("in Netscape format")
    assert preflight.of_cookies(" {", written=NOW, now=NOW).words.endswith("(it looks like JSON)")


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


def test_a_message_about_face_detection_names_what_is_missing() -> None:
    """MediaPipe first."""
    assert preflight.of_face_tools(None, pooch=False).words == "MediaPipe is not installed"
    message = "pooch, which downloads its model, is not installed"
    assert preflight.of_face_tools("1.2", pooch=False).words == message
    assert preflight.of_face_tools("1.1.9", pooch=True).words == "MediaPipe 1.1.9 is too old"
    assert preflight.of_face_tools("1.2", pooch=True).words == "MediaPipe 1.2"


def test_missing_features_are_listed_by_what_needs_them() -> None:
    """Filters that only measure are needed for facts about clips, with audio also for those of audio."""
    encoders, decoders = {"libx264", "aac", "pcm_s16le"}, {"h264", "vp9", "libdav1d", "aac"}
    audio = {"atrim", "asetpts", "aresample", "aformat", "apad"}
    lacks = preflight.of_abilities(encoders, decoders, FILTERS, facts=True).words
    assert lacks.startswith("this ffmpeg cannot filter with split, filter with extractplanes")
    assert "ebur128" not in lacks
    both = preflight.of_abilities(encoders, decoders, FILTERS | audio, audio=True, facts=True).words
    assert both.endswith("filter with ebur128, filter with silencedetect, filter with ametadata")
    facts = {
        "split", "extractplanes", "scdet", "blackdetect", "freezedetect", "select", "signalstats",
        "cropdetect", "blurdetect", "nullsink", "null",
    }  # fmt: skip
    good = preflight.of_abilities(encoders, decoders, FILTERS | facts, facts=True)
    assert (good.verdict, good.words) == (Status.FINE, "encodes H.264; decodes H.264, VP9, AV1")
    none = preflight.of_abilities(set(), set(), FILTERS).words
    assert none == "this ffmpeg cannot encode H.264, decode H.264"
    some = preflight.of_abilities(encoders, {"h264"}, FILTERS)
    assert some.words == "this ffmpeg cannot decode VP9 and AV1, which some videos use"


def test_an_ffmpeg_that_does_not_suit_has_its_version_in_the_message() -> None:
    """And the bundled one as the remedy."""
    assert preflight.of_ffmpeg("9.0", {"--enable-libx264"}, keeps_rate=True).words == "9.0"
    without = preflight.of_ffmpeg("9.0", {"--enable-gpl"}, keeps_rate=False)
    assert without.words == "9.0 was built without x264"
    loses = preflight.of_ffmpeg("7.0.2", set(), keeps_rate=False)
    assert loses.words == "7.0.2 loses the duration of a clip's last frame without --fps"
    assert without.remedy == loses.remedy == "omit --ffmpeg to use the bundled one"


def test_a_run_is_ready_unless_a_check_says_otherwise() -> None:
    """A warning does not stop it."""
    fine, warning, wrong = (preflight.CheckResult("a", status, "b") for status in Status)
    assert preflight.is_ready([])
    assert preflight.is_ready([fine, warning])
    assert not preflight.is_ready([fine, wrong])


def test_a_result_is_a_line_and_a_remedy() -> None:
    """As text and as JSON; details are numbers for programs."""
    plain = preflight.CheckResult("disk", Status.FINE, "5 GB free")
    assert preflight.to_text(plain) == "   fine  disk: 5 GB free"
    assert preflight.to_json(plain) == {"subject": "disk", "verdict": "fine", "words": "5 GB free"}
    wrong = preflight.CheckResult("disk", Status.WRONG, "full", "free space", details={"free": 0})
    assert preflight.to_text(wrong) == "  wrong  disk: full\n         -> free space"
    assert preflight.to_json(wrong) == {
        "subject": "disk", "verdict": "wrong", "words": "full", "what_to_do": "free space",
        "details": {"free": 0},
    }  # fmt: skip


def test_lists_in_the_output_of_yt_dlp_begin_with_a_value() -> None:
    """The word none, or a missing line, is an empty list."""
    header = preflight.parse_debug_header(
        "[debug] yt-dlp version 2026.1.1\n[debug] JS runtimes: nonesuch-1\n"
    )
    assert header == preflight.DebugHeader("2026.1.1", (), ())
    assert preflight.parse_debug_header("x [debug] yt-dlp version 2026.1.1") is None
