"""Names of the files by which a set of clips can be created again, and the version of their format."""

REPRODUCTION_FILE, METHODS, COMPARISON = "clips.lock.json", "methods.md", "reproduction.jsonl"
FORMAT = 1
"""Version of the format of reproduction files."""
