"""Probing an untrusted file: properties, truncation, and files that are no video."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import media
import pytest
from anyio import create_task_group

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Interval
from hdtf_async.media import containers, probe
from hdtf_async.media.demux import MediaInfo
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.framing import Part
from hdtf_async.media.probe import Prober
from hdtf_async.process.guard import guarding

if TYPE_CHECKING:
    from collections.abc import Callable


async def facts_of(prober: Prober, path: Path, *intervals: Interval) -> MediaInfo:
    """Probe with the file's own extension."""
    return await prober.facts(path, container=path.suffix[1:], intervals=intervals)


async def refused(prober: Prober, path: Path, container: str | None = None) -> str:
    """Return the message with which a file is called unreadable."""
    with pytest.raises(Failure) as failure:
        await prober.facts(path, container=container or path.suffix[1:])
    assert failure.value.reason is Reason.RAW_UNREADABLE
    return failure.value.words


def part_of(whole: Path, directory: Path, share: float) -> Path:
    """Write the first part of a file, and return it."""
    part = directory / whole.name
    content = whole.read_bytes()
    part.write_bytes(content[: int(share * len(content))])
    return part


# Properties


async def test_the_properties_of_an_ordinary_video(prober: Prober, sources: Path) -> None:
    """H.264 with B-frames at 29.97 fps, whose decoding starts before its first displayed frame."""
    frames = -(-media.SECONDS * 30000 // 1001)
    end = round(frames * 1001 / 30000, 6)
    assert await facts_of(prober, sources / "b_frames.mp4") == MediaInfo(
        codec="h264",
        width=media.WIDTH,
        height=media.HEIGHT,
        fps=29.97003,
        frames=frames,
        start=0.0,
        end=end,
        promised=end,
        time_base="1/30000",
        parts=(Part(0.0, media.WIDTH, media.HEIGHT, pixels="yuv420p"),),
        step=0.033367,
        last=round((frames - 1) * 1001 / 30000, 6),
        regular=True,
    )


async def test_the_properties_of_a_webm(prober: Prober, sources: Path) -> None:
    """Its clock has a thousand ticks per second, on which frames are not evenly spaced."""
    assert await facts_of(prober, sources / "plain.webm") == MediaInfo(
        codec="vp9",
        width=media.WIDTH,
        height=media.HEIGHT,
        fps=30.0,
        frames=120,
        start=0.0,
        end=4.0,
        promised=4.0,
        time_base="1/1000",
        parts=(Part(0.0, media.WIDTH, media.HEIGHT, pixels="yuv420p"),),
        step=0.033,
        last=3.967,
        regular=True,
    )


async def test_a_container_may_state_no_durations(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """A video then ends one usual frame duration after its last frame, within the stated total."""
    path = tmp_path / "sparse.webm"
    content = (sources / path.name).read_bytes()
    frame_duration, all_duration, void = bytes.fromhex("23e38384"), bytes.fromhex("448988"), b"\xec"
    assert content.count(frame_duration) == content.count(all_duration) == 1
    without = content.replace(frame_duration, void + b"\x86\0\0")
    path.write_bytes(without)
    facts = await facts_of(prober, path)
    assert (facts.frames, facts.start, facts.end) == (4, 0.0, 2.366)
    assert not facts.truncated
    path.write_bytes(without.replace(all_duration, void + b"\x89\0"))
    facts = await facts_of(prober, path)
    assert (facts.frames, facts.start, facts.end) == (4, 0.0, 2.9)
    assert facts.fps == pytest.approx(4 / 2.9, abs=1e-6)
    assert not facts.truncated


@pytest.mark.parametrize("name", ["varying.mp4", "varying.webm"])
async def test_a_variable_rate_is_reported_as_its_average(prober: Prober, sources: Path, name: str) -> None:
    """The file declares 30 fps, and has about half of them."""
    facts = await facts_of(prober, sources / name)
    assert facts.frames == len(media.shown_times(sources / name))
    assert facts.fps == pytest.approx(facts.frames / (facts.end - facts.start))
    assert 16 < facts.fps < 17


@pytest.mark.parametrize("name", ["late.mp4", "late.webm"])
async def test_a_video_may_start_late(prober: Prober, sources: Path, name: str) -> None:
    """Its first timestamp is 0.2 s, and nothing of it is missing."""
    facts = await facts_of(prober, sources / name)
    assert (facts.start, facts.end) == (0.2, 4.2)
    assert facts.promised == pytest.approx(4)
    assert not facts.truncated


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("open_gop.mp4", 0.2),
        ("fifty.mp4", 0.1),
        ("open_fragments.mp4", 0.2),
        ("b_frames.mp4", 0),
        ("av1.mp4", 0),
    ],
)
async def test_frames_displayed_before_their_key_frame_are_detected(
    prober: Prober, sources: Path, name: str, lead: float
) -> None:
    """A key frame of this kind is stored five frames before its display time; others need no care."""
    assert (await facts_of(prober, sources / name)).lead == pytest.approx(lead)


async def test_frames_omitted_by_an_edit_list_do_not_count(prober: Prober, sources: Path) -> None:
    """A cut without encoding keeps frames that are only used to decode others."""
    facts = await facts_of(prober, sources / "edit_list.mp4", Interval(-2, 0))
    assert facts.frames == len(media.shown_times(sources / "edit_list.mp4"))
    assert facts.start == 0
    assert [shown.frames for shown in facts.shown] == [0]


@pytest.mark.parametrize(
    "name",
    [
        *("b_frames.mp4", "open_gop.mp4", "varying.mp4", "late.mp4", "edit_list.mp4", "fragments.mp4"),
        *("coarse.mov", "plain.webm", "varying.webm", "late.webm"),
    ],
)
async def test_frames_are_counted_exactly(prober: Prober, sources: Path, name: str) -> None:
    """For any ends of an interval: on a frame, between two, next to one, outside."""
    times = media.shown_times(sources / name)
    on, after = float(times[30]), float(times[45])
    intervals = [
        Interval(0, media.SECONDS),
        Interval(-1, 100),
        Interval(1, 2),
        Interval(1.5, 1.5),
        Interval(0.1, 2.34567),
        Interval(on, after),
        Interval(on + 1e-9, after + 1e-9),
        Interval(on - 1e-9, after - 1e-9),
        Interval(round(on + 0.0004, 4), round(after + 0.0004, 4)),
        Interval(50, 60),
    ]
    facts = await facts_of(prober, sources / name, *intervals)
    for one, shown in zip(intervals, facts.shown, strict=True):
        within = [time for time in times if Fraction(str(one.start)) <= time < Fraction(str(one.end))]
        earlier = [time for time in times if time < Fraction(str(one.start))]
        assert shown.frames == len(within)
        assert shown.before == (pytest.approx(float(earlier[-1]), abs=1e-6) if earlier else None)
        if within:
            ends = [float(within[0]), float(within[-1])]
            assert [shown.first, shown.last] == pytest.approx(ends, abs=1e-6)
    assert facts.frames == len(times)


async def test_a_path_with_any_bytes_is_opened(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """Colons, quotes, percent signs, line ends, and invalid UTF-8."""
    for name in (b"http:x %d 'y' \"z\".mp4", "gr\u00fcn\n\u4e2d.mp4".encode(), b"\xff\xfe.mp4"):
        path = tmp_path / os.fsdecode(name)
        os.link(sources / "b_frames.mp4", path)
        assert (await facts_of(prober, path)).frames == 120


async def test_a_title_in_another_encoding_does_not_matter(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """Users' own files have all kinds of tags."""
    path = tmp_path / "tagged.mp4"
    media.ffmpeg(tmp_path, f"-v error -i {sources / 'b_frames.mp4'} -c copy -metadata title=MARK {path.name}")
    content = path.read_bytes()
    assert content.count(b"MARK") == 1
    path.write_bytes(content.replace(b"MARK", b"\xe4\xff\xfe\xdf"))
    assert (await facts_of(prober, path)).frames == 120


# Truncation


@pytest.mark.parametrize("name", ["b_frames.mp4", "fragments.mp4", "plain.webm"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
async def test_a_truncated_download_is_detected(
    prober: Prober, sources: Path, tmp_path: Path, name: str, share: float
) -> None:
    """Its header is complete, and promises more than the file contains."""
    facts = await facts_of(prober, part_of(sources / name, tmp_path, share))
    assert facts.truncated
    assert facts.end < media.SECONDS * (share + 0.15)
    assert not (await facts_of(prober, sources / name)).truncated


async def test_a_missing_header_makes_a_file_unreadable(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """In this file it is at the end."""
    message = await refused(prober, part_of(sources / "open_gop.mp4", tmp_path, 0.9))
    assert "Invalid data" in message


@pytest.mark.parametrize("name", ["longer_sound.webm", "longer_sound.mp4"])
async def test_audio_longer_than_the_video_is_no_truncation(
    prober: Prober, sources: Path, tmp_path: Path, name: str
) -> None:
    """WebM states one duration for all streams; if the audio is truncated too, that is detected."""
    facts = await facts_of(prober, sources / name)
    assert facts.end == pytest.approx(4, abs=0.01)
    assert facts.sound is not None
    assert facts.sound.end == pytest.approx(6, abs=0.05)
    assert not facts.truncated
    assert (await facts_of(prober, part_of(sources / name, tmp_path, 0.5))).truncated


# Files that are not a video, or dangerous


async def test_a_script_that_names_other_files_is_not_followed(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """Neither on this disk nor on another host."""
    with media.listening() as server:
        found = media.scripts(tmp_path, server.getsockname()[1])
        os.link(sources / "b_frames.mp4", tmp_path / "other.mp4")
        for script in found:
            assert "Invalid data" in await refused(prober, script)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_script_that_names_other_files_would_be_followed(sources: Path, tmp_path: Path) -> None:
    """The danger is real: without a forced demuxer they are read, and without protocol limits requested."""
    with media.listening() as server:
        media.scripts(tmp_path, server.getsockname()[1])
        (tmp_path / "other.mp4").symlink_to(sources / "b_frames.mp4")
        with av.open(str(tmp_path / "local.mp4")) as followed:
            assert sum(1 for _ in followed.demux()) > 120
        arguments = "-v error -protocol_whitelist file,http,tcp -safe 0 -f concat -i remote.mp4 -f null -"
        with subprocess.Popen(
            [bundled_ffmpeg(), *arguments.split()], cwd=tmp_path, stderr=subprocess.DEVNULL
        ):
            server.settimeout(30)
            server.accept()[0].close()


NOT_VIDEO = {
    "nothing": b"",
    "zeros": bytes(100_000),
    "a page": b"<!DOCTYPE html><html><title>Sign in</title>" + b"<p>no</p>" * 1000,
    "json": b'{"error": "forbidden"}',
    "a picture": bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"),
}


@pytest.mark.parametrize("content", NOT_VIDEO.values(), ids=NOT_VIDEO.keys())
@pytest.mark.parametrize("ending", ["mp4", "webm"])
async def test_other_files_are_unreadable(
    prober: Prober, tmp_path: Path, content: bytes, ending: str
) -> None:
    """Error pages and empty files have the requested extension."""
    path = tmp_path / f"raw.{ending}"
    path.write_bytes(content)
    assert (await refused(prober, path)).startswith(f"raw.{ending}: ")


async def test_another_container_than_expected_is_unreadable(prober: Prober, sources: Path) -> None:
    """And so is an unsupported type, and a missing file."""
    await refused(prober, sources / "plain.webm", "mp4")
    await refused(prober, sources / "b_frames.mp4", "webm")
    assert "supported: mp4" in await refused(prober, sources / "b_frames.mp4", "txt")
    message = await refused(prober, sources / "nowhere.mp4")
    assert "No such file" in message
    assert str(sources) not in message


async def test_audio_without_video_is_no_video(prober: Prober, tmp_path: Path) -> None:
    """The message says so."""
    media.ffmpeg(tmp_path, "-v error -f lavfi -i sine=duration=1 -c:a aac sound.m4a")
    assert "no video stream" in await refused(prober, tmp_path / "sound.m4a")


async def test_an_oversized_image_is_rejected(prober: Prober, sources: Path, tmp_path: Path) -> None:
    """Whether it exists, or the header only says so."""
    source = f"color=size={containers.MAX_SIDE + 2}x16:rate=1:duration=1"
    media.ffmpeg(tmp_path, f"-v error -f lavfi -i {source} -c:v libx264 -preset ultrafast wide.mp4")
    assert f"{containers.MAX_SIDE + 2}x16" in await refused(prober, tmp_path / "wide.mp4")

    media.ffmpeg(tmp_path, f"-v error -i {sources / 'full_range.mp4'} -c:v rawvideo -pix_fmt uyvy422 lie.mov")
    content = (tmp_path / "lie.mov").read_bytes()
    sides = [side.to_bytes(2) for side in (media.WIDTH, media.HEIGHT, 20_000)]
    place = content.index(sides[0] + sides[1], content.index(b"stsd"))
    (tmp_path / "lie.mov").write_bytes(content[:place] + sides[2] * 2 + content[place + 4 :])
    assert "unsupported frame size" in await refused(prober, tmp_path / "lie.mov")


# The child process


async def test_one_prober_serves_simultaneous_requests(prober: Prober, sources: Path) -> None:
    """Each gets the properties of its own file."""
    found: dict[str, MediaInfo] = {}
    names = ["b_frames.mp4", "open_gop.mp4", "varying.mp4", "plain.webm"] * 3

    async def ask(place: int, name: str) -> None:
        found[f"{place} {name}"] = await facts_of(prober, sources / name)

    async with create_task_group() as tasks:
        for place, name in enumerate(names):
            tasks.start_soon(ask, place, name)
    for place, name in enumerate(names):
        assert found[f"{place} {name}"] == await facts_of(prober, sources / name)


WOUNDS = {
    "os.kill(os.getpid(), signal.SIGSEGV)": "SIGSEGV",
    "os._exit(7)": "code 7",
    "sys.exit(0)": "code 1",
    "bytearray(5 << 30)": "MemoryError",
    "raise RuntimeError('odd')": "RuntimeError: odd",
    "os.write(1, b'{}\\n' * 3); sys.stdout.write('junk'); raise ValueError('no')": "wound.mp4: no",
}


def in_its_place(script: str) -> Callable[[str], list[str]]:
    """Return a function that starts a script instead of the probing child."""
    return lambda _module: [sys.executable, "-c", script, str(Path(probe.__file__).parents[2])]


@pytest.mark.parametrize(("wound", "message"), WOUNDS.items(), ids=WOUNDS.values())
async def test_a_file_that_crashes_the_reader_only_fails_its_own_request(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wound: str, message: str
) -> None:
    """Crashes of a parser, excessive memory, noise on its output: the next request succeeds."""
    script = f"""
import os, signal, sys
sys.path.append(sys.argv[1])
from hdtf_async.media import probe
read = probe.read
def wounded(path, container, intervals):
    if path.endswith("wound.mp4"):
        {wound}
    return read(path, container, intervals)
probe.read = wounded
probe.serve()
"""
    monkeypatch.setattr(probe, "own_module_argv", in_its_place(script))
    async with Prober() as prober:
        server = prober.facts(sources / "b_frames.mp4", container="mp4")
        before = await server
        assert message in await refused(prober, tmp_path / "wound.mp4")
        assert await facts_of(prober, sources / "b_frames.mp4") == before


@pytest.mark.slow
async def test_a_file_that_takes_too_long_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limited by CPU time, and by elapsed time."""
    (tmp_path / "raw.mp4").touch()
    stub = """
import sys, time
sys.path.append(sys.argv[1])
from hdtf_async.media import probe
probe._CPU_SECONDS = 1
def read(path, container, intervals):
    while container == "mp4": pass
    time.sleep(100)
probe.read = read
probe.serve()
"""
    monkeypatch.setattr(probe, "own_module_argv", in_its_place(stub))
    async with Prober() as prober:
        assert "SIGXCPU" in await refused(prober, tmp_path / "raw.mp4")
        monkeypatch.setattr(probe, "_DEADLINE", 0.2)
        with pytest.raises(Failure) as failure:
            await prober.facts(tmp_path / "raw.mp4", container="webm")
    assert failure.value.reason is Reason.TIMED_OUT


async def test_a_video_may_have_any_number_of_clips(prober: Prober, sources: Path) -> None:
    """Their frames are as of each interval alone."""
    intervals = [Interval(number / 10_000, number / 10_000 + 0.5) for number in range(12_000)]
    found = await facts_of(prober, sources / "b_frames.mp4", *intervals)
    assert len(found.shown) == 12_000
    for number in (0, 1999, 2000, 11_999):
        alone = await facts_of(prober, sources / "b_frames.mp4", intervals[number])
        assert alone.shown == (found.shown[number],)
        assert replace(alone, shown=found.shown) == found


async def test_an_answer_that_is_too_long_delays_no_other_request(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that writes it ends."""
    stub = """
import sys
sys.path.append(sys.argv[1])
from hdtf_async.media import probe
answer = probe._answer
probe._answer = lambda question: "x" * (3 << 20) if b"mkv" in question else answer(question)
probe.serve()
"""
    monkeypatch.setattr(probe, "own_module_argv", in_its_place(stub))
    async with Prober() as prober:
        assert "ended with code 1" in await refused(prober, sources / "b_frames.mp4", "mkv")
        assert (await facts_of(prober, sources / "b_frames.mp4")).width > 0


async def test_a_broken_prober_blames_no_file(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what is missing."""
    monkeypatch.setattr(probe, "own_module_argv", in_its_place("import no_such_module"))
    async with Prober() as prober:
        with pytest.raises(Failure) as failure:
            await facts_of(prober, sources / "b_frames.mp4")
    assert failure.value.reason is Reason.TOOL_FAILED
    assert "no_such_module" in failure.value.words


async def test_the_prober_ends_with_its_context(sources: Path) -> None:
    """With everything that it had started."""
    lock = os.open(sources, os.O_RDONLY)
    try:
        async with guarding(lock) as guard, Prober(guard) as prober:
            (reaper,) = holding(sources)
            await facts_of(prober, sources / "b_frames.mp4")
            holders = [process for process in holding(sources) if process != reaper]
            assert len(holders) == 1
        assert not holding(sources)
    finally:
        os.close(lock)
    with pytest.raises(ProcessLookupError):
        os.kill(holders[0], 0)


def holding(path: Path) -> list[int]:
    """Return the other processes that have a file open."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                opened = {entry.readlink() for entry in (process / "fd").iterdir()}
            except OSError:
                continue
            if path in opened:
                found.append(int(process.name))
    return found


@pytest.mark.slow
def test_the_supervisor_never_parses_media(sources: Path, tmp_path: Path) -> None:
    """Every module is imported and a file is probed, in a directory full of traps: no parser is imported."""
    for trap in ("av.py", "probe.py", "hdtf_async.py"):
        (tmp_path / trap).write_text("raise SystemExit('the working directory was trusted')\n")
    code = """
import asyncio, pkgutil, importlib, sys
from pathlib import Path
sys.path.append(sys.argv[1])
import hdtf_async
modules = [each.name for each in pkgutil.walk_packages(hdtf_async.__path__, "hdtf_async.")]
assert len(modules) > 90
for name in modules:
    if not name.startswith(("hdtf_async.__main__", "hdtf_async.demo", "hdtf_async.youtube.plugins")):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            assert error.name == "distributed", error  # modules of an extra
async def main():
    async with hdtf_async.media.probe.Prober() as prober:
        print((await prober.facts(Path(sys.argv[2]), container="mp4")).frames)
asyncio.run(main())
print([name for name in sys.modules if name == "av" or name.startswith("av.")])
"""
    ran = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            code,
            str(Path(probe.__file__).parents[2]),
            str(sources / "b_frames.mp4"),
        ],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "120\n[]\n", ran.stderr


@pytest.mark.slow
async def test_a_broken_child_is_detected_before_a_download(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing or broken PyAV is one local error, and not a failure of each video."""
    async with Prober() as prober:
        await prober.ready()
    monkeypatch.setattr(probe, "own_module_argv", in_its_place("import no_such_module"))
    async with Prober() as prober:
        with pytest.raises(Failure, match="no_such_module") as failed:
            await prober.ready()
    assert failed.value.reason is Reason.TOOL_MISSING
