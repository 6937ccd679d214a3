"""Settings that a user's own folder or Cityscapes says itself: what depth is, the classes, how depth is normalised.

They are numbers in the run folder, so that a run does not change when its data do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from crosswire.contract import Geometry
from crosswire.contract.wire_names import DEPTH
from crosswire.training.config import RunConfig
from crosswire.training.datasets.cityscapes import layout as cityscapes
from crosswire.training.datasets.cityscapes.classes import CITYSCAPES_CLASSES
from crosswire.training.datasets.features import activitynet
from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.folder import open_split, read_manifest
from crosswire.training.datasets.measured.depth import depth_figures
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.segmentation.config import CITYSCAPES, DataConfig, SegmentationConfig

FOLDER = "folder"
#: The data sets that settings are taken from, and what opens a split of each.
SELF_DESCRIBING: dict[str, Callable[[DataConfig, str], FileFrames]] = {
    FOLDER: open_split,
    CITYSCAPES: cityscapes.open_split,
}
Config = TypeVar("Config", bound=RunConfig)


def with_geometry(config: Config) -> Config:
    """Return a run with what its data say of depth, and the unit that it will be served with.

    Runs on other data sets than those of `SELF_DESCRIBING`, and of other tasks, stay as they are.

    Raises:
        DataError: the manifest of a folder is missing or wrong.
    """
    if not _describes_itself(config):
        return config
    found = data_geometry(config.data)
    if found is None:
        return _with_network(config, {"geometry": DEPTH, "geometry_scale": None, "geometry_missing": 0})
    said = {"geometry": found.quantity, "geometry_scale": found.scale, "geometry_missing": found.missing}
    return _with_network(config, said)


def with_measured(config: Config, given: Collection[str]) -> tuple[Config, str]:
    """Return a run with the settings that nobody gave and its data say, and a line about them.

    The sizes of features are those of their files, the number of classes is that of the data. `depth_mean`, `depth_std`
    and `depth_farthest` are measured on the training frames.

    Args:
        config: the run.
        given: dotted names of the settings that the user gave.

    Returns:
        the run, and what was measured in words; an empty text where there was nothing to measure.

    Raises:
        DataError: the data cannot be used.
    """
    if isinstance(config, RetrievalConfig) and config.data.path:
        sizes = dict(zip(("video", "image"), activitynet.sizes(Path(config.data.path)), strict=True))
        settings: dict[str, Any] = {name: size for name, size in sizes.items() if f"network.{name}" not in given}
        words = " ".join(f"network.{name}={size}" for name, size in settings.items())
        return _with_network(config, settings), f"the features say {words}" if words else ""
    if not _describes_itself(config):
        return config, ""
    settings = {"classes": len(_classes(config.data))}
    frames = 0
    if DEPTH in config.network.streams:
        figures = depth_figures(SELF_DESCRIBING[config.data.name](config.data, "train"))
        settings, frames = settings | figures.settings(data_geometry(config.data)), figures.frames
    settings = {name: value for name, value in settings.items() if f"network.{name}" not in given}
    measured = [f"network.{name}={value:g}" for name, value in settings.items() if name != "classes"]
    words = f"measured on {frames} training frames: {' '.join(measured)}" if measured else ""
    return _with_network(config, settings), words


def frame_size(config: RunConfig) -> tuple[int, int] | None:
    """Return height and width of the frames that a run on a user's own folder is scored on; None for other runs.

    Frames may differ in size: it is that of the first one to validate with, unless `data.eval_size` says another.

    Raises:
        DataError: the data cannot be used.
    """
    if not isinstance(config, SegmentationConfig) or config.data.name != FOLDER or not config.data.path:
        return None
    if config.data.eval_size != "full":
        return config.data.height, config.data.width
    height, width = open_split(config.data, "val").labels(0).shape
    return height, width


def depth_words(config: DataConfig) -> str:
    """Return how far the depth of training frames is, and the settings that fit, in words.

    Args:
        config: of a data set of `SELF_DESCRIBING`.

    Raises:
        DataError: the data cannot be used.
    """
    geometry = data_geometry(config)
    found = depth_figures(SELF_DESCRIBING[config.name](config, "train"))
    quantity, unit = (DEPTH, "metre") if geometry is None else (geometry.quantity, geometry.unit)
    computed = "metres, of disparity and camera" if config.name == CITYSCAPES else "floats"
    scale = computed if geometry is None else f"whole numbers, {geometry.scale:.10g} per {unit}"
    settings = " ".join(f"--set network.{name}={value:g}" for name, value in found.settings(geometry).items())
    return (
        f"{quantity} of {found.frames} training frames ({scale}): {found.nearest:.3g} to {found.farthest:.3g}, "
        f"median {found.median:.3g}, {found.holes:.0%} without a reading; train takes {settings}"
    )


def data_geometry(config: DataConfig) -> Geometry | None:
    """Return how the files of a data set hold the stream `depth`; None where it is metres, or nobody says how.

    Raises:
        DataError: the manifest of a folder is missing or wrong.
    """
    if config.name == FOLDER:
        return read_manifest(Path(config.path)).stored_geometry
    return cityscapes.stored_geometry(config) if config.name == CITYSCAPES else None


def _describes_itself(config: RunConfig) -> bool:
    """Say whether a run is of a segmentation of a data set of `SELF_DESCRIBING`, which lies somewhere."""
    return isinstance(config, SegmentationConfig) and config.data.name in SELF_DESCRIBING and bool(config.data.path)


def _classes(config: DataConfig) -> tuple[str, ...]:
    """Return the classes of a data set of `SELF_DESCRIBING`."""
    return CITYSCAPES_CLASSES if config.name == CITYSCAPES else read_manifest(Path(config.path)).classes


def _with_network(config: Config, settings: dict[str, Any]) -> Config:
    """Return a run with other settings of its network."""
    return dataclasses.replace(config, network=dataclasses.replace(config.network, **settings))
