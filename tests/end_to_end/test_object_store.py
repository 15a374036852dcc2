"""Runs that write to an object store over the real S3 protocol, with all kinds of faults.

All of it needs the extra ``test-bucket``: ``python -m pytest -m bucket``.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from media import options_with_cuts
from moto.server import ThreadedMotoServer
from s3_server import BUCKET, Fault, Front, in_front, make_bucket
from shared import QUICK_WORDS, exported

import hdtf_async
from hdtf_async import BusyError, ExitCode, FormError, Options, StoreError
from hdtf_async.cli.main import main
from hdtf_async.core.exceptions import AwayError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Clip, Interval, Tables, Video
from hdtf_async.core.shards import Merged, Shard
from hdtf_async.output.location import Address, merge_shards, open_location, parse_location
from hdtf_async.output.manifests import failure_record
from hdtf_async.output.object_store import client, directory, lease, segments
from hdtf_async.output.object_store.segments import SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared import Finished

NO_CLIPS = Tables((), (), ())
pytestmark = pytest.mark.bucket

URL = f"s3://{BUCKET}/some prefix"
MANIFESTS = ("metadata.jsonl", "failures.jsonl", "README.md")


@pytest.fixture(scope="session")
def _server() -> Iterator[int]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def front(_server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """Create an empty bucket behind a proxy that injects faults, and shorten the waits."""
    make_bucket(_server)
    monkeypatch.setattr(client, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(client, "PATIENCE", 2.0)
    with in_front(_server) as front, exported(front.variables):
        yield front


@pytest.fixture
def short(small: Finished) -> Options:
    """Return options for two one-second clips of one video."""
    return replace(small.options, videos=("Radio1",))


@pytest.fixture
def tls() -> Iterator[int]:
    """Run a server with an untrusted certificate and return its port."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with NamedTemporaryFile() as file:
        file.write(private + signed.public_bytes(Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # no traceback per client
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def below(front: Front, prefix: str = "some prefix/") -> dict[str, bytes]:
    """Return the objects of the bucket below a prefix."""
    return {key.removeprefix(prefix): content for key, content in front.content().items()}


def clips_of(directory: Path) -> dict[str, bytes]:
    """Return the clips of a directory."""
    return {path.name: path.read_bytes() for path in directory.glob("*.mp4")}


def clips_in(front: Front) -> dict[str, bytes]:
    """Return the clips in the bucket."""
    return {key: content for key, content in below(front).items() if key.endswith(".mp4")}


def records_in(front: Front) -> list[dict[str, object]]:
    """Return all records of the journal in the bucket."""
    content = below(front)
    lines = b"".join(content[key] for key in sorted(content) if key.startswith(SEGMENTS))
    return [json.loads(line) for line in lines.splitlines()]


async def test_a_bucket_has_the_same_files_as_a_directory(
    front: Front, small: Finished, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Clips and manifests are equal byte for byte; another machine finds all and starts no process."""
    options = replace(small.options, scratch=tmp_path / "scratch")
    report = await hdtf_async.download(URL, options)
    assert report.exit_code is ExitCode.DONE
    assert len(report.done) == len(small.report.done)
    assert clips_in(front) == clips_of(small.out)
    content = below(front)
    assert {name: content[name] for name in MANIFESTS} == {
        name: (small.out / name).read_bytes() for name in MANIFESTS
    }
    assert not [*tmp_path.rglob("*.mp4")], "no clip and no raw stays in scratch"
    assert not [key for key in content if key.startswith("_videos_raw")], "nor is a raw kept anywhere"
    front.asked.clear()
    request.getfixturevalue("no_children")
    again = await hdtf_async.download(URL, replace(options, scratch=tmp_path / "another machine"))
    assert (again.there, again.done, again.exit_code) == (len(report.done), [], ExitCode.DONE)
    counts = front.counted()
    assert not [kind for kind in counts if kind.startswith("PUT") and kind != "PUT _locks"], counts
    assert not [kind for kind in counts if kind.endswith("mp4")], "the listing says which clips are there"


async def test_a_clip_takes_two_requests(front: Front, small: Finished) -> None:
    """One request for the clip and one for its record; the number of other requests is constant."""
    await hdtf_async.download(URL, small.options)
    counts = front.counted()
    clips = len(small.report.done)
    assert counts["PUT mp4"] == clips
    assert counts["PUT _journal"] <= clips + 4, "the run, its end, and what was noted"
    others = sum(counts.values()) - counts["PUT mp4"] - counts["PUT _journal"]
    assert others <= 20, counts


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        *((Fault.CUT, what) for what in ("mp4", "_journal", "_locks", "metadata.jsonl", "listing")),
        *((Fault.LOST, what) for what in ("mp4", "_journal", "_locks")),
        *((Fault.SLOW, what) for what in ("mp4", "_journal")),
        *((Fault.SLOW_DOWN, what) for what in ("mp4", "_journal", "listing")),
    ],
)
async def test_failing_requests_are_repeated(
    fault: Fault, what: str, front: Front, small: Finished, short: Options
) -> None:
    """The first request of each kind fails, is lost, slow or rejected; the result is the same."""
    faults: list[str] = []

    def rule(method: str, key: str) -> Fault | None:
        if not faults and method in {"PUT", "GET"} and (what in key or (what == "listing" and not key)):
            faults.append(key)
            return fault
        return None

    front.rule = rule
    report = await hdtf_async.download(URL, short)
    assert faults
    assert report.exit_code is ExitCode.DONE, report.stopped
    assert clips_in(front) == {name: text for name, text in clips_of(small.out).items() if "Radio1_" in name}
    recorded = [record["clip"] for record in records_in(front) if record["type"] == "clip"]
    assert sorted(map(str, recorded)) == ["RD_Radio1_000", "RD_Radio1_001"]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.SLOW_DOWN])
async def test_an_unavailable_store_ends_the_run(
    fault: Fault, front: Front, small: Finished, short: Options
) -> None:
    """It exits with 75 and names the object; every record has its object."""
    front.rule = lambda method, key: fault if method == "PUT" and key.endswith(".mp4") else None
    report = await hdtf_async.download(URL, short)
    assert report.exit_code is ExitCode.PASSING
    assert report.stopped is not None
    assert report.stopped.reason is Reason.STORE_UNREACHABLE
    assert "RD_Radio1_00" in report.stopped.words
    assert "hidden-from-all" not in f"{report.stopped}"
    assert not [record for record in records_in(front) if record["type"] == "clip"]
    front.rule = lambda _method, _key: None
    report = await hdtf_async.download(URL, short)
    assert report.exit_code is ExitCode.DONE
    assert set(clips_in(front)) == {name for name in clips_of(small.out) if "Radio1_" in name}


async def test_a_denied_request_needs_action(front: Front, short: Options) -> None:
    """A single request is sent, and the exit code is 4."""
    front.rule = lambda method, key: Fault.DENIED if method == "PUT" and key.endswith(".mp4") else None
    report = await hdtf_async.download(URL, replace(short, encodes=1))
    assert report.exit_code is ExitCode.LOCAL
    assert report.stopped is not None
    assert report.stopped.reason is Reason.STORE_REFUSED
    assert front.counted()["PUT mp4"] == 1


async def test_an_unreachable_store_is_reported_at_the_start(
    front: Front, short: Options, monkeypatch: pytest.MonkeyPatch, no_children: None
) -> None:
    """A refused connection ends the run with 75 before a process has started."""
    del front, no_children
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(AwayError, match="some prefix: "):
        await hdtf_async.download(URL, short)


def test_a_scheduler_can_retry_an_unreachable_store(
    front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code allows it; the message names the object store and contains no key."""
    del front
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert main(["--out", URL, "--quiet"]) == ExitCode.PASSING
    output = capsys.readouterr().err
    assert URL in output
    assert "hidden-from-all" not in output


async def test_a_missing_bucket_is_named(front: Front, short: Options) -> None:
    """It is not a temporary failure."""
    del front
    with pytest.raises(StoreError, match="404 Not Found: NoSuchBucket") as caught:
        await hdtf_async.download("s3://no-such-bucket/x", short)
    assert not isinstance(caught.value, AwayError)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_ALLOW_HTTP": ""}, "set AWS_ALLOW_HTTP=true"),
        ({"AWS_ENDPOINT_URL": "127.0.0.1:9000"}, "AWS_ENDPOINT_URL: expected the address of a server"),
        ({"AWS_ENDPOINT_URL": "https://127.0.0.1:{port}"}, "does not support TLS"),
        ({"AWS_ENDPOINT_URL": "https://127.0.0.1:{tls}"}, "set SSL_CERT_FILE"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "set AWS_ACCESS_KEY_ID"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_missing_setting_is_reported_and_is_not_temporary(
    variables: dict[str, str],
    message: str,
    front: Front,
    tls: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 4: a repetition has the same result."""
    due = {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:1"} | variables
    with exported({name: value.format(port=front.port, tls=tls) for name, value in due.items()}):
        for name in [name for name, value in variables.items() if not value]:
            del os.environ[name]
        assert main(["--out", URL, "--quiet"]) == ExitCode.LOCAL
    assert message in capsys.readouterr().err


async def test_a_second_run_is_rejected(front: Front, short: Options) -> None:
    """The second run is told which run holds the lock, and the first one is not affected."""
    async with hdtf_async.running(URL, short) as run:
        async for event in run:
            if event.type == "run_started":
                with pytest.raises(BusyError, match=rf"process {os.getpid()} on .* its lock expires in"):
                    await hdtf_async.download(URL, short)
                with pytest.raises(BusyError):
                    await hdtf_async.download(URL, replace(short, shard=Shard(0, 2)))
    assert run.report.exit_code is ExitCode.DONE
    assert len(clips_in(front)) == 2


async def test_two_shards_work_side_by_side(front: Front, small: Finished) -> None:
    """Each has its own journal and lock; a run without shards then finds the clips of both."""
    both = [replace(small.options, shard=Shard(index, 2)) for index in (0, 1)]
    async with anyio.create_task_group() as shards:
        for options in both:
            shards.start_soon(hdtf_async.download, URL, options)
    assert clips_in(front) == clips_of(small.out)
    assert "metadata.jsonl" not in below(front), "no shard knows of all clips"
    assert await merge_shards(parse_location(URL)) == Merged(len(small.report.done), Counter())
    assert below(front)["metadata.jsonl"] == (small.out / "metadata.jsonl").read_bytes()
    report = await hdtf_async.download(URL, small.options)
    assert (report.done, report.there) == ([], len(small.report.done))
    assert below(front)["metadata.jsonl"] == (small.out / "metadata.jsonl").read_bytes()


async def test_shards_that_never_began_are_named(front: Front, small: Finished) -> None:
    """By the last shard to end and by `merge`, also in the failures, until a run makes the rest."""
    begun, absent = Shard(0, 4), tuple(Shard(index, 4) for index in (1, 2, 3))
    options = replace(small.options, shard=begun)
    report = await hdtf_async.download(URL, options)
    assert report.absent == absent
    assert report.exit_code is ExitCode.PASSING
    for _ in range(2):
        merged = await hdtf_async.merge(URL)
        assert (merged.absent, merged.exit_code) == (absent, ExitCode.PASSING)
        assert merged.clips + merged.missing[Reason.NOT_TRIED] == len(small.report.done)
        (line,) = map(json.loads, below(front)["failures.jsonl"].splitlines())
        assert (line["clip"], line["clips"]) == (None, merged.missing[Reason.NOT_TRIED])
    async with open_location(parse_location(URL), replace(options, shard=absent[0]), NO_CLIPS):
        assert (await hdtf_async.download(URL, options)).absent == (), "another one is at work"
    await hdtf_async.download(URL, small.options)
    assert await hdtf_async.merge(URL) == Merged(len(small.report.done), Counter())
    assert below(front)["failures.jsonl"] == b""


async def test_clips_that_a_stopped_run_has_not_tried_stay_listed_after_a_merge(
    front: Front, small: Finished
) -> None:
    """Only the stored manifest lists them."""
    async with hdtf_async.running(URL, replace(small.options, encodes=1)) as run:
        async for event in run:
            if event.type == "clip_done":
                break
    before = below(front)["failures.jsonl"]
    assert b"not_tried" in before
    merged = await hdtf_async.merge(URL)
    assert merged.exit_code is ExitCode.PASSING
    assert below(front)["failures.jsonl"] == before


async def test_a_lock_that_is_not_renewed_is_taken_over(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the store's clock; the former owner notices and writes nothing more."""
    monkeypatch.setattr(lease, "LEASE", 1.0)
    monkeypatch.setattr(lease, "has_ended", lambda _told: False)
    place = client.reached(Address(URL))
    frozen = anyio.Event()

    async def never_renewed(_self: lease.Lease) -> None:
        await frozen.wait()

    with monkeypatch.context() as patch:
        patch.setattr(lease.Lease, "keep", never_renewed)
        async with lease.held(place, None) as first:
            with pytest.raises(BusyError):
                async with lease.held(place, None):
                    pass
            await anyio.sleep(2.5)  # S3 timestamps have a resolution of one second
            async with lease.held(place, None) as second:
                assert first.key < second.key
                patch.undo()
                with anyio.fail_after(5):
                    await lease.Lease.keep(first)
                with pytest.raises(Failure, match="taken over"):
                    first.check()
                second.check()
    del front


async def test_a_lock_that_is_renewed_is_not_taken_over(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For any duration."""
    del front
    monkeypatch.setattr(lease, "LEASE", 2.0)
    monkeypatch.setattr(lease, "has_ended", lambda _told: False)
    place = client.reached(Address(URL))
    async with lease.held(place, None):
        await anyio.sleep(4)
        with pytest.raises(BusyError):
            async with lease.held(place, None):
                pass


async def test_a_cancelled_run_releases_its_lock(front: Front, small: Finished, tmp_path: Path) -> None:
    """Finished work is recorded and listed, the lock is released, scratch has no clip; videos are resumed."""
    options = replace(small.options, scratch=tmp_path, encodes=1)
    made = ""
    async with hdtf_async.running(URL, options) as run:
        async for event in run:
            if event.type == "clip_done":
                made = f"{event.to_json()['clip']}"
                break
    content = below(front)
    assert [key for key in content if key.startswith("_locks/") and content[key]] == []
    listed = [json.loads(line)["file_name"] for line in content["metadata.jsonl"].splitlines()]
    assert f"{made}.mp4" in listed
    assert {record["clip"] for record in records_in(front) if record["type"] == "clip"} == {
        name.removesuffix(".mp4") for name in listed
    }
    assert not [*tmp_path.glob("*/*.mp4")]
    report = await hdtf_async.download(URL, options)
    assert report.there == len(listed)
    assert clips_in(front) == clips_of(small.out)


def _failure(index: int) -> dict[str, object]:
    video = Video("RD", "Radio1", "CPCoMyuBRM0", 720)
    clip = Clip(video, index, Interval(0, 1), Box(0, 0, 64, 64))
    return failure_record(clip, Failure(Reason.PRIVATE))


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("after", [0, 9], ids=["before any was read", "after some were read"])
async def test_a_merge_while_a_shard_joins_its_segments_loses_nothing(
    front: Front, monkeypatch: pytest.MonkeyPatch, times: int, after: int
) -> None:
    """It has listed segments that are deleted before it reads them: it lists them again."""
    monkeypatch.setattr(segments, "AT_A_TIME", 4)
    plain, count, joined = client.ObjectStoreClient.get, 0, 0
    async with open_location(parse_location(URL), Options(shard=Shard(0, 2)), NO_CLIPS) as shard:
        assert isinstance(shard, directory.ObjectStoreDirectory)
        for number in range(12):
            await shard.append(_failure(number))

        async def get(self: client.ObjectStoreClient, key: str, most: int = client.LARGEST) -> bytes | None:
            nonlocal count, joined
            count += key.startswith(SEGMENTS)
            if count > after and joined < times and key.startswith(SEGMENTS):
                joined += 1
                await shard.append(_failure(100 + joined))
                async with shard._turn:
                    await shard._join(least=2)
            return await plain(self, key, most)

        monkeypatch.setattr(client.ObjectStoreClient, "get", get)
        await merge_shards(parse_location(URL))
    assert joined == times
    listed = [json.loads(line)["clip"] for line in below(front)["failures.jsonl"].splitlines()]
    assert {f"RD_Radio1_{number:03d}" for number in range(12)} <= set(listed)


async def test_a_missing_segment_is_an_error(
    front: Front, short: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither `merge` nor a run uses a journal with an unreadable part."""
    monkeypatch.setattr(segments, "AGAIN_AFTER", 0.0)
    place = parse_location(URL)
    async with open_location(place, Options(), NO_CLIPS) as directory:
        await directory.append(_failure(0))
    before = below(front)
    front.rule = lambda method, key: Fault.GONE if method == "GET" and SEGMENTS in key else None
    with pytest.raises(Failure, match="is listed but missing") as caught:
        await merge_shards(place)
    assert caught.value.reason is Reason.STORE_UNREACHABLE
    with pytest.raises(AwayError, match="is listed but missing"):
        await hdtf_async.download(URL, short)
    assert {key: text for key, text in below(front).items() if "_locks" not in key} == {
        key: text for key, text in before.items() if "_locks" not in key
    }


@pytest.mark.parametrize("largest", [0, 100, 1500])
async def test_long_segments_are_copied_in_parts(
    front: Front, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """Long ones alone, others in groups that fit into memory; the journal is the same."""
    monkeypatch.setattr(segments, "LARGEST", largest)
    monkeypatch.setattr(client, "_PIECE", 100)
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        for number in range(4):
            await directory.append(_failure(number), _failure(100 + number))
    faults: list[str] = []

    def rule(method: str, key: str) -> Fault | None:
        if method == "GET" and SEGMENTS in key and not faults:
            faults.append(key)
            return Fault.CUT
        return None

    front.rule = rule
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        text = (directory.out / "_journal.jsonl").read_bytes()
    content = below(front)
    assert faults
    assert text == b"".join(content[key] for key in sorted(content) if key.startswith(SEGMENTS))


async def test_an_object_above_the_size_limit_is_not_read(front: Front) -> None:
    """A lock of gigabytes that another program wrote is ignored."""
    del front
    place = client.reached(Address(URL))
    await place.write("small", b"12345")
    assert await place.get("small", 5) == b"12345"
    assert await place.get("small", 4) is None
    assert not await place.create("small", b"123")


async def test_an_upload_that_is_cancelled_is_finished_later(front: Front) -> None:
    """It succeeded without an answer, and more was recorded meanwhile. Each record exists once."""
    front.seconds = 1.0
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        front.rule = lambda method, key: Fault.LATE if method == "PUT" and SEGMENTS in key else None
        async with anyio.create_task_group() as group:
            group.start_soon(directory.append, _failure(0))
            with anyio.fail_after(10):
                while not records_in(front):
                    await anyio.sleep(0.01)
            group.start_soon(directory.append, _failure(1))
            with anyio.fail_after(10):
                while "RD_Radio1_001" not in directory.known.failures:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        front.rule = lambda _method, _key: None
        await directory.write_manifests()
        await directory.deliver()
        assert [record["clip"] for record in records_in(front)] == ["RD_Radio1_000", "RD_Radio1_001"]
        assert len(below(front)["failures.jsonl"].splitlines()) == 2
        await directory.append(_failure(2))
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        assert set(directory.known.failures) == {f"RD_Radio1_{number:03d}" for number in range(3)}


async def test_a_joined_segment_whose_upload_is_cancelled_does_no_harm(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It repeats earlier segments, which are not deleted."""
    front.seconds = 1.0
    monkeypatch.setattr(segments, "MANY", 3)
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        for number in range(2):
            await directory.append(_failure(number))
        puts: list[str] = []

        def rule(method: str, key: str) -> Fault | None:
            if method == "PUT" and SEGMENTS in key:
                puts.append(key)
                return Fault.LATE if len(puts) == 2 else None
            return None

        front.rule = rule
        async with anyio.create_task_group() as group:
            group.start_soon(directory.append, _failure(2))
            with anyio.fail_after(10):
                while len(records_in(front)) < 6:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        for number in range(3, 6):
            await directory.append(_failure(number))
        await directory.deliver()
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        assert [*directory.known.failures] == [f"RD_Radio1_{number:03d}" for number in range(6)]


async def test_a_segment_that_conflicts_with_its_own_upload_is_uploaded_again(front: Front) -> None:
    """S3 answers 409 while an earlier, aborted request for the same key is in progress."""
    conflicts: list[str] = []

    def rule(method: str, key: str) -> Fault | None:
        if method == "PUT" and SEGMENTS in key and not conflicts:
            conflicts.append(key)
            return Fault.CONFLICT
        return None

    front.rule = rule
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        await directory.append(_failure(0))
    assert conflicts
    async with open_location(parse_location(URL), Options(), NO_CLIPS) as directory:
        assert [*directory.known.failures] == ["RD_Radio1_000"]


async def test_a_lock_whose_upload_is_cancelled_is_released(front: Front) -> None:
    """It succeeded without an answer: the same program can start again at once."""
    front.seconds = 1.0
    place = client.reached(Address(URL))
    front.rule = lambda method, _key: Fault.LATE if method == "PUT" else None

    async def take() -> None:
        async with lease.held(place, None):
            raise AssertionError

    async with anyio.create_task_group() as group:
        group.start_soon(take)
        with anyio.fail_after(10):
            while not [key for key in below(front) if key.startswith("_locks/")]:
                await anyio.sleep(0.01)
        front.rule = lambda _method, _key: None
        group.cancel_scope.cancel()
    async with lease.held(place, None):
        pass


async def test_a_run_uploads_its_manifests_however_long_that_takes(
    front: Front, short: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a cancelled run has less time."""
    monkeypatch.setattr(directory, "_GOODBYE", 0.0)
    front.seconds = 0.5
    front.rule = lambda _method, key: Fault.LATE if "metadata" in key else None
    report = await hdtf_async.download(URL, short)
    assert report.exit_code is ExitCode.DONE
    assert len(below(front)["metadata.jsonl"].splitlines()) == 2


async def test_a_cancelled_run_does_not_wait_for_an_unresponsive_store(
    front: Front, short: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every record has its object, and the next run does the rest."""
    monkeypatch.setattr(directory, "_GOODBYE", 0.2)
    monkeypatch.setattr(lease, "_GOODBYE", 0.2)
    front.seconds = 60.0
    asked = anyio.Event()

    def rule(method: str, key: str) -> Fault | None:
        silent = method == "PUT" and (asked.is_set() or (SEGMENTS in key and bool(clips_in(front))))
        if silent:
            asked.set()
        return Fault.SLOW if silent else None

    front.rule = rule
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(hdtf_async.download, URL, short)
            while not asked.is_set():
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
    assert not [record for record in records_in(front) if record["type"] == "clip"]


@pytest.mark.parametrize(
    "fault", [Fault.LATE, Fault.SLOW, Fault.LOST, Fault.CUT], ids=lambda fault: fault.name
)
def test_a_run_that_is_terminated_while_it_uploads_a_record_loses_nothing(
    fault: Fault, front: Front, small: Finished
) -> None:
    """Whatever became of that upload: each record exists once, its clip is listed, the lock is released."""
    front.seconds = 1.0
    sent: list[str] = []

    def rule(method: str, key: str) -> Fault | None:
        if method == "PUT" and SEGMENTS in key and clips_in(front) and not sent:
            sent.append(key)
            os.kill(process.pid, signal.SIGTERM)
            return fault
        return None

    front.rule = rule
    command = [sys.executable, "-m", "hdtf_async", "--out", URL, "--source", str(small.options.source)]
    command += ["--pace", "0", "--no-progress", "--encodes", "1"]
    command += ["--yt-dlp-args", " ".join(small.options.yt_dlp_args), *QUICK_WORDS]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        process.wait(60)
    assert process.returncode == 128 + signal.SIGTERM
    assert sent
    recorded = [f"{record['clip']}.mp4" for record in records_in(front) if record["type"] == "clip"]
    content = below(front)
    listed = [json.loads(line)["file_name"] for line in content["metadata.jsonl"].splitlines()]
    assert recorded
    assert sorted(recorded) == listed
    assert set(listed) <= set(clips_in(front))
    assert b"not_tried" in content["failures.jsonl"]
    assert [key for key in content if key.startswith("_locks/") and content[key]] == []


async def test_merging_an_empty_prefix_is_an_error(front: Front) -> None:
    """A mistyped prefix is reported, and no empty manifest is written to it."""
    with pytest.raises(StoreError, match="has no journal"):
        await merge_shards(parse_location(URL))
    assert below(front) == {}


@pytest.mark.parametrize("when", ["before the record", "after the record"])
def test_a_killed_run_can_be_continued_on_another_machine(
    when: str, front: Front, small: Finished, tmp_path: Path
) -> None:
    """Killed between a clip's upload and its record, or after both: the result is that of one run."""
    begun = threading.Event()
    uploads: list[str] = []

    def rule(method: str, key: str) -> Fault | None:
        if method == "PUT" and key.endswith(".mp4"):
            uploads.append(key)
        ready = uploads and SEGMENTS in key and method == "PUT"
        if when == "after the record":
            ready = len(uploads) >= 3
        if ready and not begun.is_set():
            begun.set()
            os.kill(process.pid, signal.SIGKILL)
        return Fault.CUT if begun.is_set() else None

    front.rule = rule
    command = [sys.executable, "-m", "hdtf_async", "--out", URL, "--source", str(small.options.source)]
    command += ["--pace", "0", "--no-progress", "--scratch", str(tmp_path / "first")]
    command += ["--yt-dlp-args", " ".join(small.options.yt_dlp_args), *QUICK_WORDS]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        process.wait(60)
    assert process.returncode == -signal.SIGKILL
    front.rule = lambda _method, _key: None
    recorded = {record["clip"] for record in records_in(front) if record["type"] == "clip"}
    options = replace(small.options, scratch=tmp_path / "second")
    report = anyio.run(hdtf_async.download, URL, options)
    assert report.exit_code is ExitCode.DONE
    assert report.there == len(recorded), "what was recorded is not made again"
    assert (when == "after the record") is bool(recorded)
    assert clips_in(front) == clips_of(small.out)
    assert below(front)["metadata.jsonl"] == (small.out / "metadata.jsonl").read_bytes()


async def test_a_missing_clip_is_made_again(front: Front, small: Finished, short: Options) -> None:
    """A record is ignored if its object is missing or has another size."""
    await hdtf_async.download(URL, short)
    place = client.reached(Address(URL))
    await place.delete(["RD_Radio1_000.mp4"])
    await place.write("RD_Radio1_001.mp4", b"another one")
    report = await hdtf_async.download(URL, short)
    assert sorted(report.done) == ["RD_Radio1_000", "RD_Radio1_001"]
    assert clips_in(front) == {name: text for name, text in clips_of(small.out).items() if "Radio1_" in name}


async def test_source_videos_are_kept_on_request(front: Front, small: Finished, short: Options) -> None:
    """Then they are the same as in a directory, and scratch has none."""
    await hdtf_async.download(URL, replace(short, keep_raw=True))
    raws = {key: text for key, text in below(front).items() if key.startswith("_videos_raw/")}
    expected = {path.name: path.read_bytes() for path in (small.out / "_videos_raw").glob("RD_Radio1.*")}
    assert raws == {f"_videos_raw/{name}": text for name, text in expected.items()}


async def test_audio_files_are_uploaded_with_their_clips(front: Front, short: Options) -> None:
    """A clip whose audio file has vanished is made again."""
    options = replace(short, audio=Audio.WAV)
    await hdtf_async.download(URL, options)
    assert {key.rpartition(".")[2] for key in below(front) if key.startswith("RD_Radio1_000")} == {
        "mp4",
        "wav",
    }
    assert (await hdtf_async.download(URL, options)).done == []
    await client.reached(Address(URL)).delete(["RD_Radio1_001.wav"])
    assert (await hdtf_async.download(URL, options)).done == ["RD_Radio1_001"]


async def test_other_settings_replace_clips_one_by_one(front: Front, short: Options) -> None:
    """Only with --recut; without it, the run names the existing clips."""
    await hdtf_async.download(URL, short)
    other = replace(short, size=128)
    with pytest.raises(FormError, match="some prefix already contains 2 clips made with different settings"):
        await hdtf_async.download(URL, other)
    assert len((await hdtf_async.download(URL, replace(other, recut=True))).done) == 2
    assert (await hdtf_async.download(URL, other)).there == 2
    del front


async def test_a_file_store_needs_no_server(small: Finished, short: Options, tmp_path: Path) -> None:
    """``file://`` is another backend with the same layout."""
    url = f"file://{tmp_path}/store"
    assert (await hdtf_async.download(url, short)).exit_code is ExitCode.DONE
    expected = {name: text for name, text in clips_of(small.out).items() if "Radio1_" in name}
    assert clips_of(tmp_path / "store") == expected
    assert (await hdtf_async.download(url, short)).there == 2


async def test_small_segments_are_joined(
    front: Front, short: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a run and at its end: few remain, with every record once and in order."""
    monkeypatch.setattr(segments, "MANY", 3)
    monkeypatch.setattr(directory, "_FEW", 2)
    for _ in range(2):
        assert len((await hdtf_async.download(URL, short)).done) in {1, 2}
        await client.reached(Address(URL)).delete(["RD_Radio1_000.mp4"])
    assert len([key for key in below(front) if key.startswith(SEGMENTS)]) <= 2
    assert front.counted()["PUT _journal"] > 4
    records = records_in(front)
    assert [str(record["time"]) for record in records] == sorted(str(record["time"]) for record in records)
    kinds = [record["type"] for record in records]
    assert [kinds.count(kind) for kind in ("run", "raw", "clip")] == [2, 2, 3]


async def test_a_large_file_is_uploaded_in_parts(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entity tag alone verifies it; where that is no MD5, the size is requested."""
    monkeypatch.setattr(client, "PART", 5 << 20)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(11 << 20))
    place = client.reached(Address(URL))
    await place.put(big, "big")
    assert below(front)["big"] == big.read_bytes()
    assert [method for method, _ in front.asked].count("HEAD") == 0
    front.asked.clear()
    monkeypatch.setattr(client, "tag", lambda path: (path.stat().st_size, "unlike"))
    await place.put(big, "big")
    assert [method for method, _ in front.asked].count("HEAD") == 1


async def test_clips_are_split_at_their_cuts(front: Front, tmp_path: Path) -> None:
    """The store has the parts, and not the whole clip; another run has nothing to do."""
    options = replace(options_with_cuts(tmp_path), scene_cuts="split")
    report = await hdtf_async.download(URL, options)
    assert (report.exit_code, report.failed) == (ExitCode.DONE, {})
    parts = ["cuts_s000", "cuts_s001", "cuts_s002", "plain"]
    assert sorted(report.done) == parts
    keys = {name.rpartition("/")[2] for name in front.content()}
    assert {name for name in keys if name.endswith(".mp4")} == {f"{stem}.mp4" for stem in parts}
    again = await hdtf_async.download(URL, options)
    assert (again.there, again.done) == (4, [])
