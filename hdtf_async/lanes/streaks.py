"""Conclusions from consecutive failures about the IP address and yt-dlp. Pure.

- YouTube blocks an IP address: every video fails with ``refused``. One such failure is enough.
- YouTube also blocks with a bare "unavailable", which looks like a removed video. `UNAVAILABLE_IN_A_ROW`
  different videos without a success in between count as a block.
- Without a network every video fails with ``unreachable``. `UNREACHABLE_IN_A_ROW` attempts are enough.
- YouTube changes, and yt-dlp fails with an unclassified message; or the JavaScript runtime fails.
  `SAME_IN_A_ROW` different videos that fail with the same message end the run.
"""

from __future__ import annotations

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.process.stderr import connection_cause, same_message_key

UNAVAILABLE_IN_A_ROW = 3
UNREACHABLE_IN_A_ROW = 2
SAME_IN_A_ROW = 3


class Streaks:
    """Counts consecutive failures. Attempts run in parallel: their order is that in which they end."""

    def __init__(self) -> None:
        self._unavailable: set[str] = set()
        """Videos that were reported as unavailable, without a reason, since the last success."""
        self._unreachable = 0
        self._same: set[str] = set()
        """Videos that failed with the same message since the last other answer."""
        self._message = ""

    def succeeded(self) -> None:
        """Register that a video is available: neither the IP address nor yt-dlp is the problem."""
        self._unavailable.clear()
        self._answered()

    def failed(self, youtube_id: str, failure: Failure, *, probed: Reason | None = None) -> Failure | None:
        """Register a failure; return why every other video would fail alike, or None if that is not certain.

        `probed` is the reason for which downloads are paused, if this attempt is the test download.
        """
        match failure.reason:
            case Reason.REFUSED:
                return failure
            case Reason.UNREACHABLE:
                return self._unreachable_verdict(failure, probed)
            case Reason.UNAVAILABLE:
                self._answered()
                return self._unavailable_verdict(youtube_id, failure, probed)
            case Reason.UNKNOWN | Reason.JAVASCRIPT:
                self._unreachable = 0
                return self._same_verdict(youtube_id, failure)
            case reason if reason.is_answer:
                self._answered()
        return None

    def _answered(self) -> None:
        """YouTube was reached, and the attempt did not fail with the same message again."""
        self._unreachable = 0
        self._same.clear()

    def _unreachable_verdict(self, failure: Failure, probed: Reason | None) -> Failure | None:
        self._unreachable += 1
        if self._unreachable < UNREACHABLE_IN_A_ROW and probed is not Reason.UNREACHABLE:
            return None
        return Failure(Reason.UNREACHABLE, connection_cause(failure.words) or failure.words)

    def _unavailable_verdict(
        self, youtube_id: str, failure: Failure, probed: Reason | None
    ) -> Failure | None:
        self._unavailable.add(youtube_id)
        number = len(self._unavailable)
        if number < UNAVAILABLE_IN_A_ROW and probed is not Reason.REFUSED:
            return None
        self._unavailable.clear()
        what = "this test download" if probed is Reason.REFUSED else f"{number} videos in a row"
        return Failure(Reason.REFUSED, f"YouTube reported {what} as unavailable\n{failure.words}")

    def _same_verdict(self, youtube_id: str, failure: Failure) -> Failure | None:
        message = same_message_key(failure.words)
        if message != self._message:
            self._message = message
            self._same.clear()
        self._same.add(youtube_id)
        if not message or len(self._same) < SAME_IN_A_ROW:
            return None
        reason = Reason.YOUTUBE_CHANGED if failure.reason is Reason.UNKNOWN else failure.reason
        return Failure(
            reason, f"{len(self._same)} videos in a row failed with this message:\n{failure.words}"
        )
