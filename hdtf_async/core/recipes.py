"""Presets for training code: the output settings of the clips, and the directory layout that it expects.

One table. Its content was taken from the source of each code base: the frame rate that its loader assumes,
where it reads the audio from, what it prepends to the lines of its lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hdtf_async.core.model import Audio
from hdtf_async.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hdtf_async.core.clip_record import ClipRecord

_RATE = 25
_NEAR = 1e-3
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
    beside: Mapping[str, str] = field(default_factory=dict)
    """Files that are copied into the directory of frames: name there to name in the output directory."""
    only: tuple[int, ...] = ()
    """Numbers of the frames that become PNGs; empty for all frames as JPEGs."""
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
    lists: str = "{side}.txt"
    line: str = "{stem}"
    """A line of a list."""
    head: str = ""
    """A first line before the others."""

    @property
    def preset(self) -> dict[str, Any]:
        """The options of the main command that it sets."""
        return {"size": self.size, "fps": self.fps, "audio": self.audio}

    def flaws(self, clip: ClipRecord) -> Iterator[str]:
        """Yield how a clip differs from what the code base expects."""
        columns = clip.to_json()  # it may have anything in place of a number
        if self.fps is not None and abs(float(clip.fps or 0) - self.fps) > _NEAR:
            yield f"{shown(columns.get('fps'))} fps, not {self.fps}"
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


def spread(frames: int, number: int) -> list[int]:
    """Return the numbers of evenly spaced frames: the middle of each of `number` equal parts."""
    if number >= frames:
        return list(range(frames))
    return [(2 * place + 1) * frames // (2 * number) for place in range(number)]


RECIPES = {
    # Its loader appends the lines of a list to the directory of the faces' JSON files, and skips the first
    # one. It reads audio from the WAV file for one loss and from the clip for another.
    "musetalk": Recipe(
        "Set the folder, a meta_root and the two lists in configs/training/preprocess.yaml and run only"
        " analyze_video of scripts/preprocess.py: frame rate and audio are already as it expects. It finds"
        " the right audio only in the first 30 s of a clip: create the clips with --segment 20.",
        None, Audio.BOTH, clip="video_audio_clip_root/{stem}.mp4", wav="video_audio_clip_root/{stem}.wav",
        line="{stem}.json", head="file",
    ),
    # Its first step extracts frames and audio from each clip; the second one expects the audio here.
    "hallo": Recipe(
        "Run steps 1 and 2 of scripts/data_preprocess.py with --input_dir on videos/. It does not read lists:"
        " move test clips elsewhere first.",
        512, Audio.BOTH, clip="videos/{stem}.mp4", wav="audios/{stem}.wav",
    ),
    # It opens the paths in its lists, relative to the current directory.
    "latentsync": Recipe(
        "Set train_fileslist in the config to train.txt, or run its own data processing on videos/.",
        None, Audio.AAC, clip="videos/{stem}.mp4", line="{to}/videos/{stem}.mp4",
    ),
    # It counts frames from 0, appends the line of a list to --data_root, and expects lists in filelists/.
    "wav2lip": Recipe(
        "Copy filelists/ into the repository and pass --data_root preprocessed/. The frames show the HDTF"
        " boxes, which are wider than the face crops of the repository's preprocess.py.",
        256, Audio.WAV, frames="preprocessed/{stem}", wav="audio.wav", lists="filelists/{side}.txt",
    ),
    "real3dportrait": Recipe(
        "Continue after the resampling step of docs/process_data, with data_gen/utils/process_video.",
        512, Audio.BOTH, square=True, clip="video/{stem}.mp4", wav="audio/{stem}.wav",
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
        " pip install 'hdtf-async[parquet]'.",
        None, fps=None, lists="",
    ),
}  # fmt: skip
"""Layouts of no code base: they accept clips with any settings, and the main command has no preset."""
LAYOUTS = RECIPES | FORMATS
"""Everything that ``export`` accepts."""
