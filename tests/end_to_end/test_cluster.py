"""The workers of a Dask cluster do a run: what comes out, and what is left when one of them, or all, end.

Scheduler and workers are processes of their own. All of it needs the extra ``test-dask``:
``python -m pytest -m dask``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import block_runs
import pytest
import scenarios
from dask_cluster import Cluster, cluster, descendants, marked, wait_for
from distributed import Client
from kill_checks import is_temporary, listed, media
from media import options_with_cuts
from moto.server import ThreadedMotoServer
from s3_server import BUCKET, Front, in_front, make_bucket
from shared import exported

import hdtf_async
from hdtf_async import ExitCode, Options, Reason, demo
from hdtf_async.core.events import (
    ClipDone,
    Downloaded,
    DownloadStarted,
    Event,
    LaneClosed,
    RawReady,
    Retrying,
    WindingDown,
    WorkersChanged,
)
from hdtf_async.core.model import PaceScope
from hdtf_async.demo import Answer, Conditions, Refusal
from hdtf_async.output.journal import JOURNAL
from hdtf_async.output.locks import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared import Finished

    from hdtf_async import Report

pytestmark = [
    pytest.mark.dask,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.filterwarnings("default:::distributed"),
    pytest.mark.filterwarnings("ignore:Creating scratch directories"),  # on a machine that is busy
]

MANIFESTS = ("metadata.jsonl", "failures.jsonl")
PREFIX = "some prefix"
URL = f"s3://{BUCKET}/{PREFIX}"
FEW = ("Radio1", "Guest1", "Guest2")
"""Videos for which a part of the job will do."""


@pytest.fixture(scope="module")
def workers(site: demo.LightMock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose workers trust the mock server."""
    del site  # what it exports is what they inherit
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


def on(workers: Cluster, options: Options, **more: object) -> Options:
    """Return options for a run of the cluster."""
    changed: Options = replace(options, dask=workers.address, **more)  # type: ignore[arg-type]
    return changed


def command(out: Path, options: Options) -> list[str]:
    """Return the command line of a run of the cluster."""
    return [
        *(sys.executable, "-m", "hdtf_async", "--out", str(out), "--source", str(options.source)),
        *("--pace", "0", "--dask", f"{options.dask}", "--json"),
        *(word for name in options.videos for word in ("--video", name)),
        f"--yt-dlp-args={shlex.join(options.yt_dlp_args)}",
    ]


def tree(out: Path) -> dict[str, bytes | str]:
    """Return the clips and raws of a directory by their hashes, and the views."""
    return {**media(out), **{name: (out / name).read_bytes() for name in MANIFESTS}}


def require_tidy(out: Path) -> None:
    """Require that nothing half-done is left but downloads that can be continued, and no worker's file."""
    left = [name for name in listed(out) if is_temporary(name) and not name.endswith(".download")]
    assert left == []
    assert not (out / WORKERS).exists()


def recorded(out: Path) -> Counter[str]:
    """Return how often each clip is recorded."""
    records = map(json.loads, (out / JOURNAL).read_text(encoding="utf-8").splitlines())
    return Counter(record["clip"] for record in records if record["type"] == "clip")


async def test_three_workers_make_what_one_machine_makes(
    workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """Clips, raws and views are equal byte for byte; the workers keep nothing, and another run finds all."""
    workers.need(3)
    options = on(workers, finished.options)
    report = await hdtf_async.download(tmp_path, options)
    assert report.stopped is None
    assert report.exit_code is finished.report.exit_code
    assert sorted(report.done) == sorted(finished.report.done)
    assert report.raw_bytes == finished.report.raw_bytes
    assert tree(tmp_path) == tree(finished.out)
    require_tidy(tmp_path)
    assert descendants([worker.pid for worker in workers.workers]) == []
    again = await hdtf_async.download(tmp_path, options)
    assert (again.there, again.done) == (len(report.done), [])


async def test_a_worker_that_is_killed_costs_its_videos_a_try_and_no_clip(
    workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """Its children end with it, others do its videos, and the result is the same."""
    workers.need(3)
    victim = workers.workers[0]
    tried_again: list[str] = []
    async with hdtf_async.running(tmp_path, on(workers, finished.options)) as run:
        async for event in run:
            if isinstance(event, RawReady | Downloaded) and victim.poll() is None:
                victim.send_signal(signal.SIGKILL)
                victim.wait()
            if isinstance(event, Retrying):
                assert event.reason is Reason.WORKER_LOST
                tried_again.append(event.video)
    assert 1 <= len(tried_again) == len({*tried_again})
    assert run.report.exit_code is finished.report.exit_code
    assert media(tmp_path) == media(finished.out)
    assert tree(tmp_path) == tree(finished.out)
    assert set(recorded(tmp_path).values()) == {1}
    require_tidy(tmp_path)
    assert marked(str(tmp_path)) == []


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGKILL,)])
def test_a_run_that_is_ended_in_the_middle_leaves_nothing_at_work(
    signals: tuple[signal.Signals, ...], workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """No child of any worker is left, and another run goes on to the same result.

    Dask itself would let the workers go on: a coroutine that runs hears nothing of it.
    """
    workers.need(3)
    out = tmp_path / "clips"
    # Six videos, of which each worker downloads one at a time: half are still to come at the first encode.
    words = [*command(out, on(workers, finished.options)), "--downloads", "1", "--limit-rate", "1M"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if json.loads(line)["type"] == "encode_started":
                break
        assert any("yt_dlp" in line or "ffmpeg" in line for line in marked(str(tmp_path)))
        for number in signals:
            run.send_signal(number)
        said = run.communicate(timeout=60)
    assert run.returncode == (-9 if signal.SIGKILL in signals else 128 + signals[-1]), said
    pids = [worker.pid for worker in workers.workers]
    if signal.SIGKILL in signals:
        wait_for(lambda: not descendants(pids))
    else:
        require_tidy(out)
    assert descendants(pids) == []
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == ExitCode.DONE, ended.stderr
    assert tree(out) == tree(finished.out)
    require_tidy(out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "moment", ["run_started", "workers_changed", "download_started", "format_chosen", "encode_started"]
)
def test_nothing_is_left_ten_seconds_after_an_end_at_any_moment(
    moment: str, number: signal.Signals, workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """Neither on the workers, nor of the driver; and Dask has no task of the run any more."""
    workers.need(3)
    words = command(tmp_path / "clips", on(workers, finished.options, videos=FEW))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if json.loads(line)["type"] == moment:
                break
        run.send_signal(number)
        ended = time.monotonic()
        run.communicate(timeout=60)
    pids = [worker.pid for worker in workers.workers]
    wait_for(lambda: not descendants(pids) and not marked(str(tmp_path)))
    assert time.monotonic() - ended < 10
    assert workers.tasks() == []


async def test_a_worker_that_joins_later_takes_part(
    workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """It is ready during the run, and the result is the same."""
    workers.end()
    workers.need(1)
    ready: list[int] = []
    options = on(workers, finished.options, downloads=1, limit_rate=1_000_000)
    async with hdtf_async.running(tmp_path, options) as run:
        async for event in run:
            if isinstance(event, DownloadStarted) and len(workers.workers) == 1:
                await anyio.to_thread.run_sync(workers.need, 2)
            if isinstance(event, WorkersChanged):
                ready.append(event.workers)
    assert ready == [1, 2]
    assert run.report.exit_code is finished.report.exit_code
    assert tree(tmp_path) == tree(finished.out)


@pytest.fixture
def bucket() -> Iterator[Front]:
    """An empty bucket, whose address and keys are exported."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    make_bucket(port)
    with in_front(port) as front, exported(front.variables):
        yield front
    server.stop()


async def test_workers_upload_to_an_object_store(
    bucket: Front, workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """Without a common directory: the store has the clips and manifests of a run on one machine."""
    workers.end()
    workers.need(2)  # they inherit the address and the keys
    options = on(workers, finished.options, scratch=tmp_path / "scratch")
    (tmp_path / "scratch").mkdir()
    report = await hdtf_async.download(URL, options)
    assert report.stopped is None
    assert report.exit_code is finished.report.exit_code
    assert sorted(report.done) == sorted(finished.report.done)
    there = {key.removeprefix(f"{PREFIX}/"): content for key, content in bucket.content().items()}
    clips = {name: digest for name, digest in media(finished.out).items() if "/" not in name}
    assert {name: hashlib.sha256(there[name]).hexdigest() for name in clips} == clips
    for name in MANIFESTS:
        assert there[name] == (finished.out / name).read_bytes()
    again = await hdtf_async.download(URL, options)
    assert (again.there, again.done) == (len(report.done), [])
    workers.end()
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.suffix in {".mp4", ".wav"}]


async def test_a_killed_worker_costs_no_clip_of_an_object_store(
    bucket: Front, workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """Its videos are processed again; the store has each clip, and one record of it."""
    workers.end()
    workers.need(2)
    victim = workers.workers[0]
    options = on(workers, finished.options, scratch=tmp_path / "scratch")
    (tmp_path / "scratch").mkdir()
    async with hdtf_async.running(URL, options) as run:
        async for event in run:
            if isinstance(event, ClipDone) and victim.poll() is None:
                victim.send_signal(signal.SIGKILL)
                victim.wait()
    assert run.report.exit_code is finished.report.exit_code
    assert sorted(run.report.done) == sorted(finished.report.done)
    there = {key.removeprefix(f"{PREFIX}/"): content for key, content in bucket.content().items()}
    assert there["metadata.jsonl"] == (finished.out / "metadata.jsonl").read_bytes()
    journal = b"".join(content for key, content in sorted(there.items()) if key.startswith("_journal/"))
    records = [record for record in map(json.loads, journal.splitlines()) if record["type"] == "clip"]
    assert Counter(record["clip"] for record in records) == Counter({*finished.report.done})
    workers.end()
    wait_for(lambda: not marked(str(tmp_path)))


async def test_an_end_that_is_asked_for_lets_encodes_finish(
    workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """Those that run are done and recorded; nothing more is begun, and no worker has a child left."""
    workers.need(3)
    started: set[str] = set()
    told = 0
    async with hdtf_async.running(tmp_path, on(workers, finished.options)) as run:
        async for event in run:
            if event.type == "encode_started":
                started.add(str(event.to_json()["clip"]))
                run.finish()
            if isinstance(event, WindingDown):
                told = event.encodes
    assert run.report.stopped is None
    assert 1 <= told <= len(started)
    assert started <= set(run.report.done)
    assert run.report.not_tried
    require_tidy(tmp_path)
    assert descendants([worker.pid for worker in workers.workers]) == []


async def test_what_a_worker_declares_is_the_width_of_its_lanes(
    workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """One download at a time where it has one; and Dask gives it to nobody else meanwhile.

    The client is the program's own, as a library takes it.
    """
    workers.end()
    workers.need(1, "--nthreads", "3", "--resources", "downloads=1 encodes=1")
    under_way: set[str] = set()
    most, waited = 0, list[str]()
    options = replace(finished.options, videos=FEW)
    async with await Client(workers.address, asynchronous=True, set_as_default=False) as client:
        async with hdtf_async.running(tmp_path, options, client=client) as run:
            async for event in run:
                if isinstance(event, DownloadStarted):
                    under_way.add(event.video)
                    most = max(most, len(under_way))
                    if len(waited) == 0:
                        other = client.submit(int, "7", resources={"downloads": 1}, pure=False)
                        assert await client.submit(int, "8", pure=False) == 8
                    waited.append(other.status)
                if isinstance(event, Downloaded):
                    under_way.discard(event.video)
        assert await other == 7
    workers.end()
    assert run.report.exit_code is ExitCode.DONE
    assert most == 1
    assert waited == ["pending"] * 3


async def asked(site: demo.LightMock, before: int) -> list[tuple[float, str]]:
    """Return when each video was asked for first since so many requests, in seconds."""
    first: dict[str, float] = {}
    for request in (await site.requests())[before:]:
        if request["method"] == "POST":
            first.setdefault(request["video"], request["time"])
    return sorted((time, video) for video, time in first.items())


async def test_workers_of_one_address_keep_one_pace(
    workers: Cluster, finished: Finished, site: demo.LightMock, tmp_path: Path
) -> None:
    """Between two starts anywhere in the cluster there is the pace."""
    workers.need(3)
    pace, before = 1.5, len(await site.requests())
    options = on(workers, finished.options, pace=pace, pace_scope=PaceScope.CLUSTER)
    report = await hdtf_async.download(tmp_path, options)
    assert report.exit_code is finished.report.exit_code
    times = [time for time, _ in await asked(site, before)]
    assert len(times) == 6
    # What is measured is when yt-dlp asks, which takes it more or less time to come to.
    assert times[-1] - times[0] > 5 * pace - 1
    assert media(tmp_path) == media(finished.out)


async def refused(workers: Cluster, directory: Path, scope: PaceScope) -> tuple[Report, int, list[Event]]:
    """Let YouTube refuse every video; return the report, how many were requested, and the events."""
    await scenarios.render(directory / "footage")
    answers = block_runs.lay_out(directory, directory / "footage", 12, Answer())
    async with demo.light_mock(directory / "films", answers, Conditions(refusal=Refusal())) as site:
        with exported(site.environment):
            workers.end()
            workers.need(3)
            options = Options(
                source=directory / "tables", pace=2.5, cool_down=1, pace_scope=scope, dask=workers.address,
                yt_dlp_args=tuple(shlex.split(site.yt_dlp_args)), downloads=4,
            )  # fmt: skip
            async with hdtf_async.running(directory / "clips", options) as run:
                events = [event async for event in run]
            tried = await asked(site, 0)
            workers.end()
    return run.report, len(tried), events


async def test_a_refusal_closes_the_lane_for_the_whole_cluster(workers: Cluster, tmp_path: Path) -> None:
    """One video is refused, and three probes after it, as on one machine: no worker asks by itself."""
    report, tried, events = await refused(workers, tmp_path, PaceScope.CLUSTER)
    closings = [event for event in events if isinstance(event, LaneClosed)]
    begun = events[: events.index(closings[0])]
    assert report.exit_code is ExitCode.REFUSED
    assert [each.refused_probes for each in closings] == [0, 1, 2, 3]
    assert [each.after for each in closings] == [1, 2, 4, None]
    # On a busy machine several may have begun before the first was refused.
    assert tried <= sum(isinstance(event, DownloadStarted) for event in begun) + 3
    # Whether the last probe's worker knows that it was the last one depends on which message is first.
    assert report.not_tried + len(report.failed) == 12
    assert set(report.failed.values()) <= {Reason.REFUSED}
    require_tidy(tmp_path / "clips")


async def test_a_worker_that_is_not_fit_for_it_is_told_before_anything_is_done(
    workers: Cluster, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one with another version of this program, whose records might be others."""
    workers.need(1)
    monkeypatch.setattr("hdtf_async.cluster.driver.own_version", lambda: "9.9.9")
    report = await hdtf_async.download(tmp_path, on(workers, finished.options))
    assert report.exit_code is ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.NOT_READY
    assert re.search(r"worker tcp://\S+: it has hdtf-async \S+, and the driver 9\.9\.9", report.stopped.words)
    require_tidy(tmp_path)


async def test_without_workers_another_run_may_help(
    workers: Cluster, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some time in which none came."""
    workers.end()
    wait_for(lambda: workers.known() == 0)
    monkeypatch.setattr("hdtf_async.cluster.driver.NO_WORKER_TIMEOUT", 2)
    report = await hdtf_async.download(tmp_path, on(workers, finished.options))
    assert report.exit_code is ExitCode.PASSING
    assert report.stopped is not None
    assert "no workers" in report.stopped.words
    require_tidy(tmp_path)


async def test_a_scheduler_that_dies_in_the_middle_ends_the_run(
    finished: Finished, site: demo.LightMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tools of its worker end within ten seconds; another run goes on."""
    del site  # what it exports is what the worker inherits
    monkeypatch.setattr("hdtf_async.cluster.driver.RPC_TIMEOUT", 5.0)
    with cluster(tmp_path / "cluster") as made:
        made.need(1)
        pids = [worker.pid for worker in made.workers]
        options = on(made, finished.options, videos=FEW)

        async def kill() -> None:
            made.end_scheduler()
            with anyio.fail_after(10):
                while descendants(pids):
                    await anyio.sleep(0.1)

        with anyio.fail_after(60):
            async with (
                anyio.create_task_group() as group,
                hdtf_async.running(tmp_path / "clips", options) as run,
            ):
                async for event in run:
                    if isinstance(event, DownloadStarted) and made.scheduler.poll() is None:
                        group.start_soon(kill)
    assert run.report.exit_code is ExitCode.PASSING
    assert run.report.stopped is not None
    assert run.report.stopped.reason is Reason.CLUSTER_LOST
    report = await hdtf_async.download(tmp_path / "clips", replace(options, dask=None))
    assert report.exit_code is ExitCode.DONE
    require_tidy(tmp_path / "clips")


async def test_an_end_that_is_asked_for_waits_for_no_worker(
    workers: Cluster, finished: Finished, tmp_path: Path
) -> None:
    """Where there is none yet, and another might come for two minutes."""
    workers.end()
    wait_for(lambda: workers.known() == 0)
    with anyio.fail_after(20):
        async with hdtf_async.running(tmp_path, on(workers, finished.options)) as run:
            run.finish()
            async for _ in run:
                pass
    assert run.report.stopped is None
    assert run.report.not_tried
    require_tidy(tmp_path)


async def test_what_dask_says_of_an_address_is_told(finished: Finished, tmp_path: Path) -> None:
    """As where its protocol is TLS, and no certificate is set up."""
    options = replace(finished.options, dask="tls://127.0.0.1:9")
    report = await hdtf_async.download(tmp_path, options)
    assert report.exit_code is ExitCode.PASSING
    assert report.stopped is not None
    assert re.search("tls://127.0.0.1:9: .*TLS", report.stopped.words)


def test_without_a_scheduler_another_run_may_help(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code and the message with the address say so."""
    monkeypatch.setattr("hdtf_async.cluster.driver.RPC_TIMEOUT", 1.0)
    options = replace(finished.options, dask="tcp://127.0.0.1:9")
    report = anyio.run(hdtf_async.download, tmp_path, options)
    assert report.exit_code is ExitCode.PASSING
    assert report.stopped is not None
    assert report.stopped.reason is Reason.CLUSTER_LOST
    assert "127.0.0.1:9" in report.stopped.words
    assert capsys.readouterr().out == ""
    assert [*(tmp_path / "_videos_raw").iterdir()] == []


async def test_workers_split_clips_at_their_cuts(workers: Cluster, tmp_path: Path) -> None:
    """The parts are a second round of tasks for the same videos, in the same run."""
    workers.need(1)
    options = on(workers, options_with_cuts(tmp_path), scene_cuts="split")
    report = await hdtf_async.download(tmp_path / "out", options)
    assert (report.exit_code, report.failed) == (ExitCode.DONE, {})
    assert sorted(report.done) == ["cuts_s000", "cuts_s001", "cuts_s002", "plain"]
    require_tidy(tmp_path / "out")
    again = await hdtf_async.download(tmp_path / "out", options)
    assert (again.there, again.done) == (4, [])
