"""Argument parsing, settings, signals, what is printed, exit codes."""
