"""Timings of the parts, each of which says what it measures and ends in one JSON line."""
