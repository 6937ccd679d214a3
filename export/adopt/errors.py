"""What can be wrong with a graph that is to be adopted, or with its description."""

from __future__ import annotations

from crosswire.contract.errors import CrosswireError


class AdoptError(CrosswireError, ValueError):
    """A graph that cannot be adopted, or a description that does not fit it; the message names node, tensor or key."""
