"""Recordings that are one file with a table of its frames: Record3D's archives and ScanNet's .sens."""
