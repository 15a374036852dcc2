"""`Options`: accepted values, and the output settings."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from hdtf_async.core import name_lists
from hdtf_async.core.exceptions import OptionsError
from hdtf_async.core.fetch import Fetch
from hdtf_async.core.model import (
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
from hdtf_async.core.option_fields import flag_of
from hdtf_async.core.options import Options
from hdtf_async.core.printing import Printing
from hdtf_async.core.reproduction_file import ReproductionFile
from hdtf_async.core.shards import Shard
from hdtf_async.core.splits import SHARES, Entry, NameList
from hdtf_async.core.validators import size_in_bytes


def test_defaults_are_valid() -> None:
    """Without any option."""
    options = Options()
    assert options.downloads == 8
    assert options.width_of_encode_lane >= 1


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"downloads": 0}, "--downloads"),
        ({"encodes": -1}, "--encodes"),
        ({"pace": -0.1}, "--pace"),
        ({"pace": float("nan")}, "--pace"),
        ({"size": 255}, "--size"),
        ({"size": 0}, "--size"),
        ({"fps": Fraction(1000)}, "--fps"),
        ({"crf": 52}, "--crf"),
        ({"preset": "placebo; rm"}, "--preset"),
        ({"subsets": ("RD", "XX")}, "--subset"),
        ({"limit": 0}, "--limit"),
        ({"min_free": -1}, "--min-free"),
    ],
)
def test_an_invalid_value_is_rejected_with_the_name_of_its_option(bad: dict[str, object], name: str) -> None:
    """The error names the option."""
    with pytest.raises(OptionsError, match=f"^{name} .*: expected .* [(]got "):
        replace(Options(), **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "argument",
    ["-o", "-ofoo", "--output=x", "--outp", "--print", "--exec", "--exe=rm", "--no-part", "-f", "-J",
     "--cookies=x", "--no-check-certificates", "--config-locations", "--load-info-json",
     "-a", "http://example.org/x", "-U", "-vJ", "-4o", "-O", "-t", "--preset-alias", "-F"],
)  # fmt: skip
def test_yt_dlp_options_that_the_program_sets_are_rejected(argument: str) -> None:
    """Also abbreviated, because yt-dlp accepts any unambiguous prefix."""
    with pytest.raises(OptionsError, match="--yt-dlp-args"):
        Options(yt_dlp_args=(argument,))


def test_other_yt_dlp_options_are_accepted() -> None:
    """As needed for a token provider or the mock server."""
    arguments = (
        "--compat-options",
        "no-certifi",
        "--extractor-args",
        "youtube:player_client=web",
        "-4",
        "-v",
    )
    assert Options(yt_dlp_args=arguments).yt_dlp_args == arguments


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500M", 500_000_000),
        ("2G", 2 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("17", 17),
        ("10 KB", 10_000),
        ("0", 0),
    ],
)
def test_sizes_have_units(text: str, size: int) -> None:
    """Decimal and binary units, with or without a B."""
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "2X", "-", "1..5G", "two"])
def test_invalid_sizes_are_rejected(text: str) -> None:
    """A `ValueError`, which argparse turns into a message."""
    with pytest.raises(ValueError, match=r".*"):
        size_in_bytes(text)


def test_output_settings_are_the_options_that_change_a_clip() -> None:
    """Lanes, disk and tools do not change them; size and quality do."""
    same = Options(downloads=1, encodes=1, pace=0, keep_raw=False, ffmpeg=Path("x"), limit=3)
    assert same.output_settings == Options().output_settings
    for change in ({"size": 256}, {"fps": Fraction(25)}, {"crf": 23}, {"preset": "medium"}, {"crop": "none"}):
        assert replace(Options(), **change).output_settings != Options().output_settings


def test_face_crops_use_the_best_resolution() -> None:
    """By default; another value is an error, and crops of the box keep the reference height."""
    assert Options(crop=Crop.FACE).resolution is Resolution.BEST
    assert replace(Options(crop=Crop.FACE), limit=3).resolution is Resolution.BEST
    assert Options().resolution is Resolution.REFERENCE
    with pytest.raises(OptionsError, match=r"highest resolution: omit it \(got exact"):
        Options(crop=Crop.FACE, resolution=Resolution.EXACT)


def test_face_options_are_output_settings_only_for_face_crops() -> None:
    """Clips of the published box are not re-encoded for them; each of these options changes the others."""
    form = Options(crop=Crop.FACE).output_settings
    for change in ({"face_rate": None}, {"face_margin": 0.1}, {"face_fallback": Fallback.TABLE}):
        assert replace(form, **change).to_json() != form.to_json()
        assert replace(OutputSettings(), **change).to_json() == OutputSettings().to_json()


def test_only_one_part_of_a_clip_is_cut() -> None:
    """Both would be contradictory."""
    with pytest.raises(OptionsError, match="--first, --middle: expected one of them"):
        Options(first=5, middle=5)


def test_every_option_has_help_and_a_unique_flag() -> None:
    """Also between `Options` and `Printing`."""
    flags = [flag_of(option) for what in (Options, Printing) for option in fields(what)]
    names = [name for flag in flags for name in flag.names]
    assert len(names) == len(set(names))
    assert all(flag.help and flag.group for flag in flags)


class _Name(str):
    """A subclass of str, as some libraries return."""

    __slots__ = ()


HERE = Path.cwd()
_REPRODUCTION = Path(__file__).parents[2] / "support" / "clips.lock.json"
WRITTEN: dict[str, list[tuple[object, object]]] = {
    "source": [("tables", HERE / "tables"), (Path("tables"), HERE / "tables"), (None, None)],
    "subsets": [("RD", ("RD",)), ("rd,WDA", ("RD", "WDA")), (["WRA"], ("WRA",)), ((), ())],
    "videos": [("Radio2", ("Radio2",)), (["a", "b"], ("a", "b")), ((each for each in "ab"), ("a", "b"))],
    "limit": [("5", 5), (5.0, 5), (Fraction(5), 5), (10**12, 10**12), (None, None)],
    "only": [
        ("musetalk", name_lists.read("musetalk")),
        (["RD_Radio1_000"], NameList("list", (Entry("RD_Radio1_000", "entry 1", "test"),))),
        (None, None),
    ],
    "reproduce": [
        (_REPRODUCTION, ReproductionFile(_REPRODUCTION, (("crf", 18),))),
        (ReproductionFile(Path("x"), ()), ReproductionFile(Path("x"), ())),
        (None, None),
    ],
    "corrections": [("none", Corrections.NONE), ("Unverified", Corrections.UNVERIFIED)],
    "downloads": [("4", 4), (4.0, 4), (_Name("4"), 4), (Decimal(4), 4)],
    "pace": [("0.5", 0.5), (20, 20.0), (Decimal("1.5"), 1.5)],
    "cool_down": [(60, 60.0), ("60", 60.0)],
    "limit_rate": [("10M", 10**7), (10e6, 10**7), (None, None)],
    "stall_timeout": [("90", 90.0)],
    "least_speed": [("30k", 30_000), ("1MiB", 2**20)],
    "retry_wait": [("1", 1.0)],
    "resolution": [("best", Resolution.BEST), (None, Resolution.REFERENCE)],
    "raw_dirs": [("raws", (HERE / "raws",)), (Path("raws"), (HERE / "raws",)),
                 (["a", Path("b")], (HERE / "a", HERE / "b"))],
    "cookies": [(__file__, Path(__file__)), (Path(__file__), Path(__file__)), (None, None)],
    "cookies_from_browser": [("firefox", "firefox"), (None, None)],
    "proxy": [("socks5://host:9050", "socks5://host:9050"), ("", "")],
    "yt_dlp_args": [("-4 --verbose", ("-4", "--verbose")), (["-R", 3], ("-R", "3")), ("", ())],
    "encodes": [("2", 2), (None, None)],
    "crop": [("none", Crop.NONE), (Crop.NONE, Crop.NONE)],
    "face_rate": [("every", None), (None, None), ("2.5", 2.5), (3, 3.0)],
    "face_margin": [("0.1", 0.1), (-0.25, -0.25)],
    "face_fallback": [("table", Fallback.TABLE)],
    "dataset": [("celebv-hq", "celebv-hq")],
    "clips": [("a.csv", HERE / "a.csv"), (Path("a.csv"), HERE / "a.csv"), (None, None)],
    "fit": [("keep", Fit.KEEP)],
    "size": [("512", 512), (512.0, 512), (None, None)],
    "fps": [(25, Fraction(25)), (29.97, Fraction(2997, 100)), (30000 / 1001, Fraction(30000, 1001)),
            ("30000/1001", Fraction(30000, 1001)), (Decimal("23.976"), Fraction(2997, 125)), (None, None)],
    "first": [("10", 10.0), (2, 2.0)],
    "middle": [("2.5", 2.5), (2, 2.0)],
    "segment": [("10", 10.0), (2, 2.0)],
    "audio": [("aac", Audio.AAC), ("BOTH", Audio.BOTH)],
    "deinterlace": [("off", Deinterlace.OFF)],
    "hdr": [("refuse", Hdr.REFUSE)],
    "scene_cuts": [("split", SceneCuts.SPLIT), ("Drop", SceneCuts.DROP)],
    "no_facts": [("yes", True)],
    "codec": [("lossless", Codec.LOSSLESS)],
    "crf": [("18", 18), (0, 0)],
    "preset": [("medium", "medium")],
    "keep_raw": [("no", False), ("true", True), (True, True), (None, None)],
    "scratch": [("tmp", HERE / "tmp")],
    "min_free": [("500M", 500 * 10**6), (0, 0)],
    "no_report": [("yes", True)],
    "retry_failed": [(True, True)],
    "recut": [("off", False)],
    "shard": [("0/2", Shard(0, 2)), ((1, 2), Shard(1, 2)), (Shard(0, 1), Shard(0, 1))],
    "dask": [("tcp://host:8786", "tcp://host:8786")],
    "pace_scope": [("cluster", PaceScope.CLUSTER)],
    "split": [("80/10/10", (80, 10, 10)), ([80, 10, 10], (80, 10, 10)), (True, SHARES),
              ("musetalk", name_lists.read("musetalk"))],
    "split_seed": [("7", 7)],
    "fetch": [("auto", Fetch.AUTO), (Fetch.SECTIONS, Fetch.SECTIONS)],
    "ffmpeg": [("/usr/bin/ffmpeg", Path("/usr/bin/ffmpeg"))],
    "yt_dlp": [("yt-dlp", HERE / "yt-dlp")],
    "face_model": [(__file__, Path(__file__))],
}  # fmt: skip
"""Natural input for each field, and the value that the field then holds."""
NEVER = (
    object(),
    b"25",
    {"a": 1},
    [[1]],
    float("nan"),
    float("inf"),
    10**400,
    "",
    "\0",
    "1\x1b[2J",
    -1,
    2.5,
    "x" * 10**5,
)
"""Invalid for nearly every option."""


def test_every_option_accepts_natural_input() -> None:
    """Strings and numbers of all kinds; the field holds one type, and a copy is equal."""
    assert WRITTEN.keys() == {option.name for option in fields(Options)}
    for name, written in WRITTEN.items():
        for given, held in written:
            options = Options(**{name: given})  # type: ignore[arg-type]
            found = getattr(options, name)
            assert (found, type(found)) == (held, type(held)), name
            assert replace(options) == options


@pytest.mark.parametrize("name", WRITTEN)
def test_invalid_input_raises_an_error_with_the_name_of_the_option(name: str) -> None:
    """An `OptionsError` that names the field and the accepted values, short and printable."""
    messages: list[str] = []
    for value in (*NEVER, None, True, 25, "word"):
        try:
            options = Options(**{name: value})  # type: ignore[arg-type]
        except OptionsError as error:
            messages.append(str(error))
        else:
            held = {type(held) for _, held in WRITTEN[name]} | {type(getattr(Options(), name))}
            assert type(getattr(options, name)) in held, value
    assert len(messages) >= 6
    for text in messages:
        assert name in text
        assert re.search("expected .|cannot (take|read) .", text)
        assert text.isprintable()
        assert len(text) < 400


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"fps": "fast"}, "a frame rate from 1 to 240, such as 25 or 30000/1001 (got fast)"),
        ({"downloads": 2.5}, "an integer from 1 to 256, such as 4 (got 2.5)"),
        ({"limit": 0}, "a positive integer, such as 5 (got 0)"),
        ({"size": "abc"}, "an even number of pixels from 16 to 8192, such as 512 (got abc)"),
        ({"shard": "3/2"}, "I/N with 0 <= I < N, such as 0/4 for the first of four shards (got 3/2)"),
        ({"min_free": "10X"}, "a size such as 500M or 10G (got 10X)"),
        ({"split": "90/5"}, "percentages of training, validation and test that add up to 100, such as"),
        ({"audio": "mp3"}, "none, aac, wav or both (got mp3)"),
        ({"keep_raw": "perhaps"}, "true or false (got perhaps)"),
        (
            {"recipe": ["hallo"]},
            "musetalk, hallo, hallo2, hallo3, latentsync, keysync, wav2lip or real3dportrait",
        ),
    ],
)  # fmt: skip
def test_an_error_describes_the_accepted_values(bad: dict[str, object], message: str) -> None:
    """With an example, and with the given value."""
    with pytest.raises(OptionsError, match=f": expected {re.escape(message)}"):
        Options(**bad)  # type: ignore[arg-type]


def test_a_shown_default_is_the_real_one() -> None:
    """In help and docs: the displayed text is parsed to the field's default."""
    for what in (Options, Printing):
        for option in fields(what):
            flag = flag_of(option)
            if option.default is None or option.default == ():
                assert flag.shown_default
            else:
                assert flag.read(flag.shown_default) == option.default, option.name
    texts = {flag_of(option).names[0]: flag_of(option).shown_default for option in fields(Options)}
    assert (texts["--pace"], texts["--min-free"], texts["--least-speed"]) == ("15", "2G", "30k")


def test_explicit_options_override_a_recipe() -> None:
    """Even with the default value; and a recipe is an error where it would have no effect."""
    options = Options(recipe="hallo")
    assert (options.size, options.fps, options.audio) == (512, Fraction(25), Audio.AAC)
    assert Options(recipe="hallo", size=None, audio="none").output_settings == Options(fps=25).output_settings
    with pytest.raises(OptionsError, match="recipe"):
        replace(Options(), recipe="hallo")
