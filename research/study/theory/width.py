"""The study of Theorem 3.2 of the GMF paper: is there a best number of features, and do more of them over-fit?"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import torch

from crosswire.training.engine.machine.device import accelerated
from crosswire.training.engine.run_folder import METRICS
from crosswire.training.tasks.audio_video.config import FusionConfig
from crosswire.training.tasks.audio_video.data import clips, eval_loader
from crosswire.training.tasks.audio_video.evaluate import Run
from research.study.audio_video.missing import base
from research.study.study import AGREES, OPEN, REFUTED, Claim, Study, StudyRow, StudyTable, Verdict, compare, exceeds

#: Channels of the extractor's first stage; the feature has eight times as many, the other stages in proportion.
_WIDTHS = {"cpu": (2, 4, 8, 16, 32), "gpu": (2, 4, 8, 16, 32, 64, 128)}


def _name(width: int) -> str:
    """Return the name of a row."""
    return f"{8 * width} features"


def _rows(size: str) -> list[StudyRow]:
    """Return one extractor of sound, from narrow to wide; every layer is in proportion, as in the paper."""
    config = base(size)
    network = dataclasses.replace(config.network, modalities=("audio",), fusion=FusionConfig("concat"))
    alone = dataclasses.replace(config, network=network)
    return [
        StudyRow.varied(_name(width), alone, audio=dataclasses.replace(network.audio, width=width))
        for width in _WIDTHS[size]
    ]


def _read(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the accuracy on test clips."""
    return {"test": float(metrics["scores"]["A"]["accuracy"])}


def observe(run: Run) -> dict[str, float]:
    """Return the accuracy on the clips that were trained on, and the ratio of the two (Figure 8)."""
    source = clips(run.config, "train")
    right = []
    with accelerated(run.network) as device, torch.inference_mode():
        for batch in eval_loader(run.config, source):
            logits = run.network(*(x.to(device) for x in batch.inputs)).logits
            right.append((logits.argmax(1).cpu() == batch.labels).numpy())
    trained = float(np.concatenate(right).mean())
    tested = float(json.loads((run.folder / METRICS).read_text(encoding="utf-8"))["scores"]["A"]["accuracy"])
    return {"train": trained, "ratio": tested / trained}


def _inside(table: StudyTable) -> Verdict:
    """Judge that the best width is neither the least nor the most."""
    means = {row: table.mean(row, "test") for row in table.rows}
    best = max(means, key=lambda row: means[row])
    names = list(means)
    if best in (names[0], names[-1]):
        return Verdict(REFUTED, f"the best is {best}, at the end of the range")
    ends = [compare(table, best, end, "test") for end in (names[0], names[-1])]
    word = AGREES if all(end.word == AGREES for end in ends) else OPEN
    return Verdict(word, f"the best is {best}; {'; '.join(end.evidence for end in ends)}")


WIDTH = Study(
    name="width",
    question="Is there a best number of features, below which and above which a network decides worse?",
    rows=_rows,
    read=_read,
    observe=observe,
    shown={"test": "test", "train": "train", "ratio": "test / train"},
    drawn=("test", "ratio"),
    power=(
        "Procedural sounds instead of CIFAR, and a ResNet-18 of two to thirty-two channels in its first stage; four of "
        "eight classes cannot be told by sound alone. A width that is too large for hundreds of clips may fit the "
        "millions of another data set."
    ),
    claims=(
        Claim("The best number of features lies inside of the range", "GMF, Theorem 3.2", _inside),
        Claim(
            "Too few features decide worse",
            "GMF, Figure 8",
            exceeds(_name(_WIDTHS["cpu"][2]), _name(_WIDTHS["cpu"][0]), "test"),
        ),
        Claim(
            "More features generalise worse: the ratio of test and training accuracy falls",
            "GMF, Figure 8",
            exceeds(_name(_WIDTHS["cpu"][0]), _name(_WIDTHS["cpu"][-1]), "ratio"),
        ),
    ),
)
