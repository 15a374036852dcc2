"""Source videos with a flash and a beep at the same moments, and the distance between the two in a clip."""

from __future__ import annotations

import wave
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import media

from hdtf_async.core.model import Box, Clip, Interval, OutputSettings, Video
from hdtf_async.lanes.cut_plan import plan_cut
from hdtf_async.lanes.source_videos import SourceVideo
from hdtf_async.media import ffmpeg
from hdtf_async.media.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from hdtf_async.media.cut import Cut
    from hdtf_async.media.probe import Prober

EVERY = 0.7
"""Seconds from one flash, and one beep, to the next; the first is at 0.35."""
LENGTH = 0.1
"""Duration of each in seconds."""
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
    # As many phones write it: the first timestamp of the video stream is not 0.
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
"""Kind to frame rate, filter, codec and extension of the video file, codec and extension of the audio
file."""
CLIP = Clip(Video("RD", "Radio1", "CPCoMyuBRM0", 90), 0, Interval(1.513, 5.2), Box(0, 0, 90, 90))


@dataclass(frozen=True)
class Source:
    """A video and its audio, in separate files."""

    picture: Path
    soundtrack: Path | None
    late: float


def render(directory: Path) -> dict[str, Source]:
    """Render the sources."""
    found = {}
    for name, (rate, moved, video, ending, audio, sound_ending) in SOURCES.items():
        flash = FLASH.replace("RATE", rate)
        media.ffmpeg(directory, f"-v error -f lavfi -i {flash} {moved} {video} {name}.{ending}")
        media.ffmpeg(directory, f"-v error -f lavfi -i {BEEP} {audio} {name}_sound.{sound_ending}")
        soundtrack = directory / f"{name}_sound.{sound_ending}"
        if sound_ending == "webm":
            soundtrack = soundtrack.rename(soundtrack.with_suffix(".weba"))
        found[name] = Source(directory / f"{name}.{ending}", soundtrack, 0.2 if name == "late" else 0.0)
    return found


async def planned(prober: Prober, source: Source, form: OutputSettings, clip: Clip = CLIP) -> Cut:
    """Plan a cut as the encode lane does."""
    container = source.picture.suffix[1:]
    facts = await prober.facts(source.picture, container=container, intervals=[clip.interval])
    raw = SourceVideo(
        source.picture, container, facts, {clip.stem: facts.shown[0]}, "136", "3", source.soundtrack, "140",
    )  # fmt: skip
    return plan_cut(clip, raw, form)


def flashes(clip: Path) -> list[float]:
    """Return when the frames become bright, in seconds of the clip."""
    found, dark = [], False
    with av.open(str(clip)) as opened:
        for frame in opened.decode(video=0):
            bright = bytes(frame.planes[0])[frame.planes[0].line_size * 16 + 16] > 128
            if bright and dark:
                found.append(float(frame.time or 0))
            dark = not bright
    return found


def beeps_inside(clip: Path) -> list[float]:
    """Return when the audio track of a clip becomes loud, in seconds of the clip."""
    samples = array("f")
    begins = None
    with av.open(str(clip)) as opened:
        for frame in opened.decode(audio=0):
            begins = frame.time if begins is None else begins
            samples.frombytes(bytes(frame.planes[0])[: 4 * frame.samples])
        rate = opened.streams.audio[0].rate
    return [one + (begins or 0.0) for one in _loud(samples, rate, 0.2)]


def beeps_beside(wav: Path) -> list[float]:
    """Return when the audio file of a clip becomes loud, in seconds."""
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


async def off(prober: Prober, source: Source, form: OutputSettings, directory: Path) -> list[float]:
    """Make a clip with both kinds of audio; return by how much each beep comes after its flash."""
    cut = await planned(prober, source, form)
    assert cut.audio is not None
    clip, wav = directory / "clip.mp4", directory / "clip.wav"
    await ffmpeg.encode(bundled_ffmpeg(), cut, clip, on_seconds=lambda _seconds: None)
    await ffmpeg.wav(bundled_ffmpeg(), cut.audio, wav)
    seen = flashes(clip)
    differences = []
    for beeps in (beeps_inside(clip), beeps_beside(wav)):
        assert len(seen) >= 4
        assert len(beeps) == len(seen)
        # The whole film's video stream is this late, and its audio is not.
        differences += [beep - flash + source.late for flash, beep in zip(seen, beeps, strict=True)]
    return differences
