"""Beginning from the weight files of torchvision: ImageNet's ResNets for encoders, and those of feature extractors.

Files are read without running any code that they may hold, and refused by the names of their keys.
Source: the CEN paper, section 4.1 (ResNets pretrained on ImageNet); every norm starts from the same one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.importers.weight_files import shortened
from crosswire.training.models.extractors import Extractor
from crosswire.training.models.fusion.stages import added_keys
from crosswire.training.models.resnet import ResNet

#: What distinguishes the streams' copies of a layer in the keys of a network.
_COPY = re.compile(r"\.(norms|convs)\.\d+")
#: Keys that a network without a classifier does not have, and counters that older files lack.
_LEFT_OUT = re.compile(r"fc\..*|.*\.num_batches_tracked")
#: The filters that see the input, by extractor.
_STEMS = ("stem.0.weight", "conv1.weight")


def load_imagenet(network: nn.Module, path: Path) -> None:
    """Fill the encoder of a network with the weights of a torchvision ResNet file, `fc` left out.

    Convolutions are shared or copied to each stream; each norm gets γ, β and the running statistics. The first
    convolution fits any number of input channels c: its three input channels are repeated up to the least common
    multiple of 3 and c, divided by the number of repetitions, and folded back to c, so that an input whose channels
    are three-channel images repeated (colour beside 2-channel flow: 6) is answered as ImageNet's network would.

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
    stem = found.get("conv1.weight")
    if stem is not None and stem.ndim == 4 and stem.shape[1] == 3:
        channels = next(tensor.shape[1] for key, tensor in wanted.items() if sources[key] == "conv1.weight")
        found["conv1.weight"] = _fitted(stem, channels)
    _check_fit(
        path,
        found,
        {sources[key]: tensor for key, tensor in wanted.items()},
        "give the file of the network's own backbone at width 64, for example resnet101's for refinenet101",
    )
    encoder.load_state_dict({key: found[source] for key, source in sources.items()}, strict=False)


def load_weights(extractor: Extractor, path: Path) -> None:
    """Fill an extractor with the weights of a torchvision file, its classifier left out.

    The stem of an extractor for spectrograms gets the sum over the three colours, so that it answers a spectrogram as
    torchvision's network answers the same one in all three channels.

    Raises:
        ConfigError: the file cannot be read as weights, or lacks, adds or misshapes keys.
    """
    found, wanted = read_backbone(path), backbone(extractor.state_dict())
    for stem in _STEMS:
        if stem in wanted and stem in found and wanted[stem].shape[1] == 1 and found[stem].shape[1:2] == (3,):
            found[stem] = found[stem].sum(1, keepdim=True)
    _check_fit(path, found, wanted, "give the file of the extractor's own architecture, at width 64")
    extractor.load_state_dict(found, strict=False)


def read_backbone(path: Path) -> dict[str, Tensor]:
    """Read a state dict as torchvision publishes it, see `backbone`.

    Raises:
        ConfigError: there is no such file, or it holds no tensors by name alone.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; give a weight file of torchvision") from None
    except Exception as error:  # a pickle can fail in any way
        raise ConfigError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"{path} holds no state dict; give a weight file as torchvision publishes it")
    return backbone(state)


def backbone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without its classifier `fc` and without counters of batches."""
    return {key: value for key, value in state.items() if not _LEFT_OUT.fullmatch(key)}


def _check_fit(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], cure: str) -> None:
    """Raise `ConfigError` with the first few keys that a file lacks, adds or has in other shapes."""
    misshapen = {
        f"{key} {tuple(found[key].shape)} for {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in found and found[key].shape != tensor.shape
    }
    faults = {
        "lacks": wanted.keys() - found.keys(),
        "holds unknown": found.keys() - wanted.keys(),
        "has other shapes:": misshapen,
    }
    for what, keys in faults.items():
        if keys:
            raise ConfigError(f"{path} {what} {shortened(sorted(keys))}; {cure}")


def _fitted(stem: Tensor, channels: int) -> Tensor:
    """Make a stem [K, 3, 7, 7] for another number of input channels, [K, channels, 7, 7]."""
    least = math.lcm(3, channels)
    tiled = stem.repeat(1, least // 3, 1, 1) / (least // 3)
    return torch.unflatten(tiled, 1, (least // channels, channels)).sum(1)
