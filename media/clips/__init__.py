"""Frames and sound of clips as training and serving both read them, by PyAV, which the caller brings."""
