"""Audio and video stay in sync: measured with a flash and a beep at the same moment."""

from __future__ import annotations

import wave
from array import array
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import media
import pytest
from audio_sync import BEEP, CLIP, SOURCES, Source, off, planned, render
from shared import slow_unless

from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Audio, Crop, Interval, OutputSettings
from hdtf_async.media import ffmpeg, filters
from hdtf_async.media.cut import AudioCut
from hdtf_async.media.ffmpeg import bundled_ffmpeg
from hdtf_async.media.probe import Prober

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Render them once."""
    return render(tmp_path_factory.mktemp("flash and beep"))


@pytest.mark.parametrize(
    ("kind", "fps"),
    slow_unless(
        product(SOURCES, (None, Fraction(25))),
        {("ntsc", 25), ("late", 25)},
    ),
)
async def test_audio_stays_in_sync_with_the_video(
    kind: str, fps: Fraction | None, prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """Within one frame, in the clip and the audio file, from a start off key frames, also at another rate."""
    form = OutputSettings(size=32, fps=fps, audio=Audio.BOTH, preset="ultrafast")
    differences = await off(prober, sources[kind], form, tmp_path)
    assert max(map(abs, differences)) < 1 / 25 + 0.005, differences


async def test_the_measurement_detects_two_frames_of_difference(
    prober: Prober, sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audio that starts two frames late is detected."""
    plain = filters.audio_filters
    late = {"wav": 0.08, "inside": 0.08}

    def moved(audio: AudioCut, *, wav: bool, copies_time: bool = False) -> str:
        later = replace(audio, start=audio.start - late["wav" if wav else "inside"])
        return plain(later, wav=wav, copies_time=copies_time)

    monkeypatch.setattr(ffmpeg, "audio_filters", moved)
    monkeypatch.setattr(ffmpeg, "audio_decoded_from", lambda _sound: 0.0)
    monkeypatch.setattr(filters, "audio_decoded_from", lambda _sound: 0.0)
    form = OutputSettings(size=32, audio=Audio.BOTH, preset="ultrafast")
    differences = await off(prober, sources["plain"], form, tmp_path)
    assert min(differences) > 0.05


@pytest.mark.parametrize("interval", [Interval(0, 2), Interval(6.5, 8), Interval(3.1, 4.117)])
async def test_a_wav_has_exactly_the_samples_of_its_clip(
    interval: Interval, prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """16 kHz, mono, 16 bits; at 25 fps 640 samples for each frame, from the beginning to the end."""
    form = OutputSettings(size=32, fps=Fraction(25), audio=Audio.WAV, preset="ultrafast")
    cut = await planned(prober, sources["ntsc"], form, replace(CLIP, interval=interval))
    assert cut.audio is not None
    await ffmpeg.wav(bundled_ffmpeg(), cut.audio, tmp_path / "clip.wav")
    with wave.open(str(tmp_path / "clip.wav")) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (16000, 1, 2)
        assert opened.getnframes() == cut.audio.samples == 640 * cut.frames


async def test_audio_that_ends_early_is_followed_by_silence(
    prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """So that video and audio are equally long; existing samples keep their times."""
    media.ffmpeg(tmp_path, f"-v error -f lavfi -i {BEEP} -t 4 -c:a aac short.m4a")
    source = replace(sources["plain"], soundtrack=tmp_path / "short.m4a")
    form = OutputSettings(size=32, audio=Audio.WAV, preset="ultrafast")
    cut = await planned(prober, source, form)
    assert cut.audio is not None
    await ffmpeg.wav(bundled_ffmpeg(), cut.audio, tmp_path / "clip.wav")
    with wave.open(str(tmp_path / "clip.wav")) as opened:
        samples = array("h", opened.readframes(opened.getnframes()))
    assert len(samples) == cut.audio.samples
    begins = 4.2 - cut.audio.start
    assert not any(samples[round(begins * 16000) :])
    assert max(samples[: round(begins * 16000)]) > 6000


async def test_a_clip_without_requested_audio_has_no_audio_track(
    prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """Unless it was requested, even if the source has audio."""
    cut = await planned(
        prober, sources["plain"], OutputSettings(size=32, audio=Audio.NONE, preset="ultrafast")
    )
    assert cut.audio is None
    await ffmpeg.encode(bundled_ffmpeg(), cut, tmp_path / "clip.mp4", on_seconds=lambda _seconds: None)
    assert (await prober.facts(tmp_path / "clip.mp4", container="mp4")).sound is None


@pytest.mark.parametrize("audio", Audio)
async def test_audio_is_exactly_where_it_was_requested(
    audio: Audio, prober: Prober, sources: dict[str, Source], tmp_path: Path
) -> None:
    """In the clip, as a file, both or neither."""
    cut = await planned(prober, sources["plain"], OutputSettings(size=32, audio=audio, preset="ultrafast"))
    await ffmpeg.encode(bundled_ffmpeg(), cut, tmp_path / "clip.mp4", on_seconds=lambda _seconds: None)
    inside = (await prober.facts(tmp_path / "clip.mp4", container="mp4")).sound is not None
    expected = {Audio.NONE: (False, False), Audio.AAC: (True, False), Audio.WAV: (False, True)}
    assert (inside, cut.settings.has_wav_file) == expected.get(audio, (True, True))


async def test_missing_audio_is_a_failure(prober: Prober, sources: dict[str, Source]) -> None:
    """Silence would misrepresent the video."""
    silent = replace(sources["plain"], soundtrack=None)
    with pytest.raises(Failure) as failed:
        await planned(prober, silent, OutputSettings(audio=Audio.AAC, crop=Crop.NONE))
    assert failed.value.reason is Reason.NO_SOUND
