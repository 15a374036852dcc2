"""When a download is whole, and when it is to be fetched again."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest

from hdtf_async.failures import Failure, Reason
from hdtf_async.fetch import _require_whole
from hdtf_async.formats import Format

RENDITION = Format(
    format_id="18", ext="mp4", container="mp4", height=360, width=640, fps=25.0, vcodec="avc1", acodec="mp4a",
    size=1000, size_is_exact=True, protocol="https", duration=60.0,
)  # fmt: skip
CASES = {
    "all is there": (True, 60.0, 60.0, False, True),
    "all bytes are there, and the picture ends before its sound": (True, 50.0, 50.0, False, True),
    "all bytes are there, and the header tells of more": (True, 50.0, 60.0, True, False),
    "nobody knows the bytes, and it is as long as promised, to within rounding": (
        False,
        58.5,
        58.5,
        False,
        True,
    ),
    "nobody knows the bytes, and it ends too early": (False, 50.0, 50.0, False, False),
}
"""Whether the size is exact; seconds at which it ends, and that its header states; cut off; whole."""


@pytest.mark.parametrize(("exact", "end", "stated", "cut", "whole"), CASES.values(), ids=CASES.keys())
def test_a_download_is_whole_by_its_bytes_or_by_its_length(
    *, exact: bool, end: float, stated: float, cut: bool, whole: bool
) -> None:
    """Of a minute that was promised: what is truncated is fetched again, and never cut from."""
    expected = nullcontext() if whole else pytest.raises(Failure, match=r"of 60\.0 s")
    with expected as failed:
        _require_whole("picture", replace(RENDITION, size_is_exact=exact), end, stated, 60.0, cut=cut)
    assert failed is None or failed.value.reason is Reason.RAW_TRUNCATED
