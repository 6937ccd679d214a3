"""Losses on the labels against values worked out by hand: class weights, focus, Dice, unknown pixels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from crosswire.contract.plain import from_plain, to_plain
from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import IGNORE
from crosswire.training.models import Decisions
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.class_weights import class_weights, inverse_frequency, median_frequency
from crosswire.training.tasks.segmentation.config import LossConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.losses import LabelLoss, task_loss
from crosswire.training.tasks.segmentation.task import training_setup

#: Pixels of three classes, one of them unknown, and how likely each class is thought in each.
LABELS = torch.tensor([[[0, 1, 1, IGNORE]]])
PROBABILITIES = torch.tensor([[0.8, 0.15, 0.05], [0.3, 0.6, 0.1], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
LOGITS = PROBABILITIES.log().T.reshape(1, 3, 1, 4)


def loss(weights: tuple[float, ...] = (), **settings: float) -> float:
    """Return the loss of the pixels above."""
    return float(LabelLoss(LossConfig(**settings), torch.tensor(weights) if weights else None)(LOGITS, LABELS))  # type: ignore[arg-type]


def test_the_default_is_the_cross_entropy_of_known_pixels() -> None:
    assert loss() == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.25)) / 3)


def test_class_weights_weigh_the_mean() -> None:
    expected = -(1 * math.log(0.8) + 3 * math.log(0.6) + 3 * math.log(0.25)) / (1 + 3 + 3)
    assert loss((1.0, 3.0, 9.0)) == pytest.approx(expected)
    torch_too = F.cross_entropy(LOGITS, LABELS, weight=torch.tensor([1.0, 3.0, 9.0]), ignore_index=IGNORE)
    assert float(torch_too) == pytest.approx(expected)


def test_focus_leaves_less_of_what_is_right() -> None:
    terms = [-((1 - p) ** 2) * math.log(p) for p in (0.8, 0.6, 0.25)]
    assert loss(focal=2.0) == pytest.approx(sum(terms) / 3)
    assert loss((1.0, 3.0, 9.0), focal=2.0) == pytest.approx((terms[0] + 3 * terms[1] + 3 * terms[2]) / 7)


def test_dice_is_the_mean_over_the_classes_that_occur() -> None:
    first = 2 * 0.8 / (0.8**2 + 0.3**2 + 0.5**2 + 1)
    second = 2 * (0.6 + 0.25) / (0.15**2 + 0.6**2 + 0.25**2 + 2)
    assert loss(dice=0.5) == pytest.approx(loss() + 0.5 * (1 - (first + second) / 2))


def test_a_perfect_decision_has_no_loss_and_a_batch_without_labels_has_none() -> None:
    every = LossConfig(focal=0.5, dice=1.0)
    certain = (100.0 * F.one_hot(LABELS.where(LABELS != IGNORE, 0), 3).permute(0, 3, 1, 2)).requires_grad_()
    for labels in (LABELS, torch.full_like(LABELS, IGNORE)):
        certain.grad = None
        found = LabelLoss(every, torch.tensor([1.0, 2.0, 0.0]))(certain, labels)
        found.backward()
        assert certain.grad is not None and certain.grad.isfinite().all()
        assert float(found.detach()) == pytest.approx(0.0, abs=1e-5)
    assert float(LabelLoss(LossConfig())(LOGITS, torch.full_like(LABELS, IGNORE))) == 0


def test_every_stream_has_the_same_loss_of_its_own() -> None:
    torch.manual_seed(0)
    one = LabelLoss(LossConfig(focal=2.0, dice=1.0), torch.tensor([1.0, 2.0, 3.0]))
    ensemble, streams = torch.randn(1, 3, 1, 4), torch.randn(2, 3, 1, 4)
    expected = one(ensemble, LABELS) + 0.5 * (one(streams[:1], LABELS) + one(streams[1:], LABELS))
    torch.testing.assert_close(task_loss(Decisions(ensemble, streams), LABELS, 0.5, one), expected)


def test_weights_follow_from_how_often_classes_occur() -> None:
    counts = np.array([[60, 20, 0, 0], [80, 0, 40, 0]])
    assert inverse_frequency(counts) == pytest.approx((200 / (3 * 140), 200 / (3 * 20), 200 / (3 * 40), 0))
    # Frequencies 140/200, 20/80 and 40/120; the median is a third.
    assert median_frequency(counts) == pytest.approx((200 / 420, 80 / 60, 1.0, 0))


def test_weights_are_counted_in_the_training_labels_and_told(tiny: SegmentationConfig) -> None:
    config = override(tiny, ["loss.balance=inverse", "data.train_scenes=3"])
    task = training_setup(config, fresh=True).task
    (line,) = task.setup_lines()
    assert line.startswith("class weights: floor ") and len(line.split(", ")) == 12
    assert training_setup(tiny, fresh=True).task.setup_lines() == []


def test_given_weights_are_taken_as_they_are() -> None:
    quick = preset("rooms-quick")
    given = override(quick, [f"loss.class_weights={','.join(map(str, range(1, 13)))}"])
    assert class_weights(given.loss, None) == tuple(range(1, 13))  # type: ignore[arg-type]
    assert from_plain(SegmentationConfig, to_plain(given)) == given
    old = {key: value for key, value in to_plain(quick).items() if key != "loss"}
    assert from_plain(SegmentationConfig, old) == quick, "runs of before have no such table"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weights": (1.0, -1.0)}, "allowed are 0 or more, not all 0"),
        ({"class_weights": (0.0, 0.0)}, "allowed are 0 or more, not all 0"),
        ({"class_weights": (1.0, 2.0), "balance": "median"}, "leave one of them out"),
        ({"balance": "mean"}, "allowed are none, inverse, median"),
        ({"focal": -1.0}, "loss.focal is -1.0; allowed is 0 or more"),
    ],
)
def test_a_wrong_loss_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LossConfig(**settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has 2 weights, expected one for each of 12 classes"):
        dataclasses.replace(preset("rooms-quick"), loss=LossConfig(class_weights=(1.0, 2.0)))
