"""Which packets are decoded to find damage, and which messages count, in files that are only described.

Whether FFmpeg's messages are found in damaged files is tested in `test_damage`.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from av import logging
from av.error import InvalidDataError

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Interval, OutputSettings
from hdtf_async.media import damage
from hdtf_async.media.cut import AudioCut, Cut, SourceFrames
from hdtf_async.media.damage import Findings
from hdtf_async.process import supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BASE = Fraction(1, 1000)


@dataclass
class Packet:
    """A packet, and what happens when it is read and decoded."""

    second: float | None = None
    decoding: float | None = None
    """Decoding timestamp; None if it has none."""
    is_keyframe: bool = False
    is_disposable: bool = False
    is_corrupt: bool = False
    size: int = 100
    length: float = 0.5
    reading: str = ""
    """Logged while it is read."""
    complaint: str = ""
    """Logged while it is decoded."""
    raised: str = ""
    """Message of the exception of its decoder."""
    shows: list[SimpleNamespace] = field(default_factory=list)
    """Frames that its decoder returns."""
    time_base: Fraction = BASE

    @property
    def pts(self) -> int | None:
        """Timestamp in ticks."""
        return None if self.second is None else round(self.second / BASE)

    @property
    def dts(self) -> int | None:
        """Decoding timestamp in ticks."""
        return None if self.decoding is None else round(self.decoding / BASE)

    @property
    def duration(self) -> int | None:
        """Duration in ticks."""
        return round(self.length / BASE) or None


def frame(second: float | None, *, intra: bool = False, corrupt: bool = False) -> SimpleNamespace:
    """Return a decoded frame."""
    pts = None if second is None else round(second / BASE)
    return SimpleNamespace(pts=pts, pict_type=1 if intra else 2, is_corrupt=corrupt)


def at(second: float, **more: Any) -> Packet:
    """Return a packet with its own frame."""
    key = bool(more.get("is_keyframe"))
    return Packet(second, second, shows=[frame(second, intra=key)], **more)


def film(until: float = 10.0) -> list[Packet]:
    """Return the packets of a video: two per second, and a key frame every two seconds."""
    return [at(number / 2, is_keyframe=number % 4 == 0) for number in range(round(2 * until))]


@dataclass
class File:
    """A file of one stream."""

    packets: list[Packet]
    demuxer: str = "mov,mp4,m4a,3gp,3g2,mj2"
    start: float = 0.0
    log: list[tuple[int, str, str]] = field(default_factory=list)
    decoded: list[float | None] = field(default_factory=list)
    """Timestamps of the packets that were decoded."""
    flushed: Packet = field(default_factory=Packet)
    flushes: bool = True
    """Whether an empty packet follows the last one: PyAV omits it if a stream appears midway."""

    def demux(self, *_: object) -> Iterator[Packet]:
        """Read the packets, and the empty one at the end."""
        last = [Packet(size=0, reading=self.flushed.reading)] if self.flushes else []
        for packet in [*self.packets, *last]:
            if packet.reading:
                self.log.append((logging.ERROR, "demuxer", packet.reading))
            yield packet

    def decode(self, packet: Packet | None) -> list[SimpleNamespace]:
        """Decode a packet, or return the remaining frames."""
        packet = packet or self.flushed
        self.decoded.append(packet.second)
        if packet.complaint:
            self.log.append((logging.ERROR, "decoder", packet.complaint))
        if packet.raised:
            raise InvalidDataError(1, packet.raised)
        return packet.shows

    def open(self, *_: object) -> nullcontext[SimpleNamespace]:
        """Return the opened file."""
        codec = SimpleNamespace(decode=self.decode, thread_count=4, thread_type="AUTO")
        stream = SimpleNamespace(codec_context=codec, time_base=BASE)
        self.codec = codec
        return nullcontext(
            SimpleNamespace(
                format=SimpleNamespace(name=self.demuxer),
                start_time=round(self.start * 1e6),
                streams=SimpleNamespace(video=[None, stream], audio=[None, stream]),
                demux=self.demux,
            )
        )


CLIP = {
    "path": "a.mp4", "container": "mp4", "track": 1, "first": 6.0, "last": 7.0, "end": 7.5, "step": 0.5,
    "counted": None,
}  # fmt: skip
"""Three frames, at 6, 6.5 and 7 s."""


def look(monkeypatch: pytest.MonkeyPatch, file: File, **more: object) -> Findings:
    """Decode the clip in a file."""
    monkeypatch.setattr(damage, "opened", file.open)
    return damage._read_video(CLIP | more, file.log)


def hear(monkeypatch: pytest.MonkeyPatch, file: File, **more: object) -> Findings:
    """Decode the audio of a clip from 6 to 7.5 s."""
    monkeypatch.setattr(damage, "opened", file.open)
    return damage._read_audio(CLIP | more, file.log)


# What is decoded


@pytest.mark.parametrize(
    ("first", "begin"), [(6.0, 2.0), (5.5, 0.0), (4.0, 0.0), (3.5, 0.0), (8.0, 4.0), (6.000001, 2.0)]
)
def test_decoding_begins_three_key_frames_before_a_clip(
    monkeypatch: pytest.MonkeyPatch, first: float, begin: float
) -> None:
    """A key frame that is the clip's first frame is one of them; it ends after the clip's last frame."""
    file = File([at(-0.5), *film()])
    assert look(monkeypatch, file, first=first, last=first + 1).damage == ""
    *decoded, flushed = file.decoded
    assert flushed is None
    expected = begin if first >= 4 else -0.5
    assert decoded == [number / 2 for number in range(round(2 * expected), round(2 * first) + 3)]
    assert (file.codec.thread_count, file.codec.thread_type) == (1, "NONE")


def test_key_frames_count_by_when_they_are_displayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is stored before the clip and displayed within it is no start for the frames before it."""
    packets = film()
    packets[11] = replace(packets[11], second=6.2, is_keyframe=True)
    packets[12] = replace(packets[12], second=5.5, is_keyframe=False)
    file = File(packets)
    look(monkeypatch, file)
    assert file.decoded[0] == 0.0, "the key frames at 0, 2 and 4 s"


def test_a_packet_at_the_time_of_a_key_frame_is_not_the_key_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding cannot start with it."""
    file = File([at(2.0), *film()])
    look(monkeypatch, file)
    assert file.decoded[:2] == [2.0, 2.5]


def test_if_frames_are_counted_all_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """And sixteen packets after the clip: so many frames may be delayed by a decoder."""
    file = File([*film(20)])
    found = look(monkeypatch, file, counted=(0.0, 0.5))
    assert [*file.decoded[:1], *file.decoded[-2:]] == [0.0, 15.0, None]
    assert found.frames == 3


def test_the_frames_of_the_clip_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those before and after it, at a difference of more than two millionths of a second."""
    assert look(monkeypatch, File(film())).frames == 3
    for second, frames in ((7.000002, 3), (7.0001, 2), (5.999999, 3), (5.9999, 2)):
        interval = damage._Interval(6.0, 7.0, 7.5, 0.5)
        interval.frames = {6.2: False, 6.5: False, second: False}
        interval.packets = [(second, False)]
        assert interval.findings([]).frames == frames
        interval.frames = {6.2: False, 6.5: False, second + 0.00001 * (1 if second > 6.5 else -1): False}
        assert interval.findings([]).frames == 2


# Which messages count


@pytest.mark.parametrize(
    ("second", "counts"),
    [(3.5, False), (5.5, False), (6.0, True), (7.0, True), (7.5, False)],
)
@pytest.mark.parametrize("kind", ["complaint", "raised", "is_corrupt"])
def test_a_message_about_a_packet_counts_from_the_last_key_frame_to_the_end(
    monkeypatch: pytest.MonkeyPatch, kind: str, second: float, counts: bool
) -> None:
    """Whether the decoder logs or raises it, or the container marks the packet."""
    packets = film()
    setattr(packets[round(2 * second)], kind, True if kind == "is_corrupt" else "invalid")
    message = "the container marks a packet as corrupt" if kind == "is_corrupt" else "invalid"
    expected = f"damaged at {second:.2f} s: {message}" if counts else ""
    assert look(monkeypatch, File(packets)).damage == expected


@pytest.mark.parametrize(("second", "counts"), [(1.5, False), (2.5, True), (4.0, True), (6.0, True)])
def test_after_an_incomplete_key_frame_messages_count_from_the_one_before(
    monkeypatch: pytest.MonkeyPatch, second: float, counts: bool
) -> None:
    """As in a stream with intra refresh."""
    packets = film()
    packets[8].shows = [frame(4.0)]
    packets[round(2 * second)].complaint = "invalid"
    assert bool(look(monkeypatch, File(packets), first=4.5, last=7.0).damage) is counts


@pytest.mark.parametrize("disposable", [True, False])
def test_a_frame_before_the_clip_that_no_other_refers_to_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, disposable: bool
) -> None:
    """Unless another frame is predicted from it."""
    packets = film()
    packets[13].is_disposable = packets[14].is_disposable = disposable
    packets[13].complaint = "invalid"
    assert bool(look(monkeypatch, File(packets), first=7.0, last=7.5).damage) is not disposable
    packets[13].complaint, packets[14].complaint = "", "invalid"
    assert look(monkeypatch, File(packets), first=7.0, last=7.5).damage == "damaged at 7.00 s: invalid"


def test_a_message_at_the_end_of_the_file_is_about_the_last_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the decoder returns its remaining frames."""
    file = File(film(7.5), flushed=Packet(complaint="invalid"))
    assert look(monkeypatch, file).damage == "damaged at 7.00 s: invalid"


def test_frames_that_the_decoder_marks_as_corrupt_count_within_the_clip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without any message."""
    for second, counts in ((5.5, False), (6.5, True), (7.0, True)):
        packets = film()
        packets[round(2 * second)].shows = [frame(second, corrupt=True)]
        message = f"damaged at {second:.2f} s: the decoder marks a frame as corrupt"
        assert look(monkeypatch, File(packets)).damage == (message if counts else "")


@pytest.mark.parametrize(("missing", "damaged"), [(13, True), (None, False)])
def test_lost_data_counts_if_frames_are_missing(
    monkeypatch: pytest.MonkeyPatch, missing: int | None, damaged: bool
) -> None:
    """Otherwise it was of another stream. The message has the position of the packet before it."""
    packets = film()
    packets[14].reading = "lost"
    if missing is not None:
        del packets[missing]
    assert look(monkeypatch, File(packets)).damage == ("damaged at 6.00 s: lost" if damaged else "")


@pytest.mark.parametrize(("end", "damaged"), [(7.5, False), (7.75, False), (7.76, True)])
def test_lost_data_at_the_end_of_the_file_counts_if_the_interval_goes_on(
    monkeypatch: pytest.MonkeyPatch, end: float, damaged: bool
) -> None:
    """By more than one and a half frames after the last one."""
    file = File(film(7.5), flushed=Packet(reading="lost"))
    expected = "damaged at 7.00 s: lost" if damaged else ""
    assert look(monkeypatch, file, end=end).damage == expected


@pytest.mark.parametrize(("place", "damaged"), [(1, True), (8, True), (9, False)])
def test_lost_data_counts_up_to_eight_packets_before_a_gap(place: int, damaged: bool) -> None:
    """From the first packet on: the frames of a gap may be stored so much earlier."""
    interval = damage._Interval(0.0, 20.0, 20.5, 0.5)
    times = [number / 2 for number in range(9 if place < 9 else 18)]
    interval.packets = [(second, False) for second in (*times, *(times[-1] + 2 + n / 2 for n in range(9)))]
    interval.lost = [(place, "lost")]
    assert bool(interval.findings([0.0]).damage) is damaged
    interval.packets[0] = (0.0, True)
    interval.packets.insert(1, (2.0, False))
    interval.lost = [(1, "lost")]
    del interval.packets[2:6]
    assert interval.findings([0.0]).damage == "damaged at 0.00 s: lost"


def test_without_any_packet_of_the_clip_lost_data_counts() -> None:
    """If the interval goes on after its last planned frame."""
    interval = damage._Interval(6.0, 7.0, 9.0, 0.5)
    interval.packets, interval.lost = [(5.0, False)], [(0, "lost")]
    assert interval.findings([]).damage == "damaged at 5.00 s: lost"


def test_data_lost_before_the_last_key_frame_does_not_count() -> None:
    """Decoding of the clip's frames starts with the key frame after it."""
    interval = damage._Interval(6.0, 7.0, 7.5, 0.5)
    interval.packets = [(second, False) for second in (0.0, 0.5, 4.0, 4.5, 6.0, 6.5, 7.0)]
    for place, damaged in ((2, False), (3, True)):
        interval.lost = [(place, "lost")]
        assert bool(interval.findings([0.0, 4.0]).damage) is damaged


@pytest.mark.parametrize(
    ("counted", "place", "damaged"),
    [(None, 0, False), ((0.0, 0.5), 0, True), ((0.0, 0.5), 15, True), ((0.0, 0.5), 16, False)],
)
def test_without_any_packet_of_the_clip_messages_count_if_its_frames_may_be_delayed(
    counted: tuple[float, float] | None, place: int, damaged: bool
) -> None:
    """Up to sixteen packets from the first one on, if frames are counted; otherwise no message counts."""
    interval = damage._Interval(60.0, 61.0, 61.5, 0.5, counted)
    interval.packets = [(number / 2, False) for number in range(20)]
    interval.complaints = [(place, "invalid")]
    expected = f"damaged at {place / 2:.2f} s: invalid" if damaged else ""
    assert interval.findings([]).damage == expected


def test_without_key_frames_messages_count_from_the_beginning() -> None:
    """Also if the only key frame is incomplete."""
    interval = damage._Interval(6.0, 7.0, 7.5, 0.5)
    interval.packets = [(number / 2, False) for number in range(15)]
    interval.complaints = [(0, "invalid")]
    assert interval.findings([]).damage == "damaged at 0.00 s: invalid"
    assert interval.findings([4.0]).damage == ""
    interval.frames = {4.0: False}
    assert interval.findings([4.0]).damage == "damaged at 0.00 s: invalid"
    assert interval.findings([2.0, 4.0]).damage == ""


# Times of packets and frames


def read(file: File) -> list[tuple[float, float]]:
    """Return the times of the packets of a file."""
    with file.open() as media:
        reader = damage._Reader(media, media.streams.video[1], file.log)  # type: ignore[arg-type]
        return [(pts, dts) for pts, dts, _, _ in reader.packets()]


def test_a_packet_without_times_has_those_of_the_one_before() -> None:
    """One of the two is enough; AVI stores only decoding times. The end of the file is after all of them."""
    packets = [Packet(1.0, 0.5), Packet(), Packet(None, 1.5), Packet(2.0, None)]
    assert read(File(packets)) == [(1.0, 0.5), (1.0, 0.5), (1.5, 1.5), (2.0, 2.0), (inf, inf)]
    assert read(File(packets, "avi")) == [(0.5, 0.5), (0.5, 0.5), (1.5, 1.5), (1.5, 1.5), (inf, inf)]


def test_times_are_counted_from_the_start_of_the_timeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of packets and frames."""
    assert read(File([Packet(6.0, 5.5)], "mpegts", 1.5)) == [(4.5, 4.0), (inf, inf)]
    file = File(film(), "mpegts", 1.5)
    assert look(monkeypatch, file, first=4.5, last=5.5).frames == 3


def test_a_frame_without_a_time_is_between_two_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a step after the latest one before it; at the start of the clip if there is none."""
    packets = film()
    packets[13].shows = [frame(None)]
    assert look(monkeypatch, File(packets)).frames == 3
    packets = film(4.0)
    packets[0].shows = [frame(None)]
    interval = damage._Interval(0.0, 1.0, 1.5, 0.5)
    file = File(packets)
    with file.open() as media:
        reader = damage._Reader(media, media.streams.video[1], file.log)  # type: ignore[arg-type]
        for place, packet in enumerate(packets[:2]):
            damage._take(interval, reader, packet, place)  # type: ignore[arg-type]
        assert interval.frames == {0.25: False, 0.5: False}
        packets[2].shows = [frame(None, intra=True), frame(1.5)]
        damage._take(interval, reader, packets[2], 2)  # type: ignore[arg-type]
    assert interval.frames == {0.25: False, 0.5: False, 0.75: True, 1.5: False}


def test_counted_frames_have_the_time_of_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their timestamps are."""
    packets = film(16)
    for packet in packets:
        packet.shows = [frame(3.0)]
    assert look(monkeypatch, File(packets), counted=(0.5, 0.25)).frames == 5, "at 6, 6.25 ... 7 s"


# Messages


@pytest.mark.parametrize(
    ("level", "message", "found"),
    [
        (logging.ERROR, "invalid\n", "invalid"),
        (logging.PANIC, "invalid", "invalid"),
        (logging.WARNING, "invalid", ""),
        (logging.DEBUG, "invalid", ""),
        (logging.ERROR, "y" * 300, "y" * 200),
        (logging.ERROR, "SEI type 5 is truncated", ""),
        (logging.ERROR, "unknown Metadata", ""),
        (logging.ERROR, "SEIZED", "SEIZED"),
        (logging.DEBUG, "Frame num gap 3 1", "a preceding frame is missing"),
        (logging.DEBUG, "Continuity check failed for pid 256", "packets are missing"),
        (logging.DEBUG, "no Frame num gap", ""),
    ],
)
def test_errors_count_and_some_messages_for_debugging(level: int, message: str, found: str) -> None:
    """Not those about metadata. Only the first one since the last packet is reported."""
    file = File([])
    with file.open() as media:
        file.log.append((logging.ERROR, "", "of another file"))
        reader = damage._Reader(media, media.streams.video[1], file.log)  # type: ignore[arg-type]
        assert reader.message() == ""
        file.log += [(logging.INFO, "", "opened"), (level, "", message)]
        if found:
            file.log.append((logging.ERROR, "", "a later one"))
        assert reader.message() == found
        assert reader.message() == ""


def test_a_logged_message_is_more_exact_than_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception counts without one."""
    packets = film()
    packets[13] = replace(packets[13], raised="general", complaint="exact")
    assert look(monkeypatch, File(packets)).damage == "damaged at 6.50 s: exact"


# Audio


def sound(until: float = 10.0) -> list[Packet]:
    """Return the packets of audio: two per second."""
    return [Packet(number / 2, number / 2) for number in range(round(2 * until))]


@pytest.mark.parametrize(
    ("second", "counts"), [(5.0, False), (5.5, False), (6.0, True), (7.0, True), (7.5, False)]
)
@pytest.mark.parametrize("kind", ["complaint", "raised", "is_corrupt"])
def test_audio_damage_counts_if_the_packet_is_heard_in_the_clip(
    monkeypatch: pytest.MonkeyPatch, kind: str, second: float, counts: bool
) -> None:
    """A packet that ends where the clip begins is not; one that reaches into it is."""
    packets = sound()
    index = round(2 * second)
    setattr(packets[index], kind, True if kind == "is_corrupt" else "invalid")
    message = "the container marks a packet as corrupt" if kind == "is_corrupt" else "invalid"
    expected = f"audio damaged at {second:.2f} s: {message}" if counts else ""
    file = File(packets)
    assert hear(monkeypatch, file) == Findings(expected)
    assert (file.codec.thread_count, file.codec.thread_type) == (1, "NONE")
    if second == 5.5:
        packets[index].length = 0.501
        assert hear(monkeypatch, File(packets)).damage.startswith("audio damaged at 5.50 s")


def test_audio_is_decoded_from_a_second_before_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """To its end."""
    file = File(sound())
    assert hear(monkeypatch, file) == Findings()
    assert file.decoded == [5.0, 5.5, 6.0, 6.5, 7.0]
    short = File(sound(6.5))
    assert hear(monkeypatch, short) == Findings()
    assert short.decoded == [5.0, 5.5, 6.0]
    assert hear(monkeypatch, File(sound(6.5), flushes=False)) == Findings()
    assert look(monkeypatch, File(film(7.5), flushes=False)).frames == 3


@pytest.mark.parametrize(
    ("lost", "missing", "damaged"),
    [(13, 13, 7.0), (12, 12, 6.5), (12, None, None), (10, 10, None), (11, 11, None), (15, 15, None)],
)
def test_lost_audio_counts_if_there_is_a_gap_in_the_clip(
    monkeypatch: pytest.MonkeyPatch, lost: int, missing: int | None, damaged: float | None
) -> None:
    """Of other streams if there is none."""
    packets = sound()
    if missing is not None:
        del packets[missing]
    packets[lost].reading = "lost"
    expected = "" if damaged is None else f"audio damaged at {damaged:.2f} s: lost"
    assert hear(monkeypatch, File(packets)).damage == expected


def test_lost_audio_at_the_start_of_the_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first packet that is left; audio that begins late without a message is no damage."""
    for message in ("lost", ""):
        packets = sound()[13:]
        packets[0].reading = message
        expected = f"audio damaged at 6.50 s: {message}" if message else ""
        assert hear(monkeypatch, File(packets)).damage == expected


def test_a_gap_after_a_packet_without_a_duration_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its timestamp on."""
    packets = sound()
    packets[12].length = 0.0
    packets[13].reading = "lost"
    assert hear(monkeypatch, File(packets)).damage == "audio damaged at 6.50 s: lost"


# The child

SETTINGS = OutputSettings()
CUT = Cut(
    Path("a.mp4"), "mp4", Interval(6.0, 7.5), Box(0, 0, 8, 8), 8, 8, 3, SETTINGS,
    source=SourceFrames(3, 6.0, 7.0, 8, 8, 0.5, 1.5), track=1,
)  # fmt: skip
AUDIO = AudioCut(Path("a.m4a"), "m4a", 6.0, 1.5, 2, suspect=True)


class Child:
    """Answers in place of the child."""

    def __init__(self, *answers: Findings | int | Reason) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.commands: list[supervisor.Command] = []
        self.deadlines: list[float] = []

    async def run(self, command: supervisor.Command, *, deadline: float, **_: object) -> SimpleNamespace:
        """Give the next answer: findings, an exit code, or a failure."""
        self.commands.append(command)
        self.deadlines.append(deadline)
        self.asked.append(json.loads(command.argv[-1]))
        answer = self.answers.pop(0)
        if isinstance(answer, Reason):
            raise Failure(answer)
        if isinstance(answer, int):
            return SimpleNamespace(code=answer, out=b"")
        return SimpleNamespace(code=0, out=json.dumps({"damage": answer.damage, "frames": answer.frames}))


async def ask(
    monkeypatch: pytest.MonkeyPatch, cut: Cut | AudioCut, *answers: Findings | int | Reason
) -> tuple[Findings | None, Child]:
    """Look at a clip or its audio."""
    child = Child(*answers)
    monkeypatch.setattr(supervisor, "run", child.run)
    found = await (damage.look(cut) if isinstance(cut, Cut) else damage.look_at_audio(cut))
    assert child.answers == []
    return found, child


async def test_the_child_is_asked_about_the_source_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any, nothing is known; the audio is decoded if the clip contains it and its frames are good."""
    assert (await ask(monkeypatch, replace(CUT, source=None)))[0] is None
    found, child = await ask(monkeypatch, CUT, Findings("", 3))
    assert found == Findings("", 3)
    assert child.asked == [CLIP | {"suspect": False, "counted": None}]
    counted = replace(CUT, counted=(Fraction(1, 2), Fraction(1, 25)), suspect=True)
    _, child = await ask(monkeypatch, counted, Findings("", 3))
    assert child.asked == [CLIP | {"suspect": True, "counted": [0.5, 0.04]}]


@pytest.mark.parametrize(
    ("audio", "answers", "found"),
    [
        (Audio.AAC, [Findings("", 3), Findings("audio")], Findings("audio", 3)),
        (Audio.AAC, [Findings("", 3), Findings()], Findings("", 3)),
        (Audio.AAC, [Findings("", 3), 1], Findings("", 3)),
        (Audio.AAC, [Findings("video", 3)], Findings("video", 3)),
        (Audio.AAC, [1], None),
        (Audio.WAV, [Findings("", 3)], Findings("", 3)),
    ],
)
async def test_audio_inside_a_clip_is_decoded_too(
    monkeypatch: pytest.MonkeyPatch,
    audio: Audio,
    answers: Sequence[Findings | int],
    found: Findings | None,
) -> None:
    """After the video, if that is undamaged."""
    cut = replace(CUT, settings=OutputSettings(audio=audio), audio=AUDIO)
    result, child = await ask(monkeypatch, cut, *answers)
    assert result == found
    assert child.asked[1:] in (
        [],
        [
            {
                "path": "a.m4a", "container": "m4a", "track": 2, "sound": True, "first": 6.0, "end": 7.5,
                "suspect": True,
            }
        ],
    )  # fmt: skip


@pytest.mark.parametrize("reason", Reason)
async def test_a_child_that_fails_or_takes_too_long_has_no_result(
    monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    """Any other failure is one of the run."""
    ours = reason in {Reason.TIMED_OUT, Reason.TOOL_FAILED}
    with nullcontext() if ours else pytest.raises(Failure):
        assert (await ask(monkeypatch, AUDIO, reason))[0] is None


async def test_the_child_has_time_for_a_tenth_of_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the clip and ten seconds before it; a second for each second of the video that it skips."""
    _, child = await ask(monkeypatch, AUDIO, Findings())
    assert child.deadlines == [60 + 10 * (AUDIO.seconds + 10) + AUDIO.start]
    assert child.commands[0].memory == 4 * 1024**3


async def test_an_answer_of_the_child_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far above its longest message."""
    _, child = await ask(monkeypatch, AUDIO, Findings())
    assert 10_000 < child.commands[0].max_stdout < 1_000_000
