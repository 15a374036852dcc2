"""Child processes: start, supervise, end; what their stderr means."""
