"""The columns of ``metadata.jsonl`` about a clip, from its table row, its source video and its cut. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdtf_async.core.clip_record import annotation_to_json, row_to_json
from hdtf_async.youtube import tracks

if TYPE_CHECKING:
    from hdtf_async.core.jsonlines import Record
    from hdtf_async.core.model import Box, Clip
    from hdtf_async.lanes.source_videos import SourceVideo
    from hdtf_async.media.cut import Cut
    from hdtf_async.media.demux import MediaInfo


def metadata_of(clip: Clip, raw: SourceVideo, cut: Cut, facts: MediaInfo) -> Record:
    """Return the columns about a clip's table row, its source video and its content.

    `facts` are those of the clip.
    """
    source_width, source_height = cut.frame_size or (raw.facts.width, raw.facts.height)
    line: Record = {
        "file_name": f"{clip.stem}.mp4",
        "subset": clip.video.subset,
        "name": clip.video.name,
        "index": clip.index,
        "youtube_id": clip.video.youtube_id,
        "start": clip.interval.start,
        "end": clip.interval.end,
        "source_height": source_height,
        "source_width": source_width,
        "source_fps": raw.facts.fps,
        "format_id": raw.format_id,
        "reference_height": clip.video.reference_height,
        **row_to_json(clip),
        "box_cut": _listed(cut.box),
        "frames": facts.frames,
        "fps": facts.fps,
        "width": facts.width,
        "height": facts.height,
        "duration": round(facts.end - facts.start, 6),
    }
    only_some = {
        "segment": clip.segment,
        "deinterlaced": cut.parity,
        "stretched_ratio": raw.stretched_ratio,
        "tone_mapped": cut.hdr,
    }
    line |= {name: value for name, value in only_some.items() if value is not None}
    if cut.audio is not None:
        line |= {"sound_format_id": raw.audio_format_id, "audio_stream": cut.audio.track}
        line |= (raw.track or tracks.UNKNOWN).metadata
    if facts.sound is not None:
        line |= {
            "sound_codec": facts.sound.codec,
            "sound_rate": facts.sound.rate,
            "sound_channels": facts.sound.channels,
        }
    if cut.held and cut.source is not None:
        line["held_at_start"] = round(cut.source.held, 6)
    if cut.interval.start > clip.interval.start:
        line["starts_late"] = round(cut.interval.start - clip.interval.start, 6)
    if cut.interval.end < clip.interval.end:
        line["ends_early"] = round(clip.interval.end - cut.interval.end, 6)
    if clip.correction is not None:
        line["correction"] = clip.correction
    return line | annotation_to_json(clip)


def _listed(box: Box) -> list[int]:
    return [box.left, box.top, box.width, box.height]
