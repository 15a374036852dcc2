"""The charts of what was measured about the clips."""

from __future__ import annotations

from hdtf_async.core.clip_record import ClipRecord
from hdtf_async.report.facts import histograms


def test_each_measured_fact_has_a_chart() -> None:
    """Of the clips that have it; facts that no clip has have none."""
    cuts = {"scene_cuts": [1.0, 2.5], "black": [[0.0, 0.5], [1.0, 1.25]], "letterbox": [0, 30, 0, 28]}
    face = {"face_size": [80, 90, 99.5], "face_yaw": [-12.5, 3.0, 20.0]}
    lines = [ClipRecord(cuts), ClipRecord({"brightness": 90.5, "loudness": -23.0}), ClipRecord(face)]
    charts = dict(histograms(lines))
    assert [*charts] == [
        "Scene cuts (per clip)", "Black (seconds)", "Black bars (pixels)", "Brightness (luma)",
        "Loudness (LUFS)", "Face (pixels, median)", "Yaw (degrees, median)", "Yaw range (degrees)",
    ]  # fmt: skip
    assert "<b>2 per clip</b> (1 clip)" in charts["Scene cuts (per clip)"]
    assert "<b>0.75 seconds</b> (1 clip)" in charts["Black (seconds)"]
    assert "<b>30 pixels</b> (1 clip)" in charts["Black bars (pixels)"]
    assert "<b>-23 LUFS</b> (1 clip)" in charts["Loudness (LUFS)"]
    assert "<b>90 pixels, median</b> (1 clip)" in charts["Face (pixels, median)"]
    assert "<b>3 degrees, median</b> (1 clip)" in charts["Yaw (degrees, median)"]
    assert "<b>32.5 degrees</b> (1 clip)" in charts["Yaw range (degrees)"]


def test_a_fact_is_a_number_of_each_clip() -> None:
    """The median side of a face, the widest bar, the total of intervals; up to a thousand million."""
    lines = [
        ClipRecord(
            {"face_size": [10.0, 20.0, 40.0], "silence_share": 0.25, "frozen": [[1.0, 2.5], [], [3.0, 4.0]]}
        ),
        ClipRecord({"face_size": [7.0], "scene_cuts": [], "letterbox": [0, 0, 0, 4], "blur": 999999999.0}),
        ClipRecord({"face_size": [], "blur": 1e9, "loudness": -1e9}),
    ]
    charts = dict(histograms(lines))
    assert [*charts] == [
        "Scene cuts (per clip)", "Frozen (seconds)", "Black bars (pixels)", "Blur (pixels)",
        "Silence (fraction)", "Face (pixels, median)",
    ]  # fmt: skip
    assert "<b>0 per clip</b> (1 clip)" in charts["Scene cuts (per clip)"]
    assert "<b>2.5 seconds</b> (1 clip)" in charts["Frozen (seconds)"]
    assert "<b>4 pixels</b> (1 clip)" in charts["Black bars (pixels)"]
    assert "<b>1e+09 pixels</b> (1 clip)" in charts["Blur (pixels)"]
    assert "<b>0.25 fraction</b> (1 clip)" in charts["Silence (fraction)"]
    faces = charts["Face (pixels, median)"]
    assert "6 to 8 pixels, median: 1" in faces
    assert "20 to 22 pixels, median: 1" in faces


def test_invalid_facts_have_no_chart() -> None:
    """A record may come from anybody."""
    wrong = {"scene_cuts": 3, "black": [1], "letterbox": [], "brightness": float("inf"), "blur": "<b>"}
    charts = histograms([ClipRecord(wrong), ClipRecord({"blur": float("nan"), "black": [[]]})])
    assert [title for title, _ in charts] == ["Black (seconds)", "Black bars (pixels)"]
