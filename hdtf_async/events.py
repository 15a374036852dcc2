"""The events of a run, as a program that embeds it receives them. See docs/events.md."""

from hdtf_async.core.events import *  # noqa: F403
