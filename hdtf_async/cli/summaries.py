"""Summaries that the command line prints when a command ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.failures import ExitCode, Reason
from hdtf_async.core.text import count, format_bytes, format_duration, shown
from hdtf_async.progress.messages import sentence, shortened

if TYPE_CHECKING:
    from collections import Counter

    from hdtf_async.commands.census import Census
    from hdtf_async.commands.repair import Check
    from hdtf_async.core.failures import Failure
    from hdtf_async.report.result import Report

_CAUSE = 400
"""Characters of an error message that the only line of a quiet command repeats."""
_KINDS = {"wrong": "corrupt", "missing": "missing", "foreign": "untracked"}
"""Kinds of findings of a check, as they are printed."""

_CODES = {
    ExitCode.GIVEN_UP: "the missing clips are permanently unavailable or need action",
    ExitCode.REFUSED: "YouTube is blocking this IP address",
    ExitCode.LOCAL: "an error of this machine, or of the options",
    ExitCode.PASSING: "temporary failures, run the same command again",
}
"""What the exit codes of a run mean."""


def _numbers(reasons: Counter[Reason]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())


def summary(report: Report, out: object) -> str:
    """Return a summary of a run, in ten lines at most; in one if it did not start."""
    if report.stopped is not None and report.never_began:
        return not_started(report.stopped)
    lines = [
        f"{count(len(report.done), 'clip')} written"
        f" ({format_duration(report.clip_seconds)}, {format_bytes(report.clip_bytes)});"
        f" {report.there} already present, {sum(report.reasons.values())} missing."
        f" Downloaded {format_bytes(report.raw_bytes)} in {format_duration(report.seconds)}."
    ]
    if report.overlap is not None:
        lines.append(
            f"Download {format_duration(report.download_seconds)},"
            f" encode {format_duration(report.encode_seconds)},"
            f" overlapping {format_duration(report.both_seconds)} ({report.overlap:.0%} of the shorter)."
            + (f" Retried: {_numbers(report.tally.retried)}." if report.tally.retried else "")
        )
    if report.stopped is not None:
        lines += why_stopped(report.stopped)
    lines += report.shards_left_out
    if report.reproduced is not None:
        lines.append(report.reproduced.words)
    most, rows = report.reasons.most_common(), report.rows_left_out
    few = 4 - bool(rows) - bool(report.absent) - (report.stopped is not None)  # ten lines in total
    few -= bool(report.reproduced)
    lines += [f"{number:>5} {reason}: {reason.advice.remedy}" for reason, number in most[:few]]
    lines += [f"      and {len(most) - few} more reasons"] * (len(most) > few)
    lines += [f"      {row}" for row in rows[: max(1, 8 - len(lines))]]
    if report.exit_code and report.tally.winding_down is None:  # otherwise it is that of the signal
        lines.append(f"Exit code {int(report.exit_code)}: {_CODES[report.exit_code]}.")
    lines.append(
        f"Output: {out}"
        + (f"   Failures: {out}/failures.jsonl" if most else "")
        + (f"   Report: {report.page}" if report.page else "")
    )
    return "\n".join(lines)


def not_started(stopped: Failure) -> str:
    """Return in one line why a command did not start, and what to do about it."""
    cause, advice = shortened(stopped.words, _CAUSE), stopped.reason.advice
    if stopped.reason is not Reason.NOT_READY:
        cause = advice.meaning.removesuffix(".") + (f" ({cause})" if cause else "")
    return f"Not started: {cause.removesuffix('.')}. {advice.remedy}"


def why_stopped(stopped: Failure) -> list[str]:
    """Return why a run ended early or did not start, and what to do about it."""
    if stopped.reason is Reason.NOT_READY:
        return [not_started(stopped)]
    return [f"Stopped early: {stopped}", stopped.reason.advice.remedy]


def quiet_summary(code: ExitCode, missing: Counter[Reason], stopped: Failure | None) -> str:
    """Return in one line why a quiet command ends with an exit code other than 0."""
    line = f"exit code {int(code)}"
    line += f", {missing.total()} missing ({_numbers(missing)})." if missing else "."
    if stopped is not None and stopped.reason is Reason.NOT_READY:
        return f"exit code {int(code)}. {not_started(stopped)}"
    if stopped is not None:
        cause = f" ({shortened(stopped.words, _CAUSE)})" if stopped.words else ""
        line += f" Stopped early: {sentence(stopped.reason)}{cause} {stopped.reason.advice.remedy}"
    return line


def census_summary(census: Census, out: object) -> str:
    """Return a summary of a census."""
    from hdtf_async.commands.census import Availability  # noqa: PLC0415 - no other summary needs a census

    exact = census.videos[Availability.REFERENCE]
    lines = [
        f"{exact + census.videos[Availability.OTHER]} of {census.videos.total()} videos are available,"
        f" {exact} of them at the reference height;"
        f" {census.videos[Availability.GONE]} are permanently unavailable,"
        f" {census.videos[Availability.NEEDS_YOU]} need cookies or other action.",
        *(
            f"{number:>5} {reason}: {reason.advice.meaning}"
            for reason, number in census.reasons.most_common()
        ),
    ]
    left = census.videos[Availability.PASSING] + census.videos[Availability.NOT_ASKED]
    if census.stopped is not None:
        lines.append(" ".join(why_stopped(census.stopped)))
    if left:
        lines.append(f"{left} not answered yet: run the same command to resume.")
    return "\n".join([*lines, f"List of videos: {out}"])


def check_findings(check: Check) -> list[str]:
    """Return one line for each finding of a check."""
    return [f"{_KINDS[found.kind]:<9}  {found.file}: {found.words}" for found in check.found]


def _counted(check: Check, kind: str) -> str:
    """Return how many of a kind a check found. A clip that was never created is missing, as after a run."""
    gone, reasons = check.kinds[kind], check.never_created
    if kind != "missing" or not reasons:
        return f"{gone} {_KINDS[kind]}"
    parts = [f"{gone} not found"] * bool(gone) + [f"{number} {why}" for why, number in reasons.most_common()]
    return f"{gone + reasons.total()} missing ({', '.join(parts)})"


def check_summary(check: Check, out: object) -> str:
    """Return a summary of a check, in ten lines at most, without its findings."""
    kinds = ", ".join(_counted(check, kind) for kind in _KINDS)
    lines = [f"Checked {count(check.clips, 'clip')} in {format_duration(check.seconds)}: {kinds}."]
    if check.at_work:
        lines.append("A run is active: its current clips and metadata.jsonl were not checked.")
    stopped = check.stopped or check.report.stopped
    if stopped is not None:
        lines += why_stopped(stopped)
    if check.repairs and check.stopped is None:
        other = f" ({check.other_bytes} with different bytes: the tools have changed)"
        lines.append(
            f"Re-created {count(len(check.report.done), 'clip')}{other if check.other_bytes else ''};"
            f" {len(check.left) + sum(check.report.reasons.values())} failed."
        )
        lines += [
            f"{number:>5} {why}: {why.advice.remedy}" for why, number in check.report.reasons.most_common(3)
        ]
        if check.left:
            stem, why = next(iter(check.left.items()))
            lines.append(
                f"{len(check.left):>5} cannot be re-created, such as {shown(stem)}: {why}."
                " Run the main command with --recut."
            )
    elif not check.repairs and check.kinds["wrong"] + check.kinds["missing"]:
        lines.append(
            f"To re-create corrupt and missing clips: python -m hdtf_async check --repair --out {out}"
        )
    return "\n".join(lines)
