"""From the HDTF tables to talking-head clips: downloads and encodes overlap in one asyncio program.

The command line is ``python -m hdtf_async --out DIR``. In a program:

    report = await hdtf_async.download("clips", hdtf_async.Options(subsets=("RD",)))
"""

from hdtf_async.failures import ExitCode, Failure, Reason
from hdtf_async.forms import FormError
from hdtf_async.lanes import Lanes
from hdtf_async.locks import BusyError, StoreError
from hdtf_async.options import Options, OptionsError
from hdtf_async.plan import UnknownVideoError
from hdtf_async.report import Report
from hdtf_async.run import Running, download, running
from hdtf_async.tables import TableError

__all__ = [
    "BusyError",
    "ExitCode",
    "Failure",
    "FormError",
    "Lanes",
    "Options",
    "OptionsError",
    "Reason",
    "Report",
    "Running",
    "StoreError",
    "TableError",
    "UnknownVideoError",
    "download",
    "running",
]
