"""Depth in the colour camera: Crosswire against the libraries that people register depth with."""
