"""The command that lists the datasets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from hdtf_async.cli import main
from hdtf_async.commands.datasets import dataset_to_json, datasets_summary
from hdtf_async.dataset import datasets
from hdtf_async.dataset.readers.avspeech import AVSPEECH
from hdtf_async.dataset.readers.talkinghead_1kh import TALKINGHEAD_1KH

if TYPE_CHECKING:
    import pytest


def test_every_dataset_is_listed_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """HDTF first, without the citations."""
    assert main.main(["datasets"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("hdtf: HDTF, 421 clips, 16.35 h\n  licence CC BY 4.0\n")
    assert max(map(len, output.splitlines())) <= 80
    assert [part.partition(":")[0] for part in output.split("\n\n")] == [
        dataset.name for dataset in datasets.installed()
    ]
    assert "@inproceedings" not in output


def test_one_dataset_is_shown_with_its_citation(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown one is an error with the nearest name."""
    assert main.main(["datasets", "celebv-hq"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("celebv-hq: CelebV-HQ, 35,666 clips\n")
    assert "@inproceedings{zhu2022celebvhq," in output
    assert main.main(["datasets", "celebv"]) == 2
    assert "did you mean celebv-" in capsys.readouterr().err


def test_json_has_one_object_per_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    """Null is unknown."""
    assert main.main(["datasets", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert listed == [dataset_to_json(dataset) for dataset in datasets.installed()]
    (avspeech,) = (each for each in listed if each["name"] == "avspeech")
    assert (avspeech["clips"], avspeech["hours"], avspeech["refusal"]) == (None, 4700, None)
    assert avspeech["citation"] == AVSPEECH.citation


def test_citations_are_listed_on_request() -> None:
    """After the paragraph of their dataset."""
    assert AVSPEECH.citation not in datasets_summary([AVSPEECH])
    assert datasets_summary([AVSPEECH], citations=True).endswith(AVSPEECH.citation)


def test_a_dataset_has_its_licence_source_and_window() -> None:
    """One line each, behind labels of ten columns; those that are not stated are omitted."""
    plain = replace(AVSPEECH, title="X", clips=1, hours=2.5, licence="CC", bring="a file", rule="a square")
    assert datasets_summary([plain]).splitlines() == [
        "avspeech: X, 1 clips, 2.5 h", "  licence CC", "  source  a file", "  window  a square",
    ]  # fmt: skip
    less = replace(plain, clips=None, hours=None, licence="", rule="")
    assert datasets_summary([less]).splitlines() == ["avspeech: X", "  source  a file"]
    assert datasets_summary([less, less]).count("\n\n") == 1


def test_a_refused_dataset_has_the_reason_instead_of_a_source() -> None:
    """And a dataset of another package may state neither its size nor its window."""
    text = datasets_summary([TALKINGHEAD_1KH, replace(AVSPEECH, hours=None, rule="")])
    assert "  refused its intervals are frame numbers within pieces" in text
    assert "talkinghead-1kh" in text
    assert "\n\navspeech: AVSpeech\n" in text
    assert "window" not in text
