"""The values of a cut that follow from others: the position that ffmpeg seeks to, and the picture's size."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from hdtf_async.core.model import Audio, Box, Deinterlace, Fit, Interval, OutputSettings
from hdtf_async.media import ffmpeg, filters
from hdtf_async.media.cut import AudioCut, Cut, SourceFrames

CUT = Cut(Path("raw.mp4"), "mp4", Interval(10, 12), Box(0, 0, 64, 64), 64, 64, 50, OutputSettings())


@pytest.mark.parametrize(
    ("lead", "preroll", "sought"), [(0, 0, 10), (2, 0, 8), (0, 4, 6), (2, 4, 4), (2, 10, 0)]
)
def test_ffmpeg_seeks_to_the_lead_and_the_preroll_before_the_interval(
    lead: float, preroll: float, sought: float
) -> None:
    """At most to the beginning of the file."""
    assert replace(CUT, lead=float(lead)).sought_from(float(preroll)) == sought


def test_filters_count_from_the_position_or_from_the_zero_of_the_source() -> None:
    """The latter if ffmpeg keeps all timestamps."""
    assert CUT.origin() == 10
    assert CUT.origin(4.0) == 6
    assert replace(CUT, zero=5.0).origin(4.0) == -5


def test_a_trim_has_a_start_only_if_frames_come_before_the_interval() -> None:
    """Usually, ffmpeg seeks to the start of the interval."""
    assert "start=" not in filters.video_filters(CUT)
    assert "start=4" in filters.video_filters(CUT, 4.0)


@pytest.mark.parametrize(
    ("fit", "box", "size"),
    [
        (Fit.PAD, (200, 100), (64, 32)),
        (Fit.PAD, (100, 200), (32, 64)),
        (Fit.PAD, (100, 100), (64, 64)),
        (Fit.PAD, (1000, 2), (64, 2)),
        (Fit.SQUEEZE, (200, 100), (64, 64)),
    ],
)
def test_only_a_padded_picture_is_smaller_than_its_clip(
    fit: Fit, box: tuple[int, int], size: tuple[int, int]
) -> None:
    """It keeps its proportions, and both sides are even and at least two pixels."""
    settings = replace(CUT.settings, fit=fit, size=64)
    assert filters.scaled(replace(CUT, box=Box(0, 0, *box), settings=settings)) == size


# Whole chains of filters

PLAIN = OutputSettings(deinterlace=Deinterlace.OFF)
SOURCE = SourceFrames(50, 10.0, 11.96, 64, 64, 0.04, 2.0)
MARKS = (
    "settb=1/90000,metadata=mode=add:key=hdtf:value=1:enable='eq(n,0)+gte(n,49)',"
    "metadata=mode=print:key=hdtf:file=-:direct=1"
)
END = "crop='if(gte(iw,64)*gte(ih,64){},64,0)':64:0:0:exact=1"


def test_a_cut_without_further_facts_needs_no_further_filters() -> None:
    """Only its frames and its box; and ffmpeg is started without further arguments."""
    cut = replace(CUT, settings=PLAIN)
    box = END.format("")
    assert filters.video_filters(cut) == f"trim=end=2,setpts=PTS-STARTPTS,{box},setsar=1"
    assert (cut.frame_size, cut.box_fits, cut.seconds, cut.span, cut.held) == (None, False, 2.0, 2.0, False)
    assert filters.constant_frames(cut) == filters.last_frame_args(cut) == []
    arguments = ffmpeg.clip_command(Path("ffmpeg"), cut, Path("to.mp4"))
    assert not {"-reinit_filter", "-copyts", "-bsf:v"} & set(arguments)
    assert [cut.suspect, cut.track, cut.zero, cut.audio] == [False, 0, None, None]
    known = replace(cut, source=SOURCE)
    fits = END.format("*eq(iw,64)*eq(ih,64)")
    assert filters.video_filters(known) == f"trim=end=2,{MARKS},setpts=PTS-STARTPTS,{fits},setsar=1"
    assert (known.frame_size, known.box_fits, known.seconds) == ((64, 64), True, 2.0)
    assert known.span == pytest.approx(1.96)


def test_each_fact_about_a_source_adds_its_filter() -> None:
    """In this order: times, size of the frames, fields, interval, rate, shape, box, range, size."""
    cut = replace(
        CUT, settings=replace(PLAIN, fps=Fraction(25), deinterlace=Deinterlace.AUTO), source=SOURCE, width=32,
        height=32, counted=(Fraction(1, 2), Fraction(1, 25)), recoloured=True, parity="tff",
        squared=(80, 64), full_range=True,
    )  # fmt: skip
    whole = END.format("*eq(iw,64)*eq(ih,64)")
    assert filters.video_filters(cut).split(",setpts=PTS-STARTPTS,") == [
        "setpts='trunc((1/2+N*1/25)/TB+0.5)',scale=64:64:flags=lanczos+accurate_rnd+full_chroma_int,"
        "bwdif=mode=send_frame:parity=tff:deint=all,trim=start=10:end=12," + MARKS,
        "tpad=stop_mode=clone:stop_duration=1,fps=25,tpad=stop_mode=clone:stop=50,trim=end_frame=50,"
        f"{whole},scale=80:64:flags=lanczos+accurate_rnd+full_chroma_int,"
        "crop='if(gte(iw,64)*gte(ih,64)*eq(iw,80)*eq(ih,64),64,0)':64:0:0:exact=1,"
        "scale=32:32:out_range=tv:flags=lanczos+accurate_rnd+full_chroma_int,setsar=1",
    ]
    same_size = filters.video_filters(replace(cut, width=64, height=64))
    assert same_size.endswith(
        "exact=1,scale=out_range=tv:flags=lanczos+accurate_rnd+full_chroma_int,setsar=1"
    )
    hdr = filters.video_filters(replace(cut, hdr="smpte2084", hdr_undeclared=(True, False)))
    assert "out_range" not in hdr
    assert "zscale=transferin=smpte2084:primariesin=bt2020:primaries=bt2020:matrixin=input:" in hdr
    hlg = filters.video_filters(replace(cut, hdr="arib-std-b67", hdr_undeclared=(False, True)))
    assert "primariesin=input:matrixin=bt2020nc:matrix=bt2020nc:transfer=linear" in hlg
    declared = filters.video_filters(replace(cut, hdr="arib-std-b67"))
    assert "primariesin=input:matrixin=input:" in declared
    arguments = ffmpeg.clip_command(Path("ffmpeg"), cut, Path("to.mp4"))
    assert arguments[arguments.index("-reinit_filter") + 1] == "0"


@pytest.mark.parametrize(
    ("deinterlace", "parity", "found"),
    [
        (Deinterlace.ON, None, "deint=all"),
        (Deinterlace.AUTO, None, "deint=interlaced"),
        (Deinterlace.AUTO, "bff", "parity=bff:deint=all"),
        (Deinterlace.OFF, "bff", None),
    ],
)
def test_fields_are_deinterlaced_as_requested(
    deinterlace: Deinterlace, parity: str | None, found: str | None
) -> None:
    """Frames that are flagged, all, or none."""
    chain = filters.video_filters(
        replace(CUT, settings=replace(PLAIN, deinterlace=deinterlace), parity=parity)
    )
    assert chain.startswith("trim=" if found is None else f"bwdif=mode=send_frame:{found},trim=")


def test_a_held_frame_is_moved_to_the_start() -> None:
    """It is the first one that is needed; the others keep their times."""
    cut = replace(CUT, settings=PLAIN, source=replace(SOURCE, first=9.5, held=0.5), interval=Interval(10, 12))
    assert (cut.held, cut.begin) == (True, 9.5)
    assert cut.span == pytest.approx(1.96)
    assert filters.video_filters(cut).startswith(f"trim=end=2.5,{MARKS},setpts='max(PTS-45000,0)',")
    assert filters.video_filters(cut, 4.0).startswith(
        f"trim=start=4:end=6.5,{MARKS},setpts='max(PTS-405000,0)',"
    )
    early = replace(cut, source=replace(SOURCE, first=9.5, last=9.9, held=0.5))
    assert early.span == 0.0


def test_an_interval_is_rounded_up_to_ticks() -> None:
    """Both ends: the frames are the same."""
    cut = replace(CUT, time_base=Fraction(1, 10), interval=Interval(10.01, 12.0))
    assert cut.ticked == Interval(10.1, 12.0)
    assert (cut.ticks(1.04), cut.ticks(1.06)) == (10, 11)
    assert replace(cut, lead=0.25).sought == 9.8
    assert replace(cut, counted=(Fraction(0), Fraction(1))).sought == 0.0
    assert replace(cut, interval=Interval(1.0, 2.0), lead=2.0).sought == 0.0
    assert replace(cut, interval=Interval(4.0, 5.0)).sought_from(4.0) == 0.0


@pytest.mark.parametrize(
    ("start", "container", "begin"),
    [(10.0, "m4a", 9.0), (0.5, "m4a", 0.0), (10.0, "mp3", 0.0), (1.5, "webm", 0.5), (10.25, "weba", 9.25)],
)
def test_audio_is_decoded_from_a_second_before_the_clip(start: float, container: str, begin: float) -> None:
    """From the beginning, if ffmpeg seeks inaccurately there; the filters then begin at the clip."""
    audio = AudioCut(Path("a"), container, start, 2.0)
    assert filters.audio_decoded_from(audio) == begin
    assert (audio.track, audio.zero, audio.suspect, audio.samples) == (0, None, False, 32_000)
    before = filters.decimal(start - begin)
    assert filters.audio_filters(audio, wav=True) == (
        f"atrim=start={before},asetpts=PTS-{before}/TB,aresample=16000:async=1:first_pts=0,"
        "aformat=sample_fmts=s16:channel_layouts=mono,apad=whole_len=32000,atrim=end_sample=32000"
    )
    assert filters.audio_filters(audio, wav=False) == (
        f"atrim=start={before},asetpts=PTS-{before}/TB,aresample=async=1:first_pts=0,"
        "aformat=sample_fmts=fltp:channel_layouts=stereo|mono,apad=whole_dur=2,atrim=end=2"
    )


def test_audio_may_have_the_timestamps_of_its_file() -> None:
    """From the zero of its clock."""
    audio = AudioCut(Path("a"), "m4a", 10.0, 2.0, zero=1.5)
    assert filters.audio_filters(audio, wav=True, copies_time=True).startswith("atrim=start=11.5,")
    unzeroed = replace(audio, zero=None)
    assert filters.audio_filters(unzeroed, wav=True, copies_time=True).startswith("atrim=start=10,")
    assert filters.audio_filters(unzeroed, wav=True).startswith("atrim=start=1,")
    inside = replace(CUT, audio=audio, settings=replace(PLAIN, audio=Audio.AAC))
    assert inside.copies_time
    assert not replace(inside, settings=replace(PLAIN, audio=Audio.WAV)).copies_time
    assert not replace(inside, audio=unzeroed).copies_time
    assert replace(CUT, zero=0.0).copies_time
    assert replace(inside, zero=None).origin() == 0.0


def test_the_last_frame_is_held_for_its_duration() -> None:
    """In ticks of the source, one at least; without B-frames."""
    for hold, ticks in ((0.04, 3600), (0.0, 1), (1e-9, 1)):
        assert filters.last_frame_args(replace(CUT, hold=hold)) == [
            "-bf", "0", "-bsf:v", f"setts=pts=PTS:dts=DTS:duration=if(eq(N\\,49)\\,{ticks}\\,1)",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (0.1234567, "0.123457"), (10.0, "10"), (0.0, "0"), (2.5, "2.5")]
)
def test_seconds_are_written_with_six_decimals(value: float, text: str) -> None:
    """At most."""
    assert filters.decimal(value) == text


@pytest.mark.parametrize(
    ("fit", "width", "height", "chain"),
    [
        (Fit.PAD, 64, 64, "scale=64:32:flags=lanczos+accurate_rnd+full_chroma_int,pad=64:64:-1:-1,setsar=1"),
        (Fit.SQUEEZE, 64, 64, "scale=64:64:flags=lanczos+accurate_rnd+full_chroma_int,setsar=1"),
        (Fit.KEEP, 200, 100, "exact=1,setsar=1"),
    ],
)
def test_a_box_that_is_not_square_fits_into_a_clip(fit: Fit, width: int, height: int, chain: str) -> None:
    """With black bars, distorted, or unchanged; measurements are of the picture without bars."""
    cut = replace(CUT, settings=replace(PLAIN, fit=fit), box=Box(0, 0, 200, 100), width=width, height=height)
    assert filters.video_filters(cut).endswith(chain)
    measured = filters.video_filters(cut, measures=True)
    assert "split=3" in measured
    if fit is Fit.PAD:
        assert measured.index("split=3") < measured.index("pad=64")
    assert side_lengths_of(fit) == ((64, 64) if fit is not Fit.KEEP else (128, 64))


def side_lengths_of(fit: Fit) -> tuple[int, int]:
    """Return the size of a clip of a wide box."""
    return filters.side_lengths(Box(0, 0, 200, 100), 64, fit)


def test_frames_are_used_from_the_interval_on_unless_one_is_held() -> None:
    """The first frame may be later than the start, or before it if it is held there."""
    for first, held, begin in ((10.02, 0.0, 10.0), (9.9, 0.1, 9.9)):
        cut = replace(CUT, source=replace(SOURCE, first=first, held=held))
        assert (cut.begin, cut.held) == (begin, held > 0)
