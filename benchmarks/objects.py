"""Number of requests to an object store per clip: the main command with fake tools against an S3 server.

    python benchmarks/objects.py 1000

Needs the extra ``test-bucket``. Prints the requests of a run that creates so many clips, and those of a
rerun.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import anyio
from moto.server import ThreadedMotoServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from load_runs import Most, load, write_tables
from s3_server import BUCKET, in_front, make_bucket


def main(rows: int) -> None:
    """Run the benchmark."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    make_bucket(port)
    with tempfile.TemporaryDirectory() as temporary, in_front(port) as front:
        os.environ.update(front.variables)
        tables = Path(temporary) / "tables"
        write_tables(tables, rows)
        for what in ("creates", "finds"):
            front.asked.clear()
            begun = time.monotonic()
            report = anyio.run(load, f"s3://{BUCKET}/clips", tables, Most())
            seconds = time.monotonic() - begun
            requests = front.counted()
            clips = len(report.done) + report.there
            print(f"a run that {what} {clips} clips, in {seconds:.1f} s: {sum(requests.values())} requests,"
                  f" {sum(requests.values()) / clips:.3f} per clip")  # fmt: skip
            for kind, number in sorted(requests.items(), key=lambda each: -each[1]):
                print(f"  {number:>7} {kind}")
        journal = [len(text) for key, text in front.content().items() if "/_journal/" in key]
        print(f"{len(journal)} segments, {sum(journal) / clips:.0f} bytes per clip;"
              f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB with the server")  # fmt: skip
    server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
