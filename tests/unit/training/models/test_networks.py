"""One behavioural contract over every network of the registry, its variants at a tiny size, and the published sizes."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import pytest
import torch
from torch import nn

from crosswire.export.freeze import freeze
from crosswire.training.config import ConfigError
from crosswire.training.modalities import MODALITIES
from crosswire.training.models import PrivateNorm2d, SegmentationNetwork, StreamConv2d, exchanged_share
from crosswire.training.models.count import count_macs, count_parameters
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.network import NETWORKS, build_network, shapes, with_streams

#: The shallowest network of every kind; the others differ in the number of blocks and in width.
KINDS = ("refinenet14", "pspnet14", "cen-lite-s", "cen-mobile")
#: The ablation rows of Table 1: convolutions and norms, each shared (S) or private (U).
SHARING: dict[str, dict[str, Any]] = {
    "U-U": {"share_convs": False},
    "U-S": {"share_convs": False, "share_norms": True, "fusion": "none"},
    "S-S": {"share_norms": True, "fusion": "none"},
    "S-U": {},
}


def tiny_config(name: str, streams: int = 2, **changes: Any) -> NetworkConfig:
    """Return the configuration of a narrow network."""
    config = NetworkConfig(name=name, classes=5, width=4, features=8, units=(1, 1), pooling=2)
    return dataclasses.replace(with_streams(config, streams), **changes)


def tiny_network(name: str, streams: int = 2, **changes: Any) -> SegmentationNetwork:
    """Build a narrow network whose norms hold random statistics and exchange about half of what they may."""
    torch.manual_seed(streams)
    network = build_network(tiny_config(name, streams, **changes)).eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data.uniform_(0.5, 1.5)
            norm.bias.data.normal_()
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2.0)
    for module in network.modules():
        if isinstance(module, PrivateNorm2d) and module.exchanges:
            for gamma in module.gammas:
                gamma.data[torch.rand(module.channels) < 0.5] = 0.01
    network.ensemble.scores.data.normal_()
    return network


def noise(streams: int = 2, batch: int = 2, size: tuple[int, int] = (70, 97)) -> list[torch.Tensor]:
    """Return normalised noise for the streams of `with_streams`."""
    names = ("rgb", *["depth"] * (streams - 1))
    return [torch.randn(batch, MODALITIES[name].channels, *size) for name in names]


@pytest.mark.parametrize(
    ("name", "streams"), [*((name, 2) for name in NETWORKS), *((name, m) for name in KINDS for m in (1, 3, 4))]
)
def test_every_network_gives_logits_of_a_fixed_share_of_any_size(name: str, streams: int) -> None:
    with torch.device("meta"):
        decisions = build_network(tiny_config(name, streams)).eval()(*noise(streams))
    size = (9, 13) if name.startswith("pspnet") else (18, 25)
    assert decisions.ensemble.shape == (2, 5, *size)
    assert decisions.streams.shape == (2 * streams, 5, *size)


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("name", KINDS)
def test_every_parameter_of_every_network_receives_a_gradient(name: str, sharing: str) -> None:
    network = build_network(tiny_config(name, **SHARING[sharing])).train()
    network(*noise(size=(40, 56))).ensemble.square().mean().backward()
    silent = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert silent == []


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("name", KINDS)
def test_every_network_answers_the_same_after_saving_and_loading(name: str, sharing: str) -> None:
    network, other = (tiny_network(name, **SHARING[sharing]) for _ in range(2))
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(network.state_dict())
    x = noise(size=(40, 56))
    with torch.inference_mode():
        torch.testing.assert_close(other(*x).ensemble, network(*x).ensemble)


@pytest.mark.parametrize("restrict", [True, False])
@pytest.mark.parametrize("streams", [1, 2, 3, 4])
@pytest.mark.parametrize("name", KINDS)
def test_every_frozen_network_answers_as_the_live_one(name: str, streams: int, restrict: bool) -> None:
    network = tiny_network(name, streams, restrict=restrict)
    assert streams == 1 or 0.3 < exchanged_share(network) < 0.7
    frozen = freeze(network)
    for batch in (1, 3):
        x = noise(streams, batch)
        with torch.inference_mode():
            live = network(*x).ensemble
            error = (frozen(*x) - live).abs().max() / live.abs().max()
        assert error < 1e-5


def test_a_frozen_network_computes_no_replaced_filter_and_holds_no_norm() -> None:
    network = tiny_network("refinenet14")
    frozen = freeze(network)
    assert not [m for m in frozen.modules() if isinstance(m, nn.BatchNorm2d | PrivateNorm2d)]
    norm = network.encoder.layer1[0].bn2
    filters = [frozen.get_submodule(f"encoder_layer1_0_conv2_{m}").out_channels for m in range(2)]
    assert filters == [norm.channels - int(mask.sum()) for mask in norm.masks()]


@pytest.mark.parametrize(("name", "slices_each"), [("cen-lite-s", 1), ("cen-mobile", 2)])
def test_a_frozen_light_network_slices_for_loans_only_and_never_to_reorder_channels(
    name: str, slices_each: int
) -> None:
    """Behind a depth-wise convolution also to leave what fills its last vector of channels."""
    network = tiny_network(name, width=16)
    norms = [m for m in network.modules() if isinstance(m, PrivateNorm2d) and m.exchanges]
    slices = [node for node in freeze(network).graph.nodes if node.target is operator.getitem and len(node.args) == 2]
    by_channel = [node for node in slices if isinstance(node.args[1], tuple)]
    assert 0 < len(by_channel) <= 2 * slices_each * len(norms)


def test_a_frozen_network_widens_no_channel_whose_depthwise_filter_is_replaced() -> None:
    network = tiny_network("cen-mobile", width=16)
    frozen = freeze(network)
    block = network.encoder.stages[1][1]
    for stream, mask in enumerate(block.norm2.masks()):
        kept = -(-(block.norm2.channels - int(mask.sum())) // 16) * 16  # whole vectors
        assert kept < block.norm2.channels
        layers = [frozen.get_submodule(f"encoder_stages_1_1_{layer}_{stream}") for layer in ("expand", "depthwise")]
        assert [layer.out_channels for layer in layers] == [kept, kept] and layers[1].groups == kept


def test_a_stream_that_replaces_every_channel_of_a_depthwise_convolution_freezes() -> None:
    network = tiny_network("cen-mobile", restrict=False)
    network.encoder.stages[1][1].norm2.gammas[0].data.zero_()
    network.encoder.stages[1][1].norm2.gammas[1].data.fill_(1.0)
    x = noise()
    with torch.inference_mode():
        live = network(*x).ensemble
        assert (freeze(network)(*x) - live).abs().max() < 1e-5 * live.abs().max()


def test_without_exchange_no_channel_moves() -> None:
    network = build_network(tiny_config("refinenet14", fusion="none")).eval()
    x = noise()
    with torch.inference_mode():
        before = network(*x).streams[:2]
        after = network(x[0], x[1] + 1).streams[:2]
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize("name", KINDS)
def test_unshared_streams_have_every_layer_to_themselves_and_start_alike(name: str) -> None:
    network = build_network(tiny_config(name, share_convs=False, fusion="none")).eval()
    alone = build_network(tiny_config(name, 1))
    owned = sum(p.numel() for p in network.parameters()) - network.ensemble.scores.numel()
    assert owned == 2 * (sum(p.numel() for p in alone.parameters()) - 1)
    convs = [module.convs for module in network.modules() if isinstance(module, StreamConv2d)]
    assert all(torch.equal(first.weight, second.weight) for first, second in convs)
    x = noise(size=(40, 56))
    with torch.inference_mode():
        before = network(*x).streams
        for _, second in convs:
            second.weight.mul_(1.1)
        after = network(*x).streams
    torch.testing.assert_close(after[:2], before[:2])
    assert not torch.allclose(after[2:], before[2:])


@pytest.mark.parametrize("name", KINDS)
def test_streams_that_share_all_layers_decide_alike_on_the_same_picture(name: str) -> None:
    config = dataclasses.replace(tiny_config(name, **SHARING["S-S"]), streams=("depth", "depth"))
    picture = torch.randn(2, 1, 40, 56)
    network = build_network(config)
    assert not [m for m in network.modules() if isinstance(m, PrivateNorm2d)]
    decisions = network.eval()(picture, picture)
    torch.testing.assert_close(decisions.streams[:2], decisions.streams[2:])


def test_a_shared_norm_with_an_exchange_is_refused_with_the_setting_that_helps() -> None:
    with pytest.raises(ConfigError, match="fusion=none"):
        NetworkConfig(share_norms=True)


@pytest.mark.parametrize("name", KINDS)
def test_frozen_statistics_stay_while_their_scaling_and_shift_learn(name: str) -> None:
    network = build_network(tiny_config(name, frozen_statistics=True)).train()
    norms = [m for m in network.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    network(*noise(size=(40, 56))).ensemble.square().mean().backward()
    assert norms and all(not norm.training and norm.num_batches_tracked == 0 for norm in norms)
    assert all(norm.weight.grad is not None and norm.bias.grad is not None for norm in norms)
    assert network.decoder.training


@pytest.mark.parametrize(
    ("name", "streams", "classes", "parameters"),
    [
        ("refinenet101", 1, 40, 118_096_233),
        ("refinenet101", 2, 40, 118_201_578),
        ("refinenet101", 3, 40, 118_306_923),
        ("refinenet101", 2, 37, 118_201_578 - 3 * (256 * 9 + 1)),
        ("refinenet50", 1, 40, 99_104_105),
        ("refinenet50", 2, 40, 99_157_226),
        ("refinenet152", 1, 40, 133_739_881),
        ("refinenet152", 2, 40, 133_891_306),
        ("pspnet101", 2, 40, 65_699_818),
        ("pspnet152", 2, 40, 81_389_546),
    ],
)
def test_parameter_counts_are_those_of_the_papers(name: str, streams: int, classes: int, parameters: int) -> None:
    config = with_streams(NetworkConfig(name=name, classes=classes), streams)
    assert count_parameters(config, build_network) == parameters


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs"),
    [
        ("cen-mobile", 3_070_794, 6.08),
        ("cen-mobile-lite1", 3_847_114, 7.52),
        ("cen-mobile-lite2", 4_489_050, 8.41),
        ("cen-mobile-v2", 1_914_218, 5.04),
    ],
)
def test_a_mobile_network_costs_what_its_page_says(name: str, parameters: int, gmacs: float) -> None:
    config = NetworkConfig(name=name)
    assert count_parameters(config, build_network) == parameters
    assert round(count_macs(config, (480, 640), build_network, shapes) / 1e9, 2) == gmacs


@pytest.mark.parametrize("name", [name for name in NETWORKS if name.startswith("cen-lite")])
def test_a_light_network_stays_light(name: str) -> None:
    config = NetworkConfig(name=name)
    assert count_macs(config, (480, 640), build_network, shapes) <= 35e9
    assert count_parameters(config, build_network) < 10e6


def test_the_small_light_network_fits_into_8_megabytes_with_an_encoder_per_stream() -> None:
    frozen = freeze(build_network(NetworkConfig(name="cen-lite-s", classes=12)).eval())  # exchanges nothing: the most
    assert 4 * sum(parameter.numel() for parameter in frozen.parameters()) < 7.5e6


@pytest.mark.parametrize(
    ("name", "layers", "factors"), [("refinenet50", 16, 3776), ("refinenet101", 33, 8128), ("refinenet152", 50, 11968)]
)
def test_the_exchange_follows_every_3x3_convolution_of_the_encoder(name: str, layers: int, factors: int) -> None:
    with torch.device("meta"):
        network = build_network(NetworkConfig(name=name))
    norms = [m for m in network.modules() if isinstance(m, PrivateNorm2d) and m.exchanges]
    assert len(norms) == layers
    assert sum(norm.channels for norm in norms) == factors
    assert sum(gamma.numel() for norm in norms for gamma in norm.penalised()) == factors  # half of two streams


@pytest.mark.parametrize(("size", "expected"), [((500, 500), (125, 125)), ((468, 625), (117, 157))])
def test_the_output_has_the_published_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    with torch.device("meta"):
        network = build_network(NetworkConfig(name="refinenet50")).eval()
        decisions = network(torch.empty(1, 3, *size), torch.empty(1, 1, *size))
    assert decisions.ensemble.shape[2:] == expected


def test_an_unknown_network_or_modality_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="refinenet101"):
        build_network(NetworkConfig(name="resnet101"))
    with pytest.raises(ConfigError, match="rgb, depth"):
        build_network(dataclasses.replace(NetworkConfig(), streams=("rgb", "thermal")))


@pytest.mark.parametrize("setting", ["width", "features", "classes"])
def test_a_network_of_no_channels_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"network.{setting} is 0; allowed is 1 or more"):
        dataclasses.replace(NetworkConfig(), **{setting: 0})
