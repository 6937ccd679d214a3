"""Other frames than those of a run's own data set, to score it on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from crosswire.contract.wire_names import DEPTH
from crosswire.training.config import ConfigError
from crosswire.training.datasets import folder as plain_folder
from crosswire.training.datasets.check import recognised
from crosswire.training.datasets.cityscapes.stereo import GEOMETRY
from crosswire.training.datasets.frames import FrameSource
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.engine.run_folder import Run, read_metrics
from crosswire.training.from_data import data_geometry
from crosswire.training.tasks.segmentation.config import CITYSCAPES
from crosswire.training.tasks.segmentation.data import frames


def other_frames(run: Run, path: Path) -> FrameSource:
    """Return the test frames of a data set that lies elsewhere; of a plain folder without lists, all of its frames.

    Args:
        run: the trained network.
        path: of a data set in any layout of images.

    Raises:
        ConfigError: no such data set, or one with other classes than the run's, by name.
        DataError: a file of it that cannot be used.
    """
    layout = recognised(path)
    if layout not in LAYOUTS:
        raise ConfigError(f"{path} is laid out as {layout}; a segmentation is scored on {', '.join(LAYOUTS)}")
    disparity = layout == CITYSCAPES and run.config.network.geometry == GEOMETRY.quantity
    config = dataclasses.replace(
        run.config.data, name=layout, path=str(path), splits="", mapping="", disparity=disparity
    )
    listed = layout != "folder" or plain_folder.has_lists(path)
    source = frames(config, "test") if listed else plain_folder.open_every(config)
    if not len(source):
        raise ConfigError(f"{path} has 0 frames to score, expected 1 or more; put images there, or names into test.txt")
    check_names(run, source.classes, path)
    geometry = data_geometry(config)
    check_geometry(run, DEPTH if geometry is None else geometry.quantity, path)
    return source


def check_names(run: Run, classes: Sequence[str], place: Path) -> None:
    """Refuse classes other than those between which a run decides.

    Args:
        run: the trained network.
        classes: their names, in the order of their labels.
        place: where they were read.

    Raises:
        ConfigError: they are others, or in another order; with both.
    """
    expected = class_names(run)
    if len(classes) == run.config.network.classes and (not expected or tuple(classes) == expected):
        return
    decided = ", ".join(expected) or f"{run.config.network.classes} classes"
    raise ConfigError(
        f"{place} has the classes {', '.join(classes)}; {run.folder} decides between {decided}; "
        "name the same classes in the same order"
    )


def check_geometry(run: Run, quantity: str, place: Path) -> None:
    """Refuse geometry other than that with which a run was trained.

    Args:
        run: the trained network.
        quantity: what the data hold in the place of depth, one of `crosswire.contract.QUANTITIES`.
        place: where they lie.

    Raises:
        ConfigError: it is another one.
    """
    trained = run.config.network.geometry
    if DEPTH in run.config.network.streams and quantity != trained:
        raise ConfigError(
            f"{place} holds {quantity}; {run.folder} was trained on {trained}; say geometry={trained} in its manifest "
            f"if it does, or train a run on {quantity}"
        )


def class_names(run: Run) -> tuple[str, ...]:
    """Return the names of a run's classes, from its scores or its data; empty where neither knows them."""
    for scores in read_metrics(run.folder).get("scores", {}).values():
        return tuple(scores["iou"])
    if run.config.data.name == "none":
        return ()
    try:
        return tuple(frames(run.config.data, "test").classes)
    except ConfigError:
        return ()
