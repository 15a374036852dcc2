"""Sound keeps step with the picture: measured with a flash and a beep that come at the same moment."""

from __future__ import annotations

import wave
from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import media
import pytest

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Box, Clip, Crop, Form, Interval, Video
from hdtf_async.lanes.encoder import plan_cut
from hdtf_async.lanes.raws import Raw
from hdtf_async.media import ffmpeg, filters
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.probe import Prober

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hdtf_async.media.ffmpeg import Cut

EVERY = 0.7
"""Seconds from one flash, and one beep, to the next; the first is at 0.35."""
LENGTH = 0.1
"""Seconds for which each lasts."""
_SINCE = f"mod(TIME-{EVERY / 2}+{EVERY},{EVERY})"
_LIT = f"lt({_SINCE},{LENGTH})"
_BLACK = "color=black:size=160x90:rate=RATE:duration=8,format=gray"
FLASH = f"{_BLACK},geq=lum='255*{_LIT.replace('TIME', 'T')}'"
BEEP = f"aevalsrc='0.8*sin(2*PI*2000*t)*{_LIT.replace('TIME', 't')}':sample_rate=44100:duration=8"
_H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60 -bf 2"
_VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 60"
SOURCES = {
    "plain": ("25", "", f"{_H264}", "mp4", "-c:a aac", "m4a"),
    "ntsc": ("30000/1001", "", f"{_H264}", "mp4", "-c:a aac", "m4a"),
    # As many phones write it: the picture's first time stamp is not 0.
    "late": ("25", "-vf setpts=PTS+0.2/TB -fps_mode passthrough", f"{_H264}", "mp4", "-c:a aac", "m4a"),
    "webm": (
        "30",
        "",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 60",
        "webm",
        "-c:a libopus",
        "webm",
    ),
}
"""Kind to frames a second, filter, codec and ending of the picture, codec and ending of the sound."""
CLIP = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 90), 0, Interval(1.513, 5.2), Box(0, 0, 90, 90))


@dataclass(frozen=True)
class Source:
    """A picture and its sound, in files of their own."""

    picture: Path
    sound: Path | None
    late: float


def draw(directory: Path) -> dict[str, Source]:
    """Draw the sources."""
    found = {}
    for name, (rate, moved, video, ending, audio, sound_ending) in SOURCES.items():
        flash = FLASH.replace("RATE", rate)
        media.ffmpeg(directory, f"-v error -f lavfi -i {flash} {moved} {video} {name}.{ending}")
        media.ffmpeg(directory, f"-v error -f lavfi -i {BEEP} {audio} {name}_sound.{sound_ending}")
        sound = directory / f"{name}_sound.{sound_ending}"
        if sound_ending == "webm":
            sound = sound.rename(sound.with_suffix(".weba"))
        found[name] = Source(directory / f"{name}.{ending}", sound, 0.2 if name == "late" else 0.0)
    return found


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Draw them once."""
    return draw(tmp_path_factory.mktemp("flash and beep"))


@pytest.fixture(scope="module")
async def prober() -> AsyncIterator[Prober]:
    """Give one probing child to all tests, as a run has one."""
    async with Prober() as prober:
        yield prober


async def planned(prober: Prober, source: Source, form: Form, clip: Clip = CLIP) -> Cut:
    """Plan a cut as the encode lane does."""
    container = source.picture.suffix[1:]
    facts = await prober.facts(source.picture, container=container, intervals=[clip.interval])
    raw = Raw(
        source.picture, container, facts, {clip.stem: facts.shown[0]}, "136", "3", source.sound, "140",
    )  # fmt: skip
    return plan_cut(clip, raw, form)


def flashes(clip: Path) -> list[float]:
    """Return when the picture becomes bright, in seconds of the clip."""
    found, dark = [], False
    with av.open(str(clip)) as opened:
        for frame in opened.decode(video=0):
            bright = bytes(frame.planes[0])[frame.planes[0].line_size * 16 + 16] > 128
            if bright and dark:
                found.append(float(frame.time or 0))
            dark = not bright
    return found


def beeps_inside(clip: Path) -> list[float]:
    """Return when the sound inside a clip becomes loud, in seconds of the clip."""
    samples = array("f")
    begins = None
    with av.open(str(clip)) as opened:
        for frame in opened.decode(audio=0):
            begins = frame.time if begins is None else begins
            samples.frombytes(bytes(frame.planes[0])[: 4 * frame.samples])
        rate = opened.streams.audio[0].rate
    return [one + (begins or 0.0) for one in _loud(samples, rate, 0.2)]


def beeps_beside(wav: Path) -> list[float]:
    """Return when the sound beside a clip becomes loud, in seconds."""
    with wave.open(str(wav)) as opened:
        samples = array("h", opened.readframes(opened.getnframes()))
        return _loud(samples, opened.getframerate(), 6000)


def _loud(samples: array[float] | array[int], rate: int, least: float) -> list[float]:
    found, quiet_since = [], 0
    for place, sample in enumerate(samples):
        if abs(sample) > least:
            if place - quiet_since > 0.2 * rate and quiet_since:
                found.append(place / rate)
            quiet_since = place
        quiet_since = quiet_since or 1
    return found


async def off(prober: Prober, source: Source, form: Form, directory: Path) -> list[float]:
    """Make a clip with sound inside and beside; return by how much each beep comes after its flash."""
    cut = await planned(prober, source, form)
    assert cut.sound is not None
    clip, wav = directory / "clip.mp4", directory / "clip.wav"
    await ffmpeg.encode(bundled_ffmpeg(), cut, clip, on_seconds=lambda _seconds: None)
    await ffmpeg.wav(bundled_ffmpeg(), cut.sound, wav)
    seen = flashes(clip)
    differences = []
    for heard in (beeps_inside(clip), beeps_beside(wav)):
        assert len(seen) >= 4
        assert len(heard) == len(seen)
        # The whole film's picture is late by so much, and its sound is not.
        differences += [beep - flash + source.late for flash, beep in zip(seen, heard, strict=True)]
    return differences


@pytest.mark.parametrize("fps", [None, Fraction(25)], ids=["as it comes", "25"])
@pytest.mark.parametrize("kind", SOURCES)
async def test_sound_keeps_step_with_the_picture(
    kind: str, fps: Fraction | None, prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """Within one frame, inside and beside, from a start off any key frame, also at another rate."""
    form = Form(size=32, fps=fps, audio=Audio.BOTH, preset="ultrafast")
    differences = await off(prober, sources[kind], form, tmp_path)
    assert max(map(abs, differences)) < 1 / 25 + 0.005, differences


async def test_the_measurement_tells_a_frame_of_difference(
    prober: Prober, sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound that begins two frames late is seen to do so."""
    plain = ffmpeg.sound_filters
    late = {"wav": 0.08, "inside": 0.08}

    def moved(sound: ffmpeg.AudioCut, *, wav: bool, copies_time: bool = False) -> str:
        later = replace(sound, start=sound.start - late["wav" if wav else "inside"])
        return plain(later, wav=wav, copies_time=copies_time)

    monkeypatch.setattr(ffmpeg, "sound_filters", moved)
    monkeypatch.setattr(ffmpeg, "run_up_of", lambda _sound: 0.0)
    monkeypatch.setattr(filters, "run_up_of", lambda _sound: 0.0)
    form = Form(size=32, audio=Audio.BOTH, preset="ultrafast")
    differences = await off(prober, sources["plain"], form, tmp_path)
    assert min(differences) > 0.05


@pytest.mark.parametrize("interval", [Interval(0, 2), Interval(6.5, 8), Interval(3.1, 4.117)])
async def test_a_wav_has_just_the_samples_of_its_clip(
    interval: Interval, prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """16 kHz, mono, 16 bits; at 25 frames a second 640 for each frame; from the beginning to the end."""
    form = Form(size=32, fps=Fraction(25), audio=Audio.WAV, preset="ultrafast")
    cut = await planned(prober, sources["ntsc"], form, replace(CLIP, interval=interval))
    assert cut.sound is not None
    await ffmpeg.wav(bundled_ffmpeg(), cut.sound, tmp_path / "clip.wav")
    with wave.open(str(tmp_path / "clip.wav")) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (16000, 1, 2)
        assert opened.getnframes() == cut.sound.samples == 640 * cut.frames


async def test_sound_that_ends_early_is_followed_by_silence(
    prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """So that picture and sound are equally long; what there is stays where it was."""
    media.ffmpeg(tmp_path, f"-v error -f lavfi -i {BEEP} -t 4 -c:a aac short.m4a")
    source = replace(sources["plain"], sound=tmp_path / "short.m4a")
    form = Form(size=32, audio=Audio.WAV, preset="ultrafast")
    cut = await planned(prober, source, form)
    assert cut.sound is not None
    await ffmpeg.wav(bundled_ffmpeg(), cut.sound, tmp_path / "clip.wav")
    with wave.open(str(tmp_path / "clip.wav")) as opened:
        samples = array("h", opened.readframes(opened.getnframes()))
    assert len(samples) == cut.sound.samples
    begins = 4.2 - cut.sound.start
    assert not any(samples[round(begins * 16000) :])
    assert max(samples[: round(begins * 16000)]) > 6000


async def test_a_clip_without_sound_has_no_track_of_it(
    prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """Unless it was asked for, also where the raw has one."""
    cut = await planned(prober, sources["plain"], Form(size=32, audio=Audio.NONE, preset="ultrafast"))
    assert cut.sound is None
    await ffmpeg.encode(bundled_ffmpeg(), cut, tmp_path / "clip.mp4", on_seconds=lambda _seconds: None)
    assert (await prober.facts(tmp_path / "clip.mp4", container="mp4")).sound is None


@pytest.mark.parametrize("audio", Audio)
async def test_sound_is_where_it_was_asked_for_and_nowhere_else(
    audio: Audio, prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """Inside, beside, both or neither."""
    cut = await planned(prober, sources["plain"], Form(size=32, audio=audio, preset="ultrafast"))
    await ffmpeg.encode(bundled_ffmpeg(), cut, tmp_path / "clip.mp4", on_seconds=lambda _seconds: None)
    inside = (await prober.facts(tmp_path / "clip.mp4", container="mp4")).sound is not None
    expected = {Audio.NONE: (False, False), Audio.AAC: (True, False), Audio.WAV: (False, True)}
    assert (inside, cut.form.sound_beside) == expected.get(audio, (True, True))


async def test_sound_that_is_not_there_is_a_failure(prober: Prober, sources: dict[str, Source]) -> None:
    """Silence would be a lie about the video."""
    silent = replace(sources["plain"], sound=None)
    with pytest.raises(Failure) as failed:
        await planned(prober, silent, Form(audio=Audio.AAC, crop=Crop.NONE))
    assert failed.value.reason is Reason.NO_SOUND
