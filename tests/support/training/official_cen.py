"""A two-stream RefineNet written a second time from the specification: plain functions over an official state dict.

Nothing here is shared with `training/`: it is what imported checkpoints are compared with. Streams are a list, layers
are looked up by their official names, and the exchange writes channels by index as the text of Eq. 6 reads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]
Streams = list[Tensor]

STAGES = {"refinenet50": (3, 4, 6, 3), "refinenet101": (3, 4, 23, 3), "refinenet152": (3, 8, 36, 3)}
THRESHOLD = 2e-2


def forward(state: State, blocks: tuple[int, ...], rgb: Tensor, depth: Tensor) -> tuple[Tensor, Streams]:
    """Return the logits of the ensemble and of both streams, [N, K, H/4, W/4], from [N, 3, H, W] and [N, 1, H, W]."""
    x = [rgb, depth.expand(-1, 3, -1, -1)]
    x = _norm(state, "bn1", [_conv(state, "conv1", stream, stride=2, padding=3) for stream in x])
    x = [F.max_pool2d(stream.relu(), 3, 2, 1) for stream in x]
    levels = []
    for stage, depth_of_stage in enumerate(blocks, 1):
        for block in range(depth_of_stage):
            x = _bottleneck(state, f"layer{stage}.{block}", x, stride=2 if stage > 1 and block == 0 else 1)
        levels.append(x)
    logits = [_decode(state, [level[stream] for level in levels]) for stream in range(2)]
    weights = state["alpha"].exp() / state["alpha"].exp().sum()
    return weights[0] * logits[0] + weights[1] * logits[1], logits


def _conv(state: State, name: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    """Convolve with a shared layer."""
    return F.conv2d(x, state[f"{name}.module.weight"], state.get(f"{name}.module.bias"), stride, padding)


def _norm(state: State, name: str, x: Streams) -> Streams:
    """Normalise every stream with its own running statistics, γ and β."""
    normed = []
    for stream, value in enumerate(x):
        mean, var, gamma, beta = (
            state[f"{name}.bn_{stream}.{part}"].view(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        normed.append((value - mean) / (var + 1e-5).sqrt() * gamma + beta)
    return normed


def _bottleneck(state: State, name: str, x: Streams, stride: int) -> Streams:
    """Run one residual block; channels are exchanged behind its 3x3 convolution."""
    y = _norm(state, f"{name}.bn1", [_conv(state, f"{name}.conv1", value, padding=0) for value in x])
    y = [_conv(state, f"{name}.conv2", value.relu(), stride=stride) for value in y]
    own = _norm(state, f"{name}.bn2", y)
    mixed = [value.clone() for value in own]
    for stream in range(2):
        replaced = state[f"{name}.bn2.bn_{stream}.weight"].abs() < THRESHOLD
        mixed[stream][:, replaced] = own[1 - stream][:, replaced]
    y = _norm(state, f"{name}.bn3", [_conv(state, f"{name}.conv3", value.relu(), padding=0) for value in mixed])
    if f"{name}.downsample.0.module.weight" in state:
        short = [_conv(state, f"{name}.downsample.0", value, stride=stride, padding=0) for value in x]
        x = _norm(state, f"{name}.downsample.1", short)
    return [(a + b).relu() for a, b in zip(y, x, strict=True)]


def _units(state: State, name: str, x: Tensor, count: int) -> Tensor:
    """Run residual convolution units; what is added is the rectified input."""
    for unit in range(1, count + 1):
        x = x.relu()
        hidden = _conv(state, f"{name}.0.{unit}_conv", x).relu()
        x = x + _conv(state, f"{name}.0.{unit}_conv_relu_varout_dimred", hidden)
    return x


def _pooling(state: State, name: str, x: Tensor) -> Tensor:
    """Run the four stages of chained residual pooling on a rectified input."""
    x = x.relu()
    total = x
    for stage in range(1, 5):
        x = _conv(state, f"{name}.0.{stage}_outvar_dimred", F.max_pool2d(x, 5, 1, 2))
        total = total + x
    return total


def _decode(state: State, levels: list[Tensor]) -> Tensor:
    """Decode the four levels of one stream, coarsest last."""
    below: Tensor | None = None
    for level, x in enumerate(reversed(levels), 1):
        x = _units(state, f"adapt_stage{level}_b", _conv(state, f"p_ims1d2_outl{level}_dimred", x), 2)
        if below is not None:
            x = _conv(state, f"adapt_stage{level}_b2_joint_varout_dimred", x)
            x = x + F.interpolate(below, size=x.shape[2:], mode="bilinear", align_corners=True)
        x = _units(state, f"mflow_conv_g{level}_b", _pooling(state, f"mflow_conv_g{level}_pool", x), 3)
        below = _conv(state, f"mflow_conv_g{level}_b3_joint_varout_dimred", x) if level < 4 else x
    assert below is not None
    return _conv(state, "clf_conv", below)


def random_state(blocks: tuple[int, ...], classes: int, seed: int) -> State:
    """Draw an official state dict that exchanges about 30 % of the channels each way, some of them both ways.

    One γ per exchanging norm is exactly θ in float32, which the official code does not exchange, and some are large
    and negative, which it keeps as well.
    """
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, shape in _convolutions(blocks, classes):
        fan = shape[1] * shape[2] * shape[3]
        state[f"{name}.module.weight"] = torch.randn(shape, generator=generator) * fan**-0.5
        if name.endswith("_conv"):
            state[f"{name}.module.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    for name, channels in _norms(blocks):
        for stream in range(2):
            gamma = torch.rand(channels, generator=generator) + 0.5
            if name.endswith("bn2"):
                draw = torch.rand(channels, generator=generator)
                gamma = torch.where(draw < 0.3, 0.04 * (draw / 0.3 - 0.5), torch.where(draw > 0.9, -gamma, gamma))
                gamma[0] = THRESHOLD
            prefix = f"{name}.bn_{stream}"
            state[f"{prefix}.weight"] = gamma
            state[f"{prefix}.bias"] = 0.2 * torch.randn(channels, generator=generator)
            state[f"{prefix}.running_mean"] = 0.2 * torch.randn(channels, generator=generator)
            state[f"{prefix}.running_var"] = torch.rand(channels, generator=generator) + 0.5
            state[f"{prefix}.num_batches_tracked"] = torch.tensor(seed)
    state["alpha"] = torch.randn(2, generator=generator)
    return state


def _convolutions(blocks: tuple[int, ...], classes: int) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Yield name and weight shape of every convolution."""
    yield "conv1", (64, 3, 7, 7)
    channels = 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            yield f"{name}.conv1", (width, channels, 1, 1)
            yield f"{name}.conv2", (width, width, 3, 3)
            yield f"{name}.conv3", (4 * width, width, 1, 1)
            if block == 0:
                yield f"{name}.downsample.0", (4 * width, channels, 1, 1)
            channels = 4 * width
    for level, (inside, width) in enumerate(((2048, 512), (1024, 256), (512, 256), (256, 256)), 1):
        yield f"p_ims1d2_outl{level}_dimred", (width, inside, 3, 3)
        if level > 1:
            yield f"adapt_stage{level}_b2_joint_varout_dimred", (width, width, 3, 3)
        for stage in range(1, 5):
            yield f"mflow_conv_g{level}_pool.0.{stage}_outvar_dimred", (width, width, 3, 3)
        for part, count in ((f"adapt_stage{level}_b", 2), (f"mflow_conv_g{level}_b", 3)):
            for unit in range(1, count + 1):
                yield f"{part}.0.{unit}_conv", (width, width, 3, 3)
                yield f"{part}.0.{unit}_conv_relu_varout_dimred", (width, width, 3, 3)
        if level < 4:
            yield f"mflow_conv_g{level}_b3_joint_varout_dimred", (256, width, 3, 3)
    yield "clf_conv", (classes, 256, 3, 3)


def _norms(blocks: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    """Yield name and channels of every norm."""
    yield "bn1", 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            yield f"{name}.bn1", width
            yield f"{name}.bn2", width
            yield f"{name}.bn3", 4 * width
            if block == 0:
                yield f"{name}.downsample.1", 4 * width


def main() -> None:
    """Write a checkpoint as the official code saves one, with random weights: `python -m ... FILE`."""
    state = random_state(STAGES["refinenet50"], classes=40, seed=0)
    torch.save({"segmenter": {f"module.{key}": value for key, value in state.items()}}, sys.argv[1])


if __name__ == "__main__":
    main()
