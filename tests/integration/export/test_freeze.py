"""Freezing every variant of every kind of network: the frozen one answers as the live one."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from crosswire.export.freeze import FreezeError, freeze
from crosswire.export.onnx_graph import example, write_onnx
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.tasks.segmentation.servable import SegmentationServable, input_spec, output_specs
from crosswire.training.modalities import MODALITIES
from crosswire.training.models import PrivateNorm2d, SegmentationNetwork
from crosswire.training.models.exchange import Mixing
from crosswire.training.models.fusion.substitute import WeightedExchange
from crosswire.training.tasks.segmentation.network import NETWORKS, build_network
from tests.support.training.fusion_variants import VARIANTS, variant
from tests.unit.training.models.test_networks import KINDS, SHARING, noise, tiny_config, tiny_network


def worst_error(network: SegmentationNetwork, streams: int) -> float:
    """Return the largest difference between the frozen and the live network, relative to the largest logit."""
    frozen = freeze(network)
    errors = []
    for batch in (1, 3):
        x = noise(streams, batch, (70, 97))
        with torch.inference_mode():
            live = network(*x).ensemble
            errors.append(float((frozen(*x) - live).abs().max() / live.abs().max()))
    return max(errors)


def shaken(network: SegmentationNetwork) -> SegmentationNetwork:
    """Give the statistics of all norms, half of the scaling factors and all fusion weights random values."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(generator=generator)
        if isinstance(module, Mixing | WeightedExchange):
            for parameter in module.parameters():
                parameter.data.normal_(0, 0.5, generator=generator)
    for module in network.modules():
        if isinstance(module, PrivateNorm2d) and module.exchanges:
            for gamma in module.gammas:
                gamma.data[torch.rand(gamma.numel(), generator=generator) < 0.5] = 0.01
    return network.eval()


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_sharing_freezes(name: str, sharing: str) -> None:
    assert worst_error(tiny_network(name, 2, **SHARING[sharing]), 2) < 1e-5


@pytest.mark.parametrize("name", VARIANTS)
def test_every_ablation_and_baseline_freezes(name: str) -> None:
    config = dataclasses.replace(variant(tiny_config("refinenet14"), name), width=4, features=8)
    torch.manual_seed(1)
    network = shaken(build_network(config))
    assert worst_error(network, len(config.streams)) < 1e-5


@pytest.mark.parametrize("name", ["discard", "weighted", "su-random", "sum", "su-cbn", "concat-all-common"])
def test_rules_and_fusions_freeze_around_depthwise_convolutions(name: str) -> None:
    torch.manual_seed(1)
    network = shaken(build_network(variant(tiny_config("cen-mobile"), name)))
    assert worst_error(network, 2) < 1e-5


@pytest.mark.parametrize("name", ["sum", "gate", "discard", "weighted", "concat"])
def test_rules_and_fusions_freeze_for_three_streams(name: str) -> None:
    torch.manual_seed(1)
    network = shaken(build_network(tiny_config("refinenet14", 3, fusion=name)))
    assert worst_error(network, 3) < 1e-5


def test_a_discarding_network_does_not_compute_what_it_discards() -> None:
    network = shaken(build_network(tiny_config("refinenet14", fusion="discard")))
    frozen = freeze(network)
    norm = network.encoder.stages[0][0].bn2
    kept = [norm.channels - int(mask.sum()) for mask in norm.masks()]
    convs = [m for m in frozen.modules() if isinstance(m, nn.Conv2d)]
    assert min(kept) < norm.channels
    assert all(any(conv.out_channels == count for conv in convs) for count in kept)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in KINDS])
def test_every_other_network_of_the_registry_freezes(name: str) -> None:
    network = tiny_network(name, 2)
    frozen = freeze(network)
    x = noise(2, 2, (40, 56))
    with torch.inference_mode():
        live = network(*x).ensemble
        assert (frozen(*x) - live).abs().max() < 1e-5 * live.abs().max()


@pytest.mark.parametrize("rule", ["exchange", "discard"])
def test_norms_without_a_convolution_before_them_are_folded_too(rule: str) -> None:
    """As after an addition or a pooling."""
    network = tiny_network("refinenet14", 2, fusion=rule)
    encoder = network.encoder
    norm = encoder.stages[0][0].bn2
    encoder.maxpool = nn.Sequential(encoder.maxpool, copy.deepcopy(norm), nn.BatchNorm2d(norm.channels).eval())
    assert worst_error(network, 2) < 1e-5


def test_an_unknown_layer_is_refused_by_name() -> None:
    network = tiny_network("refinenet14")
    network.decoder.dropout = nn.Sigmoid()
    with pytest.raises(FreezeError, match=r"'decoder\.dropout' of type Sigmoid"):
        freeze(network)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param("pspnet14", "exchange", marks=pytest.mark.thorough),  # these two are engines in `make test`,
        pytest.param("cen-lite-s", "exchange", marks=pytest.mark.thorough),
        pytest.param("cen-mobile", "exchange", marks=pytest.mark.thorough),  # and this one is in 8 bits
        ("refinenet14", "attention-all-common"),
    ],
)
def test_one_network_of_every_family_answers_the_same_through_onnx(kind: str, name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = shaken(build_network(variant(tiny_config(kind), name)))
    streams = [MODALITIES["rgb"], MODALITIES["depth"]]
    inputs = tuple(input_spec(modality, (64, 96)) for modality in streams)
    path = tmp_path / "model.onnx"
    servable = SegmentationServable(freeze(network), streams, tapped=True)
    write_onnx(servable, inputs, output_specs((64, 96), 5), 4, path)
    live, served = torch_runner(SegmentationServable(network, streams).eval()), onnx_runner(path)
    for batch in (1, 3):
        x = example(inputs, batch, seed=batch)
        assert (live(x)[0] == served(x)[0]).mean() >= 0.999
