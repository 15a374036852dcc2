"""Presets for training code: the output settings of the clips, and the directory layout that it expects.

One table. Its content was taken from the source of each code base, at the commit that is named: the frame
rate that its loader assumes, where it reads the audio from, what it prepends to the lines of its lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hdtf_async.core.install import install_extra
from hdtf_async.core.model import Audio
from hdtf_async.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.clip_record import ClipRecord

_RATE = 25
_NEAR = 1e-3
_LONGER = 0.1
"""Seconds by which a clip may be longer: it ends with a whole frame."""
CAPTION = "A person is talking."
"""The description of every clip, for a code base that requires one."""
STILLS = 10
"""Default number of frames of each clip that become PNGs."""


class How(StrEnum):
    """How a file of the layout is made from one of the directory."""

    LINK = "linked"
    """A hard link to the same file, or a copy if the file system has no hard links."""
    COPY = "copied"
    """A copy: the code base's own preprocessing overwrites a file of this name, and would write through a
    link."""
    FRAMES = "folders of frames"
    """A directory with one JPEG per frame."""
    STILLS = "folders of stills"
    """A directory with a PNG of some frames."""
    SHARD = "shards"
    """A tar archive with several clips."""
    TEXT = "texts"
    """A text about a clip."""
    TABLE = "tables"
    """A file about all clips."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the layout, or one directory of frames."""

    how: How
    source: str
    """Name of the file in the output directory."""
    sha256: str
    """Identifies its content: the hash of its source."""
    frames: int = 0
    """Number of frames of the clip."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Files that are copied into the directory of frames: name there to name in the output directory."""
    only: tuple[int, ...] = ()
    """Numbers of the frames that become PNGs, ascending; empty for all frames as JPEGs."""
    write: Callable[[Path, Path], None] | None = None
    """Writes the file, from the output directory to a path; None for links, copies and frames."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings and layout of one code base. ``{stem}`` stands for a clip's stem, ``{to}`` for the export."""

    use: str
    """What to do with the export."""
    size: int | None
    """Pixels of the shorter side; None for unchanged."""
    audio: Audio = Audio.NONE
    fps: Fraction | None = Fraction(_RATE)
    """Frames per second; None for any."""
    commit: str = ""
    """Repository and commit at which its code was read; empty for layouts of no code base."""
    segment: int | None = None
    """Seconds of the segments; None for whole clips."""
    longest: float | None = None
    """Maximum duration of a clip in seconds."""
    square: bool = False
    """Whether only a square of that size is accepted."""
    clip: str = ""
    """Path of the clip; empty if it is not exported."""
    wav: str = ""
    """Path of the audio; with frames, its name in their directory."""
    frames: str = ""
    """The directory of its frames."""
    stills: str = ""
    """The directory of some of its frames."""
    text: str = ""
    """Path of a description of the clip."""
    lists: str = "{side}.txt"
    line: str = "{stem}"
    """A line of a list."""
    head: str = ""
    """A first line before the others."""

    @property
    def preset(self) -> dict[str, Any]:
        """The options of the main command that it sets."""
        values: dict[str, Any] = {"size": self.size, "fps": self.fps, "audio": self.audio}
        return values if self.segment is None else {**values, "segment": self.segment}

    def flaws(self, clip: ClipRecord) -> Iterator[str]:
        """Yield how a clip differs from what the code base expects."""
        columns = clip.to_json()  # it may have anything in place of a number
        if self.fps is not None and abs(float(clip.fps or 0) - self.fps) > _NEAR:
            yield f"{shown(columns.get('fps'))} fps, not {self.fps}"
        if self.longest is not None and (clip.duration or 0) > self.longest + _LONGER:
            yield f"{shown(columns.get('duration'))} s long, not at most {self.longest:g} s"
        sides = columns.get("width"), columns.get("height")
        if self.square and sides != (self.size, self.size):
            yield f"{shown(sides[0])}x{shown(sides[1])} pixels, not {self.size}x{self.size}"
        if self.audio in {Audio.AAC, Audio.BOTH} and clip.sound_codec is None:
            yield "no audio stream"
        if self.audio in {Audio.WAV, Audio.BOTH} and clip.wav is None:
            yield "no WAV file"

    def items(self, stem: str, clip: ClipRecord, stills: int = STILLS) -> Iterator[tuple[str, Item]]:
        """Yield the files of one clip in the layout, each with its path there."""
        video, wav = f"{stem}.mp4", f"{stem}.wav"
        digest, wav_digest = clip.sha256 or "", clip.wav_sha256 or ""
        if self.clip:
            yield self.clip.format(stem=stem), Item(How.LINK, video, digest)
        if self.text:
            yield self.text.format(stem=stem), Item(How.TEXT, "", CAPTION, write=_write_caption)
        if self.frames:
            item = Item(How.FRAMES, video, f"{digest} {wav_digest}", clip.frames or 0, {self.wav: wav})
            yield self.frames.format(stem=stem), item
        elif self.stills:
            only = tuple(spread(clip.frames or 0, stills))
            item = Item(How.STILLS, video, f"{digest} {len(only)}", clip.frames or 0, only=only)
            yield self.stills.format(stem=stem), item
        elif self.wav:
            yield self.wav.format(stem=stem), Item(How.COPY, wav, wav_digest)

    def lists_of(self, stems: Mapping[str, Sequence[str]], to: str) -> dict[str, str]:
        """Return the lists of an export to `to`, by their paths, from the stems of each split."""
        head = [self.head] if self.head else []
        if not self.lists:
            return {}
        return {
            self.lists.format(side=side): "".join(
                f"{each}\n" for each in (*head, *(self.line.format(stem=stem, to=to) for stem in several))
            )
            for side, several in stems.items()
        }


def _write_caption(_out: Path, to: Path) -> None:
    to.write_text(CAPTION, encoding="utf-8")


def spread(frames: int, number: int) -> list[int]:
    """Return the numbers of evenly spaced frames: the middle of each of `number` equal parts."""
    if number >= frames:
        return list(range(frames))
    return [(2 * place + 1) * frames // (2 * number) for place in range(number)]


def _hallo(commit: str, configs: str) -> Recipe:
    """Return the recipe of Hallo, whose scripts for data are also those of Hallo2."""
    # Its first step extracts frames and audio from each clip. It replaces words in whole paths.
    return Recipe(
        "Run steps 1 and 2 of scripts/data_preprocess.py with --input_dir on videos/, then"
        " scripts/extract_meta_info_stage1.py and scripts/extract_meta_info_stage2.py with -r on the"
        f" export, and name their results in {configs}. The clips must be squares in which the face makes"
        " up 50 to 70%: check them. It does not read lists: move test clips elsewhere first. The path of"
        " the export must contain neither images nor videos.",
        512, Audio.AAC, commit=commit, clip="videos/{stem}.mp4",
    )  # fmt: skip


RECIPES = {
    # Its loader appends the lines of a list to the directory of the faces' JSON files, and skips the first
    # one. It reads audio from the WAV file for one loss and from the clip for another. Its own preprocessing
    # cuts pieces of 30 s, and it takes wrong audio for what follows in a longer clip. Segments of 20 s are at
    # most 30 s long, because a short rest is part of the last one.
    "musetalk": Recipe(
        "Set the folder, a meta_root and the two lists in configs/training/preprocess.yaml and run only"
        " analyze_video of scripts/preprocess.py: frame rate, audio and length are already as it expects."
        " --split musetalk uses its own validation list.",
        None, Audio.BOTH, commit="TMElyralab/MuseTalk@0a89dec45a0192b824e3cf4daf96c239440c5ed8",
        clip="video_audio_clip_root/{stem}.mp4", wav="video_audio_clip_root/{stem}.wav",
        segment=20, longest=30, line="{stem}.json", head="file",
    ),
    "hallo": _hallo(
        "fudan-generative-vision/hallo@8fd7c572a3d43c2a9c1a5473219ce4fc1b6e3ed2",
        "configs/train/stage1.yaml and stage2.yaml",
    ),
    "hallo2": _hallo(
        "fudan-generative-vision/hallo2@58a9aa6c9f66817a6e084f3874cfc01ac24fed3e",
        "configs/train/stage1.yaml and stage2_long.yaml",
    ),
    # It squeezes clips to squares of 480 pixels, skips those without a caption, and fails for 49 frames or
    # fewer.
    "hallo3": Recipe(
        "Run scripts/data_preprocess.sh EXPORT 1 0 NAME and name data/NAME.json in configs/sft_s1.yaml"
        " and sft_s2.yaml. caption/ has the same sentence for each clip, because it skips clips without"
        " one. The clips must be squares of at least 50 frames. It does not read lists: move test clips"
        " elsewhere first. The path of the export must not contain images.",
        480, Audio.AAC, commit="fudan-generative-vision/hallo3@e342dcec7ec17cdf26da6c97679c0414c9738a3c",
        clip="videos/{stem}.mp4", text="caption/{stem}.txt",
    ),
    # It trains with a fixed mask, which fits aligned faces only.
    "latentsync": Recipe(
        "Run its data processing pipeline with --input_dir on videos/ first: training uses a fixed mask"
        " and needs the aligned faces that it writes.",
        None, Audio.AAC, commit="bytedance/LatentSync@a229c3948406bc2cf6eaf4873e662e70c6a04746",
        clip="videos/{stem}.mp4", line="{to}/videos/{stem}.mp4",
    ),
    # It derives all other paths from those of its lists, by replacing the names of these directories.
    "keysync": Recipe(
        "Compute latents, landmarks and audio embeddings with scripts/util/ into video_crop_emb/,"
        " landmarks_crop/ and audio_emb/, and pass train.txt to train_keyframe.sh and"
        " train_interpolation.sh. The path of the export must contain no dot, and neither audio nor"
        " video_crop.",
        512, Audio.WAV, commit="antonibigata/keysync@cfff7cf1fe2bc44212cf0f90f26ad143afc3e56c",
        clip="video_crop/{stem}.mp4", wav="audio/{stem}.wav", line="{to}/video_crop/{stem}.mp4",
    ),
    # It counts frames from 0, appends the line of a list to --data_root, and expects lists in filelists/.
    "wav2lip": Recipe(
        "Copy filelists/ into the repository and pass --data_root preprocessed/. The frames show the whole"
        " clips, which are wider than the face crops of the repository's preprocess.py.",
        256, Audio.WAV, commit="Rudrabha/Wav2Lip@5c90fa9b4a2c2a37d0b4ebf7633ac41534eb9941",
        frames="preprocessed/{stem}", wav="audio.wav", lists="filelists/{side}.txt",
    ),
    "real3dportrait": Recipe(
        "Continue after the resampling step of docs/process_data, with data_gen/utils/process_video."
        " data_gen/runs/binarizer_th1kh.py does not read lists: of the first 1000 clips, every 100th is for"
        " validation.",
        512, Audio.BOTH, commit="yerfor/Real3DPortrait@a9d70c7ee81bc9349f0f5e558f406f75194bd776",
        square=True, clip="video/{stem}.mp4", wav="audio/{stem}.wav",
    ),
}  # fmt: skip

FORMATS = {
    "frames": Recipe(
        "Compare generated videos with the same frames: the number of a file is that of the frame, from 0.",
        None, fps=None, stills="frames/{stem}",
    ),
    "webdataset": Recipe(
        "Load the shards of a split with webdataset.WebDataset('train-{000000..000009}.tar', shardshuffle=9)."
        " Each sample has mp4, wav if there is one, and json.",
        None, fps=None, lists="",
    ),
    "tables": Recipe(
        "One row per clip with the keys of metadata.jsonl and its split. metadata.parquet requires an extra:"
        f" {install_extra('parquet')}.",
        None, fps=None, lists="",
    ),
}  # fmt: skip
"""Layouts of no code base: they accept clips with any settings, and the main command has no preset."""
LAYOUTS = RECIPES | FORMATS
"""Everything that ``export`` accepts."""
