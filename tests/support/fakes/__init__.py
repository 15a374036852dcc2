"""Fake tools for ``--yt-dlp`` and ``--ffmpeg``: they print what the real ones print and write real MP4 files.

`kit` is the interface for tests and benchmarks: it installs the two programs in a directory and reads their
logs. `yt_dlp` and `ffmpeg` are the programs, `stage` is what they share, `mp4` writes the files. A program
starts in about 20 ms, so these four import as little as possible.
"""
