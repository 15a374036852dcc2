"""The requests of the tests in ``tests/live`` to YouTube, and the report that they write.

``tests/project/test_live_report.py`` runs them against the full mock. The fields of the mock's answers are
recorded in ``tests/live/mock.json`` by version of yt-dlp, so that a report lists where YouTube's differ:

    python tests/support/live_report.py REPORT ...      records them, from reports of runs against the mock

With ``--basetemp=DIR`` pytest leaves these reports in DIR, also if their fields differ from the record.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import fields
import full_mock_client

from hdtf_async import Options
from hdtf_async.commands.live import Extraction, Fetched, Probe, probing
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.system import own_version
from hdtf_async.dataset import tables
from hdtf_async.youtube import observed
from hdtf_async.youtube.observed import HEIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hdtf_async.youtube.formats import Format

SWITCH = "HDTF_LIVE"
"""The environment variable without which no request is sent. Not with the prefix of the program's
settings."""
RECORD = Path(__file__).parents[1] / "live" / "mock.json"
"""Names and types of the fields against the mock, by version of yt-dlp."""
AVAILABLE = "available"
MOST = 4
"""The largest number of videos that are requested until two are available."""
DEADLINE = 180.0
"""Seconds for one extraction."""
READ = {
    "format: https video": (
        *("format_id", "ext", "protocol", "url", "height", "width", "fps", "vcodec", "acodec", "filesize"),
        *("tbr", "container", "http_headers", "downloader_options", "dynamic_range"),
    ),
    "format: m3u8_native video": (
        "format_id", "ext", "protocol", "url", "manifest_url", "height", "width", "fps", "vcodec", "tbr",
    ),
    "headers: https video": ("User-Agent",),
    "downloader options: https video": ("http_chunk_size",),
    "info": ("id", "title", "formats", "duration", "live_status", "extractor", "extractor_key"),
}  # fmt: skip
"""Fields without which the program behaves differently than against the mock."""
BY_DATA = {
    "/fields", "/stretched/stretched", "/stretched/reasons", "/videos[]/protocols",
    "/every_address/protocols", "/differs_from_mock/types", "/differs_from_mock/only_youtube",
    "/differs_from_mock/only_mock", "/differs_from_mock/response_headers_only_youtube",
    "/differs_from_mock/response_headers_only_mock",
}  # fmt: skip
"""Parts of a report whose names, or whose emptiness, depend on the data."""


@dataclass(frozen=True)
class Settings:
    """What is requested, from environment variables; CONTRIBUTING.md lists them."""

    options: Options
    pace: float
    report: Path
    deleted: str
    private: str
    age: str
    stretched: bool
    """Whether all videos of the tables are requested."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read them. The ids are those of yt-dlp's own extractor tests, with YouTube's answers for them."""

        def value(name: str, default: str = "") -> str:
            return environment.get(f"{SWITCH}_{name}") or default

        source, cookies, program = value("SOURCE"), value("COOKIES"), value("YT_DLP")
        options = Options(
            proxy=value("PROXY") or None,
            yt_dlp=Path(program) if program else None,
            yt_dlp_args=tuple(shlex.split(value("YT_DLP_ARGS"))),
            cookies=Path(cookies) if cookies else None,
        )
        return cls(
            replace(options, source=Path(source)) if source else options,
            pace=float(value("PACE", "30")),
            report=Path(value("REPORT", "live.json")),
            deleted=value("DELETED", "6SJNVb0GnPI"),
            private=value("PRIVATE", "yZIXLfi8CZQ"),
            age=value("AGE", "HtVdAasjOgU"),
            stretched=value("STRETCH") == "1",
        )

    @property
    def ids(self) -> list[str]:
        """YouTube ids of the tables, without duplicates."""
        read = tables.read(self.options.source, corrections=self.options.corrections)
        return list(dict.fromkeys(video.youtube_id for video in read.videos))


@dataclass
class Session:
    """The requests to YouTube so far, and their report."""

    settings: Settings
    report: dict[str, Any] = field(default_factory=dict)
    found: list[Extraction] = field(default_factory=list)
    """Those of the available videos."""
    _begun: float = -math.inf

    def __post_init__(self) -> None:
        """Start the report."""
        self.report |= {
            "date": datetime.now(UTC).date().isoformat(),
            "versions": {"hdtf_async": own_version()},
            "signed_in": self.settings.options.cookies is not None,
        }

    async def extract(self, probe: Probe, youtube_id: str, *, every_address: bool = False) -> Extraction:
        """Extract a video, not before its turn. Raises `Failure`."""
        await anyio.sleep(max(0.0, self._begun + self.settings.pace - anyio.current_time()))
        self._begun = anyio.current_time()
        return await probe.extract(youtube_id, every_address=every_address, deadline=DEADLINE)

    async def two_videos(self) -> list[dict[str, Any]]:
        """Extract videos until two are available, and download both ends of a small file of each."""
        rows: list[dict[str, Any]] = []
        self.report["videos"] = rows
        async with probing(self.settings.options) as probe:
            for youtube_id in self.settings.ids[:MOST]:
                try:
                    extraction = await self.extract(probe, youtube_id)
                except Failure as failure:
                    rows.append({"youtube_id": youtube_id, **_described(failure)})
                    continue
                self.found.append(extraction)
                self.report["versions"]["yt_dlp"] = extraction.summary.yt_dlp
                rows.append(
                    {"youtube_id": youtube_id, "reason": AVAILABLE}
                    | asdict(extraction.summary)
                    | asdict(extraction.cost)
                    | {"ends": await _ends(probe, extraction)}
                )
                if len(self.found) == 2:
                    break
        return rows

    async def all_addresses(self) -> dict[str, Any]:
        """Extract the first video once more, for the addresses of all clients."""
        async with probing(self.settings.options) as probe:
            extraction = await self.extract(probe, str(self.found[0].info["id"]), every_address=True)
        result = {"clients": extraction.summary.clients, "protocols": extraction.summary.protocols}
        self.report["every_address"] = result | asdict(extraction.cost)
        return result

    async def whole_file(self) -> dict[str, Any]:
        """Download a small file of more than one chunk, and the same video over HLS; compare their frames."""
        extraction, https, hls = next(filter(None, map(_twins, self.found)))
        async with probing(self.settings.options) as probe:
            whole, pieces = [await probe.fetch(extraction.info, one) for one in (https, hls)]
            frames = [await full_mock_client.frames(one.path) for one in (whole, pieces)]
            result: dict[str, Any] = {
                "height": https.height, "https": _fetched(https, whole), "hls": _fetched(hls, pieces),
                "frames_https": len(frames[0]), "frames_hls": len(frames[1]),
                "frames_equal": frames[0] == frames[1],
            }  # fmt: skip
        self.report["whole_file"] = result
        return result

    async def classified(self, kind: str, youtube_id: str) -> str:
        """Extract an unavailable video and return the reason; ``available`` if it is available."""
        async with probing(self.settings.options) as probe:
            try:
                observed.choose((await self.extract(probe, youtube_id)).info)
            except Failure as failure:
                described = _described(failure)
            else:
                described = {"reason": AVAILABLE, "message": ""}
        self.report.setdefault("classified", {})[kind] = {"youtube_id": youtube_id} | described
        return str(described["reason"])

    async def stretched(self) -> dict[str, Any]:
        """Extract every video of the tables, and count those with ``yt:stretch``."""
        reasons: Counter[str] = Counter()
        ratios: dict[str, float] = {}
        result: dict[str, Any] = {"videos": len(self.settings.ids), "reasons": {}, "stretched": ratios}
        self.report["stretched"] = result
        async with probing(self.settings.options) as probe:
            for youtube_id in self.settings.ids:
                try:
                    summary = (await self.extract(probe, youtube_id)).summary
                except Failure as failure:
                    reasons[failure.reason.value] += 1
                else:
                    reasons[AVAILABLE] += 1
                    if summary.stretched_ratio is not None:
                        ratios[youtube_id] = summary.stretched_ratio
                result["reasons"] = dict(reasons)
                if reasons[Reason.REFUSED] >= 2:
                    break  # more requests would only prolong the block
        return result

    def write(self) -> dict[str, Any]:
        """Write the report, with the fields of all answers and their differences from the mock's."""
        found = fields.of_infos(extraction.info for extraction in self.found)
        headers = sorted(
            {
                name
                for video in self.report.get("videos", ())
                for end in (video.get("ends") or {}).values()
                if isinstance(end, dict)
                for name in end.get("response_headers", ())
            }
        )
        mock = recorded(self.report["versions"].get("yt_dlp"))
        differs = fields.differences(found, mock["fields"])
        self.report["fields"] = found
        self.report["response_headers"] = headers
        self.report["differs_from_mock"] = {
            "only_youtube": differs.only_first,
            "only_mock": differs.only_second,
            "types": differs.types,
            "response_headers_only_youtube": sorted({*headers} - {*mock["response_headers"]}),
            "response_headers_only_mock": sorted({*mock["response_headers"]} - {*headers}),
        }
        self.settings.report.write_text(json.dumps(self.report, indent=2) + "\n", encoding="utf-8")
        return self.report


def record() -> dict[str, dict[str, Any]]:
    """Return the record of the mock's fields, by version of yt-dlp."""
    found: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def recorded(version: str | None) -> dict[str, Any]:
    """Return the record for a version of yt-dlp; for the newest one where the version is unknown."""
    found = record()
    return found.get(version or "") or found[max(found)]


def missing(report: Mapping[str, Any]) -> list[str]:
    """Return the fields that the program reads and that YouTube's answers lack, or have with another type."""
    differs = report["differs_from_mock"]
    read = {f"{group}: {name}" for group, names in READ.items() for name in names}
    return sorted(read & {*differs["only_mock"], *differs["types"]})


async def _ends(probe: Probe, extraction: Extraction) -> dict[str, Any]:
    try:
        video = observed.choose(extraction.info, height=HEIGHT)
        first, last = await probe.ends(extraction.info, video)
    except Failure as failure:
        return _described(failure)
    return {"format": _format(video), "first": first.to_json(), "last": last.to_json()}


def _twins(extraction: Extraction) -> tuple[Extraction, Format, Format] | None:
    """Return the smallest H.264 file of more than one chunk, and the same height over HLS."""
    for height in extraction.summary.heights:
        try:
            https = observed.choose(extraction.info, height=height)
            hls = observed.choose(extraction.info, height=height, hls=True)
        except Failure:
            continue
        same = https.height == hls.height and https.fps == hls.fps
        avc = all((one.vcodec or "").startswith("avc1") for one in (https, hls))
        if same and avc and https.size_is_exact and (https.size or 0) > full_mock_client.CHUNK:
            return extraction, https, hls
    return None


def _format(video: Format) -> dict[str, Any]:
    return {
        "format_id": video.format_id, "height": video.height, "codec": video.vcodec, "size": video.size,
        "client": video.source.client,
    }  # fmt: skip


def _fetched(video: Format, fetched: Fetched) -> dict[str, Any]:
    return {"format": _format(video)} | fetched.to_json()


def _described(failure: Failure) -> dict[str, Any]:
    return {"reason": failure.reason.value, "message": observed.message(failure)}


def write_record(reports: Iterable[Path]) -> None:
    """Record the mock's fields from reports of runs against the mock."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in reports]
    kept = {
        report["versions"]["yt_dlp"]: {
            "fields": report["fields"],
            "response_headers": report["response_headers"],
            "report": fields.of_report(report, BY_DATA),
        }
        for report in read
    }
    RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_record(map(Path, sys.argv[1:]))
