"""How many videos are assigned to other processes at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.events import WorkersChanged
from hdtf_async.lanes.sliding_window import Window
from hdtf_async.lanes.video_worker import Ready

READY = Ready(downloads=1, encodes=2, slots=5, versions={})


def test_a_video_is_assigned_once_a_download_can_begin() -> None:
    """One that waited in a process could not go to another one that is free earlier."""
    window, is_open = Window(), list[bool]()
    for step in (
        lambda: window.change("a", READY),
        lambda: window.begin("RD_a"),
        lambda: window.downloaded("RD_a"),
        lambda: window.begin("RD_b"),
        lambda: window.change("b", READY),
        lambda: window.again("RD_a"),  # its worker died
        lambda: window.begin("RD_c"),
        lambda: window.end("RD_c"),
    ):
        is_open.append(window.is_open)
        step()
    assert is_open == [False, True, False, True, False, True, False, False]
    window.downloaded("RD_a")
    assert window.is_open


def test_a_process_that_leaves_takes_its_room_with_it() -> None:
    """And without any, nothing is assigned."""
    window = Window()
    window.change("a", READY)
    window.change("b", READY)
    assert ("a" in window, len(window)) == (True, 2)
    assert window.change("a", None) == WorkersChanged(1, 1, 2, 0.0)
    assert window.change("unknown", None) == WorkersChanged(1, 1, 2, 0.0)
    window.change("b", None)
    assert not window.has_workers
    assert not window.is_open


def test_the_pace_of_all_processes_depends_on_their_addresses() -> None:
    """Each has a pace of its own, unless they share one address."""
    own, shared = Window(12.0), Window(12.0, shared=True)
    for name, pace in (("a", 12.0), ("b", 6.0), ("c", 4.0)):
        assert own.change(name, READY).pace == pace
        assert shared.change(name, READY).pace == 12.0


@given(
    processes=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4),
    script=st.lists(st.sampled_from(["downloaded", "end"]), max_size=60),
)
def test_no_more_than_the_slots_are_ever_in_progress(
    processes: list[tuple[int, int]], script: list[str]
) -> None:
    """Whatever the order in which downloads and encodes end."""
    window, downloading, encoding, number = Window(), list[str](), list[str](), 0
    slots = downloads = 0
    for each, (wide, encodes) in enumerate(processes):
        window.change(f"{each}", Ready(wide, encodes, wide + 2 * encodes, {}))
        downloads, slots = downloads + wide, slots + wide + 2 * encodes
    for step in script:
        while window.is_open:
            window.begin(f"{number}")
            downloading.append(f"{number}")
            number += 1
        assert len(downloading) <= downloads
        assert len(downloading) + len(encoding) <= slots
        assert len(downloading) == downloads or len(downloading) + len(encoding) == slots
        if step == "downloaded" and downloading:
            encoding.append(downloading.pop(0))
            window.downloaded(encoding[-1])
        elif step == "end" and encoding:
            window.end(encoding.pop(0))
