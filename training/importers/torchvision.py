"""Beginning from ImageNet: the weights of a torchvision ResNet for every copy that the streams have of a layer.

Source: the CEN paper, section 4.1 (ResNets pretrained on ImageNet); every norm starts from the same one.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.importers.weight_files import backbone, read_backbone, shortened
from crosswire.training.models.fusion.stages import added_keys
from crosswire.training.models.resnet import ResNet

#: What distinguishes the streams' copies of a layer in the keys of a network.
_COPY = re.compile(r"\.(norms|convs)\.\d+")


def load_imagenet(network: nn.Module, path: Path) -> None:
    """Fill the encoder of a network with the weights of a torchvision ResNet file, `fc` left out.

    Convolutions are shared or copied to each stream; each norm gets γ, β and the running statistics. The first
    convolution fits any number of input channels c: its three input channels are repeated up to the least common
    multiple of 3 and c, divided by the number of repetitions, and folded back to c, so that an input whose channels
    are three-channel pictures repeated (colour beside 2-channel flow: 6) is answered as ImageNet's network would.

    Args:
        network: with a `ResNet` as its `encoder`; changed in place, or not at all where the file does not fit.
        path: a state dict with keys such as `layer1.0.conv2.weight`.

    Raises:
        ConfigError: the network has no ResNet, the file cannot be read as weights, or lacks, adds or misshapes keys.
    """
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, ResNet):
        raise ConfigError("network.imagenet is set for a network without a ResNet encoder; leave it empty")
    found = read_backbone(path)
    added = added_keys(encoder)
    wanted = {key: value for key, value in backbone(encoder.state_dict()).items() if key not in added}
    sources = {key: _COPY.sub("", key) for key in wanted}
    _check(path, "lacks", set(sources.values()) - set(found))
    _check(path, "holds unknown", set(found) - set(sources.values()))
    if (stem := found["conv1.weight"]).ndim == 4 and stem.shape[1] == 3:
        channels = next(tensor.shape[1] for key, tensor in wanted.items() if sources[key] == "conv1.weight")
        found["conv1.weight"] = _fitted(stem, channels)
    misshapen = {
        f"{source} {tuple(found[source].shape)} for {tuple(wanted[key].shape)}"
        for key, source in sources.items()
        if found[source].shape != wanted[key].shape
    }
    _check(path, "has other shapes:", misshapen)
    encoder.load_state_dict({key: found[source] for key, source in sources.items()}, strict=False)


def _check(path: Path, what: str, names: set[str]) -> None:
    """Raise `ConfigError` with the first few names, if there are any."""
    if names:
        raise ConfigError(
            f"{path} {what} {shortened(sorted(names))}; "
            "give the file of the network's own backbone at width 64, for example resnet101's for refinenet101"
        )


def _fitted(stem: Tensor, channels: int) -> Tensor:
    """Make a stem [K, 3, 7, 7] for another number of input channels, [K, channels, 7, 7]."""
    least = math.lcm(3, channels)
    tiled = stem.repeat(1, least // 3, 1, 1) / (least // 3)
    return torch.unflatten(tiled, 1, (least // channels, channels)).sum(1)
