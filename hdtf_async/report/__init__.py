"""The result of a run, and report.html."""
