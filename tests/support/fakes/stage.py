"""Code shared by the two fake programs: their configuration, the duration of jobs, faults, and the log.

A stage is a directory with ``stage.json`` (written by `kit.install`) and ``log``, to which each job appends a
line when it starts and one when it ends::

    begin download 4711 1234.567890 CPCoMyuBRM0
    end download 4711 1234.987654 CPCoMyuBRM0 0

Fields of a line: event, kind of job, process id, monotonic seconds, subject and, at the end, the exit code.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False  # importing typing takes longer than the rest of this file
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

CONFIGURATION, LOG = "stage.json", "log"
PATIENCE = 20.0
"""Seconds for which the first jobs wait for each other; see `Job.gather`."""
GRACE = 0.3
"""Seconds that they wait after all have started."""
FREE = "{}"
"""Placeholder for any argument in the pattern of a command line."""


def free_arguments(arguments: Sequence[str], pattern: Sequence[str]) -> list[str]:
    """Return the arguments of a command line at the places where its pattern has `FREE`.

    Raises `ValueError` with the first argument that differs from the pattern, or the first missing one.
    """
    for argument, due in zip(arguments, pattern, strict=False):
        if due not in (FREE, argument):
            raise ValueError(argument)
    if len(arguments) != len(pattern):
        raise ValueError(max(arguments, pattern, key=len)[min(len(arguments), len(pattern))])
    return [argument for argument, due in zip(arguments, pattern, strict=True) if due == FREE]


class Job:
    """One job of a fake program, from its line in the log to its exit code."""

    def __init__(self, stage: str, kind: str, subject: str, begun: float) -> None:
        """Start a job; `begun` is the start of the process on the monotonic clock."""
        self.kind, self.subject = kind, subject
        self._stage, self._begun = stage, begun
        with open(f"{stage}/{CONFIGURATION}", encoding="utf-8") as file:
            self.configuration: dict[str, Any] = json.load(file)
        self._log = os.open(f"{stage}/{LOG}", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        self._append("begin", begun)
        self.fault: dict[str, Any] = self._fault()
        """The fault of this job; empty if it has none."""
        self.gather()

    def leaves(self, what: str) -> bool:
        """Return whether the fault of this job leaves its file ``short``, or ``nothing`` of it."""
        return bool(self.fault.get("leaves") == what)

    def gather(self) -> None:
        """Wait until the configured number of jobs of this kind are running, once per stage.

        Thus the allowed concurrency is reached however slow the machine is. They wait `GRACE` longer, so that
        one job too many would be visible.
        """
        width = self.configuration["gather"].get(self.kind, 0)
        marker = f"{self._stage}/gathered-{self.kind}"
        until = time.monotonic() + PATIENCE
        while width and not os.access(marker, os.F_OK):
            lines = [line.split()[:2] for line in self._lines()]
            together = lines.count(["begin", self.kind]) - lines.count(["end", self.kind])
            if together >= width or time.monotonic() > until:
                time.sleep(GRACE)
                os.close(os.open(marker, os.O_CREAT | os.O_WRONLY, 0o666))
            else:
                time.sleep(0.005)

    def work(self, amount: float, report: Callable[[float], None], *, every: float) -> None:
        """Wait for the duration of this job; `tell` is called with the completed share.

        It is called at once, then `every` so many seconds, and with 1 at the end. `amount` is the size of the
        job in the unit of its kind.
        """
        flat, each = self.configuration["times"].get(self.kind, (0.0, 0.0))
        seconds = self.fault.get("seconds")
        end = self._begun + (flat + each * amount if seconds is None else seconds)
        left = whole = max(0.0, end - time.monotonic())
        while left > 0:
            report(1 - left / whole)
            time.sleep(min(every, left))
            left = end - time.monotonic()
        report(1.0)

    def end(self, code: int = 0) -> int:
        """End the job with an exit code and return the code."""
        self._append("end", time.monotonic(), str(code))
        return code

    def fail(self) -> int:
        """End the job as its fault requires."""
        message = self.fault["words"]
        os.write(2, f"{message}\n".encode() if message else b"")
        return self.end(self.fault["code"])

    def _append(self, what: str, at: float, *more: str) -> None:
        line = " ".join((what, self.kind, str(os.getpid()), f"{at:.6f}", self.subject, *more))
        os.write(self._log, line.encode() + b"\n")  # one write, appended: lines never mix

    def _lines(self) -> list[str]:
        size = os.fstat(self._log).st_size
        return os.pread(self._log, size, 0).decode().splitlines()

    def _fault(self) -> dict[str, Any]:
        fault: dict[str, Any] = self.configuration["faults"].get(f"{self.kind} {self.subject}", {})
        times = fault.get("times")
        if times is not None:
            fields = (line.split() for line in self._lines())
            if (
                sum(begun[1::3] == [self.kind, self.subject] for begun in fields if begun[0] == "begin")
                > times
            ):
                return {}
        return fault
