"""The requirements of training code: the settings of clips, and their paths."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest

from hdtf_async.core import recipes
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.model import Audio
from hdtf_async.core.recipes import CAPTION, LAYOUTS, RECIPES, How, Item, spread

GOOD: dict[str, Any] = {
    "fps": 25.0, "width": 512, "height": 512, "sound_codec": "aac", "wav": "a.wav", "sha256": "one",
    "wav_sha256": "two", "frames": 250,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "size", "audio", "square", "commit"),
    [
        ("musetalk", None, Audio.BOTH, False, "TMElyralab/MuseTalk@0a89dec"),
        ("hallo", 512, Audio.AAC, False, "fudan-generative-vision/hallo@8fd7c57"),
        ("hallo2", 512, Audio.AAC, False, "fudan-generative-vision/hallo2@58a9aa6"),
        ("hallo3", 480, Audio.AAC, False, "fudan-generative-vision/hallo3@e342dce"),
        ("latentsync", None, Audio.AAC, False, "bytedance/LatentSync@a229c39"),
        ("keysync", 512, Audio.WAV, False, "antonibigata/keysync@cfff7cf"),
        ("wav2lip", 256, Audio.WAV, False, "Rudrabha/Wav2Lip@5c90fa9"),
        ("real3dportrait", 512, Audio.BOTH, True, "yerfor/Real3DPortrait@a9d70c7"),
    ],
)
def test_a_recipe_sets_size_rate_and_audio(
    name: str, size: int | None, audio: Audio, commit: str, *, square: bool
) -> None:
    """All of these code bases assume 25 frames per second; each was read at one commit."""
    recipe = RECIPES[name]
    segment = {"segment": 20} if name == "musetalk" else {}
    assert recipe.preset == {"size": size, "fps": Fraction(25), "audio": audio} | segment
    assert recipe.square is square
    assert recipe.commit.startswith(commit)
    assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", recipe.commit)
    assert len(RECIPES) == 8


@pytest.mark.parametrize(
    ("name", "changed", "flaws"),
    [
        ("real3dportrait", {}, []),
        ("real3dportrait", {"fps": 25.0009}, []),
        ("real3dportrait", {"fps": 25.0011}, ["25.0011 fps, not 25"]),
        ("real3dportrait", {"fps": 24.9989}, ["24.9989 fps, not 25"]),
        ("real3dportrait", {"fps": None}, ["None fps, not 25"]),
        ("real3dportrait", {"height": 510}, ["512x510 pixels, not 512x512"]),
        ("real3dportrait", {"width": "\x1b"}, [r"'\x1b'x512 pixels, not 512x512"]),
        ("hallo", {"height": 510}, []),
        ("hallo", {"sound_codec": ...}, ["no audio stream"]),
        ("hallo", {"wav": ...}, []),
        ("musetalk", {"wav": ..., "fps": 30}, ["30 fps, not 25", "no WAV file"]),
        ("musetalk", {"duration": 30.04}, []),
        ("musetalk", {"duration": 30.1}, []),
        ("musetalk", {"duration": 30.11}, ["30.11 s long, not at most 30 s"]),
        ("musetalk", {"duration": 31.5}, ["31.5 s long, not at most 30 s"]),
        ("hallo3", {"duration": 31.5}, []),
        ("latentsync", {"wav": ...}, []),
        ("latentsync", {"sound_codec": ...}, ["no audio stream"]),
        ("wav2lip", {"sound_codec": ...}, []),
        ("wav2lip", {"wav": ...}, ["no WAV file"]),
    ],
)  # fmt: skip
def test_a_clip_with_other_settings_is_recognized_by_its_metadata(
    name: str, changed: dict[str, Any], flaws: list[str]
) -> None:
    """Each unsuitable property is listed."""
    metadata = {key: value for key, value in {**GOOD, **changed}.items() if value is not ...}
    assert list(RECIPES[name].flaws(ClipRecord(metadata))) == flaws


@pytest.mark.parametrize(
    ("name", "items"),
    [
        (
            "musetalk",
            {
                "video_audio_clip_root/RD_A_000.mp4": Item(How.LINK, "RD_A_000.mp4", "one"),
                "video_audio_clip_root/RD_A_000.wav": Item(How.COPY, "RD_A_000.wav", "two"),
            },
        ),
        ("hallo", {"videos/RD_A_000.mp4": Item(How.LINK, "RD_A_000.mp4", "one")}),
        ("hallo2", {"videos/RD_A_000.mp4": Item(How.LINK, "RD_A_000.mp4", "one")}),
        (
            "hallo3",
            {
                "videos/RD_A_000.mp4": Item(How.LINK, "RD_A_000.mp4", "one"),
                "caption/RD_A_000.txt": Item(How.TEXT, "", CAPTION, write=recipes._write_caption),
            },
        ),
        (
            "keysync",
            {
                "video_crop/RD_A_000.mp4": Item(How.LINK, "RD_A_000.mp4", "one"),
                "audio/RD_A_000.wav": Item(How.COPY, "RD_A_000.wav", "two"),
            },
        ),
        ("latentsync", {"videos/RD_A_000.mp4": Item(How.LINK, "RD_A_000.mp4", "one")}),
        (
            "wav2lip",
            {
                "preprocessed/RD_A_000": Item(
                    How.FRAMES, "RD_A_000.mp4", "one two", 250, {"audio.wav": "RD_A_000.wav"}
                )
            },
        ),
        (
            "real3dportrait",
            {
                "video/RD_A_000.mp4": Item(How.LINK, "RD_A_000.mp4", "one"),
                "audio/RD_A_000.wav": Item(How.COPY, "RD_A_000.wav", "two"),
            },
        ),
    ],
)
def test_each_file_has_the_path_that_the_code_expects(name: str, items: dict[str, Item]) -> None:
    """Linked where the code only reads it, copied where it writes."""
    assert dict(RECIPES[name].items("RD_A_000", ClipRecord(GOOD))) == items


@pytest.mark.parametrize(("stills", "numbers"), [(2, [62, 187]), (None, range(12, 250, 25))])
def test_stills_are_frames_of_a_clip(stills: int | None, numbers: list[int]) -> None:
    """Ten of each clip by default. Their number is part of what identifies their directory."""
    wanted = {} if stills is None else {"stills": stills}
    ((path, item),) = LAYOUTS["frames"].items("RD_A_000", ClipRecord(GOOD), **wanted)
    assert path == "frames/RD_A_000"
    assert item == Item(How.STILLS, "RD_A_000.mp4", f"one {len(numbers)}", 250, only=tuple(numbers))
    (without,) = (each for _, each in LAYOUTS["frames"].items("a", ClipRecord({})))
    assert (without.frames, without.only) == (0, ())


def test_only_directories_of_frames_have_a_number_of_frames() -> None:
    """A link, a copy or a text has none."""
    found = {
        (item.how, item.frames)
        for layout in LAYOUTS.values()
        for _, item in layout.items("a", ClipRecord(GOOD))
    }
    assert found == {
        (How.LINK, 0), (How.COPY, 0), (How.TEXT, 0), (How.FRAMES, 250), (How.STILLS, 250),
    }  # fmt: skip
    (unknown,) = (item for _, item in LAYOUTS["wav2lip"].items("a", ClipRecord({})))
    assert (unknown.how, unknown.frames) == (How.FRAMES, 0)


@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("musetalk", {"train.txt": "file\na.json\nb.json\n", "val.txt": "file\n"}),
        ("hallo", {"train.txt": "a\nb\n", "val.txt": ""}),
        ("keysync", {"train.txt": "/to/video_crop/a.mp4\n/to/video_crop/b.mp4\n", "val.txt": ""}),
        ("latentsync", {"train.txt": "/to/videos/a.mp4\n/to/videos/b.mp4\n", "val.txt": ""}),
        ("wav2lip", {"filelists/train.txt": "a\nb\n", "filelists/val.txt": ""}),
    ],
)
def test_lists_have_paths_relative_to_the_directory_of_the_code(name: str, lists: dict[str, str]) -> None:
    """One per split, some with a header line that is skipped."""
    assert RECIPES[name].lists_of({"train": ["a", "b"], "val": []}, "/to") == lists


@pytest.mark.parametrize(
    ("frames", "number", "expected"),
    [(10, 3, [1, 5, 8]), (100, 2, [25, 75]), (3, 3, [0, 1, 2]), (3, 5, [0, 1, 2]), (9, 1, [4])],
)
def test_stills_are_the_middles_of_equal_parts(frames: int, number: int, expected: list[int]) -> None:
    """All frames, if there are no more."""
    assert spread(frames, number) == expected
