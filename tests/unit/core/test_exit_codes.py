"""The exit codes of the command line, and the number of tries for each reason."""

from __future__ import annotations

from hdtf_async.core.failures import Action, ExitCode, Reason


def test_exit_codes_are_stable() -> None:
    """Scripts compare them: 75 asks for another run, 128 and more contain the signal."""
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "GIVEN_UP": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "LOCAL": 4,
        "PASSING": 75,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


def test_only_temporary_failures_are_retried_in_the_same_run() -> None:
    """Three times in all; a forbidden address is renewed once more, a rejected range once."""
    tries = {reason: reason.advice.tries for reason in Reason if reason.advice.action is Action.RETRY}
    others = [reason for reason in Reason if reason not in tries]
    assert {reason.advice.tries for reason in others} == {1}
    assert {reason: number for reason, number in tries.items() if number != 3} == {
        Reason.FORBIDDEN: 4,
        Reason.RANGE_REFUSED: 2,
    }


def test_local_errors_and_what_concerns_every_video_stop_a_run() -> None:
    """All others fail one video, are tried again, or pause downloads."""
    stopping = {reason for reason in Reason if reason.advice.stops}
    assert stopping == {
        reason
        for reason in Reason
        if reason.advice.action is Action.STOP or reason.advice.exit_code is ExitCode.LOCAL
    }
    assert {Reason.DISK_FULL, Reason.YOUTUBE_CHANGED, Reason.CLUSTER_LOST} <= stopping
    assert not stopping & {Reason.REFUSED, Reason.NETWORK, Reason.PRIVATE, Reason.NO_FACE, Reason.NOT_TRIED}
