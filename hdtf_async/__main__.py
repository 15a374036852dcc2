"""``python -m hdtf_async``."""

from hdtf_async.cli.main import entry

if __name__ == "__main__":
    entry()
