"""What is printed of scores: classes of which nothing is found are seen, and whether fusion gains anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
import torch

from crosswire.training.tasks.segmentation.config import NetworkConfig, OptimiserConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.evaluate import format_scores
from crosswire.training.tasks.segmentation.metrics import Scores, scores
from crosswire.training.tasks.segmentation.scoring.fusion_gain import fusion_gain
from crosswire.training.tasks.segmentation.scoring.text import validation_lines

#: A network that takes every pixel for background; mud occurs in no frame.
BLIND = scores(torch.tensor([[957, 0, 0], [43, 0, 0], [0, 0, 0]]))
CLASSES = ("background", "pothole", "mud")


def plain(one: Scores) -> dict[str, object]:
    """Return scores as `metrics.json` has them."""
    found = dataclasses.asdict(one)
    found["iou"] = {name: None if value != value else value for name, value in zip(CLASSES, one.iou, strict=True)}
    return found | {"pixels": dict(zip(CLASSES, one.pixels, strict=True))}


def test_a_validation_shows_that_a_network_finds_nothing() -> None:
    assert BLIND.pixel_accuracy == pytest.approx(0.957) and BLIND.mean_iou == pytest.approx(0.4785)
    lines = validation_lines({"ensemble": BLIND, "rgb": BLIND}, CLASSES)
    assert lines == [
        "mean IoU  ensemble 0.478  rgb 0.478",
        "IoU background 0.957, pothole 0.000",
        "nothing or next to nothing found of: pothole",
        "in none of these frames: mud",
    ]


def test_a_class_that_is_hit_by_a_few_pixels_alone_counts_as_not_found() -> None:
    hit = scores(torch.tensor([[500, 0], [499, 1]]))
    assert "nothing or next to nothing found of: pothole" in validation_lines({"ensemble": hit}, CLASSES[:2])
    assert len(validation_lines({"ensemble": scores(torch.tensor([[500, 0], [400, 100]]))}, CLASSES[:2])) == 2


def test_evaluate_prints_a_row_for_every_class_and_names_what_was_not_found() -> None:
    scored = {"scenes": 3, "scales": [1.0], "flip": False, "scores": {"ensemble": plain(BLIND)}, "exchange": []}
    printed = format_scores(scored).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in printed if line and line.split()[0] in CLASSES}
    assert rows == {"background": ["0.957", "95.70%"], "pothole": ["0.000", "4.30%"], "mud": ["–", "0.00%"]}
    assert "nothing or next to nothing found of: pothole" in printed and "in none of these frames: mud" in printed


def config(fusion: str = "exchange", stream_loss: float = 0.5, **network: object) -> SegmentationConfig:
    """Return a run of colour and depth."""
    return SegmentationConfig(
        network=NetworkConfig(fusion=fusion, **network),  # type: ignore[arg-type]
        optimiser=OptimiserConfig(stream_loss=stream_loss),
    )


GAINS: dict[str, tuple[SegmentationConfig, Mapping[str, float], str]] = {
    "nothing": (
        config(),
        {"ensemble": 0.731, "rgb": 0.376, "depth": 0.792},
        "rgb+depth 0.731, depth's own decision 0.792: fusion gains nothing over depth here; try depth alone (--set "
        "network.streams=depth), or streams that meet in their decisions alone (--set network.fusion=none)",
    ),
    "noise": (
        config("none", stream_loss=0.0),
        {"ensemble": 0.735, "rgb": 0.730, "depth": 0.2},
        "rgb+depth 0.735, rgb's own decision 0.730: fusion gains 0.005 over rgb here, no more than another seed may; "
        "try rgb alone (--set network.streams=rgb), or a loss for each stream (--set optimiser.stream_loss=0.5)",
    ),
    "much": (
        config("none"),
        {"ensemble": 0.85, "rgb": 0.7, "depth": 0.8},
        "rgb+depth 0.850, depth's own decision 0.800: fusion gains 0.050 over depth here",
    ),
    "much with exchange": (
        config(),
        {"ensemble": 0.85, "rgb": 0.8, "depth": 0.7},
        "rgb+depth 0.850, rgb's own decision 0.800: fusion gains 0.050 over rgb here; to compare, try rgb alone (--set "
        "network.streams=rgb)",
    ),
    "merged": (
        config("concat", setting="common"),
        {"ensemble": 0.85},
        "the streams rgb and depth merge in the encoder, so none decides on its own; what fusion gains is told by a "
        "run of depth alone: --set network.streams=depth",
    ),
    "one stream": (config(streams=("rgb",)), {"ensemble": 0.85}, ""),
}


@pytest.mark.parametrize("case", GAINS)
def test_one_sentence_says_what_fusion_gains_and_what_to_try(case: str) -> None:
    run, mean_iou, sentence = GAINS[case]
    assert fusion_gain(run, mean_iou, hints=True) == sentence
    assert sentence.startswith(fusion_gain(run, mean_iou))


def test_a_stream_scored_alone_counts_as_well_as_its_decision_beside_the_others() -> None:
    said = fusion_gain(config(), {"ensemble": 0.7, "rgb": 0.5, "depth": 0.6}, {"depth": 0.75})
    assert said == "rgb+depth 0.700, depth alone 0.750: fusion gains nothing over depth here"
