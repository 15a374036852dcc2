"""All that a run can be told, as one typed, frozen value; the command line is made from it.

Each field carries its own flags, help and check, so that library, command line and docs cannot
drift apart: a test keeps the table of docs/options.md equal to what stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from hdtf_async import takes
from hdtf_async.cpus import usable_cpus
from hdtf_async.formats import Resolution
from hdtf_async.handed import proxy, yt_dlp_arguments
from hdtf_async.model import Audio, Codec, Crop, Deinterlace, Fallback, Form, Hdr, PaceScope
from hdtf_async.shards import Shard
from hdtf_async.splits import SEED, SHARES, Split, shares_of
from hdtf_async.tables import Corrections


class OptionsError(ValueError):
    """A value that an option does not take; its text names the option and what it takes."""


Check = Callable[[Any], str | None]
"""Tells what is wrong with a value, or None."""


@dataclass(frozen=True, slots=True)
class Flag:
    """How a field of `Options` looks on the command line and in the docs."""

    names: tuple[str, ...]
    group: str
    help: str
    shown_default: str
    metavar: str | None
    parse: Callable[[str], Any]
    check: Check
    choices: tuple[str, ...]
    many: bool
    bare: Any
    """The value where the option is given without one; None where it needs one."""
    secret: bool
    """Whether a value may hold a password, so that no message and no ``repr`` may show it."""


def flag_of(option: Field[Any]) -> Flag:
    """Return the flag that a field of an options class carries."""
    flag: Flag = option.metadata["flag"]
    return flag


def is_switch(option: Field[Any]) -> bool:
    """Whether a field is on or off."""
    return f"{option.type}".startswith("bool")


def _fine(_value: object) -> str | None:
    return None


def _option(  # noqa: PLR0913 - one place for all that a flag is
    *names: str,
    default: Any,  # noqa: ANN401 - of the field's own type, which mypy checks at the field
    group: str,
    help: str,  # noqa: A002 - argparse's word
    shown: str | None = None,
    metavar: str | None = None,
    parse: Callable[[str], Any] = str,
    check: Check = _fine,
    choices: tuple[str, ...] = (),
    many: bool = False,
    bare: Any = None,  # noqa: ANN401 - of the field's own type, too
    secret: bool = False,
) -> Any:  # noqa: ANN401 - as dataclasses.field
    if shown is None:
        shown = {True: "on", False: "off", None: "none", (): "none"}.get(default, f"{default}")
    return field(
        default=default,
        repr=not secret,
        metadata={
            "flag": Flag(names, group, help, shown, metavar, parse, check, choices, many, bare, secret)
        },
    )


WHICH, NETWORK, ENCODE, DISK, COPIES, TOOLS, PRINT = (
    "Which part",
    "Network lane",
    "Encode lane",
    "Disk and running again",
    "Several machines",
    "Tools",
    "What is printed",
)
"""Groups of options, in the order of the help text."""
PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
"""x264's presets but ``placebo``, fastest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to make, how, and with what. Every field has a default; `OptionsError` names a bad one."""

    source: Path | None = _option(
        "--source", "-s", "--source_dir", default=None, group=WHICH, metavar="DIR", parse=Path,
        help="directory of the tables", shown="the shipped tables",
    )  # fmt: skip
    subsets: tuple[str, ...] = _option(
        "--subset", default=(), group=WHICH, metavar="RD,WDA,WRA", parse=takes.subsets,
        check=takes.known_subsets, many=True, help="only these subsets", shown="all",
    )  # fmt: skip
    videos: tuple[str, ...] = _option(
        "--video", default=(), group=WHICH, metavar="NAME", parse=takes.names, many=True,
        help="this one, by name or YouTube id; repeatable", shown="all",
    )  # fmt: skip
    limit: int | None = _option(
        "--limit", default=None, group=WHICH, metavar="N", parse=int, check=takes.between(1, 10**9),
        help="only the first N videos of the tables", shown="all",
    )  # fmt: skip
    corrections: Corrections = _option(
        "--corrections", default=Corrections.VERIFIED, group=WHICH, parse=Corrections,
        choices=tuple(Corrections), help="corrections of the tables that apply",
    )  # fmt: skip
    downloads: int = _option(
        "--downloads", "-w", "--num_workers", default=8, group=NETWORK, metavar="N", parse=int,
        check=takes.between(1, 256), help="downloads at a time",
    )  # fmt: skip
    pace: float = _option(
        "--pace", default=12.0, group=NETWORK, metavar="SECONDS", parse=float,
        check=takes.between(0, 3600, " seconds"),
        help="least time between two starts of a download", shown="12",
    )  # fmt: skip
    cool_down: float = _option(
        "--cool-down", default=600.0, group=NETWORK, metavar="SECONDS", parse=float,
        check=takes.between(0, 24 * 3600, " seconds"),
        help="first wait once YouTube refuses; doubled", shown="600",
    )  # fmt: skip
    limit_rate: int | None = _option(
        "--limit-rate", default=None, group=NETWORK, metavar="BYTES", parse=takes.size_in_bytes,
        check=takes.between(1000, 10**12), help="bytes a second in all, such as 10M",
    )  # fmt: skip
    stall_timeout: float = _option(
        "--stall-timeout", default=120.0, group=NETWORK, metavar="SECONDS", parse=float,
        check=takes.between(1, 3600, " seconds"), help="end a download that brings nothing", shown="120",
    )  # fmt: skip
    least_speed: int = _option(
        "--least-speed", default=30_000, group=NETWORK, metavar="BYTES", parse=takes.size_in_bytes,
        check=takes.between(1, 10**12), shown="30k",
        help="end a download that takes longer than ten minutes and its size at so many bytes a second",
    )  # fmt: skip
    retry_wait: float = _option(
        "--retry-wait", default=10.0, group=NETWORK, metavar="SECONDS", parse=float,
        check=takes.between(0, 3600, " seconds"),
        help="first wait after a passing failure; fourfold", shown="10",
    )  # fmt: skip
    resolution: Resolution = _option(
        "--resolution", default=None, group=NETWORK, parse=Resolution, choices=tuple(Resolution),
        help="the reference height or next best, box scaled; only it (within 8 lines); the highest",
        shown="reference; for a face best",
    )  # fmt: skip
    raw_dirs: tuple[Path, ...] = _option(
        "--raw-dir", default=(), group=NETWORK, metavar="DIR", parse=takes.paths, many=True,
        help="videos that you have, named {subset}_{name}.* or by YouTube id: never changed; repeatable",
    )  # fmt: skip
    cookies: Path | None = _option(
        "--cookies", default=None, group=NETWORK, metavar="FILE", parse=Path, check=takes.readable,
        help="cookies in Netscape format",
    )  # fmt: skip
    cookies_from_browser: str | None = _option(
        "--cookies-from-browser", default=None, group=NETWORK, metavar="BROWSER",
        help="the cookies of this browser",
    )  # fmt: skip
    proxy: str | None = _option(
        "--proxy", default=None, group=NETWORK, metavar="URL", check=proxy, secret=True,
        help="proxy for yt-dlp",
    )  # fmt: skip
    yt_dlp_args: tuple[str, ...] = _option(
        "--yt-dlp-args", default=(), group=NETWORK, metavar="ARGS", parse=takes.split, check=yt_dlp_arguments,
        secret=True,
        help="more options, as --yt-dlp-args='...'",
    )  # fmt: skip
    encodes: int | None = _option(
        "--encodes", default=None, group=ENCODE, metavar="N", parse=int, check=takes.between(1, 1024),
        help="encodes at a time", shown="the CPUs this process may use",
    )  # fmt: skip
    crop: Crop = _option(
        "--crop", default=Crop.TABLE, group=ENCODE, parse=Crop, choices=tuple(Crop),
        help="the published box; around the face; all",
    )  # fmt: skip
    face_rate: float | None = _option(
        "--face-rate", default=5.0, group=ENCODE, metavar="N", parse=takes.face_rate,
        check=takes.between(0.2, 240, " frames a second"), shown="5",
        help="looks for the face a second, or every",
    )  # fmt: skip
    face_margin: float = _option(
        "--face-margin", default=0.0, group=ENCODE, metavar="SHARE", parse=float,
        check=takes.between(-0.25, 1), help="of the face, added all around", shown="0",
    )  # fmt: skip
    face_fallback: Fallback = _option(
        "--face-fallback", default=Fallback.FAIL, group=ENCODE, parse=Fallback, choices=tuple(Fallback),
        help="without a face",
    )  # fmt: skip
    size: int | None = _option(
        "--size", default=None, group=ENCODE, metavar="PIXELS", parse=int, check=takes.even_side,
        help="length of the clip's shorter side", shown="as it comes",
    )  # fmt: skip
    fps: Fraction | None = _option(
        "--fps", default=None, group=ENCODE, metavar="RATE", parse=Fraction, check=takes.rate,
        help="frames a second, as 30000/1001", shown="as it comes",
    )  # fmt: skip
    segment: float | None = _option(
        "--segment", default=None, group=ENCODE, metavar="SECONDS", parse=float,
        check=takes.between(1, 3600, " seconds"), help="divide clips into such pieces", shown="whole",
    )  # fmt: skip
    audio: Audio = _option(
        "--audio", default=Audio.NONE, group=ENCODE, parse=Audio, choices=tuple(Audio),
        help="sound inside, beside (16 kHz mono) or both",
    )  # fmt: skip
    deinterlace: Deinterlace = _option(
        "--deinterlace", default=Deinterlace.AUTO, group=ENCODE, parse=Deinterlace,
        choices=tuple(Deinterlace),
        help="make whole pictures of half-pictures: where they are flagged so or look combed; all; none",
    )  # fmt: skip
    hdr: Hdr = _option(
        "--hdr", default=Hdr.TONEMAP, group=ENCODE, parse=Hdr, choices=tuple(Hdr),
        help="HDR video: map it to SDR, or fail",
    )  # fmt: skip
    codec: Codec = _option(
        "--codec", default=Codec.H264, group=ENCODE, parse=Codec, choices=tuple(Codec),
        help="H.264, at --crf or without any loss",
    )  # fmt: skip
    crf: int = _option(
        "--crf", default=20, group=ENCODE, metavar="N", parse=int, check=takes.between(0, 51),
        help="x264 quality, lower is better",
    )  # fmt: skip
    preset: str = _option(
        "--preset", default="superfast", group=ENCODE, choices=PRESETS, help="x264 preset",
    )  # fmt: skip
    keep_raw: bool | None = _option(
        "--keep-raw", default=None, group=DISK, shown="on; in a store off",
        help="keep the videos, for clips of another form",
    )  # fmt: skip
    scratch: Path | None = _option(
        "--scratch", default=None, group=DISK, metavar="DIR", parse=Path, shown="temporary",
        help="where clips for a store are made",
    )  # fmt: skip
    min_free: int = _option(
        "--min-free", default=2 * 10**9, group=DISK, metavar="BYTES", parse=takes.size_in_bytes,
        check=takes.between(0, 10**18), help="room to leave on the disk, such as 500M", shown="2G",
    )  # fmt: skip
    no_report: bool = _option(
        "--no-report", default=False, group=DISK, help="do not draw report.html at the end",
    )  # fmt: skip
    retry_failed: bool = _option(
        "--retry-failed", default=False, group=DISK, help="try again what was given up for good",
    )  # fmt: skip
    recut: bool = _option(
        "--recut", default=False, group=DISK, help="make again what is there in another form",
    )  # fmt: skip
    shard: Shard | None = _option(
        "--shard", default=None, group=COPIES, metavar="I/N", parse=Shard.read,
        help="part I of N that share a directory, from 0", shown="all",
    )  # fmt: skip
    dask: str | None = _option(
        "--dask", default=None, group=COPIES, metavar="ADDRESS", check=takes.scheduler,
        help="scheduler of the workers that do it",
    )  # fmt: skip
    pace_scope: PaceScope = _option(
        "--pace-scope", default=PaceScope.WORKER, group=COPIES, parse=PaceScope, choices=tuple(PaceScope),
        help="who has one address",
    )  # fmt: skip
    split: tuple[int, int, int] | None = _option(
        "--split", default=None, group=DISK, metavar="90/5/5", parse=shares_of, check=takes.hundred,
        bare=SHARES, shown="none", help="lists for training, validation, testing",
    )  # fmt: skip
    split_seed: int = _option(
        "--split-seed", default=SEED, group=DISK, metavar="N", parse=int, check=takes.between(0, 2**63),
        help="another draw of who is on which list",
    )  # fmt: skip
    ffmpeg: Path | None = _option(
        "--ffmpeg", default=None, group=TOOLS, metavar="PATH", parse=Path, help="ffmpeg to use",
        shown="the bundled one",
    )  # fmt: skip
    yt_dlp: Path | None = _option(
        "--yt-dlp", default=None, group=TOOLS, metavar="PATH", parse=Path, help="yt-dlp to use",
        shown="this environment's",
    )  # fmt: skip
    face_model: Path | None = _option(
        "--face-model", default=None, group=TOOLS, metavar="FILE", parse=Path, check=takes.readable,
        help="MediaPipe's face_landmarker.task", shown="fetched once",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if not self.resolution:  # not said
            best = self.crop is Crop.FACE
            object.__setattr__(self, "resolution", Resolution.BEST if best else Resolution.REFERENCE)
        check(self)
        if self.crop is Crop.FACE and self.resolution is not Resolution.BEST:
            words = "--crop face takes the highest resolution: leave --resolution away"
            raise OptionsError(f"{words} (it is {self.resolution})")
        if self.dask is not None and self.shard is not None:
            raise OptionsError("--dask takes all workers of a cluster: leave --shard away")

    def stated(self) -> dict[str, dict[str, Any]]:
        """Return what a journal tells of the options, as JSON takes it: nothing secret, and no local path."""
        settings = {
            "corrections": self.corrections.value,
            "downloads": self.downloads,
            "encodes": self.width_of_encode_lane,
            "pace": self.pace,
        }
        return {"form": self.form.stated(), "settings": settings}

    @property
    def form(self) -> Form:
        """The form that clips take under these options."""
        return Form(
            crop=self.crop, resolution=str(self.resolution), size=self.size, fps=self.fps,
            segment=self.segment, audio=self.audio, deinterlace=self.deinterlace, hdr=self.hdr,
            codec=self.codec, crf=self.crf, preset=self.preset, face_rate=self.face_rate,
            face_margin=self.face_margin, face_fallback=self.face_fallback,
        )  # fmt: skip

    @property
    def keeps_raws(self) -> bool:
        """Whether a directory keeps the videos; an object store does where that was said."""
        return self.keep_raw is not False

    @property
    def divided(self) -> Split | None:
        """How the clips are divided, if lists were asked for."""
        return None if self.split is None else Split(self.split, self.split_seed)

    @property
    def width_of_encode_lane(self) -> int:
        """Encodes at a time: as told, else the CPUs this process may use."""
        return self.encodes or usable_cpus()


@dataclass(frozen=True, slots=True, kw_only=True)
class Printing:
    """What the command line prints; a host program prints for itself."""

    json: bool = _option("--json", default=False, group=PRINT, help="one JSON object a line, for programs")
    quiet: bool = _option("--quiet", "-q", default=False, group=PRINT, help="nothing but errors")
    progress: bool = _option(
        "--progress", default=True, group=PRINT, help="bars on a terminal; else plain lines"
    )
    log_level: str = _option(
        "--log-level", default="warning", group=PRINT, choices=("debug", "info", "warning", "error"),
        help="what is told; debug: tracebacks too",
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)


def check(options: Options | Printing) -> None:
    """Raise `OptionsError` for the first field whose value its flag does not take."""
    for option in fields(options):
        flag, value = flag_of(option), getattr(options, option.name)
        wrong = None if value is None else wrong_with(flag, value)
        if wrong is not None:
            raise OptionsError(f"{flag.names[0]} {wrong}")


def wrong_with(flag: Flag, value: Any) -> str | None:  # noqa: ANN401 - of the field's type
    """Say what is wrong with a value, or None."""
    wrong = flag.check(value)
    if wrong is None and flag.choices and value not in flag.choices:
        return f"takes {', '.join(flag.choices)}, not {value!r}"
    return wrong


def parsed(flag: Flag, text: str) -> Any:  # noqa: ANN401 - of the field's type
    """Return the value that a text stands for; raises `OptionsError`, without the option's name."""
    try:
        return flag.parse(text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        if flag.choices:
            raise OptionsError(f"takes {', '.join(flag.choices)}, not {text!r}") from None
        raise OptionsError(f"cannot be read: {error}" if flag.secret else f"does not take {text!r}") from None
