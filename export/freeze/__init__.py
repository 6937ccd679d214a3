"""Freezing: from a live network with masks to a static one without."""

from crosswire.export.freeze.rewrite import FreezeError, freeze

__all__ = ["FreezeError", "freeze"]
