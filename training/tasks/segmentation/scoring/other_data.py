"""Other frames than those of a run's own data set, to score it on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from crosswire.training.config import ConfigError
from crosswire.training.datasets import folder as plain_folder
from crosswire.training.datasets.check import recognised
from crosswire.training.datasets.frames import FrameSource
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.engine.run_folder import Run, read_metrics
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
    config = dataclasses.replace(run.config.data, name=layout, path=str(path), splits="", mapping="")
    listed = layout != "folder" or plain_folder.has_lists(path)
    source = frames(config, "test") if listed else plain_folder.open_every(config)
    if (expected := class_names(run)) and tuple(source.classes) != expected:
        raise ConfigError(
            f"{path} has the classes {', '.join(source.classes)}; {run.folder} decides between "
            f"{', '.join(expected)}; score it on frames labelled with these, in this order"
        )
    return source


def class_names(run: Run) -> tuple[str, ...]:
    """Return the names of a run's classes, from its scores or its data; empty where neither is there any more."""
    for scores in read_metrics(run.folder).get("scores", {}).values():
        return tuple(scores["iou"])
    try:
        return tuple(frames(run.config.data, "test").classes)
    except ConfigError:
        return ()
