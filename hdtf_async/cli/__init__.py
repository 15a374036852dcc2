"""Argument parsing, settings, signals, progress bars, exit codes."""
