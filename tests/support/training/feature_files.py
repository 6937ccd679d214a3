"""Small feature files in ActivityNet's layout, and runs of retrieval on them without a training."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import torch

from crosswire.training.datasets.features.activitynet import ANNOTATIONS, IMAGES, VIDEOS
from crosswire.training.engine.run_folder import read_run, write_config, write_weights
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.retrieval.evaluate import Run
from crosswire.training.tasks.retrieval.network import RetrievalNetwork

ACTIVITIES, VIDEO, IMAGE = 6, 24, 12
#: The settings that a run on them needs.
SETTINGS = (f"network.video={VIDEO}", f"network.image={IMAGE}", "data.batch=20")


def write_features(folder: Path) -> None:
    """Write features of 90 videos, three clips each, with two images each; the last 30 are to be tested with.

    They are a common centre per activity, seen through two random maps.
    """
    random = np.random.default_rng(0)
    centres = random.normal(size=(ACTIVITIES, 8))
    maps = random.normal(size=(8, VIDEO)), random.normal(size=(8, IMAGE))
    database = {}
    with h5py.File(folder / VIDEOS, "w") as videos, h5py.File(folder / IMAGES, "w") as images:
        for index in range(90):
            name, activity = f"v_{index:03d}", index % ACTIVITIES
            subset = "training" if index < 60 else "validation"
            database[name] = {"subset": subset, "annotations": [{"label": f"activity {activity}", "segment": [0, 1]}]}
            here = centres[activity] + 0.3 * random.normal(size=8)
            videos[name] = (here @ maps[0] + 0.1 * random.normal(size=(3, VIDEO))).astype(np.float32)
            images[name] = (here @ maps[1] + 0.1 * random.normal(size=(2, IMAGE))).astype(np.float32)
    database["v_test"] = {"subset": "testing", "annotations": []}
    (folder / ANNOTATIONS).write_text(json.dumps({"database": database}))


def random_run(root: Path, *settings: str) -> Run:
    """Return a run with random weights and some settings, on features that are written beside it where none are."""
    features = root / "features"
    if not features.exists():
        features.mkdir()
        write_features(features)
    folder = root / f"run {' '.join(settings)}"
    config = override(preset("activitynet-gmf-128-4096"), [*SETTINGS, f"data.path={features}", *settings])
    assert isinstance(config, RetrievalConfig)
    torch.manual_seed(0)
    write_config(folder, config)
    write_weights(folder, RetrievalNetwork(config.network).state_dict())
    return read_run(folder)
