"""The registry of feature extractors, and their weights from torchvision's files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from crosswire.training.config import ConfigError
from crosswire.training.importers.weight_files import backbone, read_backbone, shortened
from crosswire.training.models.extractors.base import Extractor
from crosswire.training.models.extractors.r2plus1d18 import R2Plus1D18
from crosswire.training.models.extractors.resnet18 import ResNet18

__all__ = ["EXTRACTORS", "Extractor", "build_extractor", "load_weights"]

EXTRACTORS: Mapping[str, Callable[..., Extractor]] = {"r2plus1d18": R2Plus1D18, "resnet18": ResNet18}
#: The filters that see the input, by extractor.
_STEMS = ("stem.0.weight", "conv1.weight")


def build_extractor(name: str, *, channels: int = 3, width: int = 64) -> Extractor:
    """Build an extractor with fresh weights.

    Args:
        name: one of `EXTRACTORS`.
        channels: of its input: 3 for pictures, 1 for spectrograms.
        width: channels of its stem; it gives 8 times as many features.
    """
    return EXTRACTORS[name](channels, width)


def load_weights(extractor: Extractor, path: Path) -> None:
    """Fill an extractor with the weights of a torchvision file, its classifier left out.

    The stem of an extractor for spectrograms gets the sum over the three colours, so that it answers a spectrogram as
    torchvision's network answers the same one in all three channels.

    Raises:
        ConfigError: the file cannot be read as weights, or lacks, adds or misshapes keys.
    """
    found, wanted = read_backbone(path), backbone(extractor.state_dict())
    if absent := sorted(wanted.keys() - found.keys()):
        raise ConfigError(f"{path} lacks {shortened(absent)}; give the file of the extractor's own architecture")
    if unknown := sorted(found.keys() - wanted.keys()):
        raise ConfigError(
            f"{path} holds unknown {shortened(unknown)}; give the file of the extractor's own architecture"
        )
    for stem in _STEMS:
        if stem in wanted and wanted[stem].shape[1] == 1 and found[stem].shape[1] == 3:
            found[stem] = found[stem].sum(1, keepdim=True)
    if misshapen := sorted(key for key in wanted if found[key].shape != wanted[key].shape):
        raise ConfigError(f"{path} has other shapes: {shortened(misshapen)}; weight files fit extractors of width 64")
    extractor.load_state_dict(found, strict=False)
