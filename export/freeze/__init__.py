"""Freezing: from a live network with masks to a static one without."""

from crosswire.export.freeze.fold import FreezeError
from crosswire.export.freeze.rewrite import freeze

__all__ = ["FreezeError", "freeze"]
