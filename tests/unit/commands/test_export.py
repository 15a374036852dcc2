"""`export`: the trees that training code wants, and that nobody's files are harmed in making them."""

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
from media import Decoded, RunProgress

import hdtf_async
from hdtf_async import FormError, Options, StoreError
from hdtf_async.cli import parser as flags
from hdtf_async.cli.main import main
from hdtf_async.commands.export import MANIFEST, export
from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.core.exceptions import BusyError
from hdtf_async.core.failures import Failure, Reason
from hdtf_async.core.recipes import RECIPES
from hdtf_async.core.splits import Split
from hdtf_async.output import directory

if TYPE_CHECKING:
    from shared import Finished

SPLIT = Split((34, 33, 33), 61)
"""By which the three persons of the demo are on three sides."""
STEMS = {side: stem for stem, side in readme.EXPORTED.items()}


@dataclass(frozen=True)
class Formed:
    """Three clips in a form that every recipe takes: read-only, for all tests of this file share it."""

    out: Path
    options: Options


@pytest.fixture(scope="module")
def formed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Formed:
    """One clip of each side, from the raws of the demo; only the sound is fetched."""
    out = tmp_path_factory.mktemp("formed") / "clips"
    raws = (finished.out / "_videos_raw",)
    options = replace(
        finished.options,
        raw_dirs=raws,
        videos=("Radio2", "Speaker1", "Guest1"),
        split=SPLIT.shares,
        split_seed=SPLIT.seed,
        **RECIPES["real3dportrait"].preset,
    )
    report = anyio.run(hdtf_async.download, out, options)
    assert sorted(report.done) == sorted(readme.EXPORTED)
    return Formed(out, options)


def places(to: Path) -> list[str]:
    """Return all files of a tree, by their names below it."""
    return sorted(str(path.relative_to(to)) for path in to.rglob("*") if path.is_file())


class Killed(BaseException):
    """As if the program had been."""


def brightness(picture: RunProgress) -> list[int]:
    """Return a sample in each 8 by 8 of a picture."""
    return [value for row in picture.planes[0][::8] for value in row[::8]]


def contents(to: Path) -> dict[str, tuple[bytes, int]]:
    """Return what is in each file, and when it was written."""
    return {place: ((to / place).read_bytes(), (to / place).stat().st_mtime_ns) for place in places(to)}


@pytest.mark.parametrize("name", RECIPES)
async def test_the_tree_is_the_one_in_the_docs(formed: Formed, tmp_path: Path, name: str) -> None:
    """File by file, and a second time nothing is done."""
    to = tmp_path / name
    done = await export(formed.out, to, name, formed.options)
    assert [*readme.tree([f"{name}/{place}" for place in places(to)])][1:] == _shown(name)
    assert done.sides == {"train": 1, "val": 1, "test": 1}
    before = contents(to)
    again = await export(formed.out, to, name, formed.options)
    assert (again.new, again.removed) == (0, 0)
    assert contents(to) == before


def _shown(name: str) -> list[str]:
    """Return the lines of a tree in the docs, as they are below a folder of the recipe's name."""
    block = (readme.DOCS / "training.md").read_text(encoding="utf-8").partition("<!-- table: trees -->")[2]
    shown = next(part for part in block.split("\n\n") if part.lstrip("`\n").startswith(f"{name}/"))
    return [f"    {line}" for line in shown.partition("/\n")[2].partition("\n```")[0].splitlines()]


async def test_musetalk_finds_clip_and_sound_side_by_side(formed: Formed, tmp_path: Path) -> None:
    """Its loader skips the first line of a list and joins the others to the folder of JSON files."""
    await export(formed.out, tmp_path, "musetalk", formed.options)
    folder = tmp_path / "video_audio_clip_root"
    for side, stem in STEMS.items():
        assert (tmp_path / f"{side}.txt").read_text().splitlines()[1:] == [f"{stem}.json"]
        assert (folder / f"{stem}.mp4").samefile(formed.out / f"{stem}.mp4")
        with av.open(str(folder / f"{stem}.mp4")) as clip:
            assert clip.streams.video[0].average_rate == 25
            assert len(clip.streams.audio) == 1
        with wave.open(str(folder / f"{stem}.wav"), "rb") as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)


async def test_hallo_may_write_its_sound_anew(formed: Formed, tmp_path: Path) -> None:
    """Its first step does, under the same name: the sound beside our clip must not change by that."""
    await export(formed.out, tmp_path, "hallo", formed.options)
    for stem in readme.EXPORTED:
        sound, ours = tmp_path / "audios" / f"{stem}.wav", formed.out / f"{stem}.wav"
        assert sound.read_bytes() == ours.read_bytes()
        assert not sound.samefile(ours)
        assert (tmp_path / "videos" / f"{stem}.mp4").samefile(formed.out / f"{stem}.mp4")
    assert (tmp_path / "val.txt").read_text().split() == [STEMS["val"]]


async def test_latentsync_finds_its_clips_from_wherever_it_is_started(
    formed: Formed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens the lines of its lists as they stand."""
    monkeypatch.chdir(tmp_path)
    await export(formed.out, Path("tree"), "latentsync", formed.options)
    (line,) = (tmp_path / "tree" / "train.txt").read_text().splitlines()
    monkeypatch.chdir("/")
    assert Path(line).samefile(formed.out / f"{STEMS['train']}.mp4")


async def test_wav2lip_counts_frames_from_zero(formed: Formed, tmp_path: Path) -> None:
    """One JPEG for each frame of the clip, in their order, and the sound in the same folder."""
    heard: list[str] = []
    to = tmp_path / "100%d"  # a number to ffmpeg, were it part of a pattern
    await export(formed.out, to, "wav2lip", formed.options, told=heard.append)
    assert sorted(heard) == [f"preprocessed/{stem}" for stem in sorted(readme.EXPORTED)]
    (stem,) = (to / "filelists" / "train.txt").read_text().split()
    folder = to / "preprocessed" / stem
    assert (folder / "audio.wav").read_bytes() == (formed.out / f"{stem}.wav").read_bytes()
    frames = [brightness(frame) for frame in Decoded(formed.out / f"{stem}.mp4").pictures]
    assert len(frames) == readme.FRAMES[stem]
    for number in (0, 1, 77, 124):
        (still,) = Decoded(folder / f"{number}.jpg").pictures
        # A JPEG has black at 0 and white at 255, a clip at 16 and at 235.
        seen = [value * 219 / 255 + 16 for value in brightness(still)]
        off = [fmean(map(abs, map(sub, frame, seen))) for frame in frames]
        assert off.index(min(off)) == number
        assert min(off) < 2


async def test_real3dportrait_takes_nothing_but_its_square(formed: Formed, tmp_path: Path) -> None:
    """512 by 512, and the sound under the same stem."""
    await export(formed.out, tmp_path, "real3dportrait", formed.options)
    for stem in readme.EXPORTED:
        with av.open(str(tmp_path / "video" / f"{stem}.mp4")) as clip:
            assert (clip.streams.video[0].width, clip.streams.video[0].height) == (512, 512)
        assert (tmp_path / "audio" / f"{stem}.wav").exists()


@pytest.mark.parametrize("name", RECIPES)
async def test_clips_in_another_form_are_refused_with_the_command_that_makes_them(
    finished: Finished, tmp_path: Path, name: str
) -> None:
    """The demo's own have no sound; nothing is begun then."""
    with pytest.raises(
        FormError, match=r"no (audio|WAV).*: python -m hdtf_async --out \S+ --recipe \w+ --recut$"
    ):
        await export(finished.out, tmp_path / "tree", name, finished.options)
    with pytest.raises(FormError, match=f"no clips; .*--recipe {name}$"):
        await export(tmp_path, tmp_path / "tree", name, finished.options)
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 29.97003}, "29.97003 fps, not 25"),
        ({"width": 514}, "514x512 pixels, not 512x512"),
    ],
)
def test_what_is_wrong_with_a_form_is_said(change: dict[str, Any], words: str) -> None:
    """In the units of the recipe."""
    told = {"fps": 25.0, "width": 512, "height": 512, "sound_codec": "aac", "wav": "a.wav"}
    assert [*RECIPES["real3dportrait"].flaws(ClipRecord(told))] == []
    assert [*RECIPES["real3dportrait"].flaws(ClipRecord(told | change))] == [words]


@pytest.mark.parametrize("place", ["videos/RD_Radio2_000.mp4", "audios/WRA_Guest1_000.wav", "train.txt"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_what_somebody_else_has_put_there_is_left_alone(
    formed: Formed, tmp_path: Path, place: str, kind: str
) -> None:
    """Before anything is touched, whether it is a file, a folder or a link that leads nowhere."""
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
        await export(formed.out, to, "hallo", formed.options)
    assert (to / place).lstat().st_ino == before
    assert kind != "file" or (to / place).read_text() == "mine"
    assert {path.name for path in to.rglob("*") if not path.is_dir()} - {MANIFEST} <= {Path(place).name}


async def test_what_was_changed_since_is_left_alone(formed: Formed, tmp_path: Path) -> None:
    """A sound that the code's preparation has written anew, or frames that somebody has cropped."""
    await export(formed.out, tmp_path / "hallo", "hallo", formed.options)
    (tmp_path / "hallo/audios/RD_Radio2_000.wav").write_bytes(b"anew")
    with pytest.raises(StoreError, match=r"RD_Radio2_000\.wav was modified"):
        await export(formed.out, tmp_path / "hallo", "hallo", formed.options)
    assert (tmp_path / "hallo/audios/RD_Radio2_000.wav").read_bytes() == b"anew"
    await export(formed.out, tmp_path / "wav2lip", "wav2lip", formed.options)
    (tmp_path / "wav2lip/preprocessed/RD_Radio2_000/7.jpg").write_bytes(b"cropped")
    with pytest.raises(StoreError, match="preprocessed/RD_Radio2_000 was modified"):
        await export(formed.out, tmp_path / "wav2lip", "wav2lip", formed.options)


async def test_another_export_mends_what_is_missing_and_removes_what_is_wanted_no_more(
    formed: Formed, tmp_path: Path
) -> None:
    """Clips that come, go or change side; files of somebody else stay where they are."""
    out, to = tmp_path / "clips", tmp_path / "tree"
    shutil.copytree(formed.out, out)
    await export(out, to, "hallo", formed.options)
    (to / "videos" / "mine.mp4").write_text("mine")
    (to / "videos" / "RD_Radio2_000.mp4").unlink()
    (out / "WRA_Guest1_000.mp4").unlink()
    everybody = replace(formed.options, split=(0, 0, 100))
    done = await export(out, to, "hallo", everybody)
    assert (done.new, done.removed) == (1, 2)
    assert (to / "videos" / "RD_Radio2_000.mp4").samefile(out / "RD_Radio2_000.mp4")
    assert (to / "videos" / "mine.mp4").read_text() == "mine"
    assert not list(to.rglob("WRA_*"))
    assert (to / "test.txt").read_text().split() == ["RD_Radio2_000", "WDA_Speaker1_000"]
    assert (to / "train.txt").read_text() == ""


async def test_a_clip_that_was_made_again_takes_the_old_ones_place(formed: Formed, tmp_path: Path) -> None:
    """The old one is kept by its link until then, for a clip is replaced and never written into."""
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
async def test_an_export_that_was_killed_is_gone_on_with(
    formed: Formed, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right before a file gets its name, when it is written down already; in the middle of a line, too."""
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


async def test_copies_are_made_where_there_are_no_links(
    formed: Formed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another disk; and they are known again."""

    def link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    await export(formed.out, tmp_path, "latentsync", formed.options)
    clip = tmp_path / "videos" / "RD_Radio2_000.mp4"
    assert clip.read_bytes() == (formed.out / "RD_Radio2_000.mp4").read_bytes()
    assert not clip.samefile(formed.out / "RD_Radio2_000.mp4")
    assert (await export(formed.out, tmp_path, "latentsync", formed.options)).new == 0


async def test_one_tree_has_one_recipe_and_lies_outside(formed: Formed, tmp_path: Path) -> None:
    """Inside of the directory it would be taken for clips, by people and by loaders."""
    await export(formed.out, tmp_path, "hallo", formed.options)
    with pytest.raises(StoreError, match="another recipe"):
        await export(formed.out, tmp_path, "real3dportrait", formed.options)
    with pytest.raises(StoreError, match="choose another --to"):
        await export(formed.out, formed.out / "tree", "hallo", formed.options)
    assert not (formed.out / "tree").exists()


async def test_two_exports_into_one_tree_are_refused(formed: Formed, tmp_path: Path) -> None:
    """Each would take the other's half-made files for its own."""
    import fcntl  # noqa: PLC0415

    with (tmp_path / MANIFEST).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another export"):
            await export(formed.out, tmp_path, "hallo", formed.options)


async def test_a_clip_that_is_damaged_makes_no_folder(formed: Formed, tmp_path: Path) -> None:
    """The failure names it, and no half of a folder stays."""
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


async def test_an_export_divides_as_the_directory_is_divided(formed: Formed, tmp_path: Path) -> None:
    """Unless it is told otherwise; a list for a model and one for its judge must not differ by accident."""
    plain = replace(formed.options, split=None)
    for side, stem in STEMS.items():
        assert (formed.out / f"{side}.txt").read_text().split() == [stem]
    done = await export(formed.out, tmp_path, "hallo", plain)
    assert done.sides == {"train": 1, "val": 1, "test": 1}
    told = await export(formed.out, tmp_path, "hallo", replace(plain, split=(100, 0, 0)))
    assert told.sides == {"train": 3, "val": 0, "test": 0}


def test_the_command_line_exports(formed: Formed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what it came to and how to go on; a wrong form is exit code 2, something in the way 4."""
    words = ["export", "--recipe", "latentsync", "--out", str(formed.out), "--to"]
    assert main([*words, str(tmp_path / "tree")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 clips (1 train, 1 val, 1 test): 3 linked; 3 new, 0 removed\n")
    assert RECIPES["latentsync"].use in said
    assert main([*words, str(formed.out / "tree")]) == 4
    assert main(["export", "--recipe", "hallo", "--out", str(tmp_path), "--to", str(tmp_path / "x")]) == 2


def test_an_option_that_is_said_wins_over_the_recipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it says what is the default, or is set elsewhere: the form is what comes of all."""

    def form(*words: str) -> dict[str, Any]:
        parser = flags.Parser("", "")
        flags.add(parser, Options)
        flags.add_recipe(parser)
        return flags.made(Options, parser.read(words)).form.to_json()

    preset = form("--recipe", "hallo")
    assert (preset["size"], preset["fps"], preset["audio"]) == (512, "25", "both")
    said = form("--recipe", "hallo", "--size", "256", "--audio", "none")
    assert (said["size"], said["fps"], said["audio"]) == (256, "25", "none")
    assert form("--size", "512", "--fps", "25", "--audio", "both") == preset
    monkeypatch.setenv("HDTF_ASYNC_SIZE", "128")
    assert form("--recipe", "hallo")["size"] == 128
    with pytest.raises(SystemExit):
        form("--recipe", "nobody")
    assert "wav2lip" in capsys.readouterr().err


@pytest.mark.parametrize("name", RECIPES)
def test_a_preset_is_made_of_options(name: str) -> None:
    """In a program: `Options(**RECIPES["hallo"].preset)`."""
    assert Options(**RECIPES[name].preset).fps == Fraction(25)


async def test_a_journal_leads_nowhere_outside(formed: Formed, tmp_path: Path) -> None:
    """One that somebody else made may name anything as a clip."""
    out = tmp_path / "clips"
    shutil.copytree(formed.out, out)
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    record = next(iter(directory.read_known(out).clips.values()))
    stem = "../secret"
    told = {key: value for key, value in record["metadata"].items() if not key.startswith("wav")}
    strange = record | {"clip": stem, "metadata": told | {"file_name": f"{stem}.mp4", "bytes": 6}}
    with (out / "_journal.jsonl").open("ab") as journal:
        journal.write(json.dumps(strange).encode() + b"\n")
    done = await export(out, tmp_path / "tree", "latentsync", formed.options)
    assert sum(done.sides.values()) == 3


async def test_links_of_others_do_not_mislead_an_export(formed: Formed, tmp_path: Path) -> None:
    """Nothing is appended or copied through a link, wherever one was put."""
    to, file = tmp_path / "tree", tmp_path / "file"
    to.mkdir()
    file.write_bytes(b"somebody's")
    (to / MANIFEST).symlink_to(file)
    with pytest.raises(Failure, match="symbolic link"):
        await export(formed.out, to, "hallo", formed.options)
    (to / MANIFEST).unlink()
    await export(formed.out, to, "hallo", formed.options)
    place = next(to.rglob("*.wav"))
    place.unlink()
    place.symlink_to(file)
    with pytest.raises(StoreError, match="was modified, or not created by this program"):
        await export(formed.out, to, "hallo", formed.options)
    assert file.read_bytes() == b"somebody's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to another user")
async def test_an_export_goes_into_no_directory_of_another_users_choice(
    formed: Formed, tmp_path: Path
) -> None:
    """A folder of the tree may be a link, if this user has made it."""
    to, large = tmp_path / "tree", tmp_path / "large"
    await export(formed.out, to, "hallo", formed.options)
    (to / "videos").rename(large)
    (to / "videos").symlink_to(large)
    next(large.iterdir()).unlink()
    done = await export(formed.out, to, "hallo", formed.options)
    assert done.new == 1
    os.lchown(to / "videos", 12345, 12345)
    next(large.iterdir()).unlink()
    with pytest.raises(Failure, match="of another user"):
        await export(formed.out, to, "hallo", formed.options)
