"""Run beside a checkout of ESANet: exports it by its own code's way, and leaves what its own pipeline answers.

    python -m tests.support.adopted.esanet CHECKOUT FRAMES OUT

FRAMES holds pairs `NAME.rgb.png` and `NAME.depth.png` (16 bits, millimetres) of 480x640. OUT gets `esanet.onnx` and,
per pair, `NAME.npz` with the labels and the logits of the original pipeline. The network is ESANet-R34-NBt1D for the 40
classes of NYUv2, the defaults of the project's parser. Its weights are random (its own He initialisation, seeded); the
statistics of its norms are those of the frames, and the classes are balanced on them, so that the answer is no single
class: weights as they are after no training, values as they are after some.

What that code imports beside PyTorch, and where `tests.soak.adopt.esanet` gets it: opencv-python-headless, pandas,
cityscapesScripts. torchvision is used for `Compose` and `Normalize` alone, and its wheel does not load beside a PyTorch
for the CPU: both are written here, after its documentation, where it is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

CLASSES, SIZE = 40, (480, 640)
#: Gain of residual branches. A deep network of random weights with gains of 1 is chaotic: rounding alone, 1e-7 of an
#: input, changes one label in a thousand, and no two runtimes agree on the rest. Trained ones are not.
RESIDUAL = 0.3
Preprocessor = Callable[[dict[str, Any]], dict[str, Tensor]]


class _Compose:
    """One transform after the other, as torchvision's."""

    def __init__(self, transforms: list[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, value: Any) -> Any:
        """Return a value after all transforms."""
        for transform in self.transforms:
            value = transform(value)
        return value


class _Normalize:
    """Channels minus their means, divided by their deviations, as torchvision's."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        self.mean, self.std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]

    def __call__(self, image: Tensor) -> Tensor:
        """Return an image, float32 [C, H, W]."""
        return (image - self.mean) / self.std


def stand_in_for_torchvision() -> None:
    """Put the two transforms where torchvision cannot be imported."""
    try:
        importlib.import_module("torchvision.transforms")
        return
    except (ImportError, RuntimeError):  # its operators do not load beside another PyTorch
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
    package, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
    vars(transforms).update(Compose=_Compose, Normalize=_Normalize)
    vars(package)["transforms"] = transforms
    sys.modules.update({"torchvision": package, "torchvision.transforms": transforms})
    print("torchvision is not there: Compose and Normalize are those of this file")


def built(checkout: Path) -> tuple[nn.Module, Preprocessor]:
    """Return the network and the preprocessor of its inference, both made by the checkout's code."""
    sys.path.insert(0, str(checkout))
    stand_in_for_torchvision()
    parser = importlib.import_module("src.args").ArgumentParserRGBDSegmentation()
    parser.set_common_args()
    options = parser.parse_args(["--he_init", "--no_imagenet_pretraining", "--raw_depth"])
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset, preprocessor = importlib.import_module("src.prepare_data").prepare_data(options, with_input_orig=True)
        torch.manual_seed(0)
        network, _ = importlib.import_module("src.build_model").build_model(options, dataset.n_classes_without_void)
    assert dataset.n_classes_without_void == CLASSES
    return network.cpu().eval(), preprocessor


def read(frames: Path, preprocessor: Preprocessor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield every pair's name and the network's inputs, read and preprocessed as the checkout's inference does it."""
    cv2 = importlib.import_module("cv2")
    for path in sorted(frames.glob("*.rgb.png")):
        name = path.name.removesuffix(".rgb.png")
        colour = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)
        depth = cv2.imread(str(path.with_name(f"{name}.depth.png")), cv2.IMREAD_UNCHANGED).astype("float32")
        assert colour.shape[:2] == depth.shape == SIZE, (path, colour.shape, depth.shape)
        sample = preprocessor({"image": colour, "depth": depth})
        yield name, sample["image"], sample["depth"]


def settle(network: nn.Module, rgb: Tensor, depth: Tensor) -> None:
    """Give the norms the statistics of frames, float32 [N, C, H, W], and every class the same share of their logits."""
    with torch.no_grad():
        for name, norm in network.named_modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.momentum = None  # the mean over all batches, not a moving one
                norm.reset_running_stats()
                if name.endswith("bn2"):  # the last of a residual block
                    norm.weight.fill_(RESIDUAL)
        network.train()
        network(rgb, depth)
        network.eval()
        logits = network(rgb, depth)
        last = network.decoder.conv_out
        mean, deviation = logits.mean((0, 2, 3)), logits.std((0, 2, 3))
        last.weight /= deviation[:, None, None, None]
        last.bias.copy_((last.bias - mean) / deviation)


def main() -> None:
    """Export the network and answer the frames."""
    parser = argparse.ArgumentParser()
    for name in ("checkout", "frames", "out"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    network, preprocessor = built(options.checkout.resolve())
    pairs = list(read(options.frames, preprocessor))
    settle(network, torch.stack([rgb for _, rgb, _ in pairs]), torch.stack([depth for _, _, depth in pairs]))
    options.out.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        # Names, folding and opset of the checkout's model_to_onnx.py; `dynamo` had no other value when it was written.
        example = (torch.rand(1, 3, *SIZE), torch.rand(1, 1, *SIZE))
        names: dict[str, Any] = {"input_names": ["rgb", "depth"], "output_names": ["output"]}
        path = str(options.out / "esanet.onnx")
        torch.onnx.export(network, example, path, do_constant_folding=True, opset_version=11, dynamo=False, **names)
    for name, rgb, depth in pairs:
        with torch.no_grad():
            logits = network(rgb[None], depth[None])
            whole = nn.functional.interpolate(logits, SIZE, mode="bilinear", align_corners=False)
        labels = whole.argmax(1)[0].numpy().astype(np.uint8)
        np.savez(options.out / f"{name}.npz", labels=labels, logits=logits[0].numpy())
        shares = np.bincount(labels.ravel(), minlength=CLASSES) / labels.size
        print(f"{name}: {(shares > 0.02).sum()} classes above 2 % of the pixels")


if __name__ == "__main__":
    main()
