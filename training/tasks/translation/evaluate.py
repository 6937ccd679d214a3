"""Scoring a generator on views that it has never seen."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from crosswire.training.config import ConfigError
from crosswire.training.engine.machine.device import accelerated
from crosswire.training.engine.run_folder import RunOf, exchange_lines, exchange_to_plain, write_metrics
from crosswire.training.models import exchanged_share
from crosswire.training.models.translation.blocks import selection
from crosswire.training.tasks.translation.config import LABELS, TranslationConfig
from crosswire.training.tasks.translation.data import ImageBatch, eval_loader
from crosswire.training.tasks.translation.images import images
from crosswire.training.tasks.translation.metrics import FeatureDistances, ImageMetrics
from crosswire.training.tasks.translation.network import TranslationNetwork
from crosswire.training.tasks.translation.policy import selection_lines

_COLUMNS = ("mae", "mse", "rmse", "fid", "kid", "mean_iou", "mean_accuracy", "pixel_accuracy")
TranslationRun = RunOf[TranslationConfig, TranslationNetwork]


def score(run: TranslationRun, *, features: nn.Module | None = None, progress: bool = True) -> dict[str, Any]:
    """Score a run on its test views and write `metrics.json`.

    Args:
        run: the trained network.
        features: what FID and KID are measured on, see `FeatureDistances`; None for neither.
        progress: show bars.

    Returns:
        what was written: errors from -1 to 1, FID and KID by output and, of one stream's own image, by `OUTPUT from
        INPUT`; `constant_mae` is that of the best constant colour. Labels have `mean_iou`, `mean_accuracy` and
        `pixel_accuracy`.

    Raises:
        ConfigError: the run has no test views.
    """
    config = run.config
    source = images(config.data, config.network, "test")
    if not len(source):
        raise ConfigError(
            f"data set {config.data.name!r} has no test pictures; choose one that has, with data.name=NAME"
        )
    errors = ImageMetrics(config.network)
    distances = FeatureDistances(config.network, features, len(source)) if features else None
    loader = eval_loader(config, source)
    total = torch.zeros(len(config.network.outputs), 3)
    with accelerated(run.network, errors, *([distances] if distances else [])) as device, torch.inference_mode():
        for inputs, targets in tqdm(loader, desc="scoring test views", disable=not progress):
            made = run.network(*(x.to(device) for x in inputs))
            errors.update(made, targets.to(device))
            if distances:
                distances.update(made, targets.to(device))
            total += torch.stack([part.mean((0, 2, 3)) for part in targets.chunk(len(total))]) * len(inputs[0])
        scores = errors.compute()
        for name, more in (distances.compute() if distances else {}).items():
            scores[name] |= more
    for name, value in zip(config.network.outputs, _constant(loader, total / len(source)), strict=True):
        if name != LABELS:
            scores[name]["constant_mae"] = value
    metrics = {
        "scenes": len(source),
        "scores": scores,
        "exchanged_share": exchanged_share(run.network),
        "exchange": exchange_to_plain(run.network),
    }
    if chosen := selection(run.network, config.network.outputs):
        metrics["blocks"] = chosen
    write_metrics(run.folder, metrics)
    return metrics


def errors_on(run: TranslationRun, split: str) -> dict[str, dict[str, float]]:
    """Return the errors of a run on the views of a split, as `ImageMetrics` has them."""
    found = ImageMetrics(run.config.network)
    source = images(run.config.data, run.config.network, split)
    with accelerated(run.network, found) as device, torch.inference_mode():
        for inputs, targets in eval_loader(run.config, source):
            found.update(run.network(*(x.to(device) for x in inputs)), targets.to(device))
        return found.compute()


def _constant(loader: Any, colours: torch.Tensor) -> list[float]:
    """Return the mean absolute error of one constant colour [T, 3] per output."""
    total, count = torch.zeros(len(colours)), 0
    batch: ImageBatch
    for batch in loader:
        for task, part in enumerate(batch.targets.chunk(len(colours))):
            total[task] += (part - colours[task].view(1, 3, 1, 1)).abs().mean((1, 2, 3)).sum()
        count += len(batch.inputs[0])
    return [float(value) for value in total / count]


def format_scores(metrics: dict[str, Any]) -> str:
    """Return errors, the exchanged share per layer and the blocks that outputs select as text."""
    scores = metrics["scores"]
    wide = max(10, *map(len, scores))
    columns = [name for name in _COLUMNS if any(name in of for of in scores.values())]
    heads = "".join(f" {name:>8}" for name in columns)
    lines = [f"{'':{wide}}{heads}   from -1 to 1, on {metrics['scenes']} fresh views"]
    for name, of in scores.items():
        figures = "".join(f" {of[c]:{max(8, len(c))}.4f}" if c in of else " " * max(9, len(c) + 1) for c in columns)
        constant = f"   a constant colour: mae {of['constant_mae']:.4f}" if "constant_mae" in of else ""
        lines.append(f"{name:{wide}}{figures}{constant}")
    return "\n".join([*lines, *exchange_lines(metrics, 32), *selection_lines(metrics.get("blocks", {}))])
