"""The network lane and the encode lane. Start reading in `pipeline`."""
