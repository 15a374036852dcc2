"""Each reason in a few words, for a paper or a narrow column. Pure."""

from __future__ import annotations

from hdtf_async.core.failures import Reason

LABELS: dict[Reason, str] = {
    Reason.REFUSED: "blocked by YouTube",
    Reason.UNREACHABLE: "YouTube unreachable",
    Reason.COOKIES_NEEDED: "sign-in required",
    Reason.AGE: "age-restricted video",
    Reason.RESTRICTED: "restricted by the network or account",
    Reason.UPDATE_NEEDED: "failure of yt-dlp",
    Reason.JAVASCRIPT: "no usable JavaScript runtime",
    Reason.YOUTUBE_CHANGED: "YouTube changed",
    Reason.OTHER_PLACE: "not available in this country",
    Reason.PRIVATE: "private video",
    Reason.REMOVED: "removed video",
    Reason.TERMINATED: "terminated account",
    Reason.COPYRIGHT: "copyright claim",
    Reason.DRM: "DRM-protected video",
    Reason.UNAVAILABLE: "unavailable without a reason",
    Reason.GONE: "no longer on YouTube",
    Reason.WRONG_VIDEO: "replaced by another video",
    Reason.NOT_YET: "not published yet",
    Reason.FORMAT_UNAVAILABLE: "no acceptable format",
    Reason.NETWORK: "network error",
    Reason.CERTIFICATE: "unverified TLS certificate",
    Reason.PLAYER_FORBIDDEN: "request rejected by YouTube",
    Reason.FORBIDDEN: "download rejected by YouTube",
    Reason.RANGE_REFUSED: "download could not be resumed",
    Reason.DISK_FULL: "disk full",
    Reason.NOT_WRITABLE: "file or directory not writable",
    Reason.DISK_ERROR: "disk error",
    Reason.RESOURCE_LIMIT: "system limit reached",
    Reason.STORE_UNREACHABLE: "object store unreachable",
    Reason.STORE_REFUSED: "request rejected by the object store",
    Reason.WORKER_LOST: "cluster worker lost",
    Reason.CLUSTER_LOST: "cluster lost",
    Reason.BAD_OPTION: "option rejected by yt-dlp",
    Reason.TOOL_MISSING: "tool missing",
    Reason.NOT_READY: "not started",
    Reason.TOOL_FAILED: "tool failed",
    Reason.TIMED_OUT: "time limit exceeded",
    Reason.STALLED: "download stalled",
    Reason.ENCODE_STALLED: "encode stalled",
    Reason.RAW_TRUNCATED: "incomplete download",
    Reason.RAW_UNREADABLE: "damaged download",
    Reason.RAW_DIR_FILE: "unusable local video",
    Reason.BOX_DOES_NOT_FIT: "crop box outside of the frame",
    Reason.HEIGHT_UNKNOWN: "unknown reference height",
    Reason.INTERVAL_OUTSIDE: "interval outside of the video",
    Reason.UNSUPPORTED_SOURCE: "unusable source video",
    Reason.NO_SOUND: "video without audio",
    Reason.NO_FACE: "face in too few frames",
    Reason.SCENE_CUT: "scene cut in the clip",
    Reason.CLIP_WRONG: "encode failed verification",
    Reason.ROW_REFUSED: "invalid table row",
    Reason.NOT_TRIED: "not attempted yet",
    Reason.MANIFESTS_LOCKED: "manifests locked by another process",
    Reason.FAULT: "internal error",
    Reason.UNKNOWN: "unknown error",
}
"""The label of every reason."""


def label(reason: str) -> str:
    """Return the label of a reason; a text that is no reason is returned unchanged."""
    return LABELS.get(Reason(reason), reason) if reason in _KNOWN else reason


_KNOWN = frozenset(Reason)
