"""Changing how clips are cut requires a new version of the rules, or a test fails here."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import golden_cuts
import pytest

from hdtf_async.cli.main import main
from hdtf_async.core.failures import ExitCode
from hdtf_async.core.model import CUTTING_RULES
from hdtf_async.dataset import geometry, plan
from hdtf_async.media import ffmpeg, filters
from hdtf_async.media.timeline import Timeline
from hdtf_async.output.journal import JOURNAL

if TYPE_CHECKING:
    from pathlib import Path

    from shared import Finished

REMEDY = (
    "raise CUTTING_RULES in model.py, then run python tests/support/golden_cuts.py write"
    " (see CONTRIBUTING.md)"
)


def test_the_rules_are_those_of_their_version() -> None:
    """Boxes, filters, frames and encoder settings match the file for this version."""
    kept, now = golden_cuts.kept(), golden_cuts.computed()
    assert [*kept] == [str(number) for number in range(2, CUTTING_RULES + 1)], REMEDY
    recorded = kept[str(CUTTING_RULES)]
    assert [name for name in recorded if recorded[name] != now.get(name)] == [], REMEDY
    assert now.keys() == recorded.keys(), "new cases: run python tests/support/golden_cuts.py write"


def test_versions_have_different_cuts() -> None:
    """An unnecessary new version would re-create all clips."""
    decided = [json.dumps(each, sort_keys=True) for each in golden_cuts.kept().values()]
    assert len(set(decided)) == len(decided)


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (geometry, "_SLACK", 0),
        (geometry, "_BLOCK", 8),
        (geometry, "round", lambda exact: int(exact + 1)),
        (filters, "_SCALER", "flags=bicubic"),
        (filters, "_AUDIO_PREROLL", 2.0),
        (ffmpeg, "PRESETS_WITHOUT_MBTREE", ()),
        (ffmpeg, "_AAC_BITS", "96k"),
        (Timeline, "step", 1),
    ],
)
def test_a_changed_rule_is_detected(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, value: object
) -> None:
    """One of each kind: rounding, edges, filters, audio, encoder, frames."""
    monkeypatch.setattr(where, name, value, raising=False)
    assert golden_cuts.computed() != golden_cuts.kept()[str(CUTTING_RULES)]


def test_existing_cuts_are_not_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another rounding needs another version; an additional case does not."""
    file = tmp_path / "golden.json"
    monkeypatch.setattr(golden_cuts, "FILE", file)
    golden_cuts.write()
    before = golden_cuts.kept()[str(CUTTING_RULES)]
    with monkeypatch.context() as patch:
        patch.setattr(filters, "_SCALER", "flags=bicubic")
        with pytest.raises(SystemExit, match="raise CUTTING_RULES"):
            golden_cuts.write()
        patch.setattr(golden_cuts, "CUTTING_RULES", CUTTING_RULES + 1)
        golden_cuts.write()
    assert [*golden_cuts.kept()] == [str(CUTTING_RULES), str(CUTTING_RULES + 1)]
    assert golden_cuts.kept()[str(CUTTING_RULES)] == before


# Directories of earlier versions.


@pytest.fixture
def unversioned(finished: Finished, tmp_path: Path) -> Path:
    """A directory of a version that recorded no rules."""
    out = tmp_path / "clips"
    out.mkdir()
    for clip in finished.out.glob("*.mp4"):
        shutil.copyfile(clip, out / clip.name)
    with (out / JOURNAL).open("w", encoding="utf-8") as journal:
        for text in (finished.out / JOURNAL).read_text(encoding="utf-8").splitlines():
            record = json.loads(text)
            form = record.get("form", {})
            form.pop("cutting_rules", None)
            if record["type"] == "clip":
                stated = {key: form[key] for key in finished.options.output_settings.to_json() if key in form}
                row = {key: value for key, value in form.items() if key not in stated}
                record["metadata"]["fingerprint"] = plan._fingerprint(row, stated)
            journal.write(json.dumps(record, ensure_ascii=False) + "\n")
    return out


def test_clips_of_unknown_rules_are_not_mixed_with_others(
    finished: Finished, unversioned: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The run is refused with a message; no clip is created."""
    before = (unversioned / JOURNAL).read_bytes()
    (unversioned / "RD_Radio1_000.mp4").unlink()
    command = ["--out", str(unversioned), "--source", str(finished.options.source)]
    assert main(command) == ExitCode.USAGE
    output = capfd.readouterr().err
    assert f"cutting rules not recorded -> {CUTTING_RULES}" in output
    assert "--recut" in output
    assert (unversioned / JOURNAL).read_bytes() == before


def test_a_repair_creates_no_clips_with_other_rules(
    unversioned: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Problems are reported, and left to --recut."""
    (unversioned / "RD_Radio1_000.mp4").write_bytes(b"damaged")
    assert main(["check", "--out", str(unversioned), "--repair"]) == ExitCode.GIVEN_UP
    assert "another version of this program" in capfd.readouterr().out
