"""Fake tools for ``--yt-dlp`` and ``--ffmpeg``: they say what the real ones say and write real MP4 files.

`kit` is the door for tests and benchmarks: it installs the two programs in a directory and reads what
they logged. `yt_dlp` and `ffmpeg` are the programs, `stage` is what they share, `mp4` writes the files.
A program starts in some 20 ms, so these four import no more than they need.
"""
