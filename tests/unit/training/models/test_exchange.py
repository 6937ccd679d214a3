"""The exchange itself, against Eq. 4 to 6 of the paper, and the rules that can take its place."""

from __future__ import annotations

import math

import pytest
import torch

from crosswire.training.models import PrivateNorm2d, exchanged_share
from crosswire.training.models.exchange import ChannelExchange, exchange, exchange_mask, sub_part
from crosswire.training.models.fusion.conditional import ConditionalNorm
from crosswire.training.models.fusion.mix import GatedSum, SumStreams
from crosswire.training.models.fusion.substitute import Discard, FixedPortion, RandomPortion, WeightedExchange
from crosswire.training.models.streams import Ensemble, StackStreams
from crosswire.training.tasks.segmentation.losses import sparsity_loss


@pytest.mark.parametrize(("channels", "streams"), [(64, 2), (64, 3), (7, 4), (5, 5)])
def test_sub_parts_are_disjoint_and_cover_every_channel(channels: int, streams: int) -> None:
    members = [index for m in range(streams) for index in range(channels)[sub_part(channels, m, streams)]]
    assert members == list(range(channels))


def test_a_channel_is_replaced_up_to_and_including_the_threshold_whatever_its_sign() -> None:
    gamma = torch.tensor([0.02, 0.0201, -0.02, -0.5, 0.0, 0.0])
    mask = exchange_mask(gamma, 0.02, 0, 2, restrict=False)
    assert mask.tolist() == [True, False, True, False, True, True]


def test_a_restricted_stream_is_replaced_only_inside_its_own_sub_part() -> None:
    gamma = torch.zeros(6)
    masks = [exchange_mask(gamma, 0.02, m, 3) for m in range(3)]
    assert [mask.nonzero().flatten().tolist() for mask in masks] == [[0, 1], [2, 3], [4, 5]]


def test_a_single_stream_never_exchanges() -> None:
    assert not exchange_mask(torch.zeros(4), 0.02, 0, 1).any()


@pytest.mark.parametrize("streams", [2, 3, 4])
def test_replaced_channels_become_the_mean_of_the_other_streams(streams: int) -> None:
    torch.manual_seed(0)
    normed = [torch.randn(2, 4, 3, 3) for _ in range(streams)]
    masks = [torch.rand(4) < 0.5 for _ in range(streams)]
    result = exchange(normed, masks)
    for m in range(streams):
        for c in range(4):
            others = sum(normed[k][:, c] for k in range(streams) if k != m) / (streams - 1)
            expected = others if masks[m][c] else normed[m][:, c]
            torch.testing.assert_close(result[m][:, c], expected)


def test_two_streams_that_replace_the_same_channel_swap_it() -> None:
    normed = [torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)]
    first, second = exchange(normed, [torch.tensor([True])] * 2)
    assert (first == 1).all() and (second == 0).all()


def _norm(streams: int = 2, channels: int = 4, zero: int = 0) -> PrivateNorm2d:
    """Return an exchanging norm whose first stream replaces its first `zero` channels."""
    norm = PrivateNorm2d(channels, streams, rule=ChannelExchange(channels, streams, 0.02), penalise="half")
    with torch.no_grad():
        norm.gammas[0][:zero] = 0.01
    return norm


def test_a_replaced_channel_gets_only_the_penalty_and_its_source_gets_both_gradients() -> None:
    torch.manual_seed(0)
    norm = _norm(zero=2)
    x = torch.randn(4, 4, 5, 5, requires_grad=True)
    strength = 0.005
    (norm(x).sum() + strength * sparsity_loss(norm)).backward()
    own, source = norm.norms[0], norm.norms[1]
    expected = torch.full((2,), strength)
    torch.testing.assert_close(own.weight.grad[:2], expected)  # λ sign(γ), nothing from the task
    assert own.bias.grad[:2].abs().max() == 0
    assert x.grad[:2, :2].abs().max() == 0
    torch.testing.assert_close(source.bias.grad[:2], 2 * source.bias.grad[2:])  # doubled for two streams


def test_sources_of_three_streams_share_the_gradient() -> None:
    norm = _norm(streams=3, channels=3)
    with torch.no_grad():
        norm.gammas[0][0] = 0.0
    norm(torch.randn(6, 3, 4, 4)).sum().backward()
    pixels = 2 * 16
    assert norm.norms[0].bias.grad.tolist() == [0, pixels, pixels]
    assert norm.norms[1].bias.grad.tolist() == [1.5 * pixels, pixels, pixels]


def test_the_penalty_sums_the_scaling_factors_of_the_disjoint_sub_parts() -> None:
    norm = _norm(channels=5)
    with torch.no_grad():
        norm.gammas[0].copy_(torch.tensor([1.0, -2.0, 4.0, 8.0, 16.0]))
        norm.gammas[1].copy_(torch.tensor([1.0, -2.0, 4.0, -8.0, 16.0]))
    assert sparsity_loss(norm).item() == (1 + 2) + (4 + 8 + 16)


def test_the_exchanged_share_counts_replaced_channels_among_those_that_may_be() -> None:
    assert exchanged_share(_norm(channels=8, zero=3)) == pytest.approx(3 / 8)
    assert exchanged_share(torch.nn.Conv2d(1, 1, 1)) == 0.0


def exchanging_norm(rule: torch.nn.Module, channels: int, streams: int) -> PrivateNorm2d:
    """Return a norm in evaluation mode whose normalised activations are its input."""
    norm = PrivateNorm2d(channels, streams, rule=rule).eval()  # type: ignore[arg-type]
    for own in norm.norms:
        own.eps = 0.0
    return norm


def test_discarded_channels_are_zero_and_the_others_stay() -> None:
    norm = exchanging_norm(Discard(6, 3, 0.02), 6, 3)
    with torch.no_grad():
        norm.gammas[1].copy_(torch.tensor([0.0, 1.0, 0.01, 1.0, 0.0, 1.0]))
    x = torch.randn(6, 6, 4, 4)
    y = norm(x)
    assert (y[2:4, 2] == 0).all()
    kept = torch.ones(6, 6, dtype=torch.bool)
    kept[2:4, 2] = False
    kept[2:4, [0, 4]] = False  # small, but in the sub-parts of other streams: scaled, not discarded
    torch.testing.assert_close(y[kept], x[kept])
    assert exchanged_share(norm) == pytest.approx(1 / 6)


@pytest.mark.parametrize(("streams", "restrict"), [(2, True), (3, True), (3, False)])
def test_a_weighted_exchange_begins_as_the_mean_and_weighs_every_source_and_channel(
    streams: int, restrict: bool
) -> None:
    torch.manual_seed(0)
    weighted = WeightedExchange(7, streams, 0.02, restrict=restrict)
    plain = ChannelExchange(7, streams, 0.02, restrict=restrict)
    normed = [torch.randn(2, 7, 3, 3) for _ in range(streams)]
    gammas = [torch.where(torch.rand(7) < 0.6, 0.01, 1.0) for _ in range(streams)]
    for got, want in zip(weighted(normed, gammas), plain(normed, gammas), strict=True):
        torch.testing.assert_close(got, want)
    for weights in weighted.weights:
        torch.nn.init.normal_(weights)
    dense = weighted.source_weights()
    result = weighted(normed, gammas)
    for m, mask in enumerate(weighted.masks(gammas)):
        assert mask.any() and not mask.all()
        for c in range(7):
            weighed = sum(dense[m, k, c] * normed[k][:, c] for k in range(streams) if k != m)
            torch.testing.assert_close(result[m][:, c], weighed if mask[c] else normed[m][:, c])
    assert dense.diagonal().count_nonzero() == 0


def test_weights_of_a_replaced_channel_learn_and_those_of_others_do_not() -> None:
    rule = WeightedExchange(4, 2, 0.02)
    gammas = [torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.ones(4)]
    sum(part.square().sum() for part in rule([torch.randn(1, 4, 2, 2) for _ in range(2)], gammas)).backward()
    first, second = (weights.grad for weights in rule.weights)
    assert first.shape == second.shape == (1, 2)
    assert first[0, 0] != 0 and first[0, 1] == 0
    assert second.count_nonzero() == 0


@pytest.mark.parametrize("rule", [FixedPortion, RandomPortion])
def test_a_portion_is_exchanged_whatever_the_scaling_factors(rule: type[FixedPortion]) -> None:
    norm = exchanging_norm(rule(20, 2, 0.3), 20, 2)
    masks = norm.masks()
    assert [int(mask.sum()) for mask in masks] == [6, 6]
    assert not masks[0][10:].any() and not masks[1][:10].any()
    x = torch.randn(2, 20, 3, 3)
    y = norm(x)
    torch.testing.assert_close(y[0], torch.where(masks[0][:, None, None], x[1], x[0]))
    torch.testing.assert_close(y[1], torch.where(masks[1][:, None, None], x[0], x[1]))
    assert exchanged_share(norm) == pytest.approx(12 / 20)
    norm.gammas[0].data.zero_()
    assert torch.equal(norm.masks()[0], masks[0])


def test_the_fixed_portion_is_the_first_of_the_sub_part_and_no_larger_than_it() -> None:
    masks = FixedPortion(8, 4, 0.5).masks([])
    assert [mask.nonzero().flatten().tolist() for mask in masks] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    everywhere = FixedPortion(8, 2, 0.5, restrict=False)
    assert [mask.nonzero().flatten().tolist() for mask in everywhere.masks([])] == [[0, 1, 2, 3]] * 2
    assert everywhere.candidates() == [8, 8]


@pytest.mark.parametrize("streams", [2, 3])
def test_summed_streams_all_go_on_with_the_sum(streams: int) -> None:
    x = torch.randn(2 * streams, 4, 3, 3)
    summed = x.unflatten(0, (streams, 2)).sum(0)
    torch.testing.assert_close(
        SumStreams(4, streams)(x).unflatten(0, (streams, 2)), summed.expand(streams, -1, -1, -1, -1)
    )


@pytest.mark.parametrize("streams", [2, 3])
def test_soft_gates_begin_half_open_and_fully_open_ones_make_a_sum(streams: int) -> None:
    gate, x = GatedSum(4, streams), torch.randn(2 * streams, 4, 3, 3)
    parts = x.unflatten(0, (streams, 2))
    half = parts + 0.5 * (parts.sum(0) - parts)
    torch.testing.assert_close(gate(x), half.flatten(0, 1))
    gate.logits.data.fill_(40.0)
    torch.testing.assert_close(gate(x), SumStreams(4, streams)(x))
    gate.logits.data.fill_(-40.0)
    torch.testing.assert_close(gate(x), x)


def test_a_conditional_norm_begins_as_a_plain_one_and_modulates_every_stream_but_the_first() -> None:
    torch.manual_seed(0)
    cbn, x = ConditionalNorm(4, 3), torch.randn(6, 4, 3, 3)
    torch.testing.assert_close(cbn(x), x)
    for predictor in cbn.predictors:
        torch.nn.init.constant_(predictor.squeeze.bias, 2.0)
        torch.nn.init.constant_(predictor.expand.weight, 0.5)
    changed = cbn(x)
    torch.testing.assert_close(changed[:2], x[:2])
    assert not torch.allclose(changed[2:4], x[2:4]) and not torch.allclose(changed[4:], x[4:])
    # Within a picture and a channel it is one scale and one offset.
    slope = (changed[2, 0] - changed[2, 0].mean()) / (x[2, 0] - x[2, 0].mean())
    torch.testing.assert_close(slope, slope.mean().expand(3, 3))


def test_the_exchanged_share_counts_what_may_be_replaced_whatever_is_penalised() -> None:
    norm = PrivateNorm2d(4, 2, rule=ChannelExchange(4, 2, 0.02), penalise="none")
    norm.gammas[0].data[:1] = 0.0
    assert exchanged_share(norm) == pytest.approx(1 / 4)
    assert exchanged_share(PrivateNorm2d(4, 2, rule=SumStreams(4, 2))) == 0.0


@pytest.mark.parametrize(
    ("ratio", "probability"), [(0.1, 0.0797), (0.5, 0.3829), (1, 0.6827), (2, 0.9545), (3, 0.9973)]
)
def test_theorem_1_zero_attracts_a_scaling_factor_with_the_stated_probability(ratio: float, probability: float) -> None:
    """P(|Σ g z| < λ) for standard normal z is 2Φ(λ/‖g‖) - 1: by formula and by draws."""
    gradient = torch.linspace(-1, 1, 16)
    strength = ratio * gradient.norm().item()
    drawn = torch.randn(200_000, 16, generator=torch.Generator().manual_seed(1)) @ gradient
    assert math.erf(ratio / math.sqrt(2)) == pytest.approx(probability, abs=1e-4)
    assert (drawn.abs() < strength).float().mean().item() == pytest.approx(probability, abs=5e-3)


def test_corollary_1_a_dead_channel_can_be_given_away_without_changing_the_output() -> None:
    """With γ = 0 the channel is β: moving conv(ReLU(β)) into the bias and zeroing its weights changes nothing."""
    torch.manual_seed(0)
    norm = _norm()
    with torch.no_grad():
        norm.gammas[0][0] = 0.0
        norm.norms[0].bias.copy_(torch.randn(4))
    conv = torch.nn.Conv2d(4, 3, 3)  # no padding: at a padded border a constant does not stay one
    own = norm.norms[0](torch.randn(2, 4, 6, 6))
    before = conv(own.relu())
    constant = conv.weight[:, 0].sum((1, 2)) * norm.norms[0].bias[0].relu()
    with torch.no_grad():
        conv.bias += constant
        conv.weight[:, 0] = 0
    replaced = own.clone()
    replaced[:, 0] = torch.randn(2, 6, 6)
    torch.testing.assert_close(conv(replaced.relu()), before, atol=1e-5, rtol=1e-5)


def test_streams_are_widened_to_the_least_common_multiple_and_stacked_stream_major() -> None:
    stack = StackStreams((3, 2))
    stacked = stack(torch.rand(2, 3, 4, 4), flow := torch.rand(2, 2, 4, 4))
    assert stacked.shape == (4, 6, 4, 4)
    torch.testing.assert_close(stacked[2:, 2:4], flow)


def test_a_stream_of_another_shape_is_refused_by_number() -> None:
    with pytest.raises(ValueError, match=r"stream 1 has shape \(2, 1, 4, 5\)"):
        StackStreams((3, 1))(torch.rand(2, 3, 4, 4), torch.rand(2, 1, 4, 5))


def test_the_ensemble_begins_as_the_plain_mean_and_its_scores_learn() -> None:
    ensemble = Ensemble(3)
    stacked = torch.randn(6, 2, 3, 3)
    torch.testing.assert_close(ensemble(stacked), stacked.unflatten(0, (3, 2)).mean(0))
    ensemble(stacked).square().sum().backward()
    assert ensemble.scores.grad.abs().sum() > 0
