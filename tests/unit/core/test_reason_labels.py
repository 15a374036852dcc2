"""Every reason in a few words."""

from __future__ import annotations

from hdtf_async.core.failures import Reason
from hdtf_async.core.reason_labels import LABELS, label


def test_every_reason_has_a_short_label_of_its_own() -> None:
    """It fits into a tile of the gallery, and reads on in a sentence."""
    assert list(LABELS) == list(Reason)
    assert len(set(LABELS.values())) == len(Reason)
    for reason, words in LABELS.items():
        assert len(words) <= 36, reason
        assert words.strip(" .") == words
        assert "_" not in words


def test_other_texts_are_kept() -> None:
    """A journal of a later version may contain other reasons."""
    assert (label("private"), label("brand_new")) == ("private video", "brand_new")
