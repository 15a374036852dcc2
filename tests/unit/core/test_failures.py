"""The classification of tools' messages, and the advice for every reason."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import FROM_YOUTUBE, FROM_YT_DLP, TABLES, TOGETHER, transcripts

from hdtf_async.core.failures import (
    ADVICE,
    Action,
    ExitCode,
    Failure,
    Reason,
    exit_code,
)
from hdtf_async.core.redact import last_lines
from hdtf_async.process import messages
from hdtf_async.process.stderr import classify, classify_ffmpeg

FROM_FFMPEG = """== disk_full
[out#0/mp4 @ 0x561b] Could not write header (incorrect codec parameters ?): No space left on device
[vf#0:0 @ 0x561b] Error sending frames to consumers: No space left on device
[out#0/mp4 @ 0x561b] Nothing was written into output file, because at least one of its streams received no packets.
== raw_unreadable
[in#0 @ 0x5642] moov atom not found
[in#0 @ 0x5642] Error opening input: Invalid data found when processing input
Error opening input file t.mp4.
Error opening input files: Invalid data found when processing input
== raw_unreadable
[vist#0:0/h264 @ 0x5590] [dec:h264 @ 0x5590] Decoding error: Invalid data found when processing input
[vist#0:0/h264 @ 0x5590] [dec:h264 @ 0x5590] Task finished with error code: -1094995529 (Invalid data found when processing input)
== raw_unreadable
[http @ 0x5607] Protocol 'http' not on whitelist 'file'!
[in#0 @ 0x5607] Error opening input: Invalid argument
== box_does_not_fit
[Parsed_crop_0 @ 0x7fe1] Invalid too big or non positive size for width '400' or height '400'
[Parsed_crop_0 @ 0x7fe1] Failed to configure input pad on Parsed_crop_0
[vf#0:0 @ 0x5575] Error reinitializing filters!
== interval_outside
[out#0/mp4 @ 0x55d7] Output file is empty, nothing was encoded(check -ss / -t / -frames parameters if used)
== not_writable
[out#0/mp4 @ 0x5642] Error opening output /nonexist/o.mp4: No such file or directory
Error opening output file /nonexist/o.mp4.
Error opening output files: No such file or directory
== tool_failed
[vost#0:0 @ 0x5578] Unknown encoder 'libfoo'
[vost#0:0 @ 0x5578] Error selecting an encoder
Error opening output file o.mp4.
Error opening output files: Encoder not found
== tool_failed
[vist#0:0/h264 @ 0x55d7] [dec:h264 @ 0x55d7] pthread_create() failed: Resource temporarily unavailable
== tool_failed
"""  # noqa: E501 - quoted as printed
"""As printed by ffmpeg 9.0.2."""


@pytest.mark.parametrize(("reason", "output"), transcripts(FROM_YOUTUBE + FROM_YT_DLP))
def test_a_message_means_its_reason(reason: Reason, output: str) -> None:
    """Real messages of yt-dlp are classified, complete or line by line."""
    assert classify(output) is reason
    assert classify(output.splitlines()) is reason
    assert classify([line + "\n" for line in output.splitlines()]) is reason


@pytest.mark.parametrize(("reason", "output"), transcripts(TOGETHER))
def test_the_most_informative_line_decides(reason: Reason, output: str) -> None:
    """A block counts anywhere, then errors, then warnings, then errors without a cause."""
    assert classify(output) is reason


@given(st.text())
def test_unrecognized_messages_are_unknown(output: str) -> None:
    """Where no table matches no reason is guessed, and no text can make it raise."""
    plain = " ".join(output.casefold().split())
    matches = any(pattern.search(plain) for name in TABLES for _, pattern in getattr(messages, name))
    assert matches or classify(output) is Reason.UNKNOWN


@pytest.mark.parametrize(
    "message", [words for reason, words in transcripts(FROM_YOUTUBE) if reason.advice.action is Action.NEVER]
)
def test_a_warning_alone_never_makes_a_video_unavailable(message: str) -> None:
    """Permanent reasons do not count in warnings, as some formats with DRM leave the others available."""
    warning = message.replace("ERROR: ", "WARNING: ").replace("\n", " ")
    found = classify(f"{warning}\nERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response")
    assert found.advice.action is not Action.NEVER


@pytest.mark.parametrize(("reason", "message"), transcripts(FROM_YT_DLP))
def test_a_warning_never_blames_this_machine(reason: Reason, message: str) -> None:
    """A full disk or a missing tool in a warning is about a cache or an extra: the error decides."""
    if reason not in {Reason.DISK_FULL, Reason.NOT_WRITABLE, Reason.TOOL_MISSING, Reason.TOOL_FAILED}:
        return
    warning = message.replace("ERROR: ", "WARNING: ").replace("\n", " ")
    assert (
        classify(f"{warning}\nERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response")
        is Reason.UNKNOWN
    )


@pytest.mark.parametrize(("reason", "message"), transcripts(FROM_YOUTUBE))
def test_a_permanent_reason_wins_over_every_warning(reason: Reason, message: str) -> None:
    """YouTube's statement about the video does not depend on other problems."""
    if reason.advice.action is not Action.NEVER:
        return
    for _, output in transcripts(TOGETHER):
        warnings = [line for line in output.splitlines() if line.startswith("WARNING: ")]
        assert classify([*warnings, *message.splitlines()]) is reason


def test_the_name_of_a_directory_is_not_classified() -> None:
    """A path in a message is not mistaken for YouTube's message, so it cannot close the lane."""
    output = (
        "ERROR: unable to open for writing: [Errno 13] Permission denied: '/d/captcha/HTTP Error 429/x.part'"
    )
    assert classify(output) is Reason.NOT_WRITABLE


@pytest.mark.parametrize(("reason", "output"), transcripts(FROM_FFMPEG))
def test_a_message_of_ffmpeg_means_its_reason(reason: Reason, output: str) -> None:
    """Real messages of ffmpeg are classified; all others only mean that it failed."""
    assert classify_ffmpeg(output) is reason
    assert classify_ffmpeg(output.splitlines()) is reason


def test_every_reason_has_one_row_of_advice() -> None:
    """The table is complete, in the order of the reasons, and in sentences."""
    assert list(ADVICE) == list(Reason)
    for reason in Reason:
        advice = reason.advice
        for sentence in (advice.meaning, advice.remedy):
            assert sentence.endswith("."), reason
            assert "\n" not in sentence, reason
            assert "|" not in sentence, f"{reason}: the README puts it into a table"


def test_the_docs_explain_every_action() -> None:
    """The legend of the table in docs/failures.md has a row for each action, and no other."""
    page = (Path(__file__).parents[3] / "docs/failures.md").read_text(encoding="utf-8")
    legend = page.partition("| action | what it does |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", legend, re.MULTILINE) == [
        action.value
        for action in sorted(Action, key=["close", "ask", "never", "later", "retry", "stop"].index)
    ]


def test_the_action_and_the_exit_code_of_a_reason_agree() -> None:
    """Permanent reasons never ask for another run, temporary ones always do; only a block closes the lane."""
    codes = {
        Action.NEVER: {ExitCode.GIVEN_UP},
        Action.ASK: {ExitCode.GIVEN_UP, ExitCode.LOCAL},
        Action.LATER: {ExitCode.PASSING},
        Action.STOP: {ExitCode.PASSING},
        Action.CLOSE: {ExitCode.REFUSED, ExitCode.PASSING},
        # Unknown messages are retried, but another run is not promised to help.
        Action.RETRY: {ExitCode.PASSING, ExitCode.GIVEN_UP},
    }
    for reason in Reason:
        assert reason.advice.exit_code in codes[reason.advice.action], reason
    given_up = {
        r for r in Reason if r.advice.action is Action.RETRY and r.advice.exit_code is ExitCode.GIVEN_UP
    }
    assert given_up == {Reason.UNKNOWN}


def test_the_advice_for_an_invalid_box_names_the_corrections() -> None:
    """The advice names the option that has other boxes."""
    assert "--corrections unverified" in Reason.BOX_DOES_NOT_FIT.advice.remedy


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ([], ExitCode.DONE),
        ([Reason.PRIVATE, Reason.AGE], ExitCode.GIVEN_UP),
        ([Reason.PRIVATE, Reason.NETWORK], ExitCode.PASSING),
        ([Reason.REFUSED, Reason.NOT_TRIED, Reason.PRIVATE], ExitCode.REFUSED),
        ([Reason.REFUSED, Reason.DISK_FULL, Reason.NETWORK], ExitCode.LOCAL),
    ],
)
def test_the_most_severe_reason_gives_the_exit_code(reasons: list[Reason], code: ExitCode) -> None:
    """Local errors before blocks before temporary before permanent failures; none at all is success."""
    assert exit_code(reasons) is code
    assert exit_code(reversed(reasons)) is code


@given(st.text(max_size=6000))
def test_kept_output_is_bounded_and_printable(output: str) -> None:
    """At most 20 lines and 2000 characters of a tool's output are kept, without control characters."""
    kept = last_lines(output)
    assert len(kept) <= 2000
    assert len(kept.splitlines()) <= 20
    assert all(c.isprintable() for c in kept.replace("\n", ""))


def test_the_end_of_the_output_is_kept() -> None:
    """The last lines are the most informative."""
    kept = last_lines([f"line {n}\n" for n in range(100)]).splitlines()
    assert kept == [f"line {n}" for n in range(80, 100)]


def test_signatures_are_removed_from_kept_output() -> None:
    """A media address works for anyone, so its signature is not stored."""
    output = (
        "ERROR: https://rr3---sn-4g5e6.googlevideo.com/videoplayback?expire=1&ip=1.2.3.4&sig=SECRET and "
        "https://manifest.googlevideo.com/api/manifest/hls_playlist/expire/1/sig/SECRET/file.m3u8 "
        "\x1b[31mred\x1b[0m"
    )
    kept = last_lines(output)
    assert "SECRET" not in kept
    assert "1.2.3.4" not in kept
    assert "rr3---sn-4g5e6.googlevideo.com/videoplayback" in kept
    assert kept.endswith(" red")


def test_a_failure_can_be_copied_and_pickled() -> None:
    """It survives copying and pickling; its text has the reason and the tool's message."""
    failure = Failure(Reason.NETWORK, "one\ntwo\n")
    for twin in (copy.copy(failure), pickle.loads(pickle.dumps(failure))):  # noqa: S301 - made by this test
        assert (twin.reason, twin.words) == (Reason.NETWORK, "one\ntwo")
    assert str(failure) == f"{Reason.NETWORK.advice.meaning} (one\ntwo)"
    assert str(Failure(Reason.NETWORK)) == Reason.NETWORK.advice.meaning


def test_only_a_bounded_and_redacted_message_is_kept() -> None:
    """Neither in its fields nor in its arguments, which a traceback and a pickle contain."""
    failure = Failure(Reason.NETWORK, "http://me:s3cret@proxy:8080/ \x1b[2J" + "x" * 1_000_000)
    assert failure.args == (Reason.NETWORK, failure.words)
    assert b"s3cret" not in pickle.dumps(failure)
    assert len(repr(failure)) < 10_000


def test_a_password_in_an_address_is_not_kept() -> None:
    """For example a proxy's, which a tool may repeat in its message."""
    kept = last_lines(
        "ERROR: cannot connect to http://me:s3cret@proxy:8080/ for https://www.youtube.com/watch"
    )
    assert "s3cret" not in kept
    assert "https://www.youtube.com/watch" in kept


def test_only_temporary_failures_are_tried_again_in_one_run() -> None:
    """As often as docs and messages say; all others once."""
    tries = {reason.value: reason.advice.tries for reason in Reason if reason.advice.tries != 1}
    usual = (
        "network", "player_forbidden", "worker_lost", "timed_out", "stalled", "encode_stalled",
        "raw_truncated", "raw_unreadable", "unknown",
    )  # fmt: skip
    assert tries == dict.fromkeys(usual, 3) | {"forbidden": 4, "range_refused": 2}
