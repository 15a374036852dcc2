"""yt-dlp: command lines, formats, JavaScript challenges."""
