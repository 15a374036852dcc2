"""The output directory as objects of a store (``s3://`` and others)."""
