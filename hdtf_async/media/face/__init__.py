"""Face detection and the crop window that follows from it (``--crop face``)."""
