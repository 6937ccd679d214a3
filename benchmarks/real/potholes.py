"""Cross-validation of `fine-tune` on real road frames, folds cut by pothole: both streams, each alone, no exchange.

The frames are the stereo potholes of Fan et al. (IEEE TIP 2019, MIT licence), as a folder of one's own: colour beside
transformed disparity, whose lists are not read. Neighbouring frames show one pothole from other sides, so a fold holds
whole potholes. Every run is scored once, on the frames of its fold, with its last weights: nothing is chosen by them.
Run it with ``python -m benchmarks.real.potholes --data FOLDER``; without the folder nothing is run.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks._record import keep
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.from_data import with_measured
from crosswire.training.models import exchanged_share
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.evaluate import evaluate

#: First and last frame of every pothole, by the data set's three parts.
POTHOLES = """1_01-08 1_09-22 2_01-05 2_06-08 2_09-10 2_11-12 2_13-15 2_16-18 2_19-20 2_21-23 2_24-27 2_28-30 2_31-32
2_33-34 2_35-36 2_37-39 2_40-40 3_01-05"""
CONTENDERS = {
    "rgb": ["network.streams=rgb"],
    "depth": ["network.streams=depth"],
    "rgb + depth": ["network.fusion=none"],
    "rgb + depth, exchange": [],
}


def pothole(frame: str) -> int:
    """Return which pothole a frame such as `2_07` shows, as a place in `POTHOLES`."""
    part, number = frame.split("_")
    for place, (of, first, last) in enumerate(re.findall(r"(\d)_(\d+)-(\d+)", POTHOLES)):
        if of == part and int(first) <= int(number) <= int(last):
            return place
    raise SystemExit(f"frame {frame} is of no known pothole; give the folder as its README describes it")


def folds(frames: list[str], count: int) -> list[list[str]]:
    """Cut frames into folds of whole potholes, the largest pothole first into the smallest fold."""
    groups: dict[int, list[str]] = {}
    for frame in sorted(frames):
        groups.setdefault(pothole(frame), []).append(frame)
    made: list[list[str]] = [[] for _ in range(count)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(made, key=len).extend(group)
    return made


def run(data: Path, settings: list[str], held: list[str], rest: list[str], folder: Path) -> dict[str, float]:
    """Train on some frames and score others; return the IoU of potholes, the exchanged share and the minutes."""
    for name in ("rgb", "depth", "labels", "manifest.json"):
        (folder / name).symlink_to(data.resolve() / name)
    for name, frames in (("train", rest), ("val", held)):
        (folder / f"{name}.txt").write_text("\n".join(frames) + "\n", encoding="utf-8")
    steps = dict(one.split("=", 1) for one in settings).get("steps", preset("fine-tune").steps)
    config = override(preset("fine-tune"), [f"data.path={folder}", *settings, f"val_every={steps}"])
    config, _ = with_measured(config, {one.partition("=")[0] for one in settings})
    began = time.monotonic()
    fit(config, folder / "run", progress=False)
    minutes = (time.monotonic() - began) / 60
    trained = read_run(folder / "run")
    scores = evaluate(trained, progress=False)
    streams = {f"iou_{name}": scores[name].iou[1] for name in scores if name != "ensemble"}
    share = exchanged_share(trained.network)
    return {"iou": scores["ensemble"].iou[1], **streams, "exchanged_share": share, "minutes": minutes}


def main() -> None:
    """Cross-validate, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="fine-tune on real frames of potholes, folds cut by pothole")
    parser.add_argument("--data", type=Path, help="folder with rgb/, depth/, labels/ and manifest.json")
    parser.add_argument("--folds", type=int, default=5, help="into how many the frames are cut (default 5)")
    parser.add_argument("--only", type=int, nargs="+", help="run these folds alone, from 0")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run each (default 0)")
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the preset")
    wanted = parser.parse_args()
    if wanted.data is None or not wanted.data.is_dir():
        print("not run: needs --data FOLDER with the stereo potholes", file=sys.stderr)
        return
    cut = folds([path.stem for path in (wanted.data / "labels").glob("*.png")], wanted.folds)
    figures: dict[str, list[dict[str, float]]] = {}
    for name in wanted.contenders:
        for fold in wanted.only or range(wanted.folds):
            rest = [frame for other, part in enumerate(cut) if other != fold for frame in part]
            for seed in wanted.seeds:
                settings = [*CONTENDERS[name], f"seed={seed}", *wanted.set]
                with TemporaryDirectory() as folder:
                    row = run(wanted.data, settings, cut[fold], rest, Path(folder))
                figures.setdefault(name, []).append({"fold": fold, "seed": seed, **row})
                print(name, {key: round(value, 3) for key, value in figures[name][-1].items()}, flush=True)
    networks = {name: _mean(runs) for name, runs in figures.items()}
    again = "python -m benchmarks.real.potholes --data FOLDER"
    keep("potholes", {"set": wanted.set, "seeds": wanted.seeds, "folds": cut, "networks": networks}, again=again)


def _mean(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Return the mean IoU of some runs, its spread and how many they are, beside the runs."""
    found = [one["iou"] for one in runs]
    spread = statistics.stdev(found) if len(found) > 1 else None
    return {"mean_iou": statistics.mean(found), "spread": spread, "count": len(found), "runs": runs}


if __name__ == "__main__":
    main()
