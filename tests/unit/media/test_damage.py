"""Damage within a clip rejects it; damage elsewhere in its source does not."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import islice, product
from typing import TYPE_CHECKING

import av
import media
import pytest
import shapes
from shapes import Shape
from shared import long_unless, slow_unless

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Crop, OutputSettings
from hdtf_async.lanes import cut_plan
from hdtf_async.media import damage
from hdtf_async.media.probe import Prober

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.lanes.source_videos import SourceVideo

START, END = 3.0, 5.0
"""The clip; there is a key frame every two seconds."""
H264 = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -threads 1 -g 50 -x264-params scenecut=0"
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -keyint_min 50 -b:v 300k"
AV1 = "-pix_fmt yuv420p -c:v libsvtav1 -preset 12 -crf 20 -g 50 -svtav1-params lp=1"
_X265 = "log-level=error:pools=1:keyint=50:scenecut=0"
HEVC = f"-pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params {_X265}"
KINDS = {
    "H.264 in MPEG-TS": ("ts", f"{H264} -bf 2 -c:a aac"),
    "H.264 in MP4": ("mp4", f"{H264} -bf 2 -c:a aac"),
    "H.264 in Matroska": ("mkv", f"{H264} -bf 0 -c:a aac"),
    "H.264 in FLV": ("flv", f"{H264} -bf 2 -c:a aac"),
    "HEVC in MPEG-TS": ("ts", f"{HEVC} -c:a aac"),
    "VP9 in WebM": ("webm", f"{VP9} -c:a libopus"),
    "AV1 in MP4": ("mp4", f"{AV1} -c:a aac"),
    "AV1 in WebM": ("webm", f"{AV1} -c:a libopus"),
}
USUAL = "H.264 in MPEG-TS", "VP9 in WebM"
"""The kinds in the ordinary test suite."""
FRAMES = 200
TS_PACKET = 188


@dataclass(frozen=True)
class Packet:
    """Position of a packet of the video in its file."""

    second: float
    place: int
    size: int


@cache
def rendered(directory: Path, kind: str) -> tuple[Path, tuple[Packet, ...]]:
    """Draw eight seconds of moving numbers with noise; return the packets too, in decode order."""
    ending, arguments = KINDS[kind]
    path = directory / f"{kind.replace(' ', '_')}.{ending}"
    numbers, beeps = shapes.draw_numbers(directory), shapes.draw_beeps(directory)
    # Noise, so that every frame has bytes that can be damaged.
    arguments = f"{numbers} {beeps} -vf scale=320:240,noise=alls=8:allf=t:all_seed=1 {arguments} {path.name}"
    media.ffmpeg(directory, f"-v error {arguments}")
    return path, packets(path)


def packets(path: Path, *, audio: bool = False) -> tuple[Packet, ...]:
    """Return the packets of the video or audio in a file, in decode order."""
    with av.open(str(path)) as opened:
        stream = opened.streams.audio[0] if audio else opened.streams.video[0]
        zero = (opened.start_time or 0) / 1e6 if path.suffix in {".ts", ".flv"} else 0
        return tuple(
            Packet(float((one.pts or 0) * one.time_base) - zero, one.pos or 0, one.size)
            for one in opened.demux(stream)
            if one.size
        )


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the source videos."""
    return tmp_path_factory.mktemp("damage")


def hurt(path: Path, target: Path, holes: list[int], *, zeros: bool = True) -> Path:
    """Write a copy in which bytes of a packet and the next one are zero, or missing.

    `holes` are the positions of the packets in decode order.
    """
    _, found = rendered(path.parent, next(kind for kind in KINDS if path.stem == kind.replace(" ", "_")))
    content = bytearray(path.read_bytes())
    for hole in sorted(holes, reverse=True):
        begin, end = found[hole].place + 40, found[hole + 1].place + 60
        if path.suffix == ".ts":
            begin, end = found[hole].place, found[hole + 1].place + TS_PACKET
        content[begin:end] = bytes(end - begin) if zeros else b""
    target.write_bytes(content)
    return target


def at(found: tuple[Packet, ...], second: float) -> int:
    """Return the position of the packet that is displayed nearest to a second."""
    return min(range(len(found)), key=lambda place: abs(found[place].second - second))


async def refused(prober: Prober, source: Path, out: Path, **more: object) -> Failure:
    """Return why a clip is rejected."""
    with pytest.raises(Failure) as failure:
        await shapes.make(prober, Shape(source, sound=False), shapes.clip_of(START, END), out, **more)  # type: ignore[arg-type]
    return failure.value


@pytest.mark.parametrize(
    ("kind", "zeros"),
    slow_unless(
        [*product(KINDS, [True]), ("H.264 in MPEG-TS", False), ("VP9 in WebM", False)],
        [("H.264 in MPEG-TS", True)],
    ),
)
async def test_damage_within_a_clip_rejects_it(
    kind: str, zeros: bool, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """The message has its position: here right after a key frame."""
    path, found = rendered(sources, kind)
    hole = hurt(path, tmp_path / f"hurt{path.suffix}", [at(found, 4) + 1], zeros=zeros)
    failure = await refused(prober, hole, tmp_path / "out")
    assert failure.reason is Reason.RAW_UNREADABLE
    match = re.match(r"damaged at (\d\.\d\d) s: .", failure.words)
    assert match is not None, failure.words
    assert float(match[1]) == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize(("second", "fps"), [(2.5, 25), (3.2, None), (4.9, None)])
async def test_damage_counts_from_the_last_key_frame_on(
    second: float, fps: int | None, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """Frames are predicted from damaged ones, so damage before the clip affects it."""
    path, found = rendered(sources, "H.264 in MPEG-TS")
    hole = hurt(path, tmp_path / "hurt.ts", [at(found, second)])
    rate = None if fps is None else Fraction(fps)
    assert (await refused(prober, hole, tmp_path / "out", fps=rate)).reason is Reason.RAW_UNREADABLE


@pytest.mark.parametrize("kind", slow_unless(KINDS, {"H.264 in MPEG-TS"}))
async def test_damage_outside_a_clip_does_not_matter(
    kind: str, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """Here before the last key frame, and soon after the end, which ffmpeg also reads."""
    path, found = rendered(sources, kind)
    hole = hurt(path, tmp_path / f"hurt{path.suffix}", [at(found, 1), at(found, 5.2)])
    made = await shapes.make(prober, Shape(hole, sound=False), shapes.clip_of(START, END), tmp_path / "out")
    assert made.numbers == list(range(75, 125))


async def test_frames_missing_without_a_message_are_detected(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """MPEG-TS only counts packets up to 15. The decoder repeats frames in place of missing ones."""
    path, found = rendered(sources, "H.264 in MPEG-TS")
    content, begin = path.read_bytes(), found[at(found, 4) + 1].place
    number = content[begin + 1 : begin + 3]
    # 32 packets of the video, from the one after the key frame on.
    places = (place for place in range(begin, len(content), TS_PACKET) if content[place + 2] == number[1])
    removed = set(islice(places, 32))
    kept = (place for place in range(0, len(content), TS_PACKET) if place not in removed)
    (tmp_path / "hurt.ts").write_bytes(b"".join(content[place : place + TS_PACKET] for place in kept))
    failure = await refused(prober, tmp_path / "hurt.ts", tmp_path / "out")
    assert failure.reason is Reason.RAW_UNREADABLE
    assert "missing" in failure.words


HEALTHY = {
    "open.ts": (f"{H264}:open-gop=1 -bf 3", ""),
    "open.mp4": (f"{H264}:open-gop=1 -bf 3", ""),
    "open.mkv": (f"{HEVC}:open-gop=1", ""),
    "refresh.ts": (f"{H264}:intra-refresh=1:bframes=0", ""),
    "refresh.mp4": (f"{H264}:intra-refresh=1:bframes=0", ""),
    "gap.ts": (f"{H264} -bf 2", "lt(n\\,60)+gt(n\\,99)"),
    "gap.flv": (f"{H264} -bf 2", "lt(n\\,60)+gt(n\\,99)"),
    "gap.mkv": (VP9, "lt(n\\,60)+gt(n\\,99)"),
}


@pytest.mark.parametrize("name", slow_unless(HEALTHY, {"open.ts"}))
async def test_no_damage_is_found_in_an_undamaged_video(name: str, prober: Prober, tmp_path: Path) -> None:
    """Frames that cannot be decoded at the start of decoding are no damage, and variable rates neither."""
    arguments, pick = HEALTHY[name]
    path = shapes.plain(tmp_path, name, arguments, pick=pick or None)
    for start in (3.0, 3.5, 4.5):
        clip = shapes.clip_of(start, start + 2)
        wanted = cut_plan.plan_cut(
            clip, await media.raw(prober, path, clip), OutputSettings(crop=Crop.NONE, audio=Audio.AAC)
        )
        found = await damage.look(replace(wanted, suspect=True))
        assert found is not None
        assert wanted.source is not None
        assert found.damage == ""
        assert found.frames == wanted.source.frames


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "audio"),
    long_unless(
        product(("H.264 in MPEG-TS", "H.264 in MP4"), (Audio.WAV, Audio.AAC)),
        (("H.264 in MPEG-TS", Audio.WAV), ("H.264 in MP4", Audio.AAC)),
    ),
)
async def test_audio_damage_only_counts_within_the_clip(
    kind: str, audio: Audio, prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """And nowhere else."""
    path, found = rendered(sources, kind)
    audio_packets = packets(path, audio=True)

    def without(second: float) -> Path:
        content = bytearray(path.read_bytes())
        if path.suffix == ".mp4":
            one = audio_packets[at(audio_packets, second)]
            holes = [(one.place, one.place + one.size)]
        else:  # the position of a packet is unknown: the next half second of it, by its number
            begin, end = (found[at(found, one)].place for one in (second, second + 0.5))
            places = range(begin, end, TS_PACKET)
            holes = [(one, one + TS_PACKET) for one in places if content[one + 1 : one + 3] == b"\1\1"]
            assert holes
        for begin, end in holes:
            content[begin:end] = bytes([0xFF]) * (end - begin)
        (tmp_path / f"{second}{path.suffix}").write_bytes(content)
        return tmp_path / f"{second}{path.suffix}"

    failure = await refused(prober, without(4.25), tmp_path / "out", audio=audio)
    assert failure.reason is Reason.RAW_UNREADABLE
    assert failure.words.startswith("audio damaged at")
    for second in (1.55, 6.05):
        clip = shapes.clip_of(START, END)
        made = await shapes.make(prober, Shape(without(second)), clip, tmp_path / f"out{second}", audio=audio)
        assert made.numbers == list(range(75, 125))


async def test_audio_missing_without_a_message_is_detected(
    prober: Prober, sources: Path, tmp_path: Path
) -> None:
    """If whole audio packets of MPEG-TS are lost, nothing marks the remaining ones."""
    path, found = rendered(sources, "H.264 in MPEG-TS")
    content = bytearray(path.read_bytes())
    begin, end = (found[at(found, second)].place for second in (3.5, 4.5))
    starts = [one for one in range(begin, end, TS_PACKET) if content[one + 1 : one + 3] == b"\x41\1"]
    content[starts[0] : starts[0] + TS_PACKET] = bytes(TS_PACKET)
    (tmp_path / "hurt.ts").write_bytes(content)
    failure = await refused(prober, tmp_path / "hurt.ts", tmp_path / "out", audio=Audio.WAV)
    assert failure.reason is Reason.RAW_UNREADABLE
    assert failure.words.startswith("audio damaged at")


async def test_damage_in_a_users_own_file_names_the_file(
    prober: Prober, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download would be repeated; the user's own file is not replaced."""
    path, found = rendered(sources, "H.264 in MPEG-TS")
    hole = hurt(path, tmp_path / "hurt.ts", [at(found, 4) + 1])
    raw_of = media.raw

    async def own(*of: object) -> SourceVideo:
        return replace(await raw_of(*of), own=True)  # type: ignore[arg-type]

    monkeypatch.setattr(media, "raw", own)
    failure = await refused(prober, hole, tmp_path / "out")
    assert failure.reason is Reason.RAW_DIR_FILE
    assert failure.words.startswith("hurt.ts: damaged at")
    assert failure.reason.advice.remedy.startswith("Replace the file")
    assert "is downloaded again" in Reason.RAW_UNREADABLE.advice.remedy


# Which messages affect a clip, decided from positions and timestamps alone.


def interval(counted: tuple[float, float] | None = None) -> damage._Interval:
    """Return a clip from 4 to 5 s, at two frames per second, with the packets from 0 to 14.5 s."""
    found = damage._Interval(4.0, 5.0, 5.5, 0.5, counted)
    found.packets = [(number / 2, False) for number in range(30)]
    found.frames = {4.0: True, 4.5: False, 5.0: False}
    return found


def test_nothing_is_found_without_messages() -> None:
    """The decoded frames of the clip are counted."""
    assert interval().findings([4.0]) == damage.Findings("", 3)
    assert damage.Findings().frames == 0


@pytest.mark.parametrize(
    ("place", "keys", "refers_to_none", "damaged"),
    [
        (9, [2.0, 4.0], True, True),
        (6, [2.0, 4.0], True, False),
        (6, [2.0, 4.0], False, True),
        (3, [2.0, 4.0], False, False),
        (0, [4.0], False, True),
        (11, [4.0], True, False),
    ],
)
def test_a_message_counts_from_the_last_complete_image_on(
    place: int, keys: list[float], refers_to_none: bool, damaged: bool
) -> None:
    """From the last but one if the last one is not a complete image; from the first packet without one."""
    found = interval()
    found.frames[4.0] = refers_to_none
    found.complaints = [(place, "invalid")]
    expected = f"damaged at {place / 2:.2f} s: invalid" if damaged else ""
    assert found.findings(keys).damage == expected


@pytest.mark.parametrize(("behind", "damaged"), [(16, True), (17, False)])
def test_counted_frames_may_be_stored_sixteen_packets_later(behind: int, damaged: bool) -> None:
    """No decoder of H.264 or HEVC delays more frames."""
    found = interval((0.0, 0.5))
    found.complaints = [(10 + behind, "invalid")]
    assert bool(found.findings([4.0]).damage) is damaged


@pytest.mark.parametrize(
    ("gap", "lost_at", "damaged"),
    [(0.5, 9, False), (0.75, 9, False), (1.0, 9, True), (1.0, 10, True), (1.0, 17, True), (1.0, 18, False)],
)
def test_lost_packets_count_if_frames_are_missing_near_them(gap: float, lost_at: int, damaged: bool) -> None:
    """One side of the gap is enough; a gap of one and a half frames is none.

    The message has the position of the packet before.
    """
    found = damage._Interval(4.0, 14.0, 14.5, 0.5)
    times = [number / 2 for number in range(9)]  # to 4 s
    found.packets = [(second, False) for second in (*times, *(4.0 + gap + n / 2 for n in range(12)))]
    found.lost = [(lost_at, "packets are missing")]
    before = found.packets[lost_at - 1][0]
    expected = f"damaged at {before:.2f} s: packets are missing" if damaged else ""
    assert found.findings([0.0]).damage == expected
