"""Small feature files in ActivityNet's layout: a common centre per activity, seen through two random maps."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from crosswire.training.tasks.retrieval.data import ANNOTATIONS, IMAGES, VIDEOS

ACTIVITIES, VIDEO, IMAGE = 6, 24, 12
#: The settings that a run on them needs.
SETTINGS = (f"network.video={VIDEO}", f"network.image={IMAGE}", "data.batch=20")


def write_features(folder: Path) -> None:
    """Write features of 90 videos, three clips each, with two images each; the last 30 are to be tested with."""
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
