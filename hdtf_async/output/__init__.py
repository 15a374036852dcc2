"""The output directory: journal, manifests, locks, durable file operations."""
