"""The scaling factors over a training: recorded while it runs, read by the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from numpy.typing import NDArray
from torch import nn

from crosswire.contract.atomic_write import atomic_path
from crosswire.training.engine.run_folder import RunError
from crosswire.training.models import sparse_norms

GAMMAS = "gammas.npz"
RECORDS = 200


@dataclass(frozen=True)
class Gammas:
    """What the exchanging layers went through; layers in the network's order.

    Attributes:
        steps: optimiser steps that were over, int64 [T], rising.
        factors: γ per layer, float32 [T, M, C].
        exchanged: channels replaced per layer and stream, int64 [T, M].
    """

    steps: NDArray[np.int64]
    factors: dict[str, NDArray[np.float32]]
    exchanged: dict[str, NDArray[np.int64]]

    def sizes(self, layer: str, stream: int, part: slice) -> NDArray[np.float32]:
        """Return |γ| of some channels of one layer and stream, float32 [T, C]."""
        sizes: NDArray[np.float32] = np.abs(self.factors[layer][:, stream, part])
        return sizes


def read_gammas(folder: Path) -> Gammas | None:
    """Read the record of a run folder; None where there is none.

    Raises:
        RunError: there is one that cannot be read.
    """
    path = folder / GAMMAS
    if not path.exists():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged archive can fail in any way
        raise RunError(f"{path} cannot be read: {error}; delete it to go on without it") from error
    layers = [name.removeprefix("factors/") for name in arrays if name.startswith("factors/")]
    return Gammas(
        arrays["steps"],
        {layer: arrays[f"factors/{layer}"] for layer in layers},
        {layer: arrays[f"exchanged/{layer}"] for layer in layers},
    )


class GammaLog(lightning.Callback):
    """Records every γ that can be exchanged, about `RECORDS` times, into `gammas.npz`.

    The file is written before the checkpoint of the same moment, and a resumed run drops what the file has beyond its
    checkpoint: the record of a run does not depend on how often it was stopped.

    Args:
        folder: the run folder.
        every: steps between two records.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.folder = folder
        self.every = every
        self._rows: list[tuple[int, dict[str, NDArray[Any]]]] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Go on with the record of the steps before, and record the beginning."""
        before = read_gammas(self.folder) if pl_module.step else None
        if before:
            self._rows = [(step, row) for step, row in _rows(before) if step <= pl_module.step]
        else:
            self._record(pl_module.step, pl_module.network)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any, **__: Any) -> None:
        """Record a step whose turn it is, and the last one."""
        if pl_module.step % self.every == 0 or pl_module.step == pl_module.config.steps:
            self._record(pl_module.step, pl_module.network)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write the file, all of it or nothing."""
        if not trainer.is_global_zero or not self._rows[0][1]:
            return
        arrays = {name: np.stack([row[name] for _, row in self._rows]) for name in self._rows[0][1]}
        with atomic_path(self.folder / GAMMAS) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, steps=np.asarray([step for step, _ in self._rows], np.int64), **arrays)

    def _record(self, step: int, network: nn.Module) -> None:
        """Record one step, once."""
        if self._rows and self._rows[-1][0] >= step:
            return
        row: dict[str, NDArray[Any]] = {}
        for layer, norm in sparse_norms(network).items():
            row[f"factors/{layer}"] = np.stack([gamma.detach().float().cpu().numpy().copy() for gamma in norm.gammas])
            row[f"exchanged/{layer}"] = np.asarray([int(mask.sum()) for mask in norm.masks()], np.int64)
        self._rows.append((step, row))


def _rows(gammas: Gammas) -> list[tuple[int, dict[str, NDArray[Any]]]]:
    """Take a record apart into steps."""
    arrays: dict[str, NDArray[Any]] = {f"factors/{layer}": factors for layer, factors in gammas.factors.items()}
    arrays |= {f"exchanged/{layer}": counts for layer, counts in gammas.exchanged.items()}
    return [
        (int(step), {name: array[index] for name, array in arrays.items()}) for index, step in enumerate(gammas.steps)
    ]
