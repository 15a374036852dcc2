"""All possible outcomes of one download, each as an order to the mock server with the expected result.

`play` runs scenarios through the real yt-dlp with its real YouTube extractor and through the real main job;
the tests compare the results with the expected ones, and ``benchmarks/scenarios.py`` prints them.

Sentences of YouTube itself are quoted here: yt-dlp passes them on unchanged
(``yt_dlp/extractor/youtube/_video.py``, from ``playabilityStatus``). All other messages are yt-dlp's own and
come from it. Of those that the project recognizes, three are missing here:

- ``n challenge solving failed`` and similar ones: the mock server has no player script with challenges;
- ``No space left on device`` and ``unable to open for writing``: no server causes them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import anyio
import rendering
from shared import QUICK

import hdtf_async
from hdtf_async import Options, Reason, demo
from hdtf_async.core import events
from hdtf_async.core.model import Resolution
from hdtf_async.demo import BOT, Answer, Fault, Offer, Then
from hdtf_async.demo.film import FACTS
from hdtf_async.demo.player import MEDIA_PATH
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    Site = demo.LightMock | demo.FullMock
    Mock = Callable[[Path, Mapping[str, Answer]], AbstractAsyncContextManager[Site]]

FILM = demo.Film("sceneFilm_1", "Two seconds of talk", 2, heights=(360, 240), vp9_heights=(360,), look=1)
H264, LOW, VP9, SOUND = 134, 133, 243, 140
"""The itags of the rendered formats."""
AV1, OPUS, MUXED, PORTRAIT, ODD, HIGH = 396, 251, 18, 1134, 2134, 3136
"""Formats made from them: the first three have their real itags, the others ones of the mock only."""
DRM: dict[str, object] = {"drmFamilies": ["WIDEVINE"]}
"""YouTube's mark of a DRM-protected format."""
OTF: dict[str, object] = {"type": "FORMAT_STREAM_TYPE_OTF"}
"""YouTube's mark of a format in an unknown number of fragments, which yt-dlp ignores."""
NO_URL: dict[str, object] = {"url": None}
"""A field that a format lacks if it is offered over SABR only."""
MIDDLE, WHOLE = 50_000, 200_000
"""Bytes: in the middle of the chosen format, and more than its size."""
RUNS = 4
"""Concurrent runs of the main job."""
_X264 = "-c:v libx264 -preset ultrafast"
_MADE = (
    (AV1, "av01.0.01M.08", 640, 360, "-c:v libsvtav1 -preset 12 -crf 40 -svtav1-params lp=1"),
    (PORTRAIT, "avc1.4d401e", 360, 640, f"-vf crop=202:360,scale=360:640 {_X264}"),
    (ODD, "avc1.4d401e", 636, 358, f"-vf scale=636:358 {_X264}"),
    (HIGH, "avc1.4d401f", 960, 540, f"-vf scale=960:540 {_X264}"),
)
DRAWN = tuple(map(Offer, (H264, LOW, VP9, SOUND)))
"""The formats that are offered by default."""

_UNAVAILABLE = "Video unavailable"


@dataclass(frozen=True)
class Scenario:
    """One video with an order and the expected outcome."""

    name: str
    """Description of what happens."""
    answer: Answer
    ends: Reason | str
    """The reason of its failure, or the chosen format id."""
    tries: int = 1
    """How often the main job calls yt-dlp for it."""
    twice: int = 0
    """The largest number of media bytes that may be sent more than once. yt-dlp loses the block that it is
    reading when a connection breaks, and known-corrupt data is downloaded again; everything else is
    downloaded once."""
    height: int = 360
    """Reference height in the tables."""
    ordinary: bool = False
    """Whether it is also run in the default test suite."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the user."""
    args: str = ""
    """Further arguments for yt-dlp; ``{site}`` is the mock server's address."""
    cookies: str | None = None
    """The content of the user's cookie file."""
    trusting: bool = True
    """Whether the mock server's certificate is trusted."""
    apart: bool = False
    """Whether it affects other videos: it then has its own run."""

    @property
    def alone(self) -> bool:
        """Return whether it needs its own run."""
        others = self.options or self.args or self.cookies or not self.trusting
        return self.apart or bool(others) or self.ends is Reason.REFUSED


def says(reason: str, status: str = "ERROR", **more: object) -> Answer:
    """Return YouTube's answer for an unplayable video."""
    return Answer(playability={"status": status, "reason": reason} | more)


def unavailable(subreason: str, status: str = "ERROR") -> Answer:
    """Return YouTube's answer for an unavailable video, with a subreason."""
    texts = {"reason": {"simpleText": _UNAVAILABLE}, "subreason": {"simpleText": subreason}}
    return says(_UNAVAILABLE, status, errorScreen={"playerErrorMessageRenderer": texts})


def status(code: int, requests: int | None = None) -> Fault:
    """Return the fault of a server that answers with a status."""
    return Fault(requests, status=HTTPStatus(code))


def offers(*offered: Offer) -> Answer:
    """Return the answer for a video with these formats."""
    return Answer(offers=offered)


_AT_YOUTUBE = "youtube:innertube_host={site};player_skip=webpage,configs,js,initial_data"

PLAYABILITY = (
    Scenario(
        "private",
        says("Private video. Sign in if you've been granted access to this video", "LOGIN_REQUIRED"),
        Reason.PRIVATE,
        ordinary=True,
    ),
    Scenario(
        "removed by the uploader",
        unavailable("This video has been removed by the uploader"),
        Reason.REMOVED,
        ordinary=True,
    ),
    Scenario(
        "removed for its content",
        says("This video has been removed for violating YouTube's Terms of Service"),
        Reason.REMOVED,
    ),
    Scenario(
        "account terminated",
        unavailable(
            "This video is no longer available because the YouTube account associated with this video"
            " has been terminated."
        ),
        Reason.TERMINATED,
    ),
    Scenario(
        "copyright claim",
        unavailable("This video is no longer available due to a copyright claim by Somebody"),
        Reason.COPYRIGHT,
    ),
    Scenario(
        "blocked on copyright grounds",
        says(
            "Video unavailable. This video contains content from UMG, who has blocked it on copyright grounds"
        ),
        Reason.COPYRIGHT,
    ),
    Scenario(
        "a trailer in place of the video",
        says(
            "Rent this video",
            errorScreen={"playerLegacyDesktopYpcTrailerRenderer": {"trailerVideoId": FILM.youtube_id}},
        ),
        Reason.WRONG_VIDEO,
        ordinary=True,
    ),
    Scenario(
        "a trailer that is private",
        says(
            "Rent this video",
            errorScreen={"playerLegacyDesktopYpcTrailerRenderer": {"trailerVideoId": "noSuchFilm1"}},
        ),
        Reason.WRONG_VIDEO,
    ),
    Scenario(
        "restricted",
        unavailable(
            "This video is restricted. Please check the Google Workspace administrator and/or the network"
            " administrator restrictions."
        ),
        Reason.RESTRICTED,
    ),
    Scenario("unavailable, in one word", says("This video is unavailable"), Reason.UNAVAILABLE),
    Scenario("unavailable, and no more", says(_UNAVAILABLE), Reason.UNAVAILABLE),
    Scenario(
        "not in this country",
        unavailable("The uploader has not made this video available in your country", "UNPLAYABLE"),
        Reason.OTHER_PLACE,
        ordinary=True,
    ),
    Scenario(
        "age gate",
        says(
            "Sign in to confirm your age. This video may be inappropriate for some users.",
            "LOGIN_REQUIRED",
            desktopLegacyAgeGateReason=1,
        ),
        Reason.AGE,
        ordinary=True,
    ),
    Scenario(
        "for members only",
        says(
            "Join this channel to get access to members-only content like this video, and other"
            " exclusive perks.",
            "UNPLAYABLE",
        ),
        Reason.COOKIES_NEEDED,
    ),
    Scenario(
        "premiere to come",
        replace(says("Premieres in 3 hours", "LIVE_STREAM_OFFLINE"), details={"isUpcoming": True}),
        Reason.NOT_YET,
        ordinary=True,
    ),
    Scenario(
        "live event to come",
        replace(
            says("This live event will begin in 2 days.", "LIVE_STREAM_OFFLINE"), details={"isUpcoming": True}
        ),
        Reason.NOT_YET,
    ),
    Scenario("live now", Answer(details={"isLive": True, "isLiveContent": True}), Reason.NOT_YET),
    Scenario(
        "live until just now", Answer(details={"isPostLiveDvr": True, "isLiveContent": True}), Reason.NOT_YET
    ),
    Scenario("a broadcast long over", Answer(details={"isLiveContent": True}), "134"),
    Scenario(
        "still being processed",
        says("Video unavailable. We're processing this video. Check back later."),
        Reason.NOT_YET,
    ),
    Scenario("a reason that nobody knows", says("The moon is in the wrong house"), Reason.UNKNOWN, tries=3),
)
"""YouTube's statements about the video."""

OFFERS = (
    Scenario("all as it should be", Answer(), "134"),
    Scenario("VP9 only", offers(Offer(VP9), Offer(SOUND)), "243", ordinary=True),
    Scenario("AV1 only", offers(Offer(AV1), Offer(SOUND)), "396"),
    Scenario("H.264, VP9 and AV1", offers(Offer(AV1), Offer(VP9), Offer(H264)), "134"),
    Scenario("portrait", offers(Offer(PORTRAIT, {"itag": 134})), "134", height=640),
    Scenario("358 lines for 360", offers(Offer(ODD, {"itag": 134}), Offer(HIGH, {"itag": 136})), "134"),
    Scenario("a lower one only", offers(Offer(LOW)), "133"),
    Scenario("a lower and a higher one", offers(Offer(LOW), Offer(HIGH, {"itag": 136})), "136"),
    Scenario(
        "a twin of 60 frames a second", offers(Offer(H264, {"itag": 298, "fps": 60}), Offer(H264)), "134"
    ),
    Scenario(
        "an upscaled twin", offers(Offer(VP9, {"itag": 244}, xtags="sr=1"), Offer(VP9)), "243", ordinary=True
    ),
    Scenario(
        "upscaled only",
        offers(Offer(H264, xtags="sr=1"), Offer(SOUND)),
        Reason.FORMAT_UNAVAILABLE,
    ),
    Scenario(
        "an HDR twin",
        offers(Offer(VP9, {"itag": 332, "mimeType": 'video/webm; codecs="vp9.2"'}), Offer(LOW)),
        "133",
    ),
    Scenario(
        "HDR only",
        offers(Offer(VP9, {"itag": 332, "mimeType": 'video/webm; codecs="vp9.2"'})),
        "332",
        ordinary=True,
    ),
    Scenario(
        "HDR only, and refused",
        offers(Offer(VP9, {"itag": 332, "mimeType": 'video/webm; codecs="vp9.2"'})),
        Reason.FORMAT_UNAVAILABLE,
        options={"hdr": "refuse"},
    ),
    Scenario("sound only", offers(Offer(SOUND)), Reason.UPDATE_NEEDED),
    Scenario("nothing", offers(), Reason.UPDATE_NEEDED),
    Scenario("copy protected", offers(Offer(H264, DRM), Offer(SOUND, DRM)), Reason.DRM),
    Scenario(
        "copy protected, but for the sound", offers(Offer(H264, DRM), Offer(SOUND)), Reason.UPDATE_NEEDED
    ),
    Scenario(
        "without addresses (SABR)",
        offers(Offer(H264, NO_URL), Offer(SOUND, NO_URL)),
        Reason.UPDATE_NEEDED,
        ordinary=True,
    ),
    Scenario(
        "in pieces without number (OTF)", offers(Offer(H264, OTF), Offer(SOUND, OTF)), Reason.UPDATE_NEEDED
    ),
    Scenario(
        "in pieces without number (OTF), but for the sound",
        offers(Offer(H264, OTF), Offer(SOUND)),
        Reason.UPDATE_NEEDED,
        ordinary=True,
    ),
    Scenario(
        "one copy protected, one without address, one good",
        offers(Offer(HIGH, DRM | {"itag": 136}), Offer(VP9, NO_URL), Offer(LOW)),
        "133",
    ),
)
"""The offered formats."""

PLAYER = (
    Scenario(
        "the first client refused with 403", Answer(player=(status(403, 1),)), "134", tries=2, apart=True
    ),
    Scenario("player 500 once", Answer(player=(status(500, 1),)), "134"),
    Scenario("player 503 always", Answer(player=(status(503),)), Reason.NETWORK, tries=3),
    Scenario("player 403 always", Answer(player=(status(403),)), Reason.PLAYER_FORBIDDEN, tries=3),
    Scenario("player 404 always", Answer(player=(status(404),)), Reason.NETWORK, tries=3),
    Scenario("player answers with a web page", Answer(player=(status(200),)), Reason.NETWORK, tries=3),
    Scenario("player answer cut", Answer(player=(Fault(after=500),)), Reason.NETWORK, tries=3),
    Scenario(
        "player connection reset", Answer(player=(Fault(after=0, then=Then.RESET),)), Reason.NETWORK, tries=3
    ),
    Scenario("player silent", Answer(player=(Fault(after=0, then=Then.STALL),)), Reason.NETWORK, tries=3),
    Scenario("player slow to answer", Answer(player=(Fault(latency=1),)), "134"),
    Scenario("an advertisement first", Answer(advert=4), "134"),
)
"""Faults of the extraction."""

TRANSFER = (
    Scenario("media 403 once", Answer(media=(status(403, 1),)), "134", tries=2, apart=True, ordinary=True),
    Scenario("media 403 always", Answer(media=(status(403),)), Reason.FORBIDDEN, tries=4, apart=True),
    Scenario("media 404 always", Answer(media=(status(404),)), Reason.FORBIDDEN, tries=4, apart=True),
    Scenario("media 416 once", Answer(media=(status(416, 1),)), "134"),
    Scenario("media 416 for a whole try", Answer(media=(status(416, 2),)), "134", tries=2),
    Scenario("media 416 always", Answer(media=(status(416),)), Reason.RANGE_REFUSED, tries=2),
    Scenario("media 500 twice", Answer(media=(status(500, 2),)), "134"),
    Scenario("media 503 always", Answer(media=(status(503),)), Reason.NETWORK, tries=3),
    Scenario(
        "cut in the middle, once", Answer(media=(Fault(1, after=MIDDLE),)), "134", twice=MIDDLE, ordinary=True
    ),
    Scenario(
        "cut after every 10000 bytes: each try brings a part", Answer(media=(Fault(after=10_000),)), "134",
        tries=4, twice=17 * 10_000,
    ),
    Scenario("cut before the first byte, always", Answer(media=(Fault(after=0),)), Reason.NETWORK, tries=3),
    Scenario(
        "reset in the middle, once", Answer(media=(Fault(1, after=MIDDLE, then=Then.RESET),)), "134",
        twice=MIDDLE,
    ),
    Scenario(
        "cut in the middle and reset for the rest of a try",
        Answer(media=(Fault(1, after=MIDDLE), Fault(5, after=0, then=Then.RESET))), "134",
        tries=2, twice=MIDDLE,
    ),
    Scenario(
        "silent in the middle, once", Answer(media=(Fault(1, after=MIDDLE, then=Then.STALL),)), "134",
        twice=MIDDLE,
    ),
    Scenario("a slow line", Answer(bandwidth=40_000), "134"),
    Scenario(
        "other bytes always", Answer(media=(Fault(after=0, then=Then.NOISE),)), Reason.RAW_UNREADABLE,
        tries=3, twice=2 * WHOLE,
    ),
    Scenario(
        "other bytes once", Answer(media=(Fault(1, after=0, then=Then.NOISE),)), "134", tries=2, twice=WHOLE,
        ordinary=True,
    ),
    Scenario(
        "other bytes from the middle on, once", Answer(media=(Fault(1, after=MIDDLE, then=Then.NOISE),)),
        "134", tries=2, twice=WHOLE,
    ),
    Scenario("a web page as media always", Answer(media=(status(200),)), Reason.RAW_TRUNCATED, tries=3),
    Scenario("a web page as media once", Answer(media=(status(200, 1),)), "134", tries=2),
    Scenario(
        "more bytes promised than there are", offers(Offer(H264, {"contentLength": "9999999"})),
        Reason.RAW_TRUNCATED, tries=3, twice=2 * WHOLE,
    ),
    Scenario(
        "fewer bytes promised than there are", offers(Offer(H264, {"contentLength": "50000"})),
        Reason.RAW_TRUNCATED, tries=3, twice=2 * WHOLE,
    ),
)  # fmt: skip
"""Faults of the download."""

REFUSALS = (
    Scenario("not a bot?", Answer(playability=BOT), Reason.REFUSED, tries=4),
    Scenario(
        "rate limit",
        says("This content isn't available, try again later.", "UNPLAYABLE"),
        Reason.REFUSED,
        tries=4,
    ),
    Scenario(
        "captcha",
        says(_UNAVAILABLE, "UNPLAYABLE", errorScreen={"playerCaptchaViewModel": {"siteKey": "x"}}),
        Reason.REFUSED,
        tries=4,
    ),
    Scenario("player 429", Answer(player=(status(429),)), Reason.REFUSED, tries=4),
    Scenario("media 429", Answer(media=(status(429),)), Reason.REFUSED, tries=4),
    Scenario("another video's answer", Answer(details={"videoId": "dQw4w9WgXcQ"}), Reason.REFUSED, tries=4),
)
"""Kinds of blocks of the IP address: their other effects are tested in ``test_blocking``."""

USERS = (
    Scenario(
        "silent in the middle, watched", Answer(media=(Fault(1, after=MIDDLE, then=Then.STALL),)), "134",
        tries=2, twice=MIDDLE, options={"stall_timeout": 10.0}, args="--socket-timeout 60",
    ),
    Scenario(
        "silent always, watched", Answer(media=(Fault(after=MIDDLE, then=Then.STALL),)), "134",
        tries=5, twice=2 * MIDDLE, options={"stall_timeout": 10.0}, args="--socket-timeout 60",
    ),
    Scenario(
        "trickles always, watched", Answer(media=(Fault(after=MIDDLE, then=Then.TRICKLE),)), "134",
        tries=5, twice=2 * MIDDLE, options={"stall_timeout": 10.0}, args="--socket-timeout 60",
    ),
    Scenario("an option that yt-dlp does not know", Answer(), Reason.BAD_OPTION, args="--no-such-option"),
    Scenario(
        "only storyboards, and no error", offers(), Reason.UPDATE_NEEDED, args="--ignore-no-formats-error",
        ordinary=True,
    ),
    Scenario(
        "copy protected, and no error", offers(Offer(H264, DRM), Offer(SOUND, DRM)), Reason.DRM,
        args="--ignore-no-formats-error", ordinary=True,
    ),
    Scenario("no JavaScript runtime, and nothing", offers(), Reason.UPDATE_NEEDED, args="--no-js-runtimes"),
    Scenario("no JavaScript runtime, and all", Answer(), "134", args="--no-js-runtimes"),
    Scenario(
        "a client that needs tokens", Answer(), Reason.UPDATE_NEEDED,
        args=f"--extractor-args '{_AT_YOUTUBE};player_client=mweb'",
    ),
    Scenario(
        "no such host", Answer(), Reason.UNREACHABLE, tries=5,
        args=f"--extractor-args '{_AT_YOUTUBE.format(site='no-such-host.invalid')}'",
    ),
    Scenario(
        "nobody listens", Answer(), Reason.UNREACHABLE, tries=5,
        args=f"--extractor-args '{_AT_YOUTUBE.format(site='127.0.0.1:9')}'",
    ),
    Scenario("the proxy does not listen", Answer(), Reason.UNREACHABLE, tries=5, options={"proxy": "http://127.0.0.1:9"}),
    Scenario("cookies that are none", Answer(), Reason.NOT_READY, tries=0, cookies="hello\n"),
    Scenario("cookies as JSON", Answer(), Reason.NOT_READY, tries=0, cookies='[{"name": "x"}]\n'),
    Scenario("a certificate that is not trusted", Answer(), Reason.CERTIFICATE, trusting=False),
    Scenario(
        "exactly the reference height, and not there", offers(Offer(LOW)), Reason.FORMAT_UNAVAILABLE,
        options={"resolution": Resolution.EXACT},
    ),
)  # fmt: skip
"""Effects of the user's options or machine; each has its own run."""

SCENARIOS = (*PLAYABILITY, *OFFERS, *PLAYER, *TRANSFER, *REFUSALS, *USERS)
"""All of them."""


@dataclass
class Outcome:
    """The outcome of a scenario."""

    scenario: Scenario
    ends: Reason | str | None = None
    """The reason of its failure, or the chosen format id."""
    tries: int = 0
    asked: int = 0
    """Player requests to the mock server."""
    fetched: int = 0
    """Media requests."""
    twice: int = 0
    """Media bytes that were sent more than once."""
    words: str = ""
    """The last message of a failure."""
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    """All requests to the mock about the video."""
    run_ended_with: int | None = None
    """Exit code of its run, if it had its own."""

    @property
    def exit_code(self) -> int:
        """Return the exit code that it leads to."""
        return int(self.ends.advice.exit_code) if isinstance(self.ends, Reason) else 0

    @property
    def wrong(self) -> list[str]:
        """Return the differences from the expected outcome."""
        expected = self.scenario
        found = []
        # yt-dlp numbers the addresses of one format: 134-0 and 134-1 are the same format.
        if re.sub(r"-[0-9]+$", "", str(self.ends)) != expected.ends:
            found.append(f"ends with {self.ends}, not {expected.ends}")
        if self.tries != expected.tries:
            found.append(f"{self.tries} tries, not {expected.tries}")
        if self.twice > expected.twice:
            found.append(f"{self.twice} bytes sent twice, not {expected.twice} at most")
        if self.run_ended_with not in (None, self.exit_code):
            found.append(f"its run ended with {self.run_ended_with}, not {self.exit_code}")
        return found


async def render(directory: Path) -> None:
    """Render the film of all scenarios, and make the formats that the demo does not render."""
    ffmpeg = str(bundled_ffmpeg())
    await rendering.draw(directory, [FILM])
    folder = directory / FILM.youtube_id
    facts = json.loads((folder / FACTS).read_text())
    formats = facts["renditions"]
    for itag, codecs, width, height, how in _MADE:
        path = folder / f"{itag}.mp4"
        source = ["-nostdin", "-v", "error", "-i", str(folder / f"{H264}.mp4")]
        await anyio.run_process([ffmpeg, *source, *how.split(), "-movflags", "+faststart", str(path)])
        made = {"itag": itag, "name": path.name, "codecs": codecs, "width": width, "height": height}
        formats.append(formats[0] | made | {"size": path.stat().st_size})
    audio = next(entry for entry in formats if entry["itag"] == SOUND)
    audio_input = ["-nostdin", "-v", "error", "-i", str(folder / audio["name"])]
    for itag, ending, how, like, mime, codecs in (
        (OPUS, "webm", "-c:a libopus -b:a 160k", audio, "audio/webm", "opus"),
        (MUXED, "mp4", f"-i {folder}/{H264}.mp4 -c copy", formats[0], "video/mp4", "avc1.4d401e, mp4a.40.2"),
    ):
        path = folder / f"{itag}.{ending}"
        await anyio.run_process([ffmpeg, *audio_input, *how.split(), str(path)])
        made = {"itag": itag, "name": path.name, "mime": mime, "codecs": codecs}
        formats.append(like | made | {"size": path.stat().st_size})
    (folder / FACTS).write_text(json.dumps(facts))


async def play(  # noqa: PLR0913 - mock, program and directory of the run
    scenarios: Sequence[Scenario],
    footage: Path,
    directory: Path,
    *,
    film: demo.Film = FILM,
    mock: Mock = demo.light_mock,
    yt_dlp: Path | None = None,
) -> list[Outcome]:
    """Run scenarios through the main job: most of them in one run, each other one in its own.

    ``mock`` starts the mock server; ``yt_dlp`` is the program to use, if not the installed one.
    """
    films = directory / "films"
    films.mkdir()
    outcomes = {f"scene{number:06d}": Outcome(scenario) for number, scenario in enumerate(scenarios)}
    for youtube_id in (film.youtube_id, *outcomes):
        (films / youtube_id).symlink_to(footage / film.youtube_id)
    answers = {youtube_id: _answer(outcome.scenario) for youtube_id, outcome in outcomes.items()}
    together = {name: outcome for name, outcome in outcomes.items() if not outcome.scenario.alone}
    runs = [together] if together else []
    runs += [{name: outcome} for name, outcome in outcomes.items() if outcome.scenario.alone]
    limiter = anyio.CapacityLimiter(RUNS)

    async def run(number: int, site: Site) -> None:
        async with limiter:
            await _run(runs[number], site, directory / f"run{number}", yt_dlp)

    async with mock(films, answers) as site:
        for trusting in (True, False):
            environment = site.environment if trusting else site.environment | {"SSL_CERT_FILE": os.devnull}
            with patch.dict(os.environ, environment):
                async with anyio.create_task_group() as group:
                    for number, outcomes_of_run in enumerate(runs):
                        if all(outcome.scenario.trusting is trusting for outcome in outcomes_of_run.values()):
                            group.start_soon(run, number, site)
        _count(await site.requests(), outcomes)
    return list(outcomes.values())


def _answer(scenario: Scenario) -> Answer:
    """Return the order; by default the rendered formats are offered."""
    return replace(scenario.answer, offers=DRAWN) if scenario.answer.offers is None else scenario.answer


async def _run(outcomes: Mapping[str, Outcome], site: Site, directory: Path, yt_dlp: Path | None) -> None:
    """Run the main job once and record the outcome of each video."""
    directory.mkdir()
    write_tables(directory / "tables", outcomes.items())
    first, *_ = outcomes.values()
    out = directory / "clips"
    async with hdtf_async.running(out, _options(first.scenario, site, directory, yt_dlp)) as run:
        async for event in run:
            if isinstance(event, events.DownloadStarted):
                outcomes[event.youtube_id].tries += 1
    for line in map(json.loads, (out / "metadata.jsonl").read_text().splitlines()):
        outcomes[line["youtube_id"]].ends = line["format_id"]
    for line in map(json.loads, (out / "failures.jsonl").read_text().splitlines()):
        outcome = outcomes[line["youtube_id"]]
        outcome.ends, outcome.words = Reason(line["reason"]), line["words"]
    report = run.report
    assert report is not None
    if len(outcomes) == 1:
        first.run_ended_with = report.exit_code
        if report.stopped is not None:
            first.ends, first.words = report.stopped.reason, report.stopped.words


def _options(scenario: Scenario, site: Site, directory: Path, yt_dlp: Path | None) -> Options:
    """Return the user's options: waits are short, and yt-dlp itself gives up a silent connection."""
    more = dict(scenario.options)
    if scenario.cookies is not None:
        more["cookies"] = directory / "cookies.txt"
        more["cookies"].write_text(scenario.cookies)
    args = [*shlex.split(site.yt_dlp_args), "--socket-timeout", "2", "--retry-sleep", "0.1"]
    args += shlex.split(scenario.args.format(site=site.address))
    defaults: dict[str, Any] = {
        "source": directory / "tables",
        "fetch": "whole",  # test_section_faults.py has the scenarios of sections
        "pace": 0.0,
        "downloads": 32,
        "retry_wait": 0.1,
        "cool_down": 0.1,
        **QUICK,
        "yt_dlp": yt_dlp,
        "proxy": site.proxy,
        "yt_dlp_args": tuple(args),
    }
    return Options(**defaults | more)


def _count(requests: Iterable[Mapping[str, Any]], outcomes: Mapping[str, Outcome]) -> None:
    """Count the requests of each video, and the bytes of its media that were sent more than once."""
    sent: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for request in requests:
        outcome = outcomes.get(request["video"])
        if outcome is None:
            continue  # a trailer, which yt-dlp requests by itself
        outcome.requests.append(request)
        if request["method"] == "POST":
            outcome.asked += 1
        if not request["path"].startswith(MEDIA_PATH):
            continue
        outcome.fetched += 1
        if request["ordered"] is None or not request["ordered"].isdecimal():
            begin = int((request["range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
            named = re.search(r"\bitag[=/](\d+)(?:.*/sq/(\d+))?", request["path"])
            pieces = sent[request["video"], f"{named and named.groups()}"]
            pieces.update(range(begin, begin + request["sent"]))
    for (youtube_id, _), pieces in sent.items():
        outcomes[youtube_id].twice += sum(pieces.values()) - len(pieces)


def write_tables(directory: Path, videos: Iterable[tuple[str, Outcome]]) -> None:
    """Write the tables of one subset: each video has one clip of a second, in a box that fits every shape."""
    directory.mkdir()
    rows = {
        "video_url": "{name} https://www.youtube.com/watch?v={id}",
        "resolution": "{name}.mp4 {height}",
        "annotion_time": "{name}.mp4 00:00-00:01",
        "crop_wh": "{name}_0.mp4 60 240 60 240",
        "crop_ratio": "{name}_0.mp4 1.2",
    }
    named = [
        {"name": youtube_id.title(), "id": youtube_id, "height": outcome.scenario.height}
        for youtube_id, outcome in videos
    ]
    for table, row in rows.items():
        (directory / f"RD_{table}.txt").write_text("".join(f"{row.format(**names)}\n" for names in named))
