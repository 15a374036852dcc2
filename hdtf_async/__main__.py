"""``python -m hdtf_async``."""

from hdtf_async.cli import entry

if __name__ == "__main__":
    entry()
