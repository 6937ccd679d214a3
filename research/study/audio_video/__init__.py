"""Studies of fusions of sound and image on procedural clips."""
