"""The registry of feature extractors, and their weights from torchvision's files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from training.audio_video.extractors.base import Extractor
from training.audio_video.extractors.r2plus1d18 import R2Plus1D18
from training.audio_video.extractors.resnet18 import ResNet18
from training.config import ConfigError

__all__ = ["EXTRACTORS", "Extractor", "build_extractor", "load_weights"]

EXTRACTORS: Mapping[str, Callable[..., Extractor]] = {"r2plus1d18": R2Plus1D18, "resnet18": ResNet18}
#: The filters that see the input, by extractor.
_STEMS = ("stem.0.weight", "conv1.weight")
_IGNORED = re.compile(r"fc\..*|.*\.num_batches_tracked")


def build_extractor(name: str, *, channels: int = 3, width: int = 64, classes: int | None = None) -> Extractor:
    """Build an extractor with fresh weights.

    Args:
        name: one of `EXTRACTORS`.
        channels: of its input: 3 for pictures, 1 for spectrograms.
        width: channels of its stem; it gives 8 times as many features.
        classes: of its classifier; None for none.

    Raises:
        ConfigError: an unknown name or an impossible width.
    """
    if name not in EXTRACTORS:
        raise ConfigError(f"extractor {name!r} is unknown; allowed are {', '.join(EXTRACTORS)}")
    if width < 2:
        raise ConfigError(f"width of {name} is {width}; allowed is 2 or more")
    return EXTRACTORS[name](channels, width, classes)


def load_weights(extractor: Extractor, path: Path) -> None:
    """Fill an extractor with the weights of a torchvision file, its classifier left out.

    The stem of an extractor for spectrograms gets the sum over the three colours, so that it answers a spectrogram as
    torchvision's network answers the same one in all three channels.

    Raises:
        ConfigError: the file cannot be read as weights, or lacks, adds or misshapes keys.
    """
    found = {key: value for key, value in _read(path).items() if not _IGNORED.fullmatch(key)}
    wanted = {key: value for key, value in extractor.state_dict().items() if not _IGNORED.fullmatch(key)}
    if absent := sorted(wanted.keys() - found.keys()):
        raise ConfigError(f"{path} lacks {_some(absent)}; give the file of the extractor's own architecture")
    if unknown := sorted(found.keys() - wanted.keys()):
        raise ConfigError(f"{path} holds unknown {_some(unknown)}; give the file of the extractor's own architecture")
    for stem in _STEMS:
        if stem in wanted and wanted[stem].shape[1] == 1 and found[stem].shape[1] == 3:
            found[stem] = found[stem].sum(1, keepdim=True)
    if misshapen := sorted(key for key in wanted if found[key].shape != wanted[key].shape):
        raise ConfigError(f"{path} has other shapes: {_some(misshapen)}; weight files fit extractors of width 64")
    extractor.load_state_dict(found, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    """Read a state dict, tensors only."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; give a weight file of torchvision") from None
    except Exception as error:  # a pickle can fail in any way
        raise ConfigError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"{path} holds no state dict; give a weight file as torchvision publishes it")
    return state


def _some(names: list[str]) -> str:
    """Return the first few of some names."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
