"""Data sets: procedural ones that need no download, and the sources that training reads."""
