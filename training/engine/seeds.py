"""Seeds for what is drawn in a training step."""

from __future__ import annotations

import zlib

import numpy as np


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Return a seed, 0 to 2^63 - 1, that is a function of its arguments alone and differs between any two of them.

    Args:
        seed: of the run, 0 or more.
        purpose: what is drawn.
        counters: for example the step and the rank, 0 or more each.
    """
    entropy = (seed, zlib.crc32(purpose.encode()), *counters)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
