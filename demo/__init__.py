"""The demo: rooms and real frames through the real server. May import every room; imported by none."""
