"""`Options`: what it takes and refuses, and what the form is made of."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

import pytest

from hdtf_async.formats import Resolution
from hdtf_async.model import Crop, Fallback, Form
from hdtf_async.options import Options, OptionsError, Printing, flag_of
from hdtf_async.takes import size_in_bytes


def test_defaults_are_good() -> None:
    """No option, no problem."""
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
def test_a_bad_value_is_refused_by_the_name_of_its_option(bad: dict[str, object], name: str) -> None:
    """The error names the option, so that one knows where to look."""
    with pytest.raises(OptionsError, match=f"^{name} takes"):
        replace(Options(), **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "argument",
    ["-o", "-ofoo", "--output=x", "--outp", "--print", "--exec", "--exe=rm", "--no-part", "-f", "-J",
     "--cookies=x", "--no-check-certificates", "--config-locations", "--load-info-json",
     "-a", "http://example.org/x", "-U", "-vJ", "-4o", "-O", "-t", "--preset-alias", "-F"],
)  # fmt: skip
def test_what_the_supervisor_decides_is_refused_among_the_arguments_for_yt_dlp(argument: str) -> None:
    """Also when shortened, as yt-dlp takes any prefix that is not ambiguous."""
    with pytest.raises(OptionsError, match="--yt-dlp-args"):
        Options(yt_dlp_args=(argument,))


def test_other_arguments_for_yt_dlp_pass() -> None:
    """What a user of a token provider or of a stand-in needs."""
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
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    """Decimal and binary units, with or without a B."""
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "2X", "-", "1..5G", "two"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A `ValueError`, which argparse turns into a sentence."""
    with pytest.raises(ValueError, match=r".*"):
        size_in_bytes(text)


def test_form_holds_the_options_that_change_a_clip_and_no_others() -> None:
    """Lanes, disk and tools leave the form as it is; size and quality do not."""
    same = Options(downloads=1, encodes=1, pace=0, keep_raw=False, ffmpeg=Path("x"), limit=3)
    assert same.form == Options().form
    for change in ({"size": 256}, {"fps": Fraction(25)}, {"crf": 23}, {"preset": "medium"}, {"crop": "none"}):
        assert replace(Options(), **change).form != Options().form


def test_the_face_is_looked_for_in_the_best_rendition() -> None:
    """Of itself; who names another one is told, and who crops to the box keeps the reference height."""
    assert Options(crop=Crop.FACE).resolution is Resolution.BEST
    assert replace(Options(crop=Crop.FACE), limit=3).resolution is Resolution.BEST
    assert Options().resolution is Resolution.REFERENCE
    with pytest.raises(OptionsError, match=r"leave --resolution away \(it is exact"):
        Options(crop=Crop.FACE, resolution=Resolution.EXACT)


def test_what_is_said_of_faces_is_part_of_the_form_only_where_they_are_looked_for() -> None:
    """Clips of the published box are not made again for it; every one of these options changes the others."""
    form = Options(crop=Crop.FACE).form
    for change in ({"face_rate": None}, {"face_margin": 0.1}, {"face_fallback": Fallback.TABLE}):
        assert replace(form, **change).stated() != form.stated()
        assert replace(Form(), **change).stated() == Form().stated()


def test_every_option_has_help_and_a_flag_of_its_own() -> None:
    """Two options never share a flag, across what the library knows and what is printed."""
    flags = [flag_of(option) for what in (Options, Printing) for option in fields(what)]
    names = [name for flag in flags for name in flag.names]
    assert len(names) == len(set(names))
    assert all(flag.help and flag.group for flag in flags)
