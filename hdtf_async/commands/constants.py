"""What the command line needs of the commands before it loads one: defaults, file names, options they use."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

from hdtf_async.core.model import OutputSettings

FRESH = timedelta(days=7)
"""Age of an answer from which on a census queries a video again."""
IDLE_IN_CENSUS = frozenset({"limit_rate", "stall_timeout", "least_speed", "fetch", "raw_dirs", "face_model"})
"""Options that a census, which downloads nothing, does not use."""
OUTPUT_SETTINGS = frozenset(option.name for option in fields(OutputSettings))
"""Options that a repair takes from the journal, and that cannot be set."""
IDLE_IN_CHECK = OUTPUT_SETTINGS | {"retry_failed", "recut", "split", "split_seed", "scratch", "no_report"}
"""Options that a check does not use: it works on a directory and writes no report, and a repair knows which
clips to re-create and how they are split."""
USED_BY_EXPORT = frozenset({"source", "corrections", "split", "split_seed", "encodes", "ffmpeg"})
"""Options that an export uses."""
SHEET = "faces.jpg"
"""Name of the image that `faces` writes to the output directory."""
