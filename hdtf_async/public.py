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
from hdtf_async.core.job import Running
from hdtf_async.core.model import (
    Audio,
    Codec,
    Corrections,
    Crop,
    Deinterlace,
    Fallback,
    PaceScope,
    Resolution,
)
from hdtf_async.core.options import Options
from hdtf_async.core.shards import Merged, Shard
from hdtf_async.lanes.limits import Lanes
from hdtf_async.report.result import Report
from hdtf_async.run import download, merge, running

__all__ = [
    "Audio",
    "BusyError",
    "Census",
    "Check",
    "Codec",
    "Corrections",
    "Crop",
    "Deinterlace",
    "ExitCode",
    "Exported",
    "Failure",
    "Fallback",
    "FormError",
    "Lanes",
    "Merged",
    "Options",
    "OptionsError",
    "PaceScope",
    "Reason",
    "Report",
    "Resolution",
    "Running",
    "Shard",
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
