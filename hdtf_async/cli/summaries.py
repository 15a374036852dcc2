"""Summaries that the command line prints when a command ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.failures import Reason
from hdtf_async.core.text import count, in_bytes, in_hours, shown
from hdtf_async.progress.messages import sentence, shortened

if TYPE_CHECKING:
    from collections import Counter

    from hdtf_async.commands.census import Census
    from hdtf_async.commands.repair import Check
    from hdtf_async.core.failures import ExitCode, Failure
    from hdtf_async.report.result import Report

_CAUSE = 400
"""Characters of an error message that the only line of a quiet command repeats."""
_KINDS = {"wrong": "corrupt", "missing": "missing", "foreign": "untracked"}
"""Kinds of findings of a check, as they are printed."""


def summary(report: Report, out: object) -> str:
    """Return a summary of a run, in ten lines at most."""
    lines = [
        f"{count(len(report.done), 'clip')} written"
        f" ({in_hours(report.clip_seconds)}, {in_bytes(report.clip_bytes)});"
        f" {report.there} already present, {sum(report.reasons.values())} missing."
        f" Downloaded {in_bytes(report.raw_bytes)} in {in_hours(report.seconds)}."
    ]
    if report.overlap is not None:
        lines.append(
            f"Download {in_hours(report.download_seconds)}, encode {in_hours(report.encode_seconds)},"
            f" overlapping {in_hours(report.both_seconds)} ({report.overlap:.0%} of the shorter)."
        )
    if report.stopped is not None:
        lines += why_stopped(report.stopped)
    lines += report.shards_left_out
    if report.reproduced is not None:
        lines.append(report.reproduced.words)
    most, rows = report.reasons.most_common(), report.rows_left_out
    few = 4 - bool(rows) - bool(report.absent) - bool(report.reproduced)  # ten lines in total
    lines += [f"{number:>5} {reason}: {reason.advice.remedy}" for reason, number in most[:few]]
    lines += [f"      and {len(most) - few} more reasons"] * (len(most) > few)
    lines += [f"      {row}" for row in rows[: max(1, 9 - len(lines))]]
    lines.append(
        f"Output: {out}"
        + (f"   Failures: {out}/failures.jsonl" if most else "")
        + (f"   Report: {report.page}" if report.page else "")
    )
    return "\n".join(lines)


def why_stopped(stopped: Failure) -> list[str]:
    """Return why a run ended early or did not start, and what to do about it."""
    if stopped.reason is Reason.NOT_READY:
        return [f"Not started: {stopped.words}", stopped.reason.advice.remedy]
    return [f"Stopped early: {stopped}", stopped.reason.advice.remedy]


def quiet_summary(code: ExitCode, missing: Counter[Reason], stopped: Failure | None) -> str:
    """Return in one line why a quiet command ends with an exit code other than 0."""
    reasons = ", ".join(f"{number} {reason}" for reason, number in missing.most_common())
    line = f"exit code {int(code)}" + (f", {missing.total()} missing ({reasons})." if reasons else ".")
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
        f" {exact} of them at the reference height; {census.videos[Availability.GONE]} removed,"
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


def check_summary(check: Check, out: object) -> str:
    """Return a summary of a check, in ten lines at most, without its findings."""
    kinds = ", ".join(f"{check.kinds[kind]} {shown_as}" for kind, shown_as in _KINDS.items())
    lines = [f"Checked {count(check.clips, 'clip')} in {in_hours(check.seconds)}: {kinds}."]
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
