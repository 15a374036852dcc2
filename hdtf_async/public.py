"""The public names of the package, which `hdtf_async` itself offers when one of them is first used."""

from hdtf_async.commands.census import Census, census
from hdtf_async.commands.export import Exported, export
from hdtf_async.commands.repair import Check, check
from hdtf_async.core import events
from hdtf_async.core.exceptions import (
    BusyError,
    FormError,
    OptionsError,
    StoreError,
    TableError,
    UnknownVideoError,
)
from hdtf_async.core.failures import ExitCode, Failure, Reason
from hdtf_async.core.fetch import Fetch
from hdtf_async.core.job import Running
from hdtf_async.core.model import (
    Audio,
    Codec,
    Corrections,
    Crop,
    Deinterlace,
    Fallback,
    Fit,
    Hdr,
    PaceScope,
    Resolution,
    SceneCuts,
    Square,
)
from hdtf_async.core.options import Options
from hdtf_async.core.shards import Merged, Shard
from hdtf_async.dataset.clip_row import ClipRow
from hdtf_async.dataset.datasets import Dataset
from hdtf_async.lanes.limits import Lanes
from hdtf_async.report.result import Report
from hdtf_async.run import download, merge, running

__all__ = [
    "Audio",
    "BusyError",
    "Census",
    "Check",
    "ClipRow",
    "Codec",
    "Corrections",
    "Crop",
    "Dataset",
    "Deinterlace",
    "ExitCode",
    "Exported",
    "Failure",
    "Fallback",
    "Fetch",
    "Fit",
    "FormError",
    "Hdr",
    "Lanes",
    "Merged",
    "Options",
    "OptionsError",
    "PaceScope",
    "Reason",
    "Report",
    "Resolution",
    "Running",
    "SceneCuts",
    "Shard",
    "Square",
    "StoreError",
    "TableError",
    "UnknownVideoError",
    "census",
    "check",
    "download",
    "events",
    "export",
    "merge",
    "running",
]
