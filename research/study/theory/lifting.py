"""The study of Theorem 3.3 of the GMF paper: frozen features mapped from l to n·l and back, and classified anew."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import lru_cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.tasks.audio_video.config import FusionConfig
from crosswire.training.tasks.audio_video.data import clips, eval_loader
from crosswire.training.tasks.audio_video.evaluate import Run
from research.study.audio_video.missing import base
from research.study.study import AGREES, REFUTED, Claim, Computation, Study, StudyTable, Verdict, exceeds

_FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_ORIGINAL = "original features"
#: Steps over all training clips at once, and the rate of Adam, by which every row has converged.
_STEPS, _RATE = 400, 3e-3
#: Error relative to the features that is rounding, and accuracy that counts as equal.
_ROUNDING, _EQUAL = 1e-3, 0.01


@dataclasses.dataclass(frozen=True)
class Frozen:
    """Features of an extractor that is trained no further.

    Attributes:
        trained: of the clips that classifiers are trained on, [N, l].
        labels: their classes [N].
        tested: of the others, [M, l].
        truth: their classes [M].
    """

    trained: Tensor
    labels: Tensor
    tested: Tensor
    truth: Tensor


@lru_cache(maxsize=1)
def frozen(seed: int) -> Frozen:
    """Train an extractor of sound for a seed and return its features; they take half a minute and are kept."""
    config = base("cpu")
    network = dataclasses.replace(config.network, modalities=("audio",), fusion=FusionConfig("concat"))
    with tempfile.TemporaryDirectory() as folder:
        fit(dataclasses.replace(config, network=network, seed=seed), Path(folder) / "run", progress=False)
        run = read_run(Path(folder) / "run")
    features = [_features(run, split) for split in ("train", "test")]
    mean, spread = features[0][0].mean(0), features[0][0].std(0).clamp_min(1e-6)
    (trained, labels), (tested, truth) = features
    return Frozen((trained - mean) / spread, labels, (tested - mean) / spread, truth)


def _features(run: Run, split: str) -> tuple[Tensor, Tensor]:
    """Return features and classes of a split."""
    found, labels = [], []
    with torch.inference_mode():
        for batch in eval_loader(run.config, clips(run.config, split)):
            found.append(run.network.features(batch.inputs)[0])
            labels.append(batch.labels)
    return torch.cat(found).clone(), torch.cat(labels)


def lifted(features: Frozen, factor: float | None, seed: int) -> dict[str, float]:
    """Classify features anew, mapped to `factor` times their number and back by trained matrices.

    Args:
        features: of the frozen extractor.
        factor: n, or None for the features as they are.
        seed: of the matrices.

    Returns:
        accuracy and mean cross-entropy (`entropy`) on the tested clips; with a factor also the `rank` of the product
        of both matrices as a share of l, and the `error` that is left where U1 is the pseudo-inverse of U2.
    """
    torch.manual_seed(seed)
    size = features.trained.shape[1]
    wide = None if factor is None else max(1, round(factor * size))
    maps = [] if wide is None else [nn.Linear(size, wide, False), nn.Linear(wide, size, False)]
    classifier = nn.Sequential(*maps, nn.Linear(size, int(features.labels.max()) + 1))
    figures = {}
    if wide is not None:
        up = maps[0].weight.detach().double()
        again = features.tested.double() @ up.T @ torch.linalg.pinv(up).T
        figures["error"] = float((again - features.tested).norm() / features.tested.norm())
    optimiser = torch.optim.Adam(classifier.parameters(), _RATE, weight_decay=1e-4)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        F.cross_entropy(classifier(features.trained), features.labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.inference_mode():
        logits = classifier(features.tested)
        figures["accuracy"] = float((logits.argmax(1) == features.truth).float().mean())
        figures["entropy"] = float(F.cross_entropy(logits, features.truth))
        if maps:
            figures["rank"] = int(torch.linalg.matrix_rank(maps[1].weight @ maps[0].weight)) / size
    return figures


def _compute(factor: float | None, seed: int) -> dict[str, float]:
    """Return the figures of a row."""
    return lifted(frozen(seed), factor, seed)


def _name(factor: float) -> str:
    """Return the name of a row."""
    return f"n = {factor:g}"


def _rows(size: str) -> list[Computation]:
    """Return the features as they are, and mapped to fewer and to more."""
    return [
        Computation(_ORIGINAL, partial(_compute, None)),
        *(Computation(_name(factor), partial(_compute, factor)) for factor in _FACTORS),
    ]


def _recovered(table: StudyTable) -> Verdict:
    """Judge that nothing is lost from n = 1 on where the way back is the pseudo-inverse, and something below."""
    lost = {factor: max(table.values(_name(factor), "error")) for factor in _FACTORS}
    whole = all((error < _ROUNDING) == (factor >= 1) for factor, error in lost.items())
    words = ", ".join(f"{error:.1g} at n = {factor:g}" for factor, error in lost.items())
    return Verdict(AGREES if whole else REFUTED, f"largest relative error {words}")


LIFTING = Study(
    name="lifting",
    question="Do frozen features decide as well when they are mapped from l to n·l and back?",
    rows=_rows,
    read=lambda metrics: metrics,
    shown={"accuracy": "accuracy", "entropy": "cross-entropy", "rank": "rank / l", "error": "error, pinv"},
    drawn=("accuracy",),
    power=(
        "Features of a small extractor of procedural sounds, trained for half a minute, instead of ImageNet's; both "
        "matrices and the classifier are trained anew for every row."
    ),
    claims=(
        Claim("Linear maps there and back lose nothing from n = 1 on", "GMF, Theorem 3.3, Eq. 8", _recovered),
        Claim(
            "n = 4 is as accurate as the original features (within 1 point)",
            "GMF, Figure 11",
            exceeds(_name(4.0), _ORIGINAL, "accuracy", least=-_EQUAL),
        ),
        Claim("Fewer features lose accuracy", "GMF, Figure 11", exceeds(_ORIGINAL, _name(0.125), "accuracy")),
        Claim("A larger n decides better", "GMF, Figure 11", exceeds(_name(8.0), _name(1.0), "accuracy")),
        Claim(
            "The original features have the least entropy",
            "GMF, Theorem 3.3, Eq. 7",
            exceeds(_name(4.0), _ORIGINAL, "entropy"),
        ),
    ),
)
