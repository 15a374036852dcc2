"""The public event classes of a run. See docs/events.md."""

from hdtf_async.core.events import *  # noqa: F403
from hdtf_async.core.events import __all__ as __all__  # noqa: PLC0414 - this form exports the name
