"""The demo: footage of talking heads, a mock YouTube server that serves it, and the HDTF tables that list it.

    write_tables(tables)
    async with light_mock(FOOTAGE) as site:
        ...  # run the main command with site.yt_dlp_args and site.environment

`light_mock` answers yt-dlp's player requests, and yt-dlp skips the pages. `full_mock` is a proxy that answers
as YouTube; it is used in the same way, and also requires ``mock.proxy``.
"""

from hdtf_async.demo.answers import (
    BOT,
    Answer,
    ClientAnswer,
    Conditions,
    Fault,
    Https,
    Offer,
    Refusal,
    Script,
    Then,
)
from hdtf_async.demo.film import Film
from hdtf_async.demo.films import (
    CONDITIONS,
    COOL_DOWN,
    FAULTS,
    FILMS,
    FOOTAGE,
    PACE,
    RETRY_WAIT,
    ROWS,
    TITLE,
    Row,
    write_tables,
)
from hdtf_async.demo.mocks import FullMock, LightMock, MockError, full_mock, light_mock
from hdtf_async.demo.motion import Head, head_at, head_box

__all__ = [
    "BOT",
    "CONDITIONS",
    "COOL_DOWN",
    "FAULTS",
    "FILMS",
    "FOOTAGE",
    "PACE",
    "RETRY_WAIT",
    "ROWS",
    "TITLE",
    "Answer",
    "ClientAnswer",
    "Conditions",
    "Fault",
    "Film",
    "FullMock",
    "Head",
    "Https",
    "LightMock",
    "MockError",
    "Offer",
    "Refusal",
    "Row",
    "Script",
    "Then",
    "full_mock",
    "head_at",
    "head_box",
    "light_mock",
    "write_tables",
]
