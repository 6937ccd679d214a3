"""Times registration, 640x576 depth into 1280x720 colour, against librealsense, Open3D and OpenCV on one core.

All that are installed take turns in one process that stays on one core, with one thread each; figures are medians of
processor time over frames of the same scene, and ratios are those of two that followed each other. Others are named
with the reason why they do not run. Run it with ``python -m benchmarks.cameras.registration``; the libraries may lie in
an environment of their own with numpy alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks._record import keep, processor
from benchmarks.cameras.aligners import ALIGNERS, Depth
from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera
from crosswire.media.cameras.register import Registration

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: About an Azure Kinect in its narrow view beside 720p, as a pinhole.
PINHOLE = RgbdCamera(
    colour=Lens(1280, 720, 610.0, 610.0, 638.5, 366.5),
    depth=Lens(640, 576, 504.5, 504.5, 320.5, 332.5),
    rotation=(
        1.0,
        0.0,
        0.0,
        0.0,
        float(np.cos(0.087)),
        float(np.sin(0.087)),
        0.0,
        -float(np.sin(0.087)),
        float(np.cos(0.087)),
    ),
    translation=(-0.032, -0.002, 0.004),
)
_BENT = (0.55, -0.02, -0.0001, 0.0, -0.003, 0.89, 0.09, -0.014)


def _colour(model: Distortion, coefficients: tuple[float, ...]) -> RgbdCamera:
    """Return the camera with distortion of its colour lens."""
    return dataclasses.replace(
        PINHOLE, colour=dataclasses.replace(PINHOLE.colour, distortion=model, coefficients=coefficients)
    )


OURS = "crosswire"
CAMERAS = {
    "pinhole": PINHOLE,
    "colour_realsense": _colour(Distortion.INVERSE_BROWN_CONRADY, (-0.055, 0.065, 0.001, -0.001, -0.02)),
    "colour_rational": _colour(Distortion.RATIONAL, _BENT),
    "both_rational": dataclasses.replace(
        _colour(Distortion.RATIONAL, _BENT),
        depth=dataclasses.replace(PINHOLE.depth, distortion=Distortion.RATIONAL, coefficients=_BENT),
    ),
}


def scene(lens: Lens) -> Depth:
    """Return a room with a wavy wall, a floor and two things before it, metres; a tenth has no reading."""
    rows, columns = np.mgrid[: lens.height, : lens.width]
    floor = 1.2 / np.maximum((rows - lens.cy) / lens.fy, 1e-3)
    depth = np.minimum(3.0 + 0.3 * np.sin(columns / 60), floor)
    depth[lens.height // 4 : lens.height * 2 // 3, lens.width // 3 : lens.width // 2] = 1.3
    ball = (columns - 0.7 * lens.width) ** 2 + (rows - 0.4 * lens.height) ** 2
    depth = np.where(ball < (0.1 * lens.width) ** 2, 0.8 + ball / 4e4, depth)
    depth[: lens.height // 10] = 0
    return np.asarray(depth, np.float32)


def contenders(camera: RgbdCamera, depth: Depth) -> tuple[dict[str, Callable[[], Depth]], dict[str, str]]:
    """Return what runs, by name, and why others do not."""
    ours = Registration(camera)
    running: dict[str, Callable[[], Depth]] = {OURS: lambda: ours.apply(depth)}
    absent = {}
    for name, (package, make) in ALIGNERS.items():
        try:
            running[name] = make(camera)(depth)
        except (ImportError, ValueError) as error:
            absent[name] = f"{package} is not installed" if isinstance(error, ModuleNotFoundError) else str(error)
    return running, absent


def measured(running: dict[str, Callable[[], Depth]], rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of processor time of every round, all in turns, after two that are not counted."""
    times: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds + 2):
        for name, run in running.items():
            start = time.process_time()
            run()
            times[name].append(1000 * (time.process_time() - start))
    return {name: values[2:] for name, values in times.items()}


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="registration against librealsense, Open3D and OpenCV on one core")
    parser.add_argument("--rounds", type=int, default=60, help="counted frames of every contender")
    wanted = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):
        single = os.environ | dict.fromkeys(THREADS, "1")
        again = subprocess.run([sys.executable, "-m", "benchmarks.cameras.registration", *sys.argv[1:]], env=single)
        raise SystemExit(again.returncode)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    versions = {"numpy": np.__version__}
    figures: dict[str, dict[str, object]] = {}
    print(f"{processor()}, one core, 640x576 to 1280x720, median of {wanted.rounds} frames in turns")
    for title, camera in CAMERAS.items():
        running, absent = contenders(camera, scene(camera.depth))
        times = measured(running, wanted.rounds)
        ratios = {
            name: round(statistics.median(a / b for a, b in zip(times[OURS], times[name], strict=True)), 2)
            for name in running
            if name != OURS
        }
        medians = {name: round(statistics.median(values), 2) for name, values in times.items()}
        figures[title] = {"milliseconds": medians, "crosswire_over": ratios, "not_run": absent}
        for name, median in medians.items():
            ratio = f"   crosswire takes {ratios[name]:.2f} x as long" if name in ratios else ""
            print(f"{title:22s} {name:14s} {median:7.2f} ms   (from {min(times[name]):.2f}){ratio}")
        for name, reason in absent.items():
            print(f"{title:22s} {name:14s} not run: {reason}")
        versions |= {name: importlib.metadata.version(ALIGNERS[name][0]) for name in ratios}
    keep("registration", {"threads": 1, "versions": versions, "cameras": figures})


if __name__ == "__main__":
    main()
