"""What the scaling factors of a run went through: how many came under the threshold, and whether they stayed there.

Source: the CEN paper, Figure 5 of the appendix: γ close to zero can hardly recover.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crosswire.training.engine.gamma_log import read_gammas
from crosswire.training.engine.run_folder import Run, RunError
from crosswire.training.models import sparse_norms
from crosswire.training.report.factors import watched

#: A γ has recovered where it rises above so many times θ.
RECOVERED = 10


def paths(run: Run) -> NDArray[np.float32]:
    """Return |γ| of every channel under the L1 term over the training, float32 [T, K].

    Raises:
        RunError: the run has no record.
    """
    log = read_gammas(run.folder)
    if log is None:
        raise RunError(f"{run.folder} holds no record of its scaling factors; remove the folder to train it again")
    return np.concatenate(
        [
            log.sizes(name, stream, part)
            for name, norm in sparse_norms(run.network).items()
            for stream, part in enumerate(watched(norm, restrict=run.config.network.restrict))
        ],
        axis=1,
    )


def fates(sizes: NDArray[np.float32], threshold: float) -> dict[str, float]:
    """Count what became of the scaling factors that came under a threshold.

    Args:
        sizes: |γ| over the training, [T, K].
        threshold: θ.

    Returns:
        shares, 0..1: `reached`, of all γ that were ever at or below θ; and of those `stayed`, which are at the end, and
        `recovered`, which later rose above `RECOVERED` times θ. The latter two are 0 where none was.
    """
    under = sizes <= threshold
    once = under.any(0)
    if not once.any():
        return {"reached": 0.0, "stayed": 0.0, "recovered": 0.0}
    since = np.maximum.accumulate(under[:, once], axis=0)
    later = np.where(since, sizes[:, once], 0).max(0)
    return {
        "reached": float(once.mean()),
        "stayed": float(under[-1, once].mean()),
        "recovered": float((later > RECOVERED * threshold).mean()),
    }
