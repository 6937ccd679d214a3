"""Scores of decisions whose score can be worked out by hand, losses, and decisions from several views."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import IGNORE
from crosswire.training.engine.sampling import derive_seed
from crosswire.training.modalities import MODALITIES, modalities
from crosswire.training.models import Decisions, PrivateNorm2d, single_stream
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.losses import task_loss
from crosswire.training.tasks.segmentation.metrics import Scores, SegmentationMetrics
from crosswire.training.tasks.segmentation.network import build_network
from crosswire.training.tasks.segmentation.scoring.missing_modality import missing_modality_cases, punch_holes
from crosswire.training.tasks.segmentation.scoring.tta import decide

LABELS = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 2]]])


def logits(labels: Tensor, classes: int = 4) -> Tensor:
    """Return logits that decide for given labels [N, H, W]."""
    return 10.0 * F.one_hot(labels, classes).permute(0, 3, 1, 2).float()


def scored(decided: Tensor, truth: Tensor) -> Scores:
    """Score labels that are decided against the truth."""
    metrics = SegmentationMetrics((), 4)
    metrics.update(Decisions(logits(decided), logits(decided)), truth)
    return metrics.compute()["ensemble"]


def test_a_perfect_decision_scores_one_and_absent_classes_do_not_count() -> None:
    scores = scored(LABELS, LABELS)
    assert (scores.mean_iou, scores.mean_accuracy, scores.pixel_accuracy) == (1.0, 1.0, 1.0)
    assert scores.iou[:3] == (1.0, 1.0, 1.0) and math.isnan(scores.iou[3])


def test_a_constant_decision_scores_what_its_class_is_worth() -> None:
    scores = scored(torch.zeros_like(LABELS), LABELS)
    assert scores.pixel_accuracy == 4 / 8
    assert scores.mean_accuracy == pytest.approx(1 / 3)  # one class of three is found
    assert scores.mean_iou == pytest.approx((4 / 8 + 0 + 0) / 3)


def test_a_class_that_is_only_decided_lowers_the_mean_iou_and_not_the_mean_accuracy() -> None:
    decided = LABELS.clone()
    decided[0, 0, 0] = 3
    scores = scored(decided, LABELS)
    assert scores.iou == pytest.approx((3 / 4, 1.0, 1.0, 0.0))
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 1 + 1) / 3)


def test_unknown_pixels_do_not_count() -> None:
    truth = LABELS.clone()
    truth[0, 1] = IGNORE
    assert scored(torch.zeros_like(LABELS), truth).pixel_accuracy == 2 / 4
    decided = torch.where(truth == IGNORE, 3, truth)
    assert scored(decided, truth).mean_iou == 1.0


def test_scores_add_up_over_batches_and_are_kept_apart_by_stream() -> None:
    metrics = SegmentationMetrics(("rgb", "depth"), 4)
    wrong = torch.zeros_like(LABELS)
    for right in (LABELS, wrong):
        metrics.update(Decisions(logits(right), torch.cat([logits(LABELS), logits(wrong)])), LABELS)
    scores = metrics.compute()
    assert list(scores) == ["ensemble", "rgb", "depth"]
    assert [scores[name].pixel_accuracy for name in scores] == [12 / 16, 1.0, 8 / 16]
    metrics.reset()
    metrics.update(Decisions(logits(wrong), torch.cat([logits(LABELS), logits(wrong)])), LABELS)
    assert metrics.compute()["ensemble"].pixel_accuracy == 4 / 8


def test_the_loss_of_streams_is_the_sum_of_their_cross_entropies_and_leaves_out_unknown_pixels() -> None:
    torch.manual_seed(0)
    truth = LABELS.clone()
    truth[0, 0, 0] = IGNORE
    streams, ensemble = torch.randn(3, 4, 2, 4), torch.randn(1, 4, 2, 4)
    loss = task_loss(Decisions(ensemble, streams), truth, stream_loss=0.5)
    known = truth != IGNORE
    terms = [F.cross_entropy(x.permute(1, 2, 0)[known[0]], truth[known]) for x in (ensemble[0], *streams)]
    torch.testing.assert_close(loss, terms[0] + 0.5 * (terms[1] + terms[2] + terms[3]))
    torch.testing.assert_close(task_loss(Decisions(ensemble, streams), truth), terms[0])


class PixelNetwork(nn.Module):
    """Decides for each pixel from its own value, whatever surrounds it."""

    def forward(self, *inputs: Tensor) -> Decisions:
        """Map M tensors [N, 1, H, W] to logits of two classes at the same size."""
        streams = torch.cat([torch.cat([x, -x], 1) for x in inputs])
        return Decisions(streams.unflatten(0, (len(inputs), -1)).mean(0), streams)


def test_one_view_gives_the_logits_of_the_network_itself() -> None:
    inputs = [torch.randn(1, 1, 8, 8)] * 2
    depth = [MODALITIES["depth"]] * 2
    torch.testing.assert_close(decide(PixelNetwork(), inputs, depth), PixelNetwork()(*inputs))


def test_mirrored_views_are_mirrored_back_and_averaged_as_probabilities() -> None:
    inputs = [torch.randn(2, 1, 6, 8), torch.randn(2, 1, 6, 8)]
    depth = [MODALITIES["depth"]] * 2
    both = decide(PixelNetwork(), inputs, depth, flip=True)
    alone = PixelNetwork()(*inputs)
    torch.testing.assert_close(both.ensemble, alone.ensemble.log_softmax(1))
    torch.testing.assert_close(both.streams, alone.streams.log_softmax(1))


def test_scaled_views_decide_at_the_size_of_the_picture() -> None:
    picture = torch.zeros(1, 1, 16, 16)
    picture[:, :, :, 8:] = 4.0
    decisions = decide(PixelNetwork(), [picture], [MODALITIES["depth"]], scales=(0.5, 1.0, 2.0), flip=True)
    assert decisions.ensemble.shape == (1, 2, 16, 16)
    assert (decisions.ensemble.exp().sum(1) - 1).abs().max() < 1e-5
    clear = decisions.ensemble[0, :, :, [0, 1, 2, 3, 12, 13, 14, 15]].argmax(0)
    assert (clear[:, 4:] == 0).all()


def network_of(**settings: object) -> nn.Module:
    """Build a tiny network with random statistics of which a part of the channels is exchanged."""
    torch.manual_seed(1)
    config = NetworkConfig(name="refinenet14", classes=4, width=4, features=8, units=(1, 1), pooling=1, **settings)  # type: ignore[arg-type]
    network = build_network(config).eval()
    for module in network.modules():
        if isinstance(module, PrivateNorm2d):
            for norm in module.norms:
                norm.weight.data.uniform_(0.0, 1.0)
                norm.bias.data.normal_()
    return network


def test_a_stream_alone_computes_what_it_computes_in_a_network_without_exchange() -> None:
    whole, apart = network_of(threshold=0.5), network_of(fusion="none")
    apart.load_state_dict(whole.state_dict())
    rgb, depth = torch.randn(2, 3, 40, 48), torch.randn(2, 1, 40, 48)
    with torch.inference_mode():
        mixed, separate = whole(rgb, depth).streams, apart(rgb, depth).streams
        for stream, x in enumerate((rgb, depth)):
            alone = single_stream(whole, stream)(x)
            torch.testing.assert_close(alone.ensemble, separate[2 * stream : 2 * stream + 2])
            assert not torch.allclose(alone.ensemble, mixed[2 * stream : 2 * stream + 2])


def test_a_stream_alone_trains_the_parameters_and_statistics_of_the_whole_network() -> None:
    whole = network_of(threshold=0.5).train()
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    single_stream(whole, 1)(torch.randn(2, 1, 40, 48)).ensemble.square().mean().backward()
    trained = {name for name, parameter in whole.named_parameters() if parameter.grad is not None}
    assert "encoder.conv1.weight" in trained and "encoder.bn1.norms.1.weight" in trained
    assert not any(".norms.0." in name or name.startswith("ensemble") for name in trained)
    moved = {key for key, value in whole.state_dict().items() if not torch.equal(value, before[key])}
    assert "encoder.bn1.norms.1.running_mean" in moved and "encoder.bn1.norms.0.running_mean" not in moved


def test_a_network_that_mixes_its_streams_between_stages_has_no_single_stream() -> None:
    with pytest.raises(ConfigError, match="mixes the streams"):
        single_stream(network_of(fusion="concat"), 0)


def test_every_availability_decides_from_what_is_there() -> None:
    network = network_of()
    rgb, depth = torch.randn(1, 3, 40, 48), torch.randn(1, 1, 40, 48)
    conditions = missing_modality_cases(network, modalities(NetworkConfig()))
    assert list(conditions) == ["both", "rgb only", "depth only", "depth with 50 % holes"]
    with torch.inference_mode():
        changes = {
            name: [
                not torch.equal(decide_from(other), decide_from([rgb, depth]))
                for other in ([rgb + 1, depth], [rgb, depth + 1])
            ]
            for name, conditioned in conditions.items()
            if (decide_from := lambda inputs, of=conditioned: _seeded(of, inputs))
        }
    assert changes["both"] == changes["depth with 50 % holes"] == [True, True]
    assert changes["rgb only"] == [True, False] and changes["depth only"] == [False, True]


def _seeded(conditioned: object, inputs: list[Tensor]) -> Tensor:
    """Decide with the same holes every time."""
    torch.manual_seed(3)
    return conditioned(inputs).ensemble  # type: ignore[operator,no-any-return]


def test_holes_are_half_of_the_cells_of_every_picture_and_leave_the_rest_alone() -> None:
    pictures = torch.ones(3, 1, 32, 40)
    torch.manual_seed(0)
    holed = punch_holes(pictures, torch.tensor([-2.0]))
    assert set(holed.unique().tolist()) == {-2.0, 1.0}
    assert (holed == -2.0).float().mean((1, 2, 3)).tolist() == [0.5, 0.5, 0.5]
    assert not torch.equal(holed[0], holed[1])
    assert (holed.unfold(2, 8, 8).unfold(3, 8, 8).flatten(4).std(4) == 0).all()


def test_seeds_differ_by_purpose_and_counter_and_are_always_the_same() -> None:
    seeds = {derive_seed(seed, purpose, step) for seed in (0, 1) for purpose in ("a", "b") for step in range(100)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(7, "dropout", 3, 1) == 4123358596661408122
