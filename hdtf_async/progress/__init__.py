"""Progress of a run for people: bars in a terminal or notebook, plain lines elsewhere."""
