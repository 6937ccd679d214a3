"""A few small streets in the folders and files that Cityscapes is distributed in, written without our own writer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64
#: What the archives hold beside the splits that are read: `test` has labels of the car's own parts alone.
STREETS = {
    "train": ("aachen_000000_000019", "aachen_000001_000019", "zurich_000000_000019", "zurich_000031_000019"),
    "val": ("lindau_000000_000019", "munster_000000_000019"),
    "test": ("berlin_000000_000019",),
}
#: As in the data set's own files.
CAMERA = {
    "extrinsic": {"baseline": 0.209313, "pitch": 0.038, "roll": 0.0, "x": 1.7, "y": 0.1, "yaw": -0.0195, "z": 1.22},
    "intrinsic": {"fx": 2262.52, "fy": 2265.3017905988554, "u0": 1096.98, "v0": 513.137},
}
SKY, BUILDING, ROAD, CAR, EGO = 23, 11, 7, 26, 1


def write_streets(root: Path) -> Path:
    """Write seven streets and return their folder: sky, houses, a road, a car on it, and one's own bonnet."""
    random = np.random.default_rng(5)
    for split, names in STREETS.items():
        for name in names:
            ids = _ids(random) if split != "test" else np.full((HEIGHT, WIDTH), EGO, np.uint8)
            colour = np.asarray(random.integers(0, 60, (HEIGHT, WIDTH, 3)) + ids[..., None] * 5, np.uint8)
            _save(root, "leftImg8bit", split, name, "leftImg8bit", colour)
            for kind in ("labelIds", "color"):
                _save(root, "gtFine", split, name, f"gtFine_{kind}", ids)
            _save(root, "gtFine", split, name, "gtFine_instanceIds", ids.astype(np.uint16))
            _write(root, "gtFine", split, name, "gtFine_polygons", {"imgHeight": HEIGHT, "objects": []})
            _save(root, "disparity", split, name, "disparity", _disparity(ids, random))
            _write(root, "camera", split, name, "camera", CAMERA)
    return root


def place(root: Path, folder: str, split: str, name: str, ending: str) -> Path:
    """Return where a file of a street lies, as `gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png`."""
    return root / folder / split / name.partition("_")[0] / f"{name}_{ending}"


def _ids(random: np.random.Generator) -> np.ndarray:
    """Return labels of one street, uint8 [H, W]."""
    ids = np.full((HEIGHT, WIDTH), SKY, np.uint8)
    for left in range(0, WIDTH, 8):
        ids[random.integers(4, 20) : 24, left : left + 8] = BUILDING
    ids[24:44] = ROAD
    left = random.integers(4, WIDTH - 20)
    ids[22:34, left : left + 14] = CAR
    ids[44:] = EGO
    return ids


def _disparity(ids: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return stored disparity, uint16 [H, W]: 8 pixels for houses, up to 70 for the road, none for the sky and some."""
    pixels = np.where(ids == BUILDING, 8.0, np.linspace(2, 70, HEIGHT)[:, None])
    stored = np.rint(pixels * 256 + 1)
    return np.where((ids == SKY) | (random.random(ids.shape) < 0.05), 0, stored).astype(np.uint16)


def _save(root: Path, folder: str, split: str, name: str, kind: str, picture: np.ndarray) -> None:
    """Save one image of a street."""
    path = place(root, folder, split, name, f"{kind}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def _write(root: Path, folder: str, split: str, name: str, kind: str, plain: object) -> None:
    """Write one JSON file of a street."""
    path = place(root, folder, split, name, f"{kind}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain), encoding="utf-8")
