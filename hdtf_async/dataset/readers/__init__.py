"""The datasets that this program knows: each module has one reader, or those of one format."""
