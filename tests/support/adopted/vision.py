"""Graphs of torchvision and segmentation_models_pytorch, with random weights, and what their own pre-processing gives.

    python -m tests.support.adopted.vision OUT

Run in a process of its own, with both packages beside PyTorch. The C++ operators of torchvision load beside a PyTorch
with CUDA alone; none of these networks needs them, and two that its import describes are declared here instead. OUT
gets a folder per network: `model.onnx`, and `answers.npz` with images as files hold them and labels by PyTorch.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import library as operators

from tests.support.adopted.images import smooth_images

SIZE, FRAMES = (96, 128), 3
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
Preprocess = Callable[[np.ndarray[Any, Any]], Tensor]


class First(nn.Module):
    """A network of torchvision with its answer `out` alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, value: Tensor) -> Tensor:
        """Return scores of every pixel."""
        scores: Tensor = self.network(value)["out"]
        return scores


def balance(network: nn.Module, last: nn.Conv2d, values: Tensor) -> None:
    """Give norms the statistics of these inputs and every class the same share of the scores.

    Random weights otherwise let activations fade to nothing, and answer one class nearly everywhere.
    """
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the average of all that is seen
    with torch.no_grad():
        network.train()(values)
        network.eval()
        seen: list[Tensor] = []
        watched = last.register_forward_hook(lambda layer, given, found: seen.append(found))
        network(values)
        watched.remove()
        mean, deviation = seen[0].mean((0, 2, 3)), seen[0].std((0, 2, 3))
        last.weight /= deviation[:, None, None, None]
        before = torch.zeros_like(mean) if last.bias is None else last.bias
        last.bias = nn.Parameter((before - mean) / deviation)


def write(folder: Path, network: nn.Module, last: nn.Conv2d, preprocess: Preprocess, *, dynamo: bool) -> None:
    """Write a graph with an open batch, and the labels of PyTorch."""
    folder.mkdir(parents=True)
    frames = smooth_images(SIZE, FRAMES, 4)
    values = torch.stack([preprocess(frame) for frame in frames])
    noise = np.random.default_rng(5).integers(0, 256, (FRAMES, *SIZE, 3), np.uint8)  # what a proof sends
    balance(network, last, torch.cat([values, *(preprocess(frame)[None] for frame in noise)]))
    with torch.no_grad():
        labels = network(values).argmax(1).to(torch.uint8).numpy()
    names: dict[str, Any] = {"input_names": ["input"], "output_names": ["output"]}
    if dynamo:
        names |= {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1, max=8)},), "opset_version": 18}
    else:
        names |= {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}, "opset_version": 17}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (values,), str(folder / "model.onnx"), dynamo=dynamo, verbose=False, **names)
    np.savez(folder / "answers.npz", rgb=np.stack(frames), labels=labels)


def deeplab(folder: Path) -> None:
    """DeepLabV3 of torchvision on MobileNetV3, 21 classes, after its own preset of transforms."""
    build = importlib.import_module("torchvision.models.segmentation").deeplabv3_mobilenet_v3_large
    transforms = importlib.import_module("torchvision.transforms._presets").SemanticSegmentation(resize_size=None)
    network = First(build(weights=None, weights_backbone=None, num_classes=21)).eval()
    last = network.network.classifier[-1]  # type: ignore[union-attr, index]
    assert isinstance(last, nn.Conv2d)
    write(folder, network, last, lambda frame: transforms(torch.from_numpy(frame).permute(2, 0, 1)), dynamo=False)


def unet(folder: Path) -> None:
    """U-Net of segmentation_models_pytorch on ResNet-18, 5 classes, after its own function for inputs."""
    models = importlib.import_module("segmentation_models_pytorch")
    prepare = importlib.import_module("segmentation_models_pytorch.encoders._preprocessing").preprocess_input
    network = models.Unet("resnet18", encoder_weights=None, classes=5, decoder_channels=(64, 32, 16, 8, 8)).eval()
    last = network.segmentation_head[0]

    def preprocess(frame: np.ndarray[Any, Any]) -> Tensor:
        found = prepare(frame.astype(np.float64), MEAN, DEVIATION, input_space="BGR", input_range=[0, 1])
        return torch.from_numpy(found.transpose(2, 0, 1).astype(np.float32))

    write(folder, network, last, preprocess, dynamo=True)


def main() -> None:
    """Write every network."""
    torch.set_num_threads(1)
    declared = operators.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        declared.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    for name, make in (("deeplab", deeplab), ("unet", unet)):
        torch.manual_seed(1)
        make(Path(sys.argv[1]) / name)
    packages = ("torchvision", "segmentation_models_pytorch", "torch")
    print(json.dumps({name: importlib.import_module(name).__version__ for name in packages}))


if __name__ == "__main__":
    main()
