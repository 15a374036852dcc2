"""When a download is whole, and when it is to be fetched again."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import loading
import pytest

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.lanes.downloader import _require_whole
from hdtf_async.youtube.entries import CLIENTS
from hdtf_async.youtube.formats import Format

if TYPE_CHECKING:
    from pathlib import Path

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


class ForbiddenOnce(loading.YtDlp):
    """Is turned down by the media servers with the first address of every video."""

    async def ask(self, youtube_id: str, directory: Path, *, every_address: bool = False) -> dict[str, Any]:
        """Answer from the second time on as the other one does."""
        info = await super().ask(youtube_id, directory, every_address=every_address)
        if youtube_id not in self._asked:
            self._asked.add(youtube_id)
            raise Failure(Reason.FORBIDDEN, "HTTP Error 403: Forbidden")
        return info


def test_no_video_is_given_up_before_its_address_was_given_out_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many others were turned down before it: all of nine come at their second try."""
    monkeypatch.setattr(loading, "YtDlp", ForbiddenOnce)
    loading.write_tables(tmp_path / "tables", 9, first=1)
    report = anyio.run(loading.load, tmp_path / "clips", tmp_path / "tables", loading.Most())
    assert (len(report.done), report.failed) == (9, {})


def test_every_client_of_the_installed_yt_dlp_can_be_named() -> None:
    """The advice to exclude a client needs yt-dlp's name for it, which no media address has."""
    program = """
import json
from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS
print(json.dumps([
    (name, client["INNERTUBE_CONTEXT"]["client"]["clientName"]) for name, client in INNERTUBE_CLIENTS.items()
]))"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert [name for name, client in json.loads(done.stdout) if name not in CLIENTS.get(client, ())] == []
