"""One module per command: `add_to` declares its arguments, `run` does its work."""
