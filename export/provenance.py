"""Where the weights of an export come from."""

from __future__ import annotations

from typing import Any

import onnx
import torch

from crosswire.contract import TrainingRun as RunIdentity
from crosswire.contract import sha256_of
from crosswire.contract.plain import to_plain
from crosswire.training.engine.run_folder import WEIGHTS, RunOf


def provenance_of(run: RunOf[Any, Any]) -> RunIdentity:
    """Return what a contract says of a run of any kind."""
    return RunIdentity(
        preset=run.config.preset,
        config=to_plain(run.config),
        weights_sha256=sha256_of(run.folder / WEIGHTS),
        steps=run.config.steps,
        data=run.config.data.name,
        versions={"torch": torch.__version__, "onnx": onnx.__version__},
    )
