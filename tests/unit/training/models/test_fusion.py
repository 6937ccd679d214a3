"""The fusion baselines and ablations: published sizes, one behavioural contract for all, and what each one does."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path

import pytest
import torch

from crosswire.training.config import ConfigError
from crosswire.training.engine.run_folder import read_run, write_config, write_weights
from crosswire.training.importers.imagenet import load_imagenet
from crosswire.training.models import Decisions, PrivateNorm2d, SegmentationNetwork
from crosswire.training.models.count import count_parameters
from crosswire.training.models.fusion.aggregate import Average, Concatenation, SelfAttention
from crosswire.training.models.fusion.align import AlignStreams, multi_kernel_mmd
from crosswire.training.models.fusion.conditional import ConditionalNorm
from crosswire.training.models.fusion.decide import ConcatDecision
from crosswire.training.models.fusion.stages import added_keys
from crosswire.training.models.single import single_stream
from crosswire.training.tasks.options import RULES, STAGE_FUSIONS
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.losses import sparsity_loss
from crosswire.training.tasks.segmentation.network import build_network, with_streams
from tests.support.training.fusion_variants import BETWEEN_STAGES, VARIANTS, variant

TINY = NetworkConfig(name="refinenet14", classes=5, width=4, features=8, units=(1, 1), pooling=2, dropout=0.0)


def tiny_network(name: str, streams: int = 2, seed: int = 0) -> SegmentationNetwork:
    """Build a narrow network of one variant in which no channel is replaced because of its γ."""
    torch.manual_seed(seed)
    return build_network(variant(with_streams(TINY, streams), name))


def noise(streams: int = 2, batch: int = 2) -> list[torch.Tensor]:
    """Return normalised noise for the streams of `with_streams`."""
    generator = torch.Generator().manual_seed(streams)
    return [torch.randn(batch, 3 if m == 0 else 1, 35, 50, generator=generator) for m in range(streams)]


def objective(decisions: Decisions) -> torch.Tensor:
    """Return a loss that every output of a network takes part in."""
    loss = decisions.ensemble.square().mean() + decisions.streams.square().mean()
    return loss if decisions.auxiliary is None else loss + decisions.auxiliary


# Sizes --------------------------------------------------------------------------------------------------------------

#: Million parameters, as computed in the CEN journal paper, Table 2: early, middle, late, all.
FUSION_SIZES = {
    "concat": (0.524, 2.097, 8.389, 11.141),
    "average": (0, 0, 0, 0),
    "align": (2.62, 10.49, 41.94, 55.71),
    "attention": (5.31, 21.23, 84.93, 112.80),
}
TOTALS = {
    ("concat", "common"): (120.07, 147.73, 168.99, 171.74),
    ("concat", "same"): (118.73, 120.30, 126.59, 129.34),
    ("align", "common"): (238.81, 246.68, 278.14, 291.90),
    ("align", "same"): (120.82, 128.69, 160.15, 173.91),
    ("attention", "common"): (124.85, 166.87, 245.53, 273.40),
    ("attention", "same"): (123.51, 139.44, 203.14, 231.01),
}


@cache
def size(name: str) -> int:
    """Return the number of parameters of a variant of RefineNet101."""
    return count_parameters(variant(NetworkConfig(), name), build_network)


@pytest.mark.parametrize(
    ("fusion", "where", "millions"),
    [
        (f, w, m)
        for f, sizes in FUSION_SIZES.items()
        for w, m in zip(("early", "middle", "late", "all"), sizes, strict=True)
    ],
)
def test_a_stage_fusion_adds_the_published_number_of_parameters(fusion: str, where: str, millions: float) -> None:
    added = size(f"{fusion}-{where}-same") - size("exchange")
    assert added / 1e6 == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize(
    ("fusion", "setting", "where", "millions"),
    [
        (f, s, w, m)
        for (f, s), sizes in TOTALS.items()
        for w, m in zip(("early", "middle", "late", "all"), sizes, strict=True)
    ],
)
def test_a_baseline_has_the_published_size_in_total(fusion: str, setting: str, where: str, millions: float) -> None:
    assert size(f"{fusion}-{where}-{setting}") / 1e6 == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize("name", ["su-fixed", "su-random", "discard", "sum", "su", "su-half"])
def test_a_rule_without_parameters_costs_nothing(name: str) -> None:
    assert size(name) == 118_201_578


# One contract for all -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [2, 3])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_decides_and_every_parameter_learns(name: str, streams: int) -> None:
    network = tiny_network(name, streams).train()
    config = variant(with_streams(TINY, streams), name)
    decisions = network(*noise(streams))
    assert decisions.ensemble.shape == (2, 5, 9, 13)
    assert decisions.streams.shape == (2 * max(len(config.deciding), 1), 5, 9, 13)
    (objective(decisions) + 1e-3 * sparsity_loss(network)).backward()
    silent = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert silent == []
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_answers_the_same_from_its_run_folder(name: str, tmp_path: Path) -> None:
    network = tiny_network(name).eval()
    write_config(tmp_path, SegmentationConfig(network=variant(TINY, name)))
    write_weights(tmp_path, network.state_dict())
    torch.manual_seed(99)  # what is drawn when the network is rebuilt must not matter
    with torch.inference_mode():
        torch.testing.assert_close(read_run(tmp_path).network(*noise()), network(*noise()))


@pytest.mark.parametrize("name", VARIANTS)
def test_depth_reaches_what_the_first_stream_decides_where_a_variant_lets_it(name: str) -> None:
    network = tiny_network(name).eval()
    for module in network.modules():
        if isinstance(module, PrivateNorm2d):
            for gamma in module.gammas:
                gamma.data[torch.rand(module.channels) < 0.5] = 0.01
        elif isinstance(module, ConditionalNorm):
            torch.nn.init.normal_(module.predictors[0].expand.weight)
    rgb, depth = noise()
    one_way = variant(TINY, name).fusion in ("none", "align", "discard", "cbn")  # nothing reaches the first stream
    with torch.inference_mode():
        before, after = network(rgb, depth), network(rgb, depth + torch.randn(depth.shape))
    if len(before.streams) > len(rgb) and one_way:
        assert torch.equal(before.streams[: len(rgb)], after.streams[: len(rgb)])
    else:
        assert not torch.allclose(before.streams[: len(rgb)], after.streams[: len(rgb)])
    assert not torch.allclose(before.ensemble, after.ensemble)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_batch_of_every_variant_is_independent_of_its_neighbours(name: str) -> None:
    network = tiny_network(name).eval()
    inputs = noise(batch=3)
    with torch.inference_mode():
        together = network(*inputs).ensemble
        apart = torch.cat([network(*(x[n : n + 1] for x in inputs)).ensemble for n in range(3)])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", VARIANTS)
def test_one_stream_of_a_variant_decides_alone_or_is_refused_by_the_name_of_what_mixes(name: str) -> None:
    network, config = tiny_network(name).eval(), variant(TINY, name)
    if config.fusion in ("concat", "average", "attention"):
        with pytest.raises(ConfigError, match=r"Concatenation|Average|SelfAttention"):
            single_stream(network, 1)
        return
    depth = noise()[1]
    with torch.inference_mode():
        alone = single_stream(network, 1)(depth).ensemble
    assert alone.shape == (2, 5, 9, 13)


@pytest.mark.parametrize(
    "name", ["concat-all-same", "attention-early-common", "align-middle-common", "gate", "su-random"]
)
@pytest.mark.parametrize("backbone", ["cen-lite-s", "pspnet50"])
def test_other_networks_fuse_too(backbone: str, name: str) -> None:
    config = variant(dataclasses.replace(TINY, name=backbone), name)
    network = build_network(config).eval()
    with torch.inference_mode():
        assert network(*noise()).ensemble.shape[:2] == (2, 5)


@pytest.mark.parametrize("name", ["exchange", "gate", "su-random", "align-all-same", "attention-middle-common"])
def test_a_variant_begins_from_imagenet_as_the_plain_network_does(name: str, tmp_path: Path) -> None:
    plain = build_network(dataclasses.replace(TINY, streams=("rgb",), fusion="none")).encoder
    weights = {re.sub(r"\.norms\.0", "", key): torch.randn_like(x.float()) for key, x in plain.state_dict().items()}
    torch.save(weights, tmp_path / "resnet14.pth")
    network = tiny_network(name)
    load_imagenet(network, tmp_path / "resnet14.pth")
    state = network.encoder.state_dict()
    filled = state.keys() - added_keys(network.encoder)
    assert len(filled) >= len(weights)
    for key in filled:
        if key.endswith("num_batches_tracked"):
            continue
        torch.testing.assert_close(state[key], weights[re.sub(r"\.(norms|convs)\.\d+", "", key)])


# At the exchange points ---------------------------------------------------------------------------------------------


def test_the_random_portion_follows_the_seed_and_is_kept_with_the_weights() -> None:
    one, same, other = (tiny_network("su-random", seed=seed) for seed in (1, 1, 2))
    key = "encoder.layer4.0.bn2.rule.replaced"
    assert torch.equal(one.state_dict()[key], same.state_dict()[key])
    assert not torch.equal(one.state_dict()[key], other.state_dict()[key])
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.get_submodule("encoder.layer4.0.bn2").masks()[0], one.state_dict()[key][0])


def test_strided_exchange_points_are_the_down_sampling_convolutions() -> None:
    with torch.device("meta"):
        network = build_network(variant(NetworkConfig(), "su-strided"))
    points = [name for name, m in network.named_modules() if isinstance(m, PrivateNorm2d) and m.exchanges]
    assert points == [f"encoder.layer{stage}.0.bn2" for stage in (2, 3, 4)]


@pytest.mark.parametrize(
    ("name", "penalised"),
    [
        ("exchange", 0.5),
        ("su-half", 0.5),
        ("su-all", 1),
        ("su-all-exchange", 1),
        ("su-fixed", 0),
        ("gate", 0),
        ("su", 0),
    ],
)
def test_the_penalty_reaches_half_all_or_none_of_the_scaling_factors(name: str, penalised: float) -> None:
    with torch.device("meta"):
        network = build_network(variant(NetworkConfig(), name))
    norms = [m for m in network.modules() if isinstance(m, PrivateNorm2d)]
    assert sum(gamma.numel() for norm in norms for gamma in norm.penalised()) == penalised * 2 * 8128


# Between stages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("merges", [True, False])
@pytest.mark.parametrize("streams", [2, 3])
@pytest.mark.parametrize("fusion", [Average, Concatenation, SelfAttention])
def test_aggregations_begin_about_as_the_mean_of_the_streams(fusion: type[Average], streams: int, merges: bool) -> None:
    torch.manual_seed(0)
    module, x = fusion(16, streams, merges=merges), torch.rand(2 * streams, 16, 5, 6)
    if isinstance(module, SelfAttention):
        module.expand.weight.data.zero_()  # gates exactly half open
    mean = x.unflatten(0, (streams, 2)).mean(0)
    torch.testing.assert_close(module(x), mean if merges else mean.repeat(streams, 1, 1, 1))


@pytest.mark.parametrize("streams", [2, 3])
def test_kept_streams_see_themselves_first_and_then_the_others_in_turn(streams: int) -> None:
    fusion = Average(1, streams, merges=False)
    stacked = torch.arange(streams).repeat_interleave(2).float().view(-1, 1, 1, 1)
    seen = fusion.gather(stacked).flatten(1)
    expected = [[(m + k) % streams for k in range(streams)] for m in range(streams) for _ in range(2)]
    assert seen.tolist() == expected


def test_merged_streams_lie_side_by_side_in_their_order() -> None:
    stacked = torch.arange(3).repeat_interleave(2).float().view(-1, 1, 1, 1)
    assert Average(1, 3, merges=True).gather(stacked).flatten(1).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_levels_before_the_fusion_are_averaged_for_a_common_decoder_and_fused_where_all_are() -> None:
    early, everywhere = tiny_network("concat-early-common"), tiny_network("concat-all-common")
    assert [type(m).__name__ for m in early.merge.merges] == ["Average", "Identity", "Identity", "Identity"]
    assert [type(m).__name__ for m in everywhere.merge.merges] == ["Concatenation"] * 3 + ["Identity"]


def test_a_concatenated_decision_begins_as_the_mean() -> None:
    stacked = torch.randn(6, 4, 3, 3)
    torch.testing.assert_close(ConcatDecision(3, 4)(stacked), stacked.unflatten(0, (3, 2)).mean(0))


# Alignment ----------------------------------------------------------------------------------------------------------


def test_the_discrepancy_is_zero_for_one_sample_twice_and_small_for_one_distribution() -> None:
    x, again = torch.randn(2, 200, 8, generator=torch.Generator().manual_seed(0))
    assert multi_kernel_mmd(x, x).item() == pytest.approx(0, abs=1e-5)
    assert 0 <= multi_kernel_mmd(x, again).item() < 0.1 < multi_kernel_mmd(x, again + 1).item()


def test_the_discrepancy_grows_with_the_shift_and_ignores_the_scale() -> None:
    x, y = torch.randn(2, 100, 4, generator=torch.Generator().manual_seed(0))
    shifted = [multi_kernel_mmd(x, y + shift) for shift in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert shifted == sorted(shifted)
    torch.testing.assert_close(multi_kernel_mmd(100 * x, 100 * (y + 1)), shifted[2], rtol=1e-3, atol=1e-5)


def test_the_discrepancy_of_constant_features_is_finite() -> None:
    x = torch.ones(5, 3, requires_grad=True)
    value = multi_kernel_mmd(x, x + 0.0)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-5) and x.grad.isfinite().all()


def test_alignment_draws_the_common_features_of_the_streams_together() -> None:
    torch.manual_seed(0)
    align = AlignStreams(6, 3).train()
    stacked = torch.randn(6, 6, 8, 8) + torch.randn(3, 1, 6, 1, 1).repeat_interleave(2, 1).reshape(6, 6, 1, 1)
    optimiser = torch.optim.SGD(align.parameters(), lr=0.05)
    values = []
    for _ in range(30):
        optimiser.zero_grad()
        align(stacked)
        assert align.auxiliary is not None
        align.auxiliary.backward()
        values.append(align.auxiliary.item())
        optimiser.step()
    assert values[-1] < 0.5 * values[0]


def test_the_auxiliary_loss_belongs_to_training_and_is_handed_out_once() -> None:
    network = tiny_network("align-all-same").train()
    assert network(*noise()).auxiliary > 0
    assert all(m.auxiliary is None for m in network.modules() if isinstance(m, AlignStreams))
    assert network.eval()(*noise()).auxiliary is None
    assert tiny_network("exchange").train()(*noise()).auxiliary is None


def test_two_aligned_networks_of_their_own_touch_only_through_the_loss() -> None:
    network = tiny_network("align-middle-common").eval()
    rgb, depth = noise()
    with torch.inference_mode():
        before, after = network(rgb, depth).streams[:2], network(rgb, depth + 1).streams[:2]
    torch.testing.assert_close(before, after)


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fusion": "swap"}, "fusion is 'swap'; allowed are none, exchange, .*attention"),
        ({"fusion": "concat", "where": "first"}, "where is 'first'; allowed are early, middle, late, all"),
        ({"setting": "common"}, "setting=common belongs to concat"),
        ({"fusion": "concat", "setting": "common", "share_convs": False}, "share_convs=true"),
        ({"fusion": "concat", "setting": "common", "ensemble": "concat"}, "ensemble=alpha"),
        ({"fusion": "fixed", "portion": 0.0}, "portion is 0.0"),
        ({"fusion": "gate", "share_norms": True}, "fusion=none"),
    ],
)
def test_contradictions_are_refused_with_what_is_allowed(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(TINY, **fields)  # type: ignore[arg-type]


def test_fusing_levels_that_a_decoder_does_not_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="where=late"):
        build_network(variant(dataclasses.replace(TINY, name="pspnet50"), "concat-all-common"))


def test_modality_dropout_is_refused_for_streams_that_cannot_decide_alone() -> None:
    with pytest.raises(ConfigError, match="modality_dropout=0"):
        SegmentationConfig(network=variant(TINY, "concat-late-same"), modality_dropout=0.5)


@pytest.mark.parametrize("fusion", [*RULES, *STAGE_FUSIONS])
def test_a_single_stream_is_the_same_network_whatever_the_fusion(fusion: str) -> None:
    alone = dataclasses.replace(NetworkConfig(), streams=("rgb",))
    assert count_parameters(dataclasses.replace(alone, fusion=fusion), build_network) == 118_096_233
    assert len(BETWEEN_STAGES) == 32
