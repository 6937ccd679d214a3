"""Reading the weight files of torchvision, here for feature extractors; for encoders see `imagenet` beside this file.

Files are read without running any code that they may hold, and refused by the names of their keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from crosswire.training.config import ConfigError
from crosswire.training.importers.weight_files import shortened
from crosswire.training.models.extractors import Extractor

#: Keys that a network without a classifier does not have, and counters that older files lack.
_LEFT_OUT = re.compile(r"fc\..*|.*\.num_batches_tracked")
#: The filters that see the input, by extractor.
_STEMS = ("stem.0.weight", "conv1.weight")


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
    check_fit(path, found, wanted, "give the file of the extractor's own architecture, at width 64")
    extractor.load_state_dict(found, strict=False)


def read_backbone(path: Path) -> dict[str, Tensor]:
    """Read a state dict as torchvision publishes it, without its classifier; see `backbone`.

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


def check_fit(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], cure: str) -> None:
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
