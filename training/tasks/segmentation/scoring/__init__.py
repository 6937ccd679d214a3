"""How a trained network is scored: from several versions of an image, with streams missing, as tables."""
