"""`export`: the layouts of training code, and that no other files are harmed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import wave
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from operator import sub
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import anyio
import av
import pytest
import readme
from media import Decoded, DecodedFrame
from shared import slow_unless

import hdtf_async
from hdtf_async import FormError, Options, StoreError
from hdtf_async.cli import parser as flags
from hdtf_async.cli.main import main
from hdtf_async.commands.export import MANIFEST, export
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.exceptions import BusyError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.model import Source
from hdtf_async.core.recipes import CAPTION, LAYOUTS, RECIPES, How
from hdtf_async.core.splits import Split
from hdtf_async.output.directory import read_known

if TYPE_CHECKING:
    from shared import Finished

SPLIT = Split((34, 33, 33), 61)
"""Puts the three people of the demo into three splits."""
STEMS = {side: stem for stem, side in readme.EXPORTED.items()}


@dataclass(frozen=True)
class Formed:
    """Three clips whose settings fit every recipe; read-only, shared by the tests of this file."""

    out: Path
    options: Options


@pytest.fixture(scope="module")
def formed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Formed:
    """One clip of each split, from the source videos of the demo; only the audio is downloaded."""
    out = tmp_path_factory.mktemp("formed") / "clips"
    raws = (finished.out / "_videos_raw",)
    options = replace(
        finished.options,
        raw_dirs=raws,
        videos=("Radio2", "Speaker1", "Guest1"),
        split=SPLIT.shares,
        split_seed=SPLIT.seed,
        **({"preset": "ultrafast", "deinterlace": "off"} | RECIPES["real3dportrait"].preset),
    )
    report = anyio.run(hdtf_async.download, out, options)
    assert sorted(report.done) == sorted(readme.EXPORTED)
    return Formed(out, options)


def places(to: Path) -> list[str]:
    """Return the relative paths of all files below a directory."""
    return sorted(str(path.relative_to(to)) for path in to.rglob("*") if path.is_file())


class Killed(BaseException):
    """As if the program had been killed."""


def brightness(frame: DecodedFrame) -> list[int]:
    """Return a sample of each 8 by 8 block of an image."""
    return [value for row in frame.planes[0][::8] for value in row[::8]]


def contents(to: Path) -> dict[str, tuple[bytes, int]]:
    """Return the content of each file, and when it was written."""
    return {place: ((to / place).read_bytes(), (to / place).stat().st_mtime_ns) for place in places(to)}


@pytest.mark.parametrize(
    "name", slow_unless((name for name in LAYOUTS if name != "tables"), LAYOUTS.keys() - {"tables", "frames"})
)
async def test_the_layout_is_the_one_in_the_docs(formed: Formed, tmp_path: Path, name: str) -> None:
    """File by file, and a second export changes nothing."""
    to = tmp_path / name
    done = await export(formed.out, to, name, formed.options)
    assert [*readme.tree([f"{name}/{place}" for place in places(to)])][1:] == _shown(name)
    assert done.sides == {"train": 1, "val": 1, "test": 1}
    before = contents(to)
    again = await export(formed.out, to, name, formed.options)
    assert (again.new, again.removed) == (0, 0)
    assert contents(to) == before


def _shown(name: str) -> list[str]:
    """Return the lines of a layout in the docs, below the recipe's name."""
    block = (readme.DOCS / "training.md").read_text(encoding="utf-8").partition("<!-- table: trees -->")[2]
    shown = next(part for part in block.split("\n\n") if part.lstrip("`\n").startswith(f"{name}/"))
    return [f"    {line}" for line in shown.partition("/\n")[2].partition("\n```")[0].splitlines()]


async def test_musetalk_finds_clip_and_audio_in_one_directory(formed: Formed, tmp_path: Path) -> None:
    """Its loader skips the first line of a list and appends the others to the directory of JSON files."""
    await export(formed.out, tmp_path, "musetalk", formed.options)
    folder = tmp_path / "video_audio_clip_root"
    for side, stem in STEMS.items():
        assert (tmp_path / f"{side}.txt").read_text().splitlines()[1:] == [f"{stem}.json"]
        assert (folder / f"{stem}.mp4").samefile(formed.out / f"{stem}.mp4")
        with av.open(str(folder / f"{stem}.mp4")) as clip:
            assert clip.streams.video[0].average_rate == 25
            assert len(clip.streams.audio) == 1
        with wave.open(str(folder / f"{stem}.wav"), "rb") as audio:
            assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (16000, 1, 2)


async def test_musetalk_may_overwrite_its_audio(formed: Formed, tmp_path: Path) -> None:
    """Its preprocessing does, under the same name, which must not change the WAV file of the clip."""
    await export(formed.out, tmp_path, "musetalk", formed.options)
    for stem in readme.EXPORTED:
        audio, ours = tmp_path / "video_audio_clip_root" / f"{stem}.wav", formed.out / f"{stem}.wav"
        assert audio.read_bytes() == ours.read_bytes()
        assert not audio.samefile(ours)


async def test_hallo_extracts_audio_from_its_clips(formed: Formed, tmp_path: Path) -> None:
    """There are only clips and lists; its successors use the same layout, the last one with captions."""
    for name in ("hallo", "hallo2", "hallo3"):
        to = tmp_path / name
        await export(formed.out, to, name, formed.options)
        for side, stem in STEMS.items():
            assert (to / "videos" / f"{stem}.mp4").samefile(formed.out / f"{stem}.mp4")
            assert (to / f"{side}.txt").read_text().split() == [stem]
        assert not (to / "audios").exists()
    assert [path.read_text() for path in (to / "caption").iterdir()] == [CAPTION] * 3


async def test_keysync_replaces_the_names_of_its_directories(formed: Formed, tmp_path: Path) -> None:
    """The paths of its lists become those of the audio, as in its loader."""
    await export(formed.out, tmp_path / "tree", "keysync", formed.options)
    (line,) = (tmp_path / "tree" / "val.txt").read_text().splitlines()
    assert Path(line).samefile(formed.out / f"{STEMS['val']}.mp4")
    audio = tmp_path / "tree" / line.removeprefix(f"{tmp_path / 'tree'}/").replace("video_crop", "audio")
    with wave.open(str(audio.with_suffix(".wav")), "rb") as file:
        assert file.getframerate() == 16000


async def test_latentsync_finds_its_clips_from_any_working_directory(
    formed: Formed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens the lines of its lists unchanged."""
    monkeypatch.chdir(tmp_path)
    await export(formed.out, Path("tree"), "latentsync", formed.options)
    (line,) = (tmp_path / "tree" / "train.txt").read_text().splitlines()
    monkeypatch.chdir("/")
    assert Path(line).samefile(formed.out / f"{STEMS['train']}.mp4")


@pytest.mark.slow
async def test_wav2lip_counts_frames_from_zero(formed: Formed, tmp_path: Path) -> None:
    """One JPEG for each frame of the clip, in order, and the audio in the same directory."""
    commands: list[str] = []
    to = tmp_path / "100%d"  # a number to ffmpeg if it were part of a pattern
    await export(formed.out, to, "wav2lip", formed.options, on_directory=commands.append)
    assert sorted(commands) == [f"preprocessed/{stem}" for stem in sorted(readme.EXPORTED)]
    (stem,) = (to / "filelists" / "train.txt").read_text().split()
    folder = to / "preprocessed" / stem
    assert (folder / "audio.wav").read_bytes() == (formed.out / f"{stem}.wav").read_bytes()
    frames = [brightness(frame) for frame in Decoded(formed.out / f"{stem}.mp4").frames]
    assert len(frames) == readme.FRAMES[stem]
    for number in (0, 1, 47, 74):
        (still,) = Decoded(folder / f"{number}.jpg").frames
        # In a JPEG black is 0 and white 255, in a clip 16 and 235.
        seen = [value * 219 / 255 + 16 for value in brightness(still)]
        off = [fmean(map(abs, map(sub, frame, seen))) for frame in frames]
        assert off.index(min(off)) == number
        assert min(off) < 2


@pytest.mark.slow
async def test_stills_are_evenly_spaced_frames_of_each_clip(finished: Finished, tmp_path: Path) -> None:
    """Of clips with any settings; the number of a file is that of its frame; another number replaces all."""
    options = replace(finished.options, encodes=2)
    done = await export(finished.out, tmp_path, "frames", options, stills=4)
    stem = "RD_Radio1_000"
    folder, clip = tmp_path / "frames" / stem, Decoded(finished.out / f"{stem}.mp4")
    number = len(clip.frames)
    files = sorted(path.name for path in folder.iterdir())
    assert files == [f"{(2 * place + 1) * number // 8:06d}.png" for place in range(4)]
    assert done.items == {How.STILLS: sum(done.sides.values())}
    frames = [brightness(frame) for frame in clip.frames]
    for file in files:
        with av.open(str(folder / file)) as image:
            still = next(image.decode(video=0)).reformat(format="rgb24")
        plane, step = bytes(still.planes[0]), still.planes[0].line_size
        greens = [
            plane[row * step + 1 : row * step + 3 * still.width : 24] for row in range(0, still.height, 8)
        ]
        seen = [value * 219 / 255 + 16 for row in greens for value in row]
        off = [fmean(map(abs, map(sub, frame, seen))) for frame in frames]
        assert off.index(min(off)) == int(file.removesuffix(".png"))
    assert (await export(finished.out, tmp_path, "frames", options, stills=4)).new == 0
    assert (await export(finished.out, tmp_path, "frames", options, stills=5)).new == sum(done.sides.values())
    assert len(list(folder.iterdir())) == 5


async def test_shards_are_only_written_again_if_their_clips_change(
    finished: Finished, tmp_path: Path
) -> None:
    """A damaged clip fails, and leaves no shard."""
    out, to = tmp_path / "clips", tmp_path / "to"
    shutil.copytree(finished.out, out)
    first = await export(out, to, "webdataset", finished.options)
    before = contents(to)
    assert first.new == len(list(to.glob("*.tar"))) > 0
    assert (await export(out, to, "webdataset", finished.options)).new == 0
    assert contents(to) == before
    (to / "train-000000.tar").unlink()
    assert (await export(out, to, "webdataset", finished.options)).new == 1
    assert {place: content for place, (content, _) in contents(to).items() if place.endswith(".tar")} == {
        place: content for place, (content, _) in before.items() if place.endswith(".tar")
    }
    clip = next(path for path in out.glob("RD_*.mp4"))
    clip.write_bytes(bytes(clip.stat().st_size))
    shutil.rmtree(to)
    with pytest.raises(Failure, match=clip.name):
        await export(out, to, "webdataset", finished.options)
    assert not [path for path in to.rglob("*") if clip.name in path.name or path.name.startswith(".")]


async def test_tables_have_one_row_per_clip(finished: Finished, tmp_path: Path) -> None:
    """In CSV, without any extra."""
    await export(finished.out, tmp_path, "tables", finished.options)
    rows = (tmp_path / "metadata.csv").read_text().splitlines()
    assert len(rows) == 1 + len(list(finished.out.glob("*.mp4")))
    assert rows[0].startswith("file_name,subset,name,index,")


async def test_real3dportrait_requires_its_square(formed: Formed, tmp_path: Path) -> None:
    """512 by 512, and the audio under the same stem."""
    await export(formed.out, tmp_path, "real3dportrait", formed.options)
    for stem in readme.EXPORTED:
        with av.open(str(tmp_path / "video" / f"{stem}.mp4")) as clip:
            assert (clip.streams.video[0].width, clip.streams.video[0].height) == (512, 512)
        assert (tmp_path / "audio" / f"{stem}.wav").exists()


@pytest.mark.parametrize("name", RECIPES)
async def test_clips_with_other_settings_are_rejected_with_the_command_for_them(
    finished: Finished, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo's own have no audio; nothing is exported. The command is only complete for HDTF."""
    another = rf"--recipe {name} --raw-dir \S+ and another --out"
    options = another if name == "musetalk" else f"--recipe {name} --recut"
    remedy = f"run the command that created them again, with {options}"
    with pytest.raises(FormError, match=rf"no (audio|WAV).*; {remedy}$"):
        await export(finished.out, tmp_path / "tree", name, finished.options)
    with pytest.raises(FormError, match=f"no clips; .*--recipe {name}$"):
        await export(tmp_path, tmp_path / "tree", name, finished.options)
    assert not (tmp_path / "tree").exists()
    monkeypatch.setattr(Source, "from_json", lambda _: None)  # as in a directory of HDTF
    where = r"NEW --recipe \w+ --raw-dir \S+" if name == "musetalk" else r"\S+ --recipe \w+ --recut"
    with pytest.raises(FormError, match=rf"no (audio|WAV).*: python -m hdtf_async --out {where}$"):
        await export(finished.out, tmp_path / "tree", name, finished.options)


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"fps": 29.97003}, "29.97003 fps, not 25"),
        ({"width": 514}, "514x512 pixels, not 512x512"),
    ],
)
def test_differences_from_a_recipe_are_reported(change: dict[str, Any], messages: str) -> None:
    """In the units of the recipe."""
    metadata = {"fps": 25.0, "width": 512, "height": 512, "sound_codec": "aac", "wav": "a.wav"}
    assert [*RECIPES["real3dportrait"].flaws(ClipRecord(metadata))] == []
    assert [*RECIPES["real3dportrait"].flaws(ClipRecord(metadata | change))] == [messages]


@pytest.mark.parametrize("place", ["video/RD_Radio2_000.mp4", "audio/WRA_Guest1_000.wav", "train.txt"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_files_of_others_are_not_touched(formed: Formed, tmp_path: Path, place: str, kind: str) -> None:
    """The export fails first, for a file, a directory or a broken link."""
    to = tmp_path / "tree"
    (to / place).parent.mkdir(parents=True)
    if kind == "file":
        (to / place).write_text("mine")
    elif kind == "folder":
        (to / place).mkdir()
    else:
        (to / place).symlink_to("nowhere")
    before = (to / place).lstat().st_ino
    with pytest.raises(StoreError, match="move it away or choose another --to"):
        await export(formed.out, to, "real3dportrait", formed.options)
    assert (to / place).lstat().st_ino == before
    assert kind != "file" or (to / place).read_text() == "mine"
    assert {path.name for path in to.rglob("*") if not path.is_dir()} - {MANIFEST} <= {Path(place).name}


async def test_modified_files_are_not_touched(formed: Formed, tmp_path: Path) -> None:
    """Audio that preprocessing has rewritten, or frames that a user has cropped."""
    await export(formed.out, tmp_path / "tree", "real3dportrait", formed.options)
    (tmp_path / "tree/audio/RD_Radio2_000.wav").write_bytes(b"anew")
    with pytest.raises(StoreError, match=r"RD_Radio2_000\.wav was modified"):
        await export(formed.out, tmp_path / "tree", "real3dportrait", formed.options)
    assert (tmp_path / "tree/audio/RD_Radio2_000.wav").read_bytes() == b"anew"
    await export(formed.out, tmp_path / "wav2lip", "wav2lip", formed.options)
    (tmp_path / "wav2lip/preprocessed/RD_Radio2_000/7.jpg").write_bytes(b"cropped")
    with pytest.raises(StoreError, match="preprocessed/RD_Radio2_000 was modified"):
        await export(formed.out, tmp_path / "wav2lip", "wav2lip", formed.options)


async def test_another_export_adds_missing_files_and_removes_obsolete_ones(
    formed: Formed, tmp_path: Path
) -> None:
    """Clips that are added, removed or change their split; files of others stay."""
    out, to = tmp_path / "clips", tmp_path / "tree"
    shutil.copytree(formed.out, out)
    await export(out, to, "real3dportrait", formed.options)
    (to / "video" / "mine.mp4").write_text("mine")
    (to / "video" / "RD_Radio2_000.mp4").unlink()
    (out / "WRA_Guest1_000.mp4").unlink()
    everybody = replace(formed.options, split=(0, 0, 100))
    done = await export(out, to, "real3dportrait", everybody)
    assert (done.new, done.removed) == (1, 2)
    assert (to / "video" / "RD_Radio2_000.mp4").samefile(out / "RD_Radio2_000.mp4")
    assert (to / "video" / "mine.mp4").read_text() == "mine"
    assert not list(to.rglob("WRA_*"))
    assert (to / "test.txt").read_text().split() == ["RD_Radio2_000", "WDA_Speaker1_000"]
    assert (to / "train.txt").read_text() == ""


@pytest.mark.slow
async def test_a_re_created_clip_replaces_the_old_one(formed: Formed, tmp_path: Path) -> None:
    """The link keeps the old one until then, because a clip is replaced and never modified."""
    out, to = tmp_path / "clips", tmp_path / "tree"
    shutil.copytree(formed.out, out)
    await export(out, to, "wav2lip", formed.options)
    old = (to / "preprocessed/RD_Radio2_000/0.jpg").stat().st_size
    await hdtf_async.download(out, replace(formed.options, crf=40, recut=True))
    done = await export(out, to, "wav2lip", formed.options)
    assert done.new == 3
    assert (to / "preprocessed/RD_Radio2_000/0.jpg").stat().st_size != old
    assert not list(to.rglob(".*"))


@pytest.mark.parametrize("name", ["latentsync", "wav2lip"])
async def test_a_killed_export_is_resumed(
    formed: Formed, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right before a rename, after the file was recorded; and within a line."""
    renamed = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if "Speaker1" in str(target):
            raise Killed
        return renamed(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(import_module("hdtf_async.commands.export"), "_remove", lambda _: None)
    with pytest.raises(Killed):
        await export(formed.out, tmp_path, name, formed.options)
    monkeypatch.undo()
    with (tmp_path / MANIFEST).open("ab") as manifest:
        manifest.write(b'{"place": "vid')
    await export(formed.out, tmp_path, name, formed.options)
    assert [*readme.tree([f"{name}/{place}" for place in places(tmp_path)])][1:] == _shown(name)
    assert (await export(formed.out, tmp_path, name, formed.options)).new == 0


async def test_files_are_copied_if_links_are_not_supported(
    formed: Formed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another disk; and they are recognised later."""

    def link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    await export(formed.out, tmp_path, "latentsync", formed.options)
    clip = tmp_path / "videos" / "RD_Radio2_000.mp4"
    assert clip.read_bytes() == (formed.out / "RD_Radio2_000.mp4").read_bytes()
    assert not clip.samefile(formed.out / "RD_Radio2_000.mp4")
    assert (await export(formed.out, tmp_path, "latentsync", formed.options)).new == 0


async def test_an_export_has_one_recipe_and_is_outside_the_directory(formed: Formed, tmp_path: Path) -> None:
    """Inside the directory, users and loaders would mistake it for clips."""
    await export(formed.out, tmp_path, "real3dportrait", formed.options)
    with pytest.raises(StoreError, match="another recipe"):
        await export(formed.out, tmp_path, "hallo", formed.options)
    with pytest.raises(StoreError, match="choose another --to"):
        await export(formed.out, formed.out / "tree", "real3dportrait", formed.options)
    assert not (formed.out / "tree").exists()


async def test_two_simultaneous_exports_to_one_directory_are_rejected(formed: Formed, tmp_path: Path) -> None:
    """Each would mistake the other's incomplete files for its own."""
    import fcntl  # noqa: PLC0415

    with (tmp_path / MANIFEST).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another export"):
            await export(formed.out, tmp_path, "real3dportrait", formed.options)


async def test_a_damaged_clip_leaves_no_directory(formed: Formed, tmp_path: Path) -> None:
    """The failure names it, and no partial directory is left."""
    out = tmp_path / "clips"
    shutil.copytree(formed.out, out)
    clip = out / "RD_Radio2_000.mp4"
    content = bytearray(clip.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    clip.write_bytes(content)
    with pytest.raises(Failure, match="RD_Radio2_000") as raised:
        await export(out, tmp_path / "tree", "wav2lip", replace(formed.options, encodes=1))
    assert raised.value.reason is Reason.CLIP_WRONG
    assert not list((tmp_path / "tree").rglob("*Radio2*"))


async def test_an_export_uses_the_split_of_the_directory(formed: Formed, tmp_path: Path) -> None:
    """Unless another one is given; lists for training and evaluation must not differ by accident."""
    plain = replace(formed.options, split=None)
    for side, stem in STEMS.items():
        assert (formed.out / f"{side}.txt").read_text().split() == [stem]
    done = await export(formed.out, tmp_path, "real3dportrait", plain)
    assert done.sides == {"train": 1, "val": 1, "test": 1}
    result = await export(formed.out, tmp_path, "real3dportrait", replace(plain, split=(100, 0, 0)))
    assert result.sides == {"train": 3, "val": 0, "test": 0}


def test_the_export_command(formed: Formed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints a summary and a remedy; unsuitable settings exit with 2, a file in the way with 4."""
    arguments = ["export", "--recipe", "latentsync", "--out", str(formed.out), "--to"]
    assert main([*arguments, str(tmp_path / "tree")]) == 0
    output = capsys.readouterr().out
    assert output.startswith("3 clips (1 train, 1 val, 1 test): 3 linked; 3 new, 0 removed\n")
    assert RECIPES["latentsync"].use in output
    assert main([*arguments, str(formed.out / "tree")]) == 4
    assert main([*arguments, str(tmp_path / "tree"), "--frames", "5"]) == 2
    assert "--frames: omit it with --recipe latentsync" in capsys.readouterr().err
    stills = ["export", "--recipe", "frames", "--out", str(formed.out), "--to", str(tmp_path / "stills")]
    assert main([*stills, "--frames", "2"]) == 0
    assert len(list((tmp_path / "stills").rglob("*.png"))) == 6
    for number in ("0", "1001", "many", "1e2"):
        with pytest.raises(SystemExit):
            main([*stills, "--frames", number])
        assert f"--frames: expected an integer from 1 to 1000, such as 20 (got {number})" in (
            capsys.readouterr().err
        )
    assert main(["export", "--recipe", "hallo", "--out", str(tmp_path), "--to", str(tmp_path / "x")]) == 2


def test_explicit_options_override_the_recipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even with the default value, or from file and environment."""

    def settings(*arguments: str) -> dict[str, Any]:
        parser = flags.Parser("", "")
        flags.add(parser, Options)
        flags.add_recipe(parser)
        return flags.options_from(Options, parser.read(arguments)).output_settings.to_json()

    preset = settings("--recipe", "hallo")
    assert (preset["size"], preset["fps"], preset["audio"]) == (512, "25", "aac")
    chosen = settings("--recipe", "hallo", "--size", "256", "--audio", "none")
    assert (chosen["size"], chosen["fps"], chosen["audio"]) == (256, "25", "none")
    assert settings("--size", "512", "--fps", "25", "--audio", "aac") == preset
    monkeypatch.setenv("HDTF_ASYNC_SIZE", "128")
    assert settings("--recipe", "hallo")["size"] == 128
    with pytest.raises(SystemExit):
        settings("--recipe", "nobody")
    assert "wav2lip" in capsys.readouterr().err


@pytest.mark.parametrize("name", RECIPES)
def test_a_preset_consists_of_options(name: str) -> None:
    """In a program: `Options(**RECIPES["hallo"].preset)`."""
    assert Options(**RECIPES[name].preset).fps == Fraction(25)


async def test_names_in_a_journal_cannot_lead_outside(formed: Formed, tmp_path: Path) -> None:
    """An untrusted journal may name anything as a clip."""
    out = tmp_path / "clips"
    shutil.copytree(formed.out, out)
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    record = next(iter(read_known(out).clips.values()))
    stem = "../secret"
    metadata = {key: value for key, value in record["metadata"].items() if not key.startswith("wav")}
    strange = record | {"clip": stem, "metadata": metadata | {"file_name": f"{stem}.mp4", "bytes": 6}}
    with (out / "_journal.jsonl").open("ab") as journal:
        journal.write(json.dumps(strange).encode() + b"\n")
    done = await export(out, tmp_path / "tree", "latentsync", formed.options)
    assert sum(done.sides.values()) == 3


async def test_links_of_other_users_do_not_redirect_an_export(formed: Formed, tmp_path: Path) -> None:
    """Nothing is appended or copied through a link, wherever it is."""
    to, file = tmp_path / "tree", tmp_path / "file"
    to.mkdir()
    file.write_bytes(b"somebody's")
    (to / MANIFEST).symlink_to(file)
    with pytest.raises(Failure, match="symbolic link"):
        await export(formed.out, to, "real3dportrait", formed.options)
    (to / MANIFEST).unlink()
    await export(formed.out, to, "real3dportrait", formed.options)
    place = next(to.rglob("*.wav"))
    place.unlink()
    place.symlink_to(file)
    with pytest.raises(StoreError, match="was modified, or not created by this program"):
        await export(formed.out, to, "real3dportrait", formed.options)
    assert file.read_bytes() == b"somebody's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to another user")
async def test_an_export_does_not_follow_directory_links_of_other_users(
    formed: Formed, tmp_path: Path
) -> None:
    """A directory of the export may be a link that this user has created."""
    to, large = tmp_path / "tree", tmp_path / "large"
    await export(formed.out, to, "real3dportrait", formed.options)
    (to / "video").rename(large)
    (to / "video").symlink_to(large)
    next(large.iterdir()).unlink()
    done = await export(formed.out, to, "real3dportrait", formed.options)
    assert done.new == 1
    os.lchown(to / "video", 12345, 12345)
    next(large.iterdir()).unlink()
    with pytest.raises(Failure, match="of other users"):
        await export(formed.out, to, "real3dportrait", formed.options)
