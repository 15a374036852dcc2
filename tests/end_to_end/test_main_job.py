"""The main job from the tables to the clips, with the real yt-dlp, the real ffmpeg and real sockets."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shlex
import shutil
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from shared import CLIPS, QUICK, Finished, children, copy_raws, exported, lines

import hdtf_async
from hdtf_async import ExitCode, FormError, Lanes, Options, Reason, demo
from hdtf_async.core import events, model
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.dataset import plan, tables
from hdtf_async.demo.answers import Answer
from hdtf_async.output.directory import open_directory, read_known

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = "Private video. Sign in if you've been granted access to this video"
BOT = "Sign in to confirm you\N{RIGHT SINGLE QUOTATION MARK}re not a bot"


def left_over(out: Path) -> list[Path]:
    """Return files that no finished or interrupted run may leave, without resumable downloads."""
    hidden = [path for path in out.rglob("*") if path.name.startswith(".")]
    return [path for path in hidden if not any(path.glob("*.promise.json"))]


def failing(finished: Finished) -> tuple[str, ...]:
    """Return options that make every download fail: yt-dlp impersonates a client that needs tokens."""
    return tuple(
        f"{argument};player_client=mweb" if "innertube_host" in argument else argument
        for argument in finished.options.yt_dlp_args
    )


async def test_the_demo_makes_every_clip(finished: Finished) -> None:
    """Every clip has its final name, its line of metadata and the bytes described there."""
    assert finished.report.exit_code == ExitCode.DONE
    assert sorted(finished.report.done) == CLIPS
    metadata = lines(finished.out / "metadata.jsonl")
    assert [line["file_name"] for line in metadata] == [f"{stem}.mp4" for stem in CLIPS]
    assert all((finished.out / line["file_name"]).stat().st_size == line["bytes"] for line in metadata)
    assert lines(finished.out / "failures.jsonl") == []
    assert left_over(finished.out) == []


async def test_every_key_of_the_metadata_is_a_column(finished: Finished) -> None:
    """Of the column's type; null stands for unknown values."""
    for line in lines(finished.out / "metadata.jsonl"):
        record = ClipRecord.from_json(line)
        for key, value in line.items():
            assert (value is None) == (getattr(record, key) is None), (key, value)


async def test_metadata_describes_the_origin_of_a_clip(finished: Finished) -> None:
    """The row of the table, the source video, the box as published and as cropped, the tools' versions."""
    by_name = {line["file_name"]: line for line in lines(finished.out / "metadata.jsonl")}
    line = by_name["RD_Radio1_001.mp4"]
    assert (line["subset"], line["name"], line["index"]) == ("RD", "Radio1", 1)
    assert (line["start"], line["end"]) == (7.0, 13.0)
    assert (line["source_height"], line["frames"], line["fps"], line["duration"]) == (720, 150, 25.0, 6.0)
    assert line["format_id"] == "136"
    assert line["width"] == line["height"] == line["box_cut"][2]
    assert set(line["versions"]) == {"hdtf_async", "ffmpeg", "yt_dlp"}
    # YouTube has this one in 720p only, and its box was measured at 1080.
    scaled = by_name["WRA_Guest1_000.mp4"]
    assert (scaled["reference_height"], scaled["source_height"]) == (1080, 720)
    assert scaled["box_cut"][2] == scaled["box"][2] * 720 // 1080 // 2 * 2
    assert "/" not in json.dumps([line["file_name"], line["versions"]])
    assert not {"video", "image"} & set(line)


def test_one_youtube_video_is_extracted_and_downloaded_once(finished: Finished) -> None:
    """Also where two rows name it: the second source video is a hard link to the first."""
    told = finished.requests
    asked = Counter(request["video"] for request in told if request["method"] == "POST")
    fetched = Counter(request["video"] for request in told if request["method"] == "GET")
    ids = {film.youtube_id for film in demo.FILMS}
    # yt-dlp sends one request for each client that it impersonates: equally many for every video.
    assert set(asked) == ids
    assert len(set(asked.values())) == 1
    assert fetched == dict.fromkeys(ids, 1)
    assert sum(request["sent"] for request in told if request["method"] == "GET") == finished.report.raw_bytes
    raws = finished.out / "_videos_raw"
    assert (raws / "WDA_Speaker2.mp4").samefile(raws / "WDA_Speaker3.mp4")


@pytest.mark.usefixtures("no_children")
async def test_a_second_run_starts_no_process(finished: Finished) -> None:
    """A finished directory is recognised by its journal and file sizes."""
    before = (finished.out / "metadata.jsonl").read_bytes()
    report = await hdtf_async.download(finished.out, finished.options)
    assert (report.exit_code, report.there, report.done) == (ExitCode.DONE, len(CLIPS), [])
    assert (finished.out / "metadata.jsonl").read_bytes() == before


@pytest.mark.slow
async def test_missing_clips_are_made_again_with_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    """One clip is missing and one truncated: both are made from the kept videos, without any request."""
    out = tmp_path / "clips"
    shutil.copytree(finished.out, out)
    (out / "RD_Radio2_000.mp4").unlink()
    (out / "WRA_Guest2_001.mp4").write_bytes((out / "WRA_Guest2_001.mp4").read_bytes()[:1000])
    offline = replace(finished.options, yt_dlp_args=("--proxy-is-never-asked",))
    report = await hdtf_async.download(out, offline)
    assert (sorted(report.done), report.there) == (["RD_Radio2_000", "WRA_Guest2_001"], 8)
    for name in ("RD_Radio2_000.mp4", "WRA_Guest2_001.mp4", "metadata.jsonl"):
        assert (out / name).read_bytes() == (finished.out / name).read_bytes()


@pytest.mark.slow
async def test_a_truncated_source_video_is_downloaded_again_and_never_used(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """Although the clip's interval is within the existing part."""
    out = tmp_path / "clips"
    (out / "_videos_raw").mkdir(parents=True)
    whole = (finished.out / "_videos_raw" / "RD_Radio1.mp4").read_bytes()
    (out / "_videos_raw" / "RD_Radio1.mp4").write_bytes(whole[: len(whole) * 7 // 10])
    since = len(await site.requests())
    options = replace(finished.options, videos=("Radio1",), **QUICK)
    report = await hdtf_async.download(out, options)
    assert (report.exit_code, report.raw_bytes) == (ExitCode.DONE, len(whole))
    assert [one["method"] for one in (await site.requests())[since:]].count("GET") == 1
    assert "RD_Radio1.mp4 is not used: truncated at " in (
        out / "_videos_raw" / "RD_Radio1_download_log.txt"
    ).read_text(encoding="utf-8")
    assert not any("ends_early" in line for line in lines(out / "metadata.jsonl"))


async def test_a_complete_video_can_end_before_an_interval(
    finished: Finished, demo_tables: Path, tmp_path: Path
) -> None:
    """With at least half of it, it is cut and the shortfall recorded; otherwise it fails with a reason."""
    out, source = tmp_path / "clips", tmp_path / "tables"
    shutil.copytree(demo_tables, source)
    copy_raws(finished, out, "RD_Radio1")
    intervals = source / "RD_annotion_time.txt"
    # The video is 14 seconds long.
    told = intervals.read_text(encoding="utf-8").replace("00:02-00:06 00:07-00:13", "00:10-00:16 00:12-00:20")
    intervals.write_text(told, encoding="utf-8")
    options = replace(
        finished.options, source=source, videos=("Radio1",), yt_dlp_args=("--never-asked",), **QUICK
    )
    async with hdtf_async.running(out, options) as run:
        done = [event async for event in run if isinstance(event, events.ClipDone)]
    assert [(event.clip, event.seconds, event.ends_early) for event in done] == [("RD_Radio1_000", 4, 2)]
    (line,) = lines(out / "metadata.jsonl")
    assert (line["end"], line["duration"], line["frames"], line["ends_early"]) == (16, 4, 100, 2)
    (failed,) = lines(out / "failures.jsonl")
    assert (failed["clip"], failed["reason"]) == ("RD_Radio1_001", "interval_outside")
    assert "the video ends at 14.00 s, the clip ends at 20 s" in failed["words"]


PINNED = """
import os, sys
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from hdtf_async.cli.main import entry
sys.exit(entry())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to pin a process here")
@pytest.mark.slow
async def test_clips_do_not_depend_on_lanes_and_cpus(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """On one CPU, one download and three encodes at a time: clips and metadata are those of all CPUs."""
    words = ["--out", str(tmp_path), "--source", str(finished.options.source)]
    words += ["--video", "Guest2", "--video", "Speaker2"]
    words += ["--downloads", "1", "--encodes", "3", "--pace", "0", f"--yt-dlp-args={site.yt_dlp_args}"]
    await anyio.run_process([sys.executable, "-c", PINNED, *words, "--quiet"])
    made = (tmp_path / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    due = (finished.out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert made == [line for line in due if json.loads(line)["name"] in {"Guest2", "Speaker2"}]
    for line in lines(tmp_path / "metadata.jsonl"):
        assert (tmp_path / line["file_name"]).read_bytes() == (finished.out / line["file_name"]).read_bytes()


async def test_different_settings_in_one_directory_are_rejected(finished: Finished) -> None:
    """The error names old and new settings, whether the run would touch those clips or not."""
    with pytest.raises(FormError, match=r"size .* 256.*--recut"):
        await hdtf_async.download(finished.out, replace(finished.options, size=256))
    with pytest.raises(FormError, match="outside this selection"):
        await hdtf_async.download(
            finished.out, replace(finished.options, size=256, subsets=("RD",), recut=True)
        )


@pytest.mark.slow
async def test_other_settings_are_encoded_from_the_kept_videos(small: Finished, tmp_path: Path) -> None:
    """With --recut, and without the network."""
    out, options = tmp_path / "clips", replace(small.options, videos=("Radio2", "Guest2"))
    copy_raws(small, out, "RD_Radio2", "WRA_Guest2")
    offline = replace(options, yt_dlp_args=("--never-asked",))
    assert len((await hdtf_async.download(out, offline)).done) == 4
    report = await hdtf_async.download(out, replace(offline, size=48, recut=True))
    assert (report.exit_code, len(report.done)) == (ExitCode.DONE, 4)
    assert {(line["width"], line["height"]) for line in lines(out / "metadata.jsonl")} == {(48, 48)}


@pytest.mark.slow
async def test_user_videos_replace_downloads(small: Finished, tmp_path: Path) -> None:
    """Named as by the seed script, by id, or as by yt-dlp; they are not changed."""
    mine = tmp_path / "mine"
    mine.mkdir()
    raws = small.out / "_videos_raw"
    by_name, by_id, in_brackets = (
        mine / "RD_Radio2.mp4",
        mine / "demoHead_03.mp4",
        mine / "A film [demoHead_05].mp4",
    )
    shutil.copy(raws / "RD_Radio2.mp4", by_name)
    shutil.copy(raws / "WDA_Speaker1.mp4", by_id)
    shutil.copy(raws / "WRA_Guest1.mp4", in_brackets)
    before = {path: path.read_bytes() for path in mine.iterdir()}
    options = replace(
        small.options,
        raw_dirs=(mine,),
        videos=("Radio2", "Speaker1", "Guest1"),
        yt_dlp_args=("--never-asked",),
    )
    report = await hdtf_async.download(tmp_path / "clips", options)
    assert (report.exit_code, len(report.done)) == (ExitCode.DONE, 3)
    assert {path: path.read_bytes() for path in mine.iterdir()} == before
    for name in ("RD_Radio2_000.mp4", "WDA_Speaker1_000.mp4", "WRA_Guest1_000.mp4"):
        assert (tmp_path / "clips" / name).read_bytes() == (small.out / name).read_bytes()


async def test_a_broken_user_video_is_not_replaced_by_a_download(
    finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """It is neither used nor changed, and its clips fail with a reason that names it."""
    mine = tmp_path / "mine"
    mine.mkdir()
    whole = (finished.out / "_videos_raw" / "RD_Radio1.mp4").read_bytes()
    (mine / "RD_Radio1.mp4").write_bytes(whole[: len(whole) // 2])
    before = len(await site.requests())
    options = replace(finished.options, raw_dirs=(mine,), videos=("Radio1",))
    report = await hdtf_async.download(tmp_path / "clips", options)
    assert set(report.failed.values()) == {Reason.RAW_DIR_FILE}
    assert (report.exit_code, report.done) == (ExitCode.GIVEN_UP, [])
    assert "RD_Radio1.mp4: truncated at " in (tmp_path / "clips" / "failures.jsonl").read_text("utf-8")
    assert len(await site.requests()) == before
    assert (mine / "RD_Radio1.mp4").stat().st_size == len(whole) // 2


@pytest.mark.slow
async def test_without_keep_raw_only_the_clips_remain(finished: Finished, tmp_path: Path) -> None:
    """The source video is deleted after its last clip, and a finished directory is still recognised."""
    options = replace(finished.options, keep_raw=False, videos=("Speaker2", "Speaker3"), **QUICK)
    report = await hdtf_async.download(tmp_path, options)
    assert (report.exit_code, len(report.done)) == (ExitCode.DONE, 2)
    assert [path.suffix for path in (tmp_path / "_videos_raw").iterdir()] == [".txt"]
    again = await hdtf_async.download(tmp_path, options)
    assert (again.there, again.done) == (2, [])


@pytest.mark.usefixtures("no_children")
async def test_a_video_that_a_killed_run_should_have_deleted_is_deleted_by_the_next(
    finished: Finished, tmp_path: Path
) -> None:
    """A run with --no-keep-raw was killed between a video's last clip and the deletion; a log is no video."""
    out = tmp_path / "clips"
    shutil.copytree(finished.out, out)
    report = await hdtf_async.download(out, replace(finished.options, keep_raw=False, videos=("Speaker2",)))
    assert (report.exit_code, report.there) == (ExitCode.DONE, 1)
    kept = {path.name for path in (out / "_videos_raw").glob("*.mp4")}
    assert {path.name for path in (finished.out / "_videos_raw").glob("*.mp4")} - kept == {
        "WDA_Speaker2.mp4",
        "WDA_Speaker3.mp4",
    }


@pytest.mark.slow
async def test_an_unavailable_video_is_listed_and_not_tried_again(
    footage: Path, demo_tables: Path, tmp_path: Path
) -> None:
    """One private video among others: its failures have the reason, and --retry-failed tries it again."""
    private = Answer(playability={"status": "LOGIN_REQUIRED", "reason": PRIVATE})
    async with demo.light_mock(footage, {"demoHead_01": private}) as site:
        options = Options(
            source=demo_tables,
            pace=0,
            videos=("Radio1", "Radio2"),
            yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)),
            **QUICK,
        )
        with exported(site.environment):
            report = await hdtf_async.download(tmp_path, options)
            asked = len(await site.requests())
            again = await hdtf_async.download(tmp_path, options)
            assert len(await site.requests()) == asked
            await hdtf_async.download(tmp_path, replace(options, retry_failed=True))
            assert len(await site.requests()) > asked
    assert report.exit_code == again.exit_code == ExitCode.GIVEN_UP
    assert report.reasons == again.reasons == {Reason.PRIVATE: 2}
    told = lines(tmp_path / "failures.jsonl")
    assert [(line["clip"], line["reason"]) for line in told] == [
        ("RD_Radio1_000", "private"), ("RD_Radio1_001", "private"),
    ]  # fmt: skip
    assert all(line["what_to_do"] and line["words"] for line in told)


async def test_untried_clips_stay_listed_during_runs_of_other_subsets(
    demo_tables: Path, tmp_path: Path
) -> None:
    """A run of one subset drops no line of another; clips that left the tables are not listed again."""
    out, none = tmp_path / "out", tmp_path / "none"

    async def told(**part: Any) -> list[object]:
        report = await hdtf_async.download(out, Options(ffmpeg=none, **{"source": demo_tables, **part}))
        assert report.stopped is not None
        return [(line["clip"], line["reason"]) for line in lines(out / "failures.jsonl")]

    first, both = [(stem, "not_tried") for stem in CLIPS[:3]], [(stem, "not_tried") for stem in CLIPS[:6]]
    assert await told(subsets=("RD",)) == first
    assert await told(subsets=("WDA",)) == both
    assert await told(videos=("Radio1",)) == both
    other = shutil.copytree(demo_tables, tmp_path / "other")
    for table in other.glob("RD_*.txt"):
        table.write_text(
            "".join(line for line in table.read_text().splitlines(keepends=True) if "Radio1" in line)
        )
    assert await told(subsets=("WDA",), source=other) == [pair for pair in both if "Radio2" not in pair[0]]


@pytest.mark.slow
async def test_a_block_ends_the_run_and_marks_no_video_as_unavailable(
    footage: Path, demo_tables: Path, tmp_path: Path
) -> None:
    """Exit code 3; every clip is listed, and another run tries all of them again."""
    bot = Answer(playability={"status": "LOGIN_REQUIRED", "reason": BOT})
    async with demo.light_mock(footage, {film.youtube_id: bot for film in demo.FILMS}) as site:
        options = Options(
            source=demo_tables, pace=0, cool_down=0, yt_dlp_args=tuple(shlex.split(site.yt_dlp_args))
        )
        with exported(site.environment):
            report = await hdtf_async.download(tmp_path, replace(options, downloads=1))
        # The first blocked video and three probes: each of them another video.
        assert len({request["video"] for request in await site.requests()}) == 4
    assert report.exit_code == ExitCode.REFUSED
    told = lines(tmp_path / "failures.jsonl")
    assert {line["clip"] for line in told} == set(CLIPS)
    assert {line["reason"] for line in told} == {"refused", "not_tried"}
    index = read_known(tmp_path)
    again = plan.make(tables.read(demo_tables), options, there=index.existing_clips(), failed=index.failures)
    assert len(again.clips) == len(CLIPS)


@pytest.mark.slow
async def test_an_embedding_program_can_share_its_limits_and_cancel(
    finished: Finished, tmp_path: Path
) -> None:
    """Under the host's own limiters: no child and no incomplete file is left, and the host continues."""
    lanes = Lanes(network=anyio.CapacityLimiter(2), encodes=anyio.CapacityLimiter(1))
    ticks = 0

    async def other_work() -> None:
        nonlocal ticks
        while True:
            async with lanes.encodes:
                ticks += 1
            await anyio.sleep(0.02)

    before = children()
    options = replace(finished.options, preset="veryslow", crf=0)
    async with anyio.create_task_group() as host:
        host.start_soon(other_work)
        with anyio.CancelScope() as scope:
            async with hdtf_async.running(tmp_path, options, lanes=lanes) as run:
                async for event in run:
                    if isinstance(event, events.EncodeProgress):
                        scope.cancel()
        assert scope.cancelled_caught
        assert sorted(children()) == sorted(before)
        assert left_over(tmp_path) == []
        assert lanes.network.borrowed_tokens == 0
        host.cancel_scope.cancel()
    assert ticks > 0
    assert lanes.encodes.borrowed_tokens == 0


async def test_events_cover_the_whole_run(finished: Finished, tmp_path: Path) -> None:
    """From the start of the run over every step to its end, each as one JSON object with a type."""
    options = replace(finished.options, videos=("Radio2",), **QUICK)
    async with hdtf_async.running(tmp_path, options) as run:
        told = [json.loads(json.dumps(event.to_json())) async for event in run]
    types = [event["type"] for event in told if not event["type"].endswith("progress")]
    assert types == [
        "run_started", "download_started", "format_chosen", "downloaded", "raw_ready",
        "encode_started", "clip_done", "run_ended",
    ]  # fmt: skip
    assert told[-1]["exit_code"] == run.report.exit_code == 0


async def test_leaving_the_block_early_ends_the_run(finished: Finished, tmp_path: Path) -> None:
    """A `break` out of the events is a cancellation: no process and no file is left."""
    before = children()
    async with hdtf_async.running(tmp_path, finished.options) as run:
        async for event in run:
            if isinstance(event, events.DownloadStarted):
                break
    assert sorted(children()) == sorted(before)
    assert left_over(tmp_path) == []


async def test_too_little_space_stops_the_run_before_the_disk_is_full(
    finished: Finished, tmp_path: Path
) -> None:
    """Exit code 4 and a sentence with figures."""
    report = await hdtf_async.download(
        tmp_path, replace(finished.options, min_free=10**17, videos=("Radio1",))
    )
    assert report.exit_code == ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.DISK_FULL
    assert "--min-free" in report.stopped.words


async def test_asyncio_can_cancel_at_any_moment(finished: Finished, tmp_path: Path) -> None:
    """A plain `task.cancel()` releases the directory, also while it is being opened."""
    for moments in (0, 1, 2, 5, 20):
        task = asyncio.ensure_future(hdtf_async.download(tmp_path, finished.options))
        for _ in range(moments):
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with open_directory(tmp_path):
            pass
    assert left_over(tmp_path) == []


async def test_a_full_disk_at_the_end_is_reported_as_such(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If not even the manifests can be written, that is a local error and no internal one."""
    shutil.copytree(finished.out, tmp_path / "clips")

    def full(final: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(final))

    monkeypatch.setattr("hdtf_async.output.atomic.replace", full)
    report = await hdtf_async.download(tmp_path / "clips", finished.options)
    assert report.exit_code == ExitCode.LOCAL


@pytest.mark.slow
async def test_a_failed_recut_leaves_no_clip_with_old_settings_listed(
    small: Finished, tmp_path: Path
) -> None:
    """The old clip stays on the disk, unlisted and recorded as failed, until the recut succeeds."""
    out, options = tmp_path / "clips", replace(small.options, videos=("Radio2", "Speaker2"))
    copy_raws(small, out, "RD_Radio2", "WDA_Speaker2")
    assert (await hdtf_async.download(out, options)).exit_code == ExitCode.DONE
    (out / "_videos_raw" / "RD_Radio2.mp4").unlink()
    other = replace(options, size=48, recut=True, yt_dlp_args=failing(small))
    report = await hdtf_async.download(out, other)
    assert report.exit_code == ExitCode.GIVEN_UP
    assert {line["width"] for line in lines(out / "metadata.jsonl")} == {48}
    assert [line["clip"] for line in lines(out / "failures.jsonl")] == ["RD_Radio2_000"]
    assert (out / "RD_Radio2_000.mp4").exists()
    report = await hdtf_async.download(out, replace(other, yt_dlp_args=small.options.yt_dlp_args))
    assert report.exit_code == ExitCode.DONE
    assert len(lines(out / "metadata.jsonl")) == 2
    assert lines(out / "failures.jsonl") == []


@pytest.mark.slow
async def test_user_videos_are_never_deleted(finished: Finished, tmp_path: Path) -> None:
    """Neither if the user named them, nor if another program left them among the program's own."""
    raws = tmp_path / "clips" / "_videos_raw"
    copy_raws(finished, tmp_path / "clips", "RD_Radio1", "RD_Radio2")
    options = replace(
        finished.options,
        videos=("Radio1", "Radio2"),
        keep_raw=False,
        yt_dlp_args=("--never-asked",),
        **QUICK,
    )
    assert (await hdtf_async.download(tmp_path / "clips", options)).exit_code == ExitCode.DONE
    assert {"RD_Radio1.mp4", "RD_Radio2.mp4"} <= {path.name for path in raws.iterdir()}


@pytest.mark.slow
async def test_another_resolution_policy_uses_the_existing_video_if_it_fits(
    finished: Finished, tmp_path: Path
) -> None:
    """The file shows whether a video has the reference height; it is not downloaded again for that."""
    out = tmp_path / "clips"
    copy_raws(finished, out, "RD_Radio2", "WDA_Speaker1", "WRA_Guest1")
    exact = replace(
        finished.options,
        videos=("Radio2", "Speaker1", "Guest1"),
        resolution=model.Resolution.EXACT,
        yt_dlp_args=failing(finished),
        **QUICK,
    )
    report = await hdtf_async.download(out, exact)
    assert sorted(report.done) == ["RD_Radio2_000", "WDA_Speaker1_000"]
    # Only this one has no format at its reference height.
    assert set(report.failed) == {"WRA_Guest1_000"}
