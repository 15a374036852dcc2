"""TalkingHead-1KH, which cannot be read: its intervals do not refer to YouTube's videos.

Read in https://github.com/tcwang0509/TalkingHead-1KH: rows and citation in videos_crop.py and README.md.
videos_split.sh cuts the downloaded videos into pieces of about a minute without re-encoding them, so at key
frames, and a row counts frames from the start of a piece. Where YouTube's key frames are depends on the
format and on when it was encoded: another copy has other pieces. A user of the authors' program reports a
first piece of 64 s, and boxes that are off by 4 s after it.
"""

from __future__ import annotations

from hdtf_async.dataset.datasets import Dataset

TALKINGHEAD_1KH = Dataset(
    name="talkinghead-1kh",
    title="TalkingHead-1KH",
    refusal="its intervals are frame numbers within pieces of about one minute, which its authors cut at the"
    " key frames of their own copies; another copy has other key frames, so the same frames cannot be found",
    bring="nothing: it cannot be read",
    licence="videos: CC BY 3.0; list: MIT",
    citation="""\
@inproceedings{wang2021facevid2vid,
  title = {One-Shot Free-View Neural Talking-Head Synthesis for Video Conferencing},
  author = {Ting-Chun Wang and Arun Mallya and Ming-Yu Liu},
  booktitle = {CVPR},
  year = {2021}
}""",
    clips=500_000,
)
