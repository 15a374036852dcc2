"""The public event classes of a run. See docs/events.md."""

from hdtf_async.core.events import *  # noqa: F403
