"""Start, watch, restart and change the parts of a running server."""
