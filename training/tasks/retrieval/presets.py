"""Retrieval on ActivityNet's features: the three rows of GMF in Table 3 of the GMF paper.

They need the features (`data.path=DIR`, see `crosswire.training.tasks.retrieval.data`).
"""

from __future__ import annotations

from crosswire.training.tasks.retrieval.config import NetworkConfig, RetrievalConfig

#: Videos of the training subset, and the epochs of Table 5.
_VIDEOS, _BATCH, _EPOCHS = 10_024, 64, 20
_EVERY = _VIDEOS // _BATCH

#: Suffix of the row, and the size that both features are mapped to.
RETRIEVAL = tuple(
    RetrievalConfig(
        preset=f"activitynet-gmf-{name}",
        network=NetworkConfig(common=common),
        steps=_EPOCHS * _EVERY,
        val_every=_EVERY,
    )
    for name, common in (("128", 128), ("4096", 4096), ("128-4096", 0))
)
