"""Retrieval: an embedder takes numbers and gives numbers, so there is nothing to decode before it or to draw after it.

Its own model, `<network>`, is all that is served of it: `<video|image>_features` in, `embedding` out.
"""

from __future__ import annotations

from crosswire.contract import Contract
from crosswire.contract.wire_names import EMBEDDING, IMAGE_FEATURES, VIDEO_FEATURES
from crosswire.serving.errors import ServingError


def retrieval(contract: Contract) -> None:
    """Check that a network embeds features; there is no pipeline around it."""
    taken, given = ([spec.name for spec in specs] for specs in (contract.inputs, contract.outputs))
    if taken not in ([VIDEO_FEATURES], [IMAGE_FEATURES]) or given != [EMBEDDING]:
        raise ServingError(
            f"network {contract.name!r} has the tensors {', '.join((*taken, *given))}; an embedder needs exactly "
            f"{VIDEO_FEATURES} or {IMAGE_FEATURES}, and {EMBEDDING}"
        )
