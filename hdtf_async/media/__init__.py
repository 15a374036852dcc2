"""ffmpeg and PyAV: probing, frame selection, filters, deinterlacing."""
