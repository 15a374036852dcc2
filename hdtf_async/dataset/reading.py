"""Read the clips that the options name: those of a dataset, or of the user's own list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.model import Corrections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hdtf_async.core.model import Tables
    from hdtf_async.core.options import Options


def read(options: Options, clips: Iterable[object] | None = None) -> Tables:
    """Return the clips of ``--dataset`` or ``--clips``, of a reproduction file, or given rows (`ClipRow`).

    Blocks. Raises `TableError` if a list cannot be read, and `OptionsError` for an unknown dataset or format.
    """
    if clips is not None:
        if options.clips is not None:
            raise OptionsError("--clips (Options.clips): omit it if the clips are passed to the function")
        if options.corrections is not Corrections.VERIFIED:
            raise OptionsError("--corrections: omit it; only the tables of HDTF have corrections")
        from hdtf_async.dataset.rows import assemble  # noqa: PLC0415 - HDTF does not need it

        return assemble(clips)
    if options.reproduce is not None:
        from hdtf_async.dataset import reproduced_clips  # noqa: PLC0415 - rarely needed

        return reproduced_clips.read(options.reproduce.path)
    if options.clips is not None:
        from hdtf_async.dataset import clip_lists  # noqa: PLC0415

        return clip_lists.read(options.clips)
    if options.is_hdtf:
        from hdtf_async.dataset import tables  # noqa: PLC0415 - others do not need it

        return tables.read(options.source, corrections=options.corrections)
    from hdtf_async.dataset import datasets  # noqa: PLC0415

    return datasets.find(options.dataset).read(options.source, options.corrections)
