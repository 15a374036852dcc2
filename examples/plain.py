"""Run the whole job from a Python program and inspect the result.

python examples/plain.py clips
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import hdtf_async
from hdtf_async import Options, Report


async def main(out: Path, options: Options) -> Report:
    """Create the clips, and print the first few clips and failures."""
    report = await hdtf_async.download(out, options)
    print(f"{len(report.done)} clips written, {report.there} already present, exit code {report.exit_code}")
    for line in (out / "metadata.jsonl").read_text("utf-8").splitlines()[:3]:
        clip = json.loads(line)
        print(f"{out / clip['file_name']}: {clip['frames']} frames of {clip['width']}x{clip['height']}")
    for stem, reason in list(report.failed.items())[:3]:
        print(f"{stem}: {reason.advice.meaning} {reason.advice.remedy}")
    return report


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Options(subsets=("RD",), limit=3)))
