"""Images into images: one or several domains in, one or several out."""
