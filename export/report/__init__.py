"""A contract for people: as text and as one HTML page."""
