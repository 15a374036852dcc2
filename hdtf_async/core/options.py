"""All options of a run, as one typed, frozen dataclass; the command line is derived from it.

Each field carries its flags, help and validator, so that library, command line and docs cannot diverge: a
test compares the table in docs/options.md with this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, fields
from fractions import Fraction
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from hdtf_async.core import validators
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.fetch import Fetch
from hdtf_async.core.model import (
    SUBSETS,
    UNRECORDED,
    Audio,
    Codec,
    Corrections,
    Crop,
    Deinterlace,
    Fallback,
    Fit,
    Hdr,
    OutputSettings,
    PaceScope,
    Resolution,
    SceneCuts,
)
from hdtf_async.core.option_fields import Accepts, flag_of, normalise, option
from hdtf_async.core.recipes import RECIPES
from hdtf_async.core.reproduction_file import ReproductionFile
from hdtf_async.core.shards import Shard
from hdtf_async.core.splits import SEED, SHARES, NameList, Split
from hdtf_async.core.system import usable_cpus
from hdtf_async.core.text import shown

_RECIPE = validators.word(tuple(RECIPES))
T = TypeVar("T")


def _takes_recipe(options: type[T]) -> type[T]:
    """Let ``recipe=NAME`` set the options of the recipe in a class of options."""
    made = options.__init__

    @wraps(made)
    def init(self: T, **given: Any) -> None:  # noqa: ANN401 - of the fields' own types
        name = given.get("recipe")
        if name is not None:
            if given.keys() >= {each.name for each in fields(options)}:  # type: ignore[arg-type]
                raise OptionsError("--recipe (Options.recipe): pass it to Options(), not to replace()")
            try:
                given = {**RECIPES[_RECIPE.read(name)].preset, **given}
            except ValueError:
                message = f"expected {_RECIPE.expected} (got {shown(name)})"
                raise OptionsError(f"--recipe (Options.recipe): {message}") from None
        made(self, **given)

    options.__init__ = init  # type: ignore[assignment, method-assign] # what a decorator is for
    return options


WHICH, NETWORK, ENCODE, DISK, DISTRIBUTED, TOOLS, PRINT = (
    "Selection",
    "Download",
    "Encoding",
    "Disk and reruns",
    "Distributed runs",
    "Tools",
    "Output",
)
"""Groups of options, in the order of the help text."""
HDTF = "hdtf"
"""The default of `Options.dataset`."""
PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
"""x264's presets except ``placebo``, fastest first."""


@_takes_recipe
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run creates, how, and with which tools. All fields have defaults, and are keyword arguments.

    A field accepts natural values: ``size="512"``, ``fps=25``, ``audio="aac"``, ``cookies="cookies.txt"``,
    ``videos="Radio1"``; it then holds the value of its own type. `recipe` names a recipe (see
    `hdtf_async.export`), which sets some fields; explicit values override the recipe. Raises `OptionsError`
    for invalid values.
    """

    recipe: InitVar[str | None] = None
    dataset: Accepts[str, str] = option(
        "--dataset", default=HDTF, group=WHICH, metavar="NAME", kind=validators.name("the name of a dataset"),
        help="dataset to create; see `datasets`",
    )  # fmt: skip
    source: Accepts[str | PathLike[str] | None, Path | None] = option(
        "--source", "-s", "--source_dir", default=None, group=WHICH, metavar="PATH",
        kind=validators.path("a path, such as HDTF_dataset"),
        help="list of the dataset, from its authors", unset="HDTF: bundled",
    )  # fmt: skip
    clips: Accepts[str | PathLike[str] | None, Path | None] = option(
        "--clips", default=None, group=WHICH, metavar="FILE",
        kind=validators.path("a file, such as clips.csv"),
        help="own list: .csv, .tsv, .jsonl, .parquet",
    )  # fmt: skip
    subsets: Accepts[str | Iterable[str], tuple[str, ...]] = option(
        "--subset", default=(), group=WHICH, metavar="RD,WDA,...", kind=validators.SUBSET, many=True,
        help="only these subsets", unset="all",
    )  # fmt: skip
    videos: Accepts[str | Iterable[str], tuple[str, ...]] = option(
        "--video", default=(), group=WHICH, metavar="NAME", many=True,
        kind=validators.names("names or YouTube ids of videos, such as RD_Radio1"),
        help="only this name or YouTube id; repeatable", unset="all",
    )  # fmt: skip
    limit: Accepts[int | str | None, int | None] = option(
        "--limit", default=None, group=WHICH, metavar="N", unset="all",
        kind=validators.whole("a positive integer, such as 5", 1), help="only the first N videos",
    )  # fmt: skip
    only: Accepts[str | PathLike[str] | Iterable[str] | NameList | None, NameList | None] = option(
        "--only", default=None, group=WHICH, metavar="FILE", kind=validators.ONLY,
        help="only the clips on this list", unset="all",
    )  # fmt: skip
    reproduce: Accepts[str | PathLike[str] | ReproductionFile | None, ReproductionFile | None] = option(
        "--reproduce", default=None, group=WHICH, metavar="FILE", kind=validators.REPRODUCTION,
        help="clips and settings of a clips.lock.json", unset="off",
    )  # fmt: skip
    corrections: Accepts[Corrections | str, Corrections] = option(
        "--corrections", default=Corrections.VERIFIED, group=WHICH, kind=validators.choice(Corrections),
        help="HDTF: which table corrections to apply",
    )  # fmt: skip
    downloads: Accepts[int | str, int] = option(
        "--downloads", "-w", "--num_workers", default=8, group=NETWORK, metavar="N",
        kind=validators.whole("an integer from 1 to 256, such as 4", 1, 256), help="max. parallel downloads",
    )  # fmt: skip
    pace: Accepts[float | str, float] = option(
        "--pace", default=15.0, group=NETWORK, metavar="SECONDS",
        kind=validators.number("seconds from 0 to 3600, such as 20", 0, 3600),
        help="minimum delay between download starts",
    )  # fmt: skip
    cool_down: Accepts[float | str, float] = option(
        "--cool-down", default=600.0, group=NETWORK, metavar="SECONDS",
        kind=validators.number("seconds from 0 to 86400, such as 600", 0, 24 * 3600),
        help="pause when YouTube blocks this IP; doubles",
    )  # fmt: skip
    limit_rate: Accepts[float | str | None, int | None] = option(
        "--limit-rate", default=None, group=NETWORK, metavar="BYTES",
        kind=validators.size("a rate in bytes per second from 1k to 1T, such as 500k or 10M", 1000, 10**12),
        help="total bytes per second, such as 10M", unset="unlimited",
    )  # fmt: skip
    stall_timeout: Accepts[float | str, float] = option(
        "--stall-timeout", default=120.0, group=NETWORK, metavar="SECONDS",
        kind=validators.number("seconds from 1 to 3600, such as 120", 1, 3600),
        help="abort if no data arrives for this long",
    )  # fmt: skip
    least_speed: Accepts[float | str, int] = option(
        "--least-speed", default=30_000, group=NETWORK, metavar="BYTES",
        kind=validators.size("a rate in bytes per second from 1 to 1T, such as 30k", 1, 10**12),
        help="time limit: 10 min + file size / this rate",
    )  # fmt: skip
    retry_wait: Accepts[float | str, float] = option(
        "--retry-wait", default=10.0, group=NETWORK, metavar="SECONDS",
        kind=validators.number("seconds from 0 to 3600, such as 10", 0, 3600),
        help="first delay before a retry; grows fourfold",
    )  # fmt: skip
    resolution: Accepts[Resolution | str | None, Resolution] = option(
        "--resolution", default=None, group=NETWORK, kind=validators.choice(Resolution),
        help="reference: height the boxes refer to, else next above, else below; exact: only that height"
        " (within 8 px); best: highest available",
        unset="reference; best with --crop face",
    )  # fmt: skip
    fetch: Accepts[Fetch | str | None, Fetch | None] = option(
        "--fetch", default=None, group=NETWORK, kind=validators.choice(Fetch),
        help="auto: sections around clips, if that saves half",
        unset="whole for HDTF, else auto",
    )  # fmt: skip
    raw_dirs: Accepts[str | PathLike[str] | Iterable[str | PathLike[str]], tuple[Path, ...]] = option(
        "--raw-dir", default=(), group=NETWORK, metavar="DIR", many=True,
        kind=validators.paths("one or more directories, such as /data/videos"),
        help="existing videos, named {subset}_{name}.* or by YouTube id; never modified; repeatable",
    )  # fmt: skip
    cookies: Accepts[str | PathLike[str] | None, Path | None] = option(
        "--cookies", default=None, group=NETWORK, metavar="FILE",
        kind=validators.readable("a file of cookies in Netscape format, such as cookies.txt"),
        help="cookies file in Netscape format",
    )  # fmt: skip
    cookies_from_browser: Accepts[str | None, str | None] = option(
        "--cookies-from-browser", default=None, group=NETWORK, metavar="BROWSER",
        kind=validators.name("a browser that yt-dlp supports, such as firefox"),
        help="browser to read cookies from, e.g. firefox",
    )  # fmt: skip
    proxy: Accepts[str | None, str | None] = option(
        "--proxy", default=None, group=NETWORK, metavar="URL", kind=validators.PROXY, secret=True,
        help="http, https or socks proxy for yt-dlp",
    )  # fmt: skip
    yt_dlp_args: Accepts[str | Iterable[str], tuple[str, ...]] = option(
        "--yt-dlp-args", default=(), group=NETWORK, metavar="ARGS", kind=validators.YT_DLP_ARGS, secret=True,
        help="extra yt-dlp options: --yt-dlp-args='...'",
    )  # fmt: skip
    encodes: Accepts[int | str | None, int | None] = option(
        "--encodes", default=None, group=ENCODE, metavar="N",
        kind=validators.whole("an integer from 1 to 1024, such as 4", 1, 1024),
        help="parallel encodes", unset="number of available CPUs",
    )  # fmt: skip
    crop: Accepts[Crop | str, Crop] = option(
        "--crop", default=Crop.TABLE, group=ENCODE, kind=validators.choice(Crop),
        help="table: published box; face: detected face; none: whole frame",
    )  # fmt: skip
    face_rate: Accepts[float | str | None, float | None] = option(
        "--face-rate", default=5.0, group=ENCODE, metavar="N", kind=validators.FACE_RATE,
        help="face detections per second, or 'every' frame",
    )  # fmt: skip
    face_margin: Accepts[float | str, float] = option(
        "--face-margin", default=0.0, group=ENCODE, metavar="FRACTION",
        kind=validators.number("a fraction of the face's size from -0.25 to 1, such as 0.1", -0.25, 1),
        help="margin around the face, relative to its size",
    )  # fmt: skip
    face_fallback: Accepts[Fallback | str, Fallback] = option(
        "--face-fallback", default=Fallback.FAIL, group=ENCODE, kind=validators.choice(Fallback),
        help="if no face is found",
    )  # fmt: skip
    size: Accepts[int | str | None, int | None] = option(
        "--size", default=None, group=ENCODE, metavar="PIXELS", kind=validators.SIDE,
        help="length of the shorter side", unset="unchanged",
    )  # fmt: skip
    fit: Accepts[Fit | str, Fit] = option(
        "--fit", default=Fit.KEEP, group=ENCODE, kind=validators.choice(Fit),
        help="shape of a box that is not square, with --size",
    )  # fmt: skip
    fps: Accepts[float | str | Fraction | None, Fraction | None] = option(
        "--fps", default=None, group=ENCODE, metavar="RATE", kind=validators.RATE,
        help="frame rate, such as 25 or 30000/1001", unset="unchanged",
    )  # fmt: skip
    first: Accepts[float | str | None, float | None] = option(
        "--first", default=None, group=ENCODE, metavar="SECONDS", kind=validators.CUT,
        help="shorten each clip to its first seconds", unset="off",
    )  # fmt: skip
    middle: Accepts[float | str | None, float | None] = option(
        "--middle", default=None, group=ENCODE, metavar="SECONDS", kind=validators.CUT,
        help="shorten each clip to its middle seconds", unset="off",
    )  # fmt: skip
    segment: Accepts[float | str | None, float | None] = option(
        "--segment", default=None, group=ENCODE, metavar="SECONDS",
        kind=validators.number("seconds from 1 to 3600, such as 10", 1, 3600),
        help="split clips into pieces of this length", unset="off",
    )  # fmt: skip
    audio: Accepts[Audio | str, Audio] = option(
        "--audio", default=Audio.NONE, group=ENCODE, kind=validators.choice(Audio),
        help="aac in the clip, 16 kHz wav file, or both",
    )  # fmt: skip
    deinterlace: Accepts[Deinterlace | str, Deinterlace] = option(
        "--deinterlace", default=Deinterlace.AUTO, group=ENCODE, kind=validators.choice(Deinterlace),
        help="auto: if flagged or combing is detected",
    )  # fmt: skip
    hdr: Accepts[Hdr | str, Hdr] = option(
        "--hdr", default=Hdr.TONEMAP, group=ENCODE, kind=validators.choice(Hdr),
        help="HDR video: convert to SDR, or fail",
    )  # fmt: skip
    scene_cuts: Accepts[SceneCuts | str, SceneCuts] = option(
        "--scene-cuts", default=SceneCuts.REPORT, group=ENCODE, kind=validators.choice(SceneCuts),
        help="clips with scene cuts",
    )  # fmt: skip
    no_facts: Accepts[bool | str, bool] = option(
        "--no-facts", default=False, group=ENCODE, kind=validators.SWITCH,
        help="do not measure blur, loudness and other facts",
    )  # fmt: skip
    codec: Accepts[Codec | str, Codec] = option(
        "--codec", default=Codec.H264, group=ENCODE, kind=validators.choice(Codec),
        help="H.264 with --crf, or lossless H.264",
    )  # fmt: skip
    crf: Accepts[int | str, int] = option(
        "--crf", default=20, group=ENCODE, metavar="N",
        kind=validators.whole("an integer from 0 to 51, such as 18", 0, 51), help="0 to 51, lower is better",
    )  # fmt: skip
    preset: Accepts[str, str] = option(
        "--preset", default="superfast", group=ENCODE, kind=validators.word(PRESETS), help="x264 preset",
    )  # fmt: skip
    keep_raw: Accepts[bool | str | None, bool | None] = option(
        "--keep-raw", default=None, group=DISK, kind=validators.SWITCH, unset="on; off for object stores",
        help="keep source videos",
    )  # fmt: skip
    scratch: Accepts[str | PathLike[str] | None, Path | None] = option(
        "--scratch", default=None, group=DISK, metavar="DIR", unset="$TMPDIR",
        kind=validators.path("a directory, such as /tmp/x"), help="temporary directory for object stores",
    )  # fmt: skip
    min_free: Accepts[float | str, int] = option(
        "--min-free", default=2 * 10**9, group=DISK, metavar="BYTES",
        kind=validators.size("a size such as 500M or 10G", 0, 10**18),
        help="stop if less disk space than this is left",
    )  # fmt: skip
    no_report: Accepts[bool | str, bool] = option(
        "--no-report", default=False, group=DISK, kind=validators.SWITCH,
        help="do not write report.html at the end",
    )  # fmt: skip
    retry_failed: Accepts[bool | str, bool] = option(
        "--retry-failed", default=False, group=DISK, kind=validators.SWITCH,
        help="retry videos marked permanently unavailable",
    )  # fmt: skip
    recut: Accepts[bool | str, bool] = option(
        "--recut", default=False, group=DISK, kind=validators.SWITCH,
        help="re-encode existing clips whose settings differ",
    )  # fmt: skip
    shard: Accepts[Shard | str | tuple[int, int] | None, Shard | None] = option(
        "--shard", default=None, group=DISTRIBUTED, metavar="I/N", kind=validators.SHARD,
        help="process shard I of N, counted from 0", unset="all",
    )  # fmt: skip
    dask: Accepts[str | None, str | None] = option(
        "--dask", default=None, group=DISTRIBUTED, metavar="ADDRESS", kind=validators.SCHEDULER,
        help="run on the Dask cluster of this scheduler",
    )  # fmt: skip
    pace_scope: Accepts[PaceScope | str, PaceScope] = option(
        "--pace-scope", default=PaceScope.WORKER, group=DISTRIBUTED, kind=validators.choice(PaceScope),
        help="worker: each worker has its own public IP; cluster: all share one",
    )  # fmt: skip
    split: Accepts[
        str | bool | PathLike[str] | Sequence[int] | NameList | None, tuple[int, int, int] | NameList | None
    ] = option(
        "--split", default=None, group=DISK, metavar="90/5/5", kind=validators.SPLIT, bare=SHARES,
        unset="off; export: 90/5/5",
        help="train/val/test lists: speaker-disjoint ratios, directory, file or musetalk",
    )  # fmt: skip
    split_seed: Accepts[int | str, int] = option(
        "--split-seed", default=SEED, group=DISK, metavar="N",
        kind=validators.whole("a non-negative integer, such as 7", 0, 2**63),
        help="random seed of the split",
    )  # fmt: skip
    ffmpeg: Accepts[str | PathLike[str] | None, Path | None] = option(
        "--ffmpeg", default=None, group=TOOLS, metavar="PATH", unset="bundled",
        kind=validators.path("the path of an executable, such as /usr/bin/ffmpeg"), help="ffmpeg executable",
    )  # fmt: skip
    yt_dlp: Accepts[str | PathLike[str] | None, Path | None] = option(
        "--yt-dlp", default=None, group=TOOLS, metavar="PATH", unset="this environment's",
        kind=validators.path("the path of an executable, such as /usr/bin/yt-dlp"), help="yt-dlp executable",
    )  # fmt: skip
    face_model: Accepts[str | PathLike[str] | None, Path | None] = option(
        "--face-model", default=None, group=TOOLS, metavar="FILE", unset="downloaded once",
        kind=validators.readable("a file, such as face_landmarker.task"),
        help="MediaPipe face_landmarker.task",
    )  # fmt: skip

    def __post_init__(self, recipe: str | None) -> None:
        normalise(self)
        self._take_settings()
        self._require_known_subsets()
        if self.clips is not None and (self.source is not None or self.dataset != HDTF):
            raise OptionsError("--clips: omit --source and --dataset, which name another list")
        if self.corrections is not Corrections.VERIFIED and not (self.is_hdtf and self.clips is None):
            raise OptionsError("--corrections: omit it; only the tables of HDTF have corrections")
        if self.fit is not Fit.KEEP and self.size is None:
            raise OptionsError(f"--fit {self.fit}: requires --size, such as --size 512")
        if self.first is not None and self.middle is not None:
            raise OptionsError("--first, --middle: expected one of them, which are different parts of a clip")
        if not self.resolution:  # it was not given
            best = self.crop is Crop.FACE
            object.__setattr__(self, "resolution", Resolution.BEST if best else Resolution.REFERENCE)
        if self.crop is Crop.FACE and self.resolution is not Resolution.BEST:
            raise OptionsError(
                "--resolution: expected best with --crop face, which uses the highest resolution: omit it"
                f" (got {self.resolution})"
            )
        if self.no_facts and self.scene_cuts is not SceneCuts.REPORT:
            raise OptionsError(f"--no-facts: omit it with --scene-cuts {self.scene_cuts}, which needs them")
        if self.scene_cuts is SceneCuts.SPLIT and (self.segment is not None or self.shard is not None):
            raise OptionsError("--scene-cuts split: omit --segment and --shard")
        if self.dask is not None and self.shard is not None:
            raise OptionsError("--shard: omit it with --dask, which uses all workers of the cluster")

    def _take_settings(self) -> None:
        """Set the output settings to those of the reproduction file. Raises `OptionsError` for others."""
        if self.reproduce is None:
            return
        if self.clips is not None or self.source is not None or self.dataset != HDTF:
            raise OptionsError("--reproduce: omit --clips, --source and --dataset: the file lists the clips")
        recorded = UNRECORDED | dict(self.reproduce.settings)
        for each in fields(self):
            if each.name not in recorded:
                continue
            flag, value, given = flag_of(each), recorded[each.name], getattr(self, each.name)
            try:
                setting = None if value is None else flag.read(value)
            except OptionsError as error:
                raise OptionsError(f"--reproduce: {self.reproduce}: {flag.names[0]}: {error}") from None
            if given not in {each.default, setting}:
                raise OptionsError(f"{flag.names[0]}: omit it with --reproduce, which sets it")
            object.__setattr__(self, each.name, setting)

    def _require_known_subsets(self) -> None:
        """Raise `OptionsError` for a subset that HDTF does not have; another list may have any."""
        if not self.is_hdtf or self.clips is not None or self.reproduce is not None:
            return
        subsets = tuple(subset.upper() for subset in self.subsets)
        if unknown := [subset for subset in self.subsets if subset.upper() not in SUBSETS]:
            message = (
                f"expected one or more of {', '.join(SUBSETS)}, such as RD,WDA (got {shown(unknown[0])})"
            )
            raise OptionsError(f"--subset (Options.subsets): {message}")
        object.__setattr__(self, "subsets", subsets)

    @property
    def is_hdtf(self) -> bool:
        """Whether the clips are those of HDTF, unless a list of clips is given."""
        return self.dataset == HDTF

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return the options that the journal records, as JSON values: no secrets, and no local paths."""
        settings = {
            "corrections": self.corrections.value,
            "downloads": self.downloads,
            "encodes": self.width_of_encode_lane,
            "pace": self.pace,
        }
        return {"form": self.output_settings.to_json(), "settings": settings}

    @property
    def output_settings(self) -> OutputSettings:
        """The output settings of clips with these options."""
        return OutputSettings(
            crop=self.crop, resolution=str(self.resolution), size=self.size, fit=self.fit, fps=self.fps,
            first=self.first, middle=self.middle, segment=self.segment,
            audio=self.audio, deinterlace=self.deinterlace, hdr=self.hdr,
            codec=self.codec, crf=self.crf, preset=self.preset, face_rate=self.face_rate,
            face_margin=self.face_margin, face_fallback=self.face_fallback, scene_cuts=self.scene_cuts,
        )  # fmt: skip

    @property
    def keeps_raws(self) -> bool:
        """Whether source videos are kept; in an object store only if requested."""
        return self.keep_raw is not False

    @property
    def divided(self) -> Split | None:
        """How the clips are split, if requested."""
        if isinstance(self.split, NameList):
            return Split(given=self.split.sides, rest=self.split.rest)
        return None if self.split is None else Split(self.split, self.split_seed)

    @property
    def width_of_encode_lane(self) -> int:
        """Number of parallel encodes: as given, otherwise the CPUs available to this process."""
        return self.encodes or usable_cpus()
