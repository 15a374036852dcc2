"""An event of another process is the same event here, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from example_events import ONE_OF_EACH
from hypothesis import given
from hypothesis import strategies as st

from hdtf_async.core.event_decoder import PUBLIC, EventDecoder
from hdtf_async.core.events import ClipFailed, DownloadProgress, Event, FormatChosen, WorkersChanged

CHOSEN = FormatChosen("v", "136", 720, 25.0, 9, (("a", "b"),), "140", "en", True, False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.type)
def test_an_event_arrives_as_it_was(event: Event) -> None:
    """Reasons are reasons and tuples are tuples, so that it counts as it would have counted there."""
    assert EventDecoder().decode(json.loads(json.dumps(event.to_json()))) == event
    assert EventDecoder().decode(event.to_json()) == event


def test_every_public_event_can_be_decoded() -> None:
    """A new one needs nothing more."""
    assert set(PUBLIC) == {type(event) for event in ONE_OF_EACH}


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "clip_done",
        {},
        {"type": None},
        {"type": "unknown"},
        {"type": "workers_changed"},
        WorkersChanged(1, 2, 3, 4.0).to_json() | {"more": 1},
        WorkersChanged(1, 2, 3, 4.0).to_json() | {"workers": "1"},
        WorkersChanged(1, 2, 3, 4.0).to_json() | {"workers": True},
        WorkersChanged(1, 2, 3, 4.0).to_json() | {"workers": None},
        WorkersChanged(1, 2, 3, 4.0).to_json() | {"workers": []},
        next(each.to_json() | {"absent": "0/2"} for each in ONE_OF_EACH if "absent" in each.to_json()),
        DownloadProgress("RD_a", 1, None, None).to_json() | {"speed": "fast"},
        *(
            CHOSEN.to_json() | {"refused": refused}
            for refused in ([["a"]], [["a", "b", "c"]], [[1, "b"]], ["ab"])
        ),
        CHOSEN.to_json() | {"height": 720.5},
        {"type": "clip_failed", "clip": "RD_a_000", "reason": "bored", "words": "", "with_video": False},
    ],
)
def test_a_malformed_message_is_refused(message: object) -> None:
    """With one kind of error, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        EventDecoder().decode(message)


@given(event=st.sampled_from(ONE_OF_EACH), data=st.data())
def test_whatever_arrives_is_an_event_or_refused(event: Event, data: st.DataObject) -> None:
    """No value of another type gets into an event: its readers rely on the types."""
    message: dict[str, Any] = json.loads(json.dumps(event.to_json()))
    name = data.draw(st.sampled_from(sorted(message)))
    message[name] = data.draw(JSON)
    try:
        decoded = EventDecoder().decode(message)
    except ValueError:
        return
    again = json.loads(json.dumps(decoded.to_json()))
    assert {key: repr(value) for key, value in again.items()} == {
        key: repr(value) for key, value in message.items()
    }


def test_a_decoder_knows_only_its_kinds() -> None:
    """What a program does not expect, it does not receive."""
    with pytest.raises(ValueError, match="no event"):
        EventDecoder((ClipFailed,)).decode(WorkersChanged(1, 2, 3, 4.0).to_json())


def test_numbers_of_json_are_numbers_of_an_event() -> None:
    """A whole number may stand for one with decimals, and lists for tuples."""
    message = CHOSEN.to_json() | {"fps": 25, "refused": [["a", "b"], ["c", "d"]]}
    decoded = EventDecoder().decode(message)
    assert isinstance(decoded, FormatChosen)
    assert (decoded.fps, decoded.refused) == (25, (("a", "b"), ("c", "d")))
    assert EventDecoder().decode(CHOSEN.to_json() | {"refused": []}) is not None
    with pytest.raises(ValueError, match=r"^no event: '.{79}$"):
        EventDecoder().decode("x" * 200)
