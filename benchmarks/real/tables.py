"""Scores a network that was trained on procedural tables on real frames, beside plane removal.

The frames are a folder as in docs/guides/own-data.md with the classes ``table`` and ``object`` (mOSD, for example);
none of them is trained on. They are scored as they are and made worse: half and four fifths of the depth missing in
blocks, noise four times as strong, the table uneven by a centimetre, depth absent, colour absent. Plane removal is
RANSAC on depth alone: what rises more than 7 mm above the best plane is an object. Figures are intersection over union
of objects, over all labelled pixels together. Without a folder nothing is run:
``python -m benchmarks.real.tables RUN --data FOLDER``.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks._record import keep
from crosswire.training.datasets.folder import open_every, recognise
from crosswire.training.datasets.frames import IGNORE, Frame
from crosswire.training.datasets.sensors.kinect_v1 import axial_deviation
from crosswire.training.datasets.sensors.view import grain, smooth_field
from crosswire.training.datasets.tabletops.classes import OBJECT
from crosswire.training.engine.run_folder import Run, read_run
from crosswire.training.modalities import modalities
from crosswire.training.models import single_stream
from crosswire.training.tasks.segmentation.config import DataConfig
from crosswire.training.tasks.segmentation.transforms import resize

AGAIN = "python -m benchmarks.real.tables RUN --data FOLDER"
Mask = NDArray[np.bool_]
Depth = NDArray[np.float32]
THRESHOLD_M = 0.007
HYPOTHESES, SAMPLE, REFINEMENTS = 200, 2000, 6
BLOCKS = 20
"""Blocks along the width in which depth is lost."""
FOCAL = 525 / 640
"""Focal length as a share of the width, as the first Kinect has it; plane removal alone needs it."""


def plane_heights(depth: Depth, focal: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how far every reading rises above the best plane towards the camera.

    Args:
        depth: [H, W], metres, 0 = no reading.
        focal: focal length in pixels.
        rng: draws the hypotheses.

    Returns:
        Metres [H, W], negative below the plane; 0 where there is no reading, and everywhere if there are too few.
    """
    height, width = depth.shape
    across = (np.arange(width) + 0.5 - width / 2) / focal
    down = ((np.arange(height) + 0.5 - height / 2) / focal)[:, None]
    points = np.stack(np.broadcast_arrays(across, down, 1.0), axis=2) * depth[..., None].astype(np.float64)
    seen = points[depth > 0]
    if len(seen) < 100:
        return np.zeros(depth.shape)
    sample = seen[rng.integers(len(seen), size=SAMPLE)]
    one, two, three = (sample[rng.integers(SAMPLE, size=HYPOTHESES)] for _ in range(3))
    normals = np.cross(two - one, three - one)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    offsets = np.sum(normals * one, axis=1)
    support = (np.abs(sample @ normals.T - offsets) < THRESHOLD_M).sum(axis=0)
    normal, offset = normals[support.argmax()], offsets[support.argmax()]
    for _ in range(REFINEMENTS):
        inliers = seen[np.abs(seen @ normal - offset) < THRESHOLD_M]
        middle = inliers.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov((inliers - middle).T))
        normal = axes[:, 0] * np.sign(axes[:, 0] @ middle)
        offset = normal @ middle
    return np.where(depth > 0, offset - points @ normal, 0)


def remove_plane(depth: Depth, focal: float, rng: np.random.Generator) -> Mask:
    """Return where objects are: what rises more than ``THRESHOLD_M`` above the best plane [H, W]."""
    return np.asarray(plane_heights(depth, focal, rng) > THRESHOLD_M)


def lose_blocks(depth: Depth, share: float, rng: np.random.Generator) -> Depth:
    """Lose a share of a depth map in square blocks."""
    height, width = depth.shape
    rows = max(1, round(BLOCKS * height / width))
    lost = rng.permutation(rows * BLOCKS).reshape(rows, BLOCKS) < round(share * rows * BLOCKS)
    down, along = np.arange(height) * rows // height, np.arange(width) * BLOCKS // width
    return np.where(lost[down[:, None], along], np.float32(0), depth)


def add_noise(depth: Depth, rng: np.random.Generator) -> Depth:
    """Make the noise of a Kinect four times as strong: add fifteen times its variance."""
    height, width = depth.shape
    noise = np.sqrt(15) * grain(rng, (height, width), 4) * axial_deviation(np.maximum(depth, 0.4), np.ones_like(depth))
    return np.where(depth > 0, np.maximum(depth + noise, 0.05), 0).astype(np.float32)


def bend(depth: Depth, rng: np.random.Generator) -> Depth:
    """Bend the whole view smoothly, by a centimetre's deviation."""
    height, width = depth.shape
    return np.where(depth > 0, depth + 0.01 * smooth_field(rng, (height, width), (4, 5, 1.0)), 0).astype(np.float32)


Change = Callable[[Depth, np.random.Generator], Depth]
CASES: dict[str, tuple[Change, str]] = {
    "as it is": (lambda depth, _: depth, ""),
    "50 % of depth missing": (lambda depth, rng: lose_blocks(depth, 0.5, rng), ""),
    "80 % of depth missing": (lambda depth, rng: lose_blocks(depth, 0.8, rng), ""),
    "noise x4": (add_noise, ""),
    "uneven": (bend, ""),
    "depth absent": (lambda depth, _: np.zeros_like(depth), "rgb"),
    "colour absent": (lambda depth, _: depth, "depth"),
}
"""By name: what becomes of depth, and the stream that decides alone, or nothing where all are there."""


def predict(run: Run, frame: Frame, alone: str) -> NDArray[np.int64]:
    """Return the labels [H, W] of a network at the frame's own size.

    Args:
        run: the trained network.
        frame: what it sees; resized to what the network was trained at.
        alone: the stream that decides alone, or empty.
    """
    config = run.config
    streams = modalities(config.network)
    small = resize(frame, config.data.height, config.data.width)
    inputs = [torch.from_numpy(m.normalise(small.pictures[m.name]))[None] for m in streams]
    network = run.network.eval()
    with torch.inference_mode():
        if alone:
            place = [m.name for m in streams].index(alone)
            logits = single_stream(network, place)(inputs[place]).ensemble
        else:
            logits = network(*inputs).ensemble
        full = functional.interpolate(logits, size=frame.labels.shape, mode="bilinear", align_corners=False)
    return np.asarray(full[0].argmax(0).numpy())


def overlap(found: Mask, truth: Mask, known: Mask) -> NDArray[np.int64]:
    """Return pixels in both and pixels in either, where labels are known."""
    return np.asarray([(found & truth & known).sum(), ((found | truth) & known).sum()])


def score(run: Run, real: Sequence[Frame], wanted: int, target: int) -> dict[str, dict[str, float]]:
    """Return the IoU of network and plane removal in every case.

    Args:
        run: the trained network.
        real: the frames.
        wanted: label of objects in the network.
        target: label of objects in the frames.
    """
    scores = {}
    for number, (name, (change, alone)) in enumerate(CASES.items()):
        network, plane = np.zeros(2, np.int64), np.zeros(2, np.int64)
        for index, frame in enumerate(real):
            rng = np.random.default_rng([number, index])
            depth = change(np.asarray(frame.pictures["depth"], np.float32), rng)
            changed = dataclasses.replace(frame, pictures={**frame.pictures, "depth": depth})
            truth, known = frame.labels == target, frame.labels != IGNORE
            network += overlap(predict(run, changed, alone) == wanted, truth, known)
            plane += overlap(remove_plane(depth, FOCAL * depth.shape[1], rng), truth, known)
        scores[name] = {"network": float(network[0] / network[1]), "plane removal": float(plane[0] / plane[1])}
        print(f"{name:24s} {scores[name]['network']:8.3f} {scores[name]['plane removal']:14.3f}", flush=True)
    return scores


def milliseconds(real: Sequence[Frame]) -> float:
    """Return the median processor time of plane removal on a frame."""
    times = []
    for frame in real:
        depth = np.asarray(frame.pictures["depth"], np.float32)
        start = time.process_time()
        remove_plane(depth, FOCAL * depth.shape[1], np.random.default_rng(0))
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times)


def main() -> int:
    """Score, print a table and end in one JSON line; say so where nothing can be run."""
    parser = argparse.ArgumentParser(description="IoU of objects on real frames of tables")
    parser.add_argument("run", type=Path, nargs="?", help="run folder of a network with the class object")
    parser.add_argument("--data", type=Path, help="folder of real frames with the classes table and object")
    wanted = parser.parse_args()
    if wanted.run is None or wanted.data is None or not recognise(wanted.data):
        print("not run: needs a run folder, and --data FOLDER with real frames of tables", file=sys.stderr)
        return 0
    run = read_run(wanted.run)
    if run.config.data.name != "tabletop":
        parser.error(f"{wanted.run} was trained on {run.config.data.name!r}; expected 'tabletop', try tabletop-cen")
    source = open_every(DataConfig(name="folder", path=str(wanted.data)))
    if "object" not in source.classes:
        classes = ", ".join(source.classes)
        parser.error(f"{wanted.data} has the classes {classes}; expected object among them, name it in manifest.json")
    real = [source[index] for index in range(len(source))]
    print(f"{len(real)} frames; IoU of objects\n{'':24s} {'network':>8s} {'plane removal':>14s}")
    scores = score(run, real, OBJECT, source.classes.index("object"))
    figures = {
        "frames": len(real),
        "preset": run.config.preset,
        "steps": run.config.steps,
        "iou": scores,
        "plane_ms": milliseconds(real),
    }
    keep("real_tables", figures, again=AGAIN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
