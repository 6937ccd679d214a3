"""What a run writes while it trains: its best weights, and all that it takes to go on."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch

from crosswire.contract.atomic_write import atomic_path
from crosswire.training.engine.divergence import check_weights
from crosswire.training.engine.run_folder import RunError, write_weights

LAST = "last.ckpt"


@dataclass(frozen=True)
class Last:
    """The checkpoint that a run goes on from.

    Attributes:
        file: where it is.
        step: optimiser steps that are over.
        processes: that the run had; 0 where it was written by a version that did not note them.
    """

    file: Path
    step: int
    processes: int


class RunCheckpoints(lightning.Callback):
    """After every validation write `weights.pt` where it was the best one so far, then `last.ckpt`.

    Weights that the task calls provisional are replaced by those of the next validation.

    Each file is replaced as a whole, and in this order: a run that is killed between the two repeats the same steps,
    comes to the same validation and writes the same weights again.

    Args:
        folder: the run folder.
        monitor: name of the logged value that says how good a validation was.
        last: what the run goes on from, if anything.
        lower_is_better: whether less of it is better.
        processes: that train together.
    """

    def __init__(
        self, folder: Path, monitor: str, last: Last | None, *, lower_is_better: bool = False, processes: int = 1
    ) -> None:
        self.folder = folder
        self.monitor = monitor
        self.last = last
        self.lower_is_better = lower_is_better
        self.processes = processes
        self.worst = math.inf if lower_is_better else -math.inf
        self.best = self.worst
        self.best_step = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what belongs into `last.ckpt`."""
        return {"best": self.best, "best_step": self.best_step, "processes": self.processes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `last.ckpt` holds."""
        self.best, self.best_step = state_dict["best"], state_dict["best_step"]

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """See that all processes go on from the same step.

        Raises:
            RunError: they do not; the nodes have run folders of their own.
        """
        if trainer.world_size == 1:
            return
        steps: list[int] = [0] * trainer.world_size
        torch.distributed.all_gather_object(steps, self.last.step if self.last else 0)
        if len({*steps}) > 1:
            raise RunError(
                f"the processes find {self.folder / LAST} after the steps {', '.join(map(str, steps))}; expected the "
                "same for all; keep the run folder on a disk that all nodes share"
            )

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write both files; the validation that ends an epoch is over.

        Raises:
            DivergedError: the weights are not finite; both files stay as they were.
        """
        check_weights(pl_module.network.state_dict(), pl_module)
        score = float(trainer.callback_metrics[self.monitor])
        if score < self.best if self.lower_is_better else score > self.best:
            self.best, self.best_step = self.worst if pl_module.provisional else score, pl_module.step
            if trainer.is_global_zero:
                write_weights(self.folder, pl_module.network.state_dict())
        last = self.folder / LAST
        with atomic_path(last) if trainer.is_global_zero else contextlib.nullcontext(last) as file:
            trainer.save_checkpoint(file)  # every process takes part, the first one alone writes


def resumable(folder: Path) -> Last | None:
    """Return the checkpoint that a run goes on from, or None where there is none yet.

    Raises:
        RunError: there is one that cannot be read.
    """
    last = folder / LAST
    if not last.exists():
        return None
    try:
        held = torch.load(last, map_location="cpu", weights_only=True, mmap=True)
        return Last(last, int(held["global_step"]), held["callbacks"][RunCheckpoints.__name__].get("processes", 0))
    except Exception as error:  # a pickle can fail in any way
        raise RunError(f"{last} cannot be read: {error}; delete it to train the run anew") from error
