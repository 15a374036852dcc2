"""Values that every package uses: model, options, events, failures, text."""
