"""How the learning rates change over a run, as a function of the step alone.

- `cosine`: down along half a cosine to 0;
- `halve`: halved after each third of the run, which is the schedule of the CEN supplement (every 100 of 300
  epochs on NYUv2 with 101 layers, 150 of 450 with 152, 20 of 60 on SUN RGB-D);
- `official`: the thirds of the official code, whose last rates are not exact halves, with the momentum forgotten at
  the beginning of each.
"""

from __future__ import annotations

import math

_STAGES = {
    "halve": {"encoder": (1.0, 1 / 2, 1 / 4), "decoder": (1.0, 1 / 2, 1 / 4)},
    # 5e-4, 2.5e-4, 1e-4 for the encoder; 3e-3, 1.5e-3, 7e-4 for the decoder.
    "official": {"encoder": (1.0, 1 / 2, 1 / 5), "decoder": (1.0, 1 / 2, 7 / 30)},
}


def rate(schedule: str, group: str, step: int, steps: int, warmup: float = 0.0) -> float:
    """Return the share of the peak learning rate that a step uses.

    Args:
        schedule: one of `crosswire.training.tasks.segmentation.config.SCHEDULES`.
        group: name of the parameter group: `encoder`, `decoder` or `gamma`, which follows the encoder.
        step: from 0.
        steps: of the whole run.
        warmup: share of the steps in which the rate rises linearly.
    """
    progress = step / steps
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * (progress - warmup) / (1.0 - warmup)))
    stages = _STAGES[schedule]["decoder" if group == "decoder" else "encoder"]
    return stages[min(len(stages) * step // steps, len(stages) - 1)]


def forgets_momentum(schedule: str, step: int, steps: int) -> bool:
    """Return whether a step begins with fresh optimisers, as each stage of the official code does."""
    stages = len(_STAGES["official"]["encoder"])
    return schedule == "official" and step > 0 and stages * step // steps != stages * (step - 1) // steps
