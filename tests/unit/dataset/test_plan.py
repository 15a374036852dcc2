"""The plan, decided from the tables, the options and the existing clips, and from nothing else."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.exceptions import UnknownVideoError
from hdtf_async.core.failures import Action, Failure, Reason
from hdtf_async.core.fetch import Fetch
from hdtf_async.core.model import (
    CUTTING_RULES,
    Audio,
    Box,
    Clip,
    Codec,
    Crop,
    Deinterlace,
    Finding,
    Interval,
    OutputSettings,
    Resolution,
    Severity,
    Source,
    Tables,
    Video,
)
from hdtf_async.core.options import Options
from hdtf_async.dataset import plan, reading
from hdtf_async.dataset.plan import fingerprint, row, select
from hdtf_async.dataset.rows import assemble
from hdtf_async.output.manifests import failure_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BOX = Box(100, 50, 512, 512)
DEFAULT = Options()


def _video(name: str, youtube_id: str = "", *, subset: str = "RD", height: int = 720) -> Video:
    return Video(subset, name, youtube_id or f"id_{subset}_{name}", height)


def _clip(video: Video, index: int = 0, *, end: float = 60, box: Box = BOX) -> Clip:
    return Clip(video, index, Interval(end - 30, end), box)


def _tables(clips: Iterable[Clip]) -> Tables:
    clips = tuple(clips)
    return Tables(tuple(dict.fromkeys(clip.video for clip in clips)), clips, ())


def _made(clip: Clip, options: Options = DEFAULT, **metadata: object) -> dict[str, Any]:
    """Return the journal's record of a clip, as the encode lane writes it."""
    form = options.output_settings
    return {
        "type": "clip",
        "clip": clip.stem,
        "form": row(clip, form) | form.to_json(),
        "metadata": {"fingerprint": fingerprint(clip, form), **metadata},
    }


def _failed(clip: Clip, reason: Reason) -> dict[str, Any]:
    return failure_record(clip, Failure(reason, "words"))


def _make(
    clips: Iterable[Clip],
    options: Options = DEFAULT,
    existing: Iterable[dict[str, Any]] = (),
    failed: Iterable[dict[str, Any]] = (),
) -> plan.Plan:
    return plan.make(
        _tables(clips),
        options,
        there={record["clip"]: record for record in existing},
        failed={record["clip"]: record for record in failed},
    )


# Order and grouping.


def test_a_sample_of_all_durations_comes_first_and_then_the_longest() -> None:
    """Every fourth from short to long, the others from long to short; table order among equals."""
    videos = [_video(f"V{seconds}") for seconds in (300, 100, 800, 500, 200, 700, 400, 600)]
    decided = _make([_clip(video, end=int(video.name[1:])) for video in videos])
    assert [job.last_second for job in decided.jobs] == [100, 500, 800, 700, 600, 400, 300, 200]


def test_a_higher_video_counts_as_a_longer_one() -> None:
    """Rows times seconds."""
    short, long, high = _video("Short"), _video("Long"), _video("High", height=1080)
    decided = _make([_clip(short, end=100), _clip(long, end=500), _clip(high, end=499)])
    assert [job.stem for job in decided.jobs] == ["RD_Short", "RD_High", "RD_Long"]


def test_the_last_interval_determines_the_duration() -> None:
    """A video counts up to the end of its last clip, in whichever order the clips are listed."""
    one, two = _video("One"), _video("Two")
    decided = _make([_clip(one, 0, end=400), _clip(one, 1, end=50), _clip(two, 0, end=300)])
    assert [job.stem for job in decided.jobs] == ["RD_Two", "RD_One"]
    assert decided.jobs[1].last_second == 400


def test_an_unknown_height_counts_as_the_usual_one() -> None:
    """For the order; for the lower bound of bytes it counts as nothing."""
    unknown, small = _video("Unknown", height=0), _video("Small", height=360)
    options = Options(crop=Crop.NONE)
    decided = _make([_clip(small, end=100), _clip(unknown, end=100)], options)
    assert [job.stem for job in decided.jobs] == ["RD_Small", "RD_Unknown"]
    assert decided.jobs[0].least_bytes == decided.jobs[1].least_bytes == 100 * 360 * plan.BITS_PER_LINE / 8


def test_sections_count_the_seconds_around_the_clips() -> None:
    """Five seconds before each, once where they overlap; a whole video counts up to its last clip."""
    video = _video("One", height=720)
    clips = [
        Clip(video, number, Interval(start, start + 10), Box(0, 0, 64, 64))
        for number, start in enumerate((2, 100, 108, 500))
    ]
    for fetch, seconds in (("whole", 510), ("sections", 12 + 23 + 15), ("auto", 12 + 23 + 15)):
        (job,) = _make(clips, Options(fetch=fetch)).jobs
        assert job.least_bytes == int(seconds * 720 * plan.BITS_PER_LINE / 8)


def test_sections_are_the_default_for_every_list_but_hdtf() -> None:
    """Where they save half; what is given applies everywhere."""
    rows, hdtf = assemble([{"video": "gh3YqnvNdio", "start": 1, "end": 2}]), _tables([])
    other = replace(hdtf, source=Source("CelebV-HQ"))
    for tables, fetch in ((rows, Fetch.AUTO), (other, Fetch.AUTO), (hdtf, Fetch.WHOLE)):
        assert plan.fetch_of(tables, DEFAULT) is fetch
        assert {plan.fetch_of(tables, Options(fetch=each)) for each in Fetch} == {*Fetch}
        # Another program has no use for parts.
        assert plan.fetch_of(tables, Options(keep_raw=True)) is Fetch.WHOLE
        assert plan.fetch_of(tables, Options(keep_raw=True, fetch="auto")) is Fetch.AUTO
        assert plan.fetch_of(tables, Options(keep_raw=False)) is fetch
    (job,) = plan.make(rows, DEFAULT, there={}, failed={}).jobs
    assert job.fetch is Fetch.AUTO


def test_a_youtube_video_is_downloaded_once() -> None:
    """Two rows with one id are one job; the source video is named after the first row."""
    first = _video("WhipJimClyburn", "gh3YqnvNdio", subset="WRA", height=720)
    other = _video("Other")
    second = _video("JamesClyburn1", "gh3YqnvNdio", subset="WRA", height=1080)
    clips = [_clip(first, 0, end=40), _clip(other), _clip(second, 0, end=80), _clip(first, 1, end=70)]
    decided = _make(clips)
    job = next(job for job in decided.jobs if job.youtube_id == "gh3YqnvNdio")
    assert len(decided.jobs) == 2
    assert job.videos == (first, second)
    assert job.clips == (clips[0], clips[2], clips[3])
    assert (job.stem, job.reference_height, job.attempt) == ("WRA_WhipJimClyburn", 1080, 1)


def test_a_source_video_has_the_same_name_for_any_selection() -> None:
    """Also if only the second row with the video is selected, so that the file is found again."""
    first, second = _video("A", "gh3YqnvNdio"), _video("B", "gh3YqnvNdio")
    decided = _make([_clip(first), _clip(second)], Options(videos=("B",)))
    assert [clip.stem for clip in decided.clips] == ["RD_B_000"]
    assert decided.jobs[0].stem == "RD_A"


# Selection.


PART = [
    _clip(_video("A", "idOfA_12345", subset="RD")),
    _clip(_video("A", "idOfA_12345", subset="RD"), 1),
    _clip(_video("B", "idOfB_12345", subset="RD")),
    _clip(_video("A", "idOfC_12345", subset="WDA")),
    _clip(_video("D", "idOfB_12345", subset="WRA")),
]


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (Options(), [0, 1, 2, 3, 4]),
        (Options(subsets=("RD",)), [0, 1, 2]),
        (Options(subsets=("WRA", "WDA")), [3, 4]),
        (Options(videos=("A",)), [0, 1, 3]),
        (Options(videos=("WDA_A",)), [3]),
        (Options(videos=("idOfB_12345",)), [2, 4]),
        (Options(videos=("B", "WDA_A")), [2, 3]),
        (Options(videos=("A",), subsets=("RD",)), [0, 1]),
        (Options(videos=("nobody",)), []),
        (Options(limit=1), [0, 1]),
        (Options(limit=2), [0, 1, 2]),
        (Options(limit=100), [0, 1, 2, 3, 4]),
        (Options(limit=1, subsets=("WDA", "WRA")), [3]),
    ],
)
def test_videos_are_selected_by_subset_name_and_number(options: Options, chosen: list[int]) -> None:
    """In table order; a limit counts the selected videos, with all their clips."""
    assert select(_tables(PART), options) == tuple(PART[index] for index in chosen)
    assert {clip.stem for clip in _make(PART, options).clips} == {PART[index].stem for index in chosen}


# Existing, unavailable and impossible clips.


def test_existing_clips_with_the_requested_settings_are_kept() -> None:
    """Nothing to do for them; the others of the video are created."""
    video = _video("A")
    clips = [_clip(video, 0), _clip(video, 1)]
    decided = _make(clips, existing=[_made(clips[0])])
    assert (decided.there, decided.clips, decided.different) == ((clips[0],), (clips[1],), ())


@pytest.mark.parametrize("reason", list(Reason))
def test_only_permanently_unavailable_clips_are_given_up(reason: Reason) -> None:
    """Everything else is retried by the next run, and with --retry-failed these are too."""
    clip = _clip(_video("A"))
    failed = [_failed(clip, reason)]
    permanent = reason.advice.action is Action.NEVER
    decided = _make([clip], failed=failed)
    assert decided.given_up == (((clip, reason),) if permanent else ())
    assert decided.clips == (() if permanent else (clip,))
    again = _make([clip], Options(retry_failed=True), failed=failed)
    assert (again.given_up, again.clips) == ((), (clip,))


def test_a_row_with_a_new_video_id_is_retried() -> None:
    """The old id has failed; a correction of the table gives the clip another chance."""
    clip = _clip(_video("A", "oldidoldid1"))
    mended = _clip(_video("A", "newidnewid1"))
    assert _make([mended], failed=[_failed(clip, Reason.PRIVATE)]).clips == (mended,)


@pytest.mark.parametrize(
    ("height", "box", "reason"),
    [
        (0, BOX, Reason.HEIGHT_UNKNOWN),
        (720, Box(389, 0, 776, 776), Reason.BOX_DOES_NOT_FIT),
        (720, Box(100, 300, 512, 512), Reason.BOX_DOES_NOT_FIT),
        (720, Box(-4, 0, 512, 512), Reason.BOX_DOES_NOT_FIT),
        (720, Box(0, 0, 0, 512), Reason.BOX_DOES_NOT_FIT),
    ],
)
def test_an_invalid_box_causes_no_download(height: int, box: Box, reason: Reason) -> None:
    """It fails before, with its numbers; the whole frame of the same video is available."""
    clip = _clip(_video("A", height=height), box=box)
    decided = _make([clip])
    assert [(found, failure.reason) for found, failure in decided.impossible] == [(clip, reason)]
    assert decided.clips == ()
    if height:
        message = decided.impossible[0][1].words
        for figure in (box.left, box.right, box.top, box.bottom, height):
            assert str(figure) in message
    whole = _make([clip], Options(crop=Crop.NONE))
    assert (whole.impossible, whole.clips) == ((), (clip,))


def test_a_clip_with_other_settings_is_planned_again() -> None:
    """It is listed as different, with old and new values as in the options."""
    clip = _clip(_video("A"))
    decided = _make([clip], Options(size=512), existing=[_made(clip)])
    assert decided.clips == (clip,)
    assert [(found.stem, found.words) for found in decided.different] == [
        ("RD_A_000", "size unchanged -> 512")
    ]


def test_unselected_clips_with_other_settings_are_listed_separately() -> None:
    """They would stay, and the directory would contain clips with two settings."""
    inside, outside, same = _clip(_video("A")), _clip(_video("B")), _clip(_video("C"))
    options = Options(size=512, videos=("A",))
    existing = [_made(inside), _made(outside), _made(same, Options(size=512))]
    decided = _make([inside, outside, same], options, existing=existing)
    assert [found.stem for found in decided.different] == ["RD_A_000"]
    assert [(found.stem, found.words) for found in decided.outside] == [("RD_B_000", "size unchanged -> 512")]


def test_clips_that_are_not_in_the_tables_are_outside() -> None:
    """Of another version of the tables: only their settings can be compared."""
    gone = _clip(_video("Gone"))
    assert _make([_clip(_video("A"))], existing=[_made(gone)]).outside == ()
    assert [d.stem for d in _make([_clip(_video("A"))], Options(crf=23), existing=[_made(gone)]).outside] == [
        gone.stem
    ]


# Fingerprints and differences.


FORMS: dict[str, Callable[[OutputSettings], OutputSettings]] = {
    "crop": lambda form: replace(form, crop=Crop.NONE),
    "resolution": lambda form: replace(form, resolution="best"),
    "size": lambda form: replace(form, size=512),
    "fps": lambda form: replace(form, fps=Fraction(25)),
    "segment": lambda form: replace(form, segment=5.0),
    "audio": lambda form: replace(form, audio=Audio.AAC),
    "deinterlace": lambda form: replace(form, deinterlace=Deinterlace.ON),
    "codec": lambda form: replace(form, codec=Codec.LOSSLESS),
    "crf": lambda form: replace(form, crf=23),
    "preset": lambda form: replace(form, preset="slow"),
    "threads": lambda form: replace(form, threads=2),
    "cutting_rules": lambda form: replace(form, cutting_rules=form.cutting_rules + 1),
}


def _with_box(clip: Clip, **sides: int) -> Clip:
    assert clip.box is not None
    return replace(clip, box=replace(clip.box, **sides))


ROWS: dict[str, Callable[[Clip], Clip]] = {
    "youtube_id": lambda clip: replace(clip, video=replace(clip.video, youtube_id="another")),
    "reference_height": lambda clip: replace(clip, video=replace(clip.video, reference_height=1080)),
    "start": lambda clip: replace(clip, interval=Interval(29.5, 60)),
    "end": lambda clip: replace(clip, interval=Interval(30, 60.5)),
    "left": lambda clip: _with_box(clip, left=101),
    "top": lambda clip: _with_box(clip, top=51),
    "width": lambda clip: _with_box(clip, width=510),
    "height": lambda clip: _with_box(clip, height=510),
}


def test_every_output_setting_is_covered() -> None:
    """A new option that changes a clip must be added to the examples of this file."""
    assert list(FORMS) == list(OutputSettings().to_json())


def test_a_fingerprint_depends_on_everything_that_changes_the_clip() -> None:
    """Each output setting and each field of the row results in another one."""
    clip = _clip(_video("A"))
    prints = [fingerprint(clip, OutputSettings())]
    prints += [fingerprint(clip, change(OutputSettings())) for change in FORMS.values()]
    prints += [fingerprint(change(clip), OutputSettings()) for change in ROWS.values()]
    assert len(set(prints)) == len(prints) == 1 + len(FORMS) + len(ROWS)


def test_a_zoom_only_changes_the_fingerprint_of_face_crops() -> None:
    """It enlarges their window, and nothing else."""
    clip = _clip(_video("A"))
    wider = replace(clip, zoom=1.5)
    face = OutputSettings(crop=Crop.FACE, resolution="best")
    assert fingerprint(wider, face) != fingerprint(clip, face)
    assert fingerprint(wider, OutputSettings()) == fingerprint(clip, OutputSettings())


def test_a_face_crop_needs_no_valid_box() -> None:
    """Nor a reference height."""
    suspicious = [
        _clip(_video("A"), box=Box(0, 0, 800, 800)),
        _clip(replace(_video("B"), reference_height=0)),
    ]
    assert _make(suspicious, Options(crop=Crop.FACE)).impossible == ()
    assert len(_make(suspicious).impossible) == 2


def test_fingerprints_are_stable() -> None:
    """Existing directories contain them: a change would re-create all clips."""
    form = OutputSettings(crf=18, preset="veryfast")
    assert fingerprint(_clip(_video("A", "CPCoMyuBRM0")), form) == "2b32c2c1e3fdbeacee4efc9d3d642850"


def test_a_fingerprint_does_not_depend_on_tools_names_and_paths() -> None:
    """A newer ffmpeg, a renamed row or a correction's level are no reason to re-create a clip."""
    clip = _clip(_video("A"))
    same = replace(clip, index=7, correction="verified", video=replace(clip.video, name="B", subset="WDA"))
    same = replace(same, video=replace(same.video, youtube_id=clip.video.youtube_id))
    assert fingerprint(same, OutputSettings()) == fingerprint(clip, OutputSettings())
    decided = _make([clip], existing=[_made(clip, versions={"ffmpeg": "of another day"})])
    assert decided.there == (clip,)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (Options(crop=Crop.NONE), "crop table -> none"),
        (Options(resolution=Resolution.BEST), "resolution reference -> best"),
        (Options(size=512), "size unchanged -> 512"),
        (Options(fps=Fraction(30000, 1001)), "fps unchanged -> 30000/1001"),
        (Options(crf=23), "crf 20 -> 23"),
        (Options(preset="slow"), "preset superfast -> slow"),
        (Options(size=256, fps=Fraction(25)), "size unchanged -> 256, fps unchanged -> 25"),
    ],
)
def test_a_difference_is_described_by_options(options: Options, text: str) -> None:
    """The old value comes first, then the requested one."""
    clip = _clip(_video("A"))
    (found,) = _make([clip], options, existing=[_made(clip)]).different
    assert found.words == text
    (back,) = _make([clip], existing=[_made(clip, options)]).different
    assert len(back.words) == len(text)
    assert back.words != text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("youtube_id", "youtube id id_RD_A -> another"),
        ("reference_height", "reference height 720 -> 1080"),
        ("start", "start 30 -> 29.5"),
        ("end", "end 60 -> 60.5"),
        ("left", "box 100 50 512 512 -> 101 50 512 512"),
    ],
)
def test_a_changed_row_is_described_too(name: str, text: str) -> None:
    """A correction of the tables re-creates clips, and the message names the changed value."""
    clip = _clip(_video("A"))
    (found,) = _make([ROWS[name](clip)], existing=[_made(clip)]).different
    assert found.words == text


def test_a_clip_of_another_version_is_described_as_such() -> None:
    """The fingerprint differs, though no recorded value does."""
    clip = _clip(_video("A"))
    (found,) = _make([clip], existing=[_made(clip, fingerprint="of old")]).different
    assert "another version" in found.words
    (found,) = _make([clip], existing=[_made(clip) | {"form": {}, "metadata": {}}]).different
    assert "crf not recorded -> 20" in found.words
    assert "size" not in found.words, "an option that did not exist yet was not used"


# Any tables and any journal.


def _worlds() -> st.SearchStrategy[tuple[list[Clip], Options, list[dict[str, Any]], list[dict[str, Any]]]]:
    videos = st.builds(
        Video,
        st.sampled_from(["RD", "WDA"]),
        st.sampled_from("ABC"),
        st.sampled_from(["id1", "id2"]),
        st.sampled_from([0, 720]),
    )
    clips = st.lists(
        st.builds(
            _clip,
            videos,
            st.integers(0, 2),
            end=st.integers(31, 500),
            box=st.sampled_from([BOX, Box(0, 0, 800, 800)]),
        ),
        max_size=10,
        unique_by=lambda clip: clip.stem,
    )
    options = st.builds(
        Options,
        subsets=st.sampled_from([(), ("RD",)]),
        videos=st.sampled_from([(), ("A",), ("WDA_B", "id1")]),
        limit=st.sampled_from([None, 1, 2]),
        crop=st.sampled_from(Crop),
        size=st.sampled_from([None, 256]),
        retry_failed=st.booleans(),
    )

    def with_journal(clips: list[Clip]) -> st.SearchStrategy[Any]:
        some = st.lists(st.sampled_from(clips), unique_by=lambda clip: clip.stem) if clips else st.just([])
        return st.tuples(
            st.just(clips),
            options,
            st.tuples(some, options).map(lambda drawn: [_made(clip, drawn[1]) for clip in drawn[0]]),
            st.tuples(some, st.sampled_from(Reason)).map(
                lambda drawn: [_failed(clip, drawn[1]) for clip in drawn[0]]
            ),
        )

    return clips.flatmap(with_journal)


@pytest.mark.slow
@given(_worlds())
def test_every_selected_clip_is_in_exactly_one_category(
    world: tuple[list[Clip], Options, list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    """Existing, to be done, given up or impossible; each video is downloaded once, in the order above."""
    clips, options, existing, failed = world
    decided = _make(clips, options, existing, failed)
    places = [
        *decided.there,
        *decided.clips,
        *(clip for clip, _ in decided.given_up),
        *(clip for clip, _ in decided.impossible),
    ]
    chosen = select(_tables(clips), options)
    assert sorted(clip.stem for clip in places) == sorted(clip.stem for clip in chosen)
    ids = [job.youtube_id for job in decided.jobs]
    assert len(ids) == len(set(ids))
    assert all(clip.video in job.videos for job in decided.jobs for clip in job.clips)
    estimates = [job.estimate for job in decided.jobs]
    first = -(-len(estimates) // 4)
    assert estimates[:first] == sorted(estimates[:first])
    assert estimates[first:] == sorted(estimates[first:], reverse=True)
    stems = {clip.stem for clip in chosen}
    assert {found.stem for found in decided.different} <= stems
    assert not {found.stem for found in decided.outside} & stems
    assert all(found.keys for found in (*decided.different, *decided.outside))


def _calls(tables: Tables, existing: Mapping[str, dict[str, Any]], options: Options) -> int:
    """Count the function calls that planning takes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        plan.make(tables, options, there=existing, failed={})
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 1_000_000])
def test_planning_takes_ten_times_as_long_for_ten_times_as_many(limit: int | None) -> None:
    """The number of steps is linear in the number of rows, for all options."""
    steps = []
    for number in (200, 2000):
        clips = [_clip(_video(f"V{index}"), end=31 + index % 400) for index in range(number)]
        existing = {clip.stem: _made(clip, Options(crf=23)) for clip in clips[::2]}
        steps.append(_calls(_tables(clips), existing, Options(limit=limit)))
    assert steps[1] < 11 * steps[0]


@pytest.mark.slow
def test_a_hundred_thousand_rows_can_be_planned() -> None:
    """More than any known tables."""
    clips = [_clip(_video(f"V{index}"), end=31 + index % 400) for index in range(100_000)]
    decided = _make(clips, Options(limit=99_999))
    assert len(decided.jobs) == 99_999


@pytest.mark.parametrize("part", ["first", "middle"])
def test_a_shortened_clip_is_another_one(part: str) -> None:
    """Also if its interval stays the same, because the clip is shorter; segments are of what is left."""
    clip, options = _clip(_video("A")), Options(**{part: 10})  # type: ignore[arg-type]
    (short,) = select(_tables([clip]), options)
    assert short.interval.seconds == 10
    assert fingerprint(short, options.output_settings) != fingerprint(short, DEFAULT.output_settings)
    whole = replace(options, **{part: 99})  # type: ignore[arg-type]
    assert select(_tables([clip]), whole) == (clip,)
    (difference,) = _make([clip], options, existing=[_made(clip)]).different
    assert f"{part} unchanged -> 10" in difference.words
    pieces = select(_tables([clip]), replace(options, segment=5))
    assert [piece.interval.seconds for piece in pieces] == [5, 5]


def test_the_fingerprints_of_hdtf_do_not_change() -> None:
    """An existing directory stays valid: only a higher version of the cutting rules changes all of them."""
    options = Options()
    lines = (
        f"{clip.stem} {fingerprint(clip, options.output_settings)}" for clip in reading.read(options).clips
    )
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert CUTTING_RULES == 3
    assert digest == "e30c0a278180ab489c644fa8b18f4b3e34cf8f49b49a27298c660398565e1c68"


def test_an_unknown_video_is_an_error_with_a_similar_name() -> None:
    """A name, a stem and a YouTube id are known, however many there are."""
    read = reading.read(Options())
    for known in ("Radio1", "RD_Radio1", "CPCoMyuBRM0", ("Radio1", "Radio2")):
        plan.require_known(read, Options(videos=known))
    with pytest.raises(
        UnknownVideoError, match=r"--video 'RD_Radio_1': no such video.*did you mean RD_Radio1\?"
    ):
        plan.require_known(read, Options(videos=("Radio1", "RD_Radio_1")))
    with pytest.raises(UnknownVideoError, match=r"no such video in the tables$"):
        plan.require_known(read, Options(videos="0123456789"))
    listed = replace(read, source=Source("mine.csv"))
    with pytest.raises(UnknownVideoError, match=r"no such video in the list$"):
        plan.require_known(listed, Options(videos="0123456789"))


def test_skipped_rows_are_those_of_the_selected_subsets() -> None:
    """One for each line, with everything that is wrong with it; corrections belong to all subsets."""
    findings = tuple(
        Finding(file, line, severity, "code", words)
        for file, line, severity, words in (
            ("RD_crop_wh.txt", 1, Severity.ERROR, "First."),
            ("RD_crop_wh.txt", 1, Severity.ERROR, "Second."),
            ("RD_crop_wh.txt", 2, Severity.WARNING, "Only odd."),
            ("WDA_crop_wh.txt", 1, Severity.ERROR, "Another subset."),
            ("corrections.csv", 3, Severity.ERROR, "No correction."),
        )
    )
    tables = Tables((), (), findings)
    found = {(row.file, row.line): row.words for row in plan.refused(tables, Options(subsets="RD"))}
    assert found == {("RD_crop_wh.txt", 1): "First. Second.", ("corrections.csv", 3): "No correction."}
    assert len(plan.refused(tables, Options())) == 3


def test_an_unknown_subset_of_a_list_is_an_error() -> None:
    """With those that it has; a list without subsets has none."""
    options = Options(clips="a.csv", subsets="s1")
    rows = [{"video": "CPCoMyuBRM0", "start": 1, "end": 2, "subset": subset} for subset in ("s1", "s2", "")]
    plan.require_known(assemble(rows), options)
    with pytest.raises(UnknownVideoError, match=r"--subset 's1': no such subset in the list \(it has s2\)"):
        plan.require_known(assemble(rows[1:]), options)
    with pytest.raises(UnknownVideoError, match=r"it has none"):
        plan.require_known(assemble(rows[2:]), options)
