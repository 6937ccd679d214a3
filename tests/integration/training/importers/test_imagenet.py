"""Beginning from a torchvision ResNet file: what every stream gets of it, and which files are refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.engine.fit import fit
from crosswire.training.importers.imagenet import load_imagenet
from crosswire.training.models import PrivateNorm2d, SegmentationNetwork, StreamConv2d
from crosswire.training.models.resnet import Exchange, ResNet
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.network import build_network
from tests.support.training.weight_files import NORM, saved, torchvision_state

CONFIG = NetworkConfig(name="refinenet14", classes=5, width=8, features=8, units=(1, 1), pooling=1)


@pytest.mark.parametrize("name", ["refinenet14", "pspnet14"])
@pytest.mark.parametrize("share_convs", [True, False])
def test_every_copy_of_a_layer_begins_from_the_file(tmp_path: Path, name: str, share_convs: bool) -> None:
    state = torchvision_state()
    network = build_network(dataclasses.replace(CONFIG, name=name, share_convs=share_convs))
    load_imagenet(network, saved(state, tmp_path))
    norm, conv = network.encoder.layer2[0].downsample[1], network.encoder.layer2[0].conv2
    assert isinstance(norm, PrivateNorm2d) and len(norm.norms) == 2
    for copy in norm.norms:
        for key in NORM[:4]:
            torch.testing.assert_close(getattr(copy, key), state[f"layer2.0.downsample.1.{key}"])
    for copy in conv.convs if isinstance(conv, StreamConv2d) else [conv]:
        torch.testing.assert_close(copy.weight, state["layer2.0.conv2.weight"])


def test_a_shared_norm_begins_from_the_file(tmp_path: Path) -> None:
    state = torchvision_state()
    network = build_network(dataclasses.replace(CONFIG, share_norms=True, fusion="none"))
    load_imagenet(network, saved(state, tmp_path))
    torch.testing.assert_close(network.encoder.bn1.running_var, state["bn1.running_var"])


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_a_stem_for_other_channels_answers_as_the_files_does_to_the_repeated_picture(
    tmp_path: Path, channels: int
) -> None:
    state = torchvision_state()
    network = nn.Module()
    network.encoder = ResNet("resnet14", channels, 8, Exchange(1))
    load_imagenet(network, saved(state, tmp_path))
    least = math.lcm(3, channels)
    pictures = [torch.randn(1, 3, 16, 16)] * (channels // 3) or [torch.randn(1, channels, 16, 16)]
    own = torch.cat(pictures, 1)
    seen = [part for part in own.repeat(1, least // channels, 1, 1).split(3, 1)]
    answers = [nn.functional.conv2d(part, state["conv1.weight"], None, 2, 3) for part in seen]
    torch.testing.assert_close(network.encoder.conv1(own), sum(answers) / len(answers), rtol=1e-4, atol=1e-4)


def _without_a_layer(state: dict[str, Tensor]) -> None:
    del state["layer3.0.conv2.weight"]


def _with_another_block(state: dict[str, Tensor]) -> None:
    state["layer3.1.conv2.weight"] = torch.zeros(32, 32, 3, 3)


def _with_another_width(state: dict[str, Tensor]) -> None:
    state["layer3.0.conv2.weight"] = torch.zeros(64, 64, 3, 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_a_layer, r"lacks layer3\.0\.conv2\.weight"),
        (_with_another_block, r"holds unknown layer3\.1\.conv2\.weight"),
        (_with_another_width, r"layer3\.0\.conv2\.weight \(64, 64, 3, 3\) for \(32, 32, 3, 3\)"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_the_names_of_its_keys_and_changes_nothing(
    tmp_path: Path, spoil: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    spoil(state := torchvision_state())
    network = build_network(CONFIG)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        load_imagenet(network, saved(state, tmp_path))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


class _Call:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return breakpoint, ()


@pytest.mark.parametrize("content", [[1.0, 2.0], {"epoch": 3}, _Call()])
def test_what_is_no_state_dict_is_refused_and_no_code_in_it_runs(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ConfigError, match=r"weights\.pth (cannot be read as weights|holds no state dict)"):
        load_imagenet(build_network(CONFIG), saved(content, tmp_path))


def test_a_network_whose_encoder_imagenet_does_not_fit_is_refused(tmp_path: Path) -> None:
    light: SegmentationNetwork = build_network(NetworkConfig(name="cen-lite-s", width=8, features=8))
    with pytest.raises(ConfigError, match=r"network\.name=cen-mobile"):
        load_imagenet(light, saved(torchvision_state(), tmp_path))


def test_a_run_begins_from_the_file_that_its_configuration_names(tiny: SegmentationConfig, tmp_path: Path) -> None:
    network = dataclasses.replace(tiny.network, imagenet=str(tmp_path / "absent.pth"))
    with pytest.raises(ConfigError, match=r"absent\.pth does not exist"):
        fit(dataclasses.replace(tiny, network=network), tmp_path / "run", progress=False)
