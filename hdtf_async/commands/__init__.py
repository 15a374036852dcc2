"""One module per command besides the main one."""
