"""The export of networks that label every pixel."""
