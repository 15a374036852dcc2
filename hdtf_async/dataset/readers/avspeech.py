"""AVSpeech: CSV files without a header: YouTube id, start and end in seconds, and a point of the face.

Read in https://github.com/changil/avspeech-downloader (download.sh): the order of the columns, and that times
are seconds. The point is the centre of the face, as fractions of width and height. Licence, hours and files:
https://looking-to-listen.github.io/avspeech/, as other public repositories cite it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import TableError
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.dataset.text_files import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hdtf_async.dataset.fields import Findings

LARGEST = 1024**3
"""Characters; the published files have about 150 million."""
_CELLS = 5


def rows(source: Path, _findings: Findings) -> Iterator[ClipRow]:
    """Yield the clips of ``avspeech_train.csv`` or ``avspeech_test.csv``. Raises `TableError`."""
    side = source.stem.rpartition("_")[2]
    for line, text in lines(source, source.name, largest=LARGEST):
        if not text.strip():
            continue
        cells = [cell.strip() for cell in text.split(",")]
        if len(cells) != _CELLS:
            message = f"{len(cells)} cells; expected a YouTube id, start, end, x and y"
            raise TableError(source.name, line, message)
        video, start, end, x, y = cells
        yield ClipRow(
            video=video,
            start=start,
            end=end,
            point_x=x,
            point_y=y,
            split=side if side in {"train", "test"} else None,
            line=line,
        )


AVSPEECH = Dataset(
    name="avspeech",
    title="AVSpeech",
    rows=rows,
    bring="avspeech_train.csv or avspeech_test.csv, from https://looking-to-listen.github.io/avspeech/",
    licence="CC BY 4.0",
    citation="""\
@article{ephrat2018looking,
  title = {Looking to Listen at the Cocktail Party: A Speaker-Independent Audio-Visual Model for Speech \
Separation},
  author = {Ephrat, Ariel and Mosseri, Inbar and Lang, Oran and Dekel, Tali and Wilson, Kevin and Hassidim, \
Avinatan and Freeman, William T. and Rubinstein, Michael},
  journal = {ACM Transactions on Graphics},
  volume = {37},
  number = {4},
  year = {2018}
}""",
    hours=4700,
    rule="no box: the whole frame, or --crop face, for which the point selects the face",
)
