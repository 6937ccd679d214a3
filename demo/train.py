"""`make demo-train`: the whole way from nothing: train, compare with single streams, export, serve, predict."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import Any

from crosswire.export.build import build
from crosswire.export.report.text import describe
from crosswire.training.config import RunConfig
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.evaluate import format_scores, score
from demo.__main__ import run as show
from demo.scenes import ROOT

OUT = ROOT / "demo" / "out" / "train"
FUSED = "rooms-quick"
ALONE = ("rooms-quick-rgb", "rooms-quick-depth")
MARGIN = 0.03
SHARE = (0.10, 0.50)


def main() -> int:
    """Run every step; return 0 if what the README promises of it was seen, else 1."""
    shutil.rmtree(OUT, ignore_errors=True)
    begin = time.perf_counter()
    metrics = {name: _trained(preset(name)) for name in (FUSED, *ALONE)}
    contract = build(read_run(OUT / FUSED), "rooms_cen", _size(preset(FUSED)), OUT / "repository")
    print(f"\n{describe(contract)}\n")
    show(OUT / "repository", OUT / "served")
    promises = check(metrics)
    (OUT / "report.json").write_text(json.dumps({"metrics": metrics, "promises": promises}, indent=1) + "\n")
    print(f"\ntrained, exported and served in {(time.perf_counter() - begin) / 60:.1f} minutes; all of it: {OUT}")
    for promise, kept in promises.items():
        print(f"  {'yes' if kept else 'NO '}  {promise}")
    return 0 if all(promises.values()) else 1


def _trained(config: RunConfig) -> dict[str, Any]:
    """Train and score one preset."""
    print(f"\n== {config.preset}: {config.steps} steps on {' + '.join(config.network.streams)} ==", flush=True)
    folder = OUT / config.preset
    fit(config, folder)
    run = read_run(folder)
    metrics = score(run)
    print(format_scores(metrics))
    return metrics


def check(metrics: dict[str, dict[str, Any]]) -> dict[str, bool]:
    """Hold the scores against what the README promises."""
    fused, *alone = (metrics[name]["scores"]["ensemble"]["mean_iou"] for name in (FUSED, *ALONE))
    share = metrics[FUSED]["exchanged_share"]
    promises = {
        f"{SHARE[0]:.0%} to {SHARE[1]:.0%} of the penalised channels exchanged: {share:.1%}": (
            SHARE[0] <= share <= SHARE[1]
        )
    }
    for name, single in zip(("rgb", "depth"), alone, strict=True):
        text = f"mIoU {fused:.3f} of both streams is at least 3 points above {single:.3f} of {name} alone"
        promises[text] = fused >= single + MARGIN
    return promises


def _size(config: RunConfig) -> tuple[int, int]:
    """Return the size of the training pictures."""
    return config.data.height, config.data.width


if __name__ == "__main__":
    sys.exit(main())
