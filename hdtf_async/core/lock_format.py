"""Names of the files by which a set of clips can be created again, and the version of their format."""

LOCK_FILE, METHODS, REPRODUCTION = "clips.lock.json", "methods.md", "reproduction.jsonl"
FORMAT = 1
"""Version of the format of lock files."""
