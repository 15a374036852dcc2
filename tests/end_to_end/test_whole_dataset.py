"""The whole dataset with fake tools: the shipped tables through the real pipeline.

Everything is real except yt-dlp and ffmpeg: processes, files, the probe, the journal. The fakes are compared
with the real tools, so that the results are meaningful.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import media
import pytest
from anyio.to_thread import run_sync
from fakes import ffmpeg as fake_ffmpeg
from fakes import kit, mp4
from fakes import yt_dlp as fake_yt_dlp
from shared import lines, slow_unless

import hdtf_async
from hdtf_async.core import model
from hdtf_async.core.failures import ExitCode, Failure, Reason
from hdtf_async.core.model import SUBSETS, Corrections, Interval, OutputSettings
from hdtf_async.core.options import Options
from hdtf_async.dataset import plan, tables
from hdtf_async.media import ffmpeg
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.filters import frames_at
from hdtf_async.media.probe import Prober
from hdtf_async.process import supervisor
from hdtf_async.youtube import formats, javascript
from hdtf_async.youtube.ytdlp import YtDlp

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.demux import MediaInfo

DOWNLOADS, ENCODES = 8, 4
TALL = {"WDA_MaggieHassan_000", "WDA_MazieHirono1_000", "WRA_PeterKing_000"}
"""Clips whose box is taller than the frame in which it was measured."""
TWICE, AGAIN = "WDA_WhipJimClyburn", "WDA_JamesClyburn1"
"""Two rows that name one video, in table order."""
ID = "CPCoMyuBRM0"


def installed(tmp_path: Path, stage: kit.Stage) -> kit.Fakes:
    """Install the fake tools into a directory."""
    directory = tmp_path / "stage with a space"
    directory.mkdir()
    return kit.install(directory, stage)


def options(fakes: kit.Fakes, limit: int | None = None) -> Options:
    """Return the options of a run with fake tools; free disk space is not checked."""
    return Options(
        yt_dlp=fakes.yt_dlp,
        ffmpeg=fakes.ffmpeg,
        pace=0,
        downloads=DOWNLOADS,
        encodes=ENCODES,
        min_free=0,
        no_report=True,
        corrections=Corrections.VERIFIED,
        limit=limit,
    )


def no_process(*arguments: object, **_more: object) -> NoReturn:
    """Replace `Popen.__init__`, which asyncio's processes use too, where no process may start."""
    pytest.fail(f"a process was started: {arguments}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("subsets", "clips", "downloads"),
    [
        pytest.param(("RD",), 64, 54, marks=pytest.mark.slow),
        pytest.param(SUBSETS, 421, 352, marks=pytest.mark.long),
    ],
)
async def test_all_clips_of_the_shipped_tables_are_made_and_a_second_run_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subsets: tuple[str, ...], clips: int, downloads: int
) -> None:
    """One download per YouTube id, eight and four at a time; a second run starts no process."""
    read = tables.read(None, corrections=Corrections.VERIFIED)
    selected = [clip for clip in read.clips if clip.video.subset in subsets]
    tall = TALL & {clip.stem for clip in selected}
    failed_code = ExitCode.GIVEN_UP if tall else ExitCode.DONE
    # Whole seconds are whole frames at 5 fps too, and the probe has a fifth of the frames to count.
    fakes = installed(
        tmp_path,
        kit.Stage(
            videos=kit.footage(read.clips), rate=(5, 1), gather={"download": DOWNLOADS, "encode": ENCODES}
        ),
    )
    out = tmp_path / "out"
    due = {clip.stem for clip in selected} - TALL
    videos = {clip.video.stem for clip in selected if clip.stem in due}

    report = await hdtf_async.download(out, replace(options(fakes), subsets=subsets))

    assert report.asked == len(selected) == clips
    assert sorted(report.done) == sorted(due)
    assert report.failed == dict.fromkeys(tall, Reason.BOX_DOES_NOT_FIT)
    assert report.stopped is None
    assert report.exit_code is failed_code

    asked, fetched = fakes.jobs(["ask"]), fakes.jobs(["download"])
    ids = {clip.video.youtube_id for clip in selected if clip.stem in due}
    assert len(ids) == downloads
    assert Counter(job.subject for job in asked) == dict.fromkeys(ids, 1)
    assert Counter(job.subject for job in fetched) == dict.fromkeys(ids, 1)
    assert Counter(job.subject for job in fakes.jobs(kit.ENCODE)) == dict.fromkeys(due, 1)
    assert {job.code for job in fakes.jobs()} == {0}
    assert kit.peak(fakes.jobs(kit.NETWORK)) == kit.peak(fetched) == DOWNLOADS
    assert kit.peak(fakes.jobs(kit.ENCODE)) == ENCODES

    made = lines(out / "metadata.jsonl")
    assert [line["file_name"] for line in made] == sorted(f"{stem}.mp4" for stem in due)
    assert all(line["frames"] == 5 * (line["end"] - line["start"]) for line in made)
    failed = lines(out / "failures.jsonl")
    assert [line["clip"] for line in failed] == sorted(tall)
    assert all("--corrections unverified" in str(line["what_to_do"]) for line in failed)

    raws = out / "_videos_raw"
    assert {path.name for path in out.iterdir()} == {
        *(f"{stem}.mp4" for stem in due),
        *("metadata.jsonl", "failures.jsonl", "README.md", "_journal.jsonl", "_videos_raw"),
    }
    assert {path.name for path in raws.iterdir()} == {
        *(f"{video}.mp4" for video in videos),
        *(f"{video}_download_log.txt" for video in videos - {AGAIN}),
    }
    if AGAIN in videos:
        assert (raws / f"{AGAIN}.mp4").samefile(raws / f"{TWICE}.mp4")

    monkeypatch.setattr(subprocess.Popen, "__init__", no_process)
    before = (out / "metadata.jsonl").read_bytes(), (out / "failures.jsonl").read_bytes()
    report = await hdtf_async.download(out, replace(options(fakes), subsets=subsets))
    assert (report.there, report.done) == (len(due), [])
    assert report.failed == dict.fromkeys(tall, Reason.BOX_DOES_NOT_FIT)
    assert report.exit_code is failed_code
    assert ((out / "metadata.jsonl").read_bytes(), (out / "failures.jsonl").read_bytes()) == before


def test_unverified_corrections_bring_every_clip_and_reuse_no_index() -> None:
    """422 clips are planned, and an index that both levels have means the same interval in both."""
    planned = {}
    for level in (Corrections.VERIFIED, Corrections.UNVERIFIED):
        read = tables.read(None, corrections=level)
        made = plan.make(read, Options(corrections=level), there={}, failed={})
        planned[level] = {clip.stem: clip for clip in (*made.clips, *(clip for clip, _ in made.impossible))}
    verified, unverified = planned[Corrections.VERIFIED], planned[Corrections.UNVERIFIED]

    assert (len(verified), len(unverified), len(made.clips), made.impossible) == (421, 422, 422, ())
    both = verified.keys() & unverified.keys()
    assert all(verified[stem].interval == unverified[stem].interval for stem in both)
    assert verified.keys() - unverified.keys() == TALL - {"WDA_MaggieHassan_000"}
    assert unverified.keys() - verified.keys() == {
        *("WDA_MazieHirono1_001", "WDA_MazieHirono1_002", "WRA_PeterKing_001"),
    }


FORMS = {
    "as it comes": OutputSettings(),
    "another size": OutputSettings(size=96),
    "a faster rate": OutputSettings(fps=Fraction(30)),
    "a slower rate": OutputSettings(fps=Fraction(24000, 1001), size=64),
}


@pytest.mark.parametrize("name", slow_unless(FORMS, {"as it comes", "a slower rate"}))
async def test_the_fake_ffmpeg_makes_what_the_real_one_makes(tmp_path: Path, name: str) -> None:
    """From the same source and command line, clips have the same size, rate, frames and timestamps."""
    form = FORMS[name]
    raw = tmp_path / "raw.mp4"
    with raw.open("wb") as target:
        mp4.write(target, width=320, height=180, frames=100, rate=(25, 1), size=200_000)
    fakes = installed(tmp_path, kit.Stage(videos={}))
    async with Prober() as prober:
        cut = await media.planned(prober, raw, Interval(0.5, 2.5), form)
    frames, sides = cut.frames, (cut.width, cut.height)
    assert frames == (50 if form.fps is None else frames_at(form.fps, 2))

    async def made_by(tool: Path) -> MediaInfo:
        clip = tmp_path / f"{tool.name}.mp4"
        reached: list[float] = []
        assert await ffmpeg.encode(tool, cut, clip, on_seconds=reached.append) == frames
        assert 1.9 < reached[-1] < 2.1
        async with Prober() as prober:
            facts = await prober.facts(clip, container="mp4", intervals=[Interval(0, 1)])
        return replace(facts, end=round(facts.end, 3), promised=round(facts.promised, 3))

    fake = await made_by(fakes.ffmpeg)
    assert fake == await made_by(bundled_ffmpeg())
    assert (fake.codec, fake.width, fake.height, fake.frames) == ("h264", *sides, frames)


@pytest.mark.parametrize(
    ("width", "height", "rate"),
    slow_unless(
        [(1920, 1080, (25, 1)), (854, 480, (30000, 1001)), (3840, 2160, (24, 1)), (2, 2, (60, 1))],
        {(854, 480, (30000, 1001)), (2, 2, (60, 1))},
    ),
)
async def test_a_real_decoder_accepts_a_fake_video(
    tmp_path: Path, width: int, height: int, rate: tuple[int, int]
) -> None:
    """Every frame decodes without a message, and the probe finds the promised properties."""
    path = tmp_path / "raw.mp4"
    with path.open("wb") as target:
        mp4.write(target, width=width, height=height, frames=40, rate=rate, size=100_000)
    ended = await supervisor.run(
        supervisor.Command(
            [str(bundled_ffmpeg()), "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"]
        ),
        deadline=60,
    )
    assert (ended.code, ended.stderr) == (0, "")
    async with Prober() as prober:
        facts = await prober.facts(path, container="mp4")
    assert (facts.codec, facts.width, facts.height, facts.frames) == ("h264", width, height, 40)
    assert facts.fps == pytest.approx(rate[0] / rate[1], abs=1e-5)
    assert facts.end == pytest.approx(40 * rate[1] / rate[0], abs=1e-5)
    assert not facts.truncated
    assert path.stat().st_size == 100_000


async def test_the_fakes_reject_a_command_line_with_a_changed_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fixed argument of the four command lines is required by the fakes."""
    fakes = installed(tmp_path, kit.Stage(videos={ID: kit.Footage(60, 720)}))
    started: list[list[str]] = []
    run = supervisor.run

    async def noted(command: supervisor.Command, **more: object) -> supervisor.Ended:
        started.append(list(command.argv)[1:])
        return await run(command, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(supervisor, "run", noted)
    tool = YtDlp(options(fakes), fakes.ffmpeg)
    info = await tool.extract(ID, tmp_path)
    chosen = formats.choose(info, formats.Requirements(model.Resolution.REFERENCE, 720)).video
    raw = tmp_path / "raw.mp4"
    await tool.fetch(info, chosen, raw, lambda _progress: None)
    async with Prober() as prober:
        cut = await media.planned(prober, raw, Interval(3.25, 5.5), OutputSettings(threads=3))
    await ffmpeg.encode(fakes.ffmpeg, cut, tmp_path / "clip.mp4", on_seconds=lambda _seconds: None)
    await tool.extract_by_plugin(javascript.ADDRESS, javascript.PLUGINS, tmp_path)
    extract, fetch, encode, challenge = started

    # Values that may vary: the address, paths, times, the format, and the encoder's settings.
    free = {
        *(str(fakes.ffmpeg), extract[2], fetch[2], extract[-1], chosen.format_id, raw.name),
        *(challenge[2], str(javascript.PLUGINS)),
        *("3.25", "2.25", f"file:{raw}", f"file:{tmp_path / 'clip.mp4'}"),
        *(cut.settings.preset, str(cut.settings.crf), str(cut.settings.threads)),
    }
    for main, arguments in (
        (fake_yt_dlp.main, extract),
        (fake_yt_dlp.main, fetch),
        (fake_yt_dlp.main, challenge),
        (fake_ffmpeg.main, encode),
    ):
        for place, argument in enumerate(arguments):
            before, behind = arguments[:place], arguments[place + 1 :]
            assert main(str(fakes.stage), 0, before + behind) == 2, f"without {argument}"
            if argument not in free:
                assert main(str(fakes.stage), 0, [*before, f"{argument}x", *behind]) == 2, f"with {argument}x"
        assert main(str(fakes.stage), 0, [*arguments, "-more"]) == 2


FAULTS = {
    "words and exit code when asked": (
        kit.Fault("ERROR: [youtube] x: Private video. Sign in if you've been granted access"),
        "ask",
        Reason.PRIVATE,
    ),
    "words and exit code of the download": (
        kit.Fault("ERROR: unable to download video data: HTTP Error 403: Forbidden"),
        "download",
        Reason.FORBIDDEN,
    ),
    "all is well, and no file": (kit.Fault(code=0, leaves="nothing"), "download", Reason.RAW_TRUNCATED),
    "all is well, and half a file": (kit.Fault(code=0, leaves="short"), "download", Reason.RAW_TRUNCATED),
    "all is well, and nothing said": (kit.Fault(code=0), "ask", Reason.UNKNOWN),
}


@pytest.mark.parametrize(("fault", "kind", "reason"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_of_the_fake_yt_dlp_applies_as_often_as_configured(
    tmp_path: Path, fault: kit.Fault, kind: kit.Kind, reason: Reason
) -> None:
    """The first job fails as configured, and the second succeeds."""
    fakes = installed(
        tmp_path,
        kit.Stage(videos={ID: kit.Footage(60, 1080)}, faults={(kind, ID): replace(fault, times=1)}),
    )
    tool = YtDlp(options(fakes), fakes.ffmpeg)

    async def get() -> int:
        info = await tool.extract(ID, tmp_path)
        chosen = formats.choose(info, formats.Requirements(model.Resolution.REFERENCE, 720)).video
        path = tmp_path / "raw.mp4"
        await tool.fetch(info, chosen, path, lambda _progress: None)
        assert path.stat().st_size == chosen.size
        return chosen.height

    with pytest.raises(Failure) as failed:
        await get()
    assert failed.value.reason is reason
    for name in ("raw.mp4", "raw.mp4.part"):
        await run_sync(partial((tmp_path / name).unlink, missing_ok=True))
    assert await get() == 720


@pytest.mark.slow
async def test_a_fault_of_the_fake_ffmpeg_affects_one_clip(tmp_path: Path) -> None:
    """One clip has half of its length and one ends with an error; the others are made."""
    read = tables.read(None, corrections=Corrections.VERIFIED)
    short, broken = "RD_Radio2_000", "RD_Radio4_000"
    faults: dict[tuple[kit.Kind, str], kit.Fault] = {
        ("encode", short): kit.Fault(code=0, leaves="short"),
        ("encode", broken): kit.Fault("Error: Output file is empty", code=234),
    }
    fakes = installed(tmp_path, kit.Stage(videos=kit.footage(read.clips), faults=faults))

    report = await hdtf_async.download(tmp_path / "out", options(fakes, limit=4))

    assert sorted(report.done) == ["RD_Radio1_000", "RD_Radio3_000"]
    assert report.failed == {short: Reason.CLIP_WRONG, broken: Reason.CLIP_WRONG}
    assert not list((tmp_path / "out").glob(".hdtf-*"))
