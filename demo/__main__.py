"""`make demo`: start the server, send it rooms and foreign frames, show what it answers. Needs no PyTorch."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from crosswire.clients import Predictor
from crosswire.contract.command_line import OneLineParser, run_command
from crosswire.serving.processes.embedded import EmbeddedServer
from demo.others import NETWORKS, ask_others
from demo.scenes import ROOT, foreign_scenes, rooms
from demo.show import ask, draw_sheet, pooled_mean_iou, table, write_report

NETWORK = "rooms_cen"
PIPELINE = f"{NETWORK}_image"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return 0, or 2 after a line on stderr that says what is wrong."""
    parser = OneLineParser(prog="python -m demo", description="Segment RGB-D pictures with NVIDIA Triton.")
    parser.add_argument("--repository", type=Path, default=ROOT / "model_repository", help="what to serve")
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "out", help="where to write")
    parser.set_defaults(function=_run)
    return run_command(parser, arguments)


def _run(options: argparse.Namespace) -> None:
    """Run the demo as the command line asks."""
    run(options.repository, options.out)


def run(repository: Path, out: Path) -> float:
    """Serve a repository, segment all scenes, write pictures and report.

    Args:
        repository: holds the network `rooms_cen`.
        out: folder to write into.

    Returns:
        The mean IoU over the rooms.
    """
    out.mkdir(parents=True, exist_ok=True)
    scenes = [*rooms(), *foreign_scenes()]
    print("starting NVIDIA Triton ...", flush=True)
    begin = time.perf_counter()
    served = [NETWORK, *(name for name in NETWORKS if (repository / name).is_dir())]
    with EmbeddedServer(repository, networks=served) as server, Predictor(server.grpc_url) as predictor:
        print(f"ready after {time.perf_counter() - begin:.1f} s; sending {len(scenes)} RGB-D pairs ...\n", flush=True)
        answers = ask(predictor, PIPELINE, scenes, out)
        others = ask_others(predictor, out)
    write_report(answers, PIPELINE, out / "report.json", [entry for _, entry in others])
    draw_sheet(answers, [panel for panel, _ in others], out / "contact_sheet.png")
    mean = pooled_mean_iou(answers)
    shown = out.relative_to(ROOT) if out.is_relative_to(ROOT) else out
    print(table(answers))
    for panel, _ in others:
        print(f"{panel.title}: {panel.facts}")
    print(f"\nmIoU over the {len(rooms())} rooms: {mean:.3f}")
    print(f"look at: {shown}/contact_sheet.png    all figures: {shown}/report.json")
    print(
        "\nnext:\n"
        "  make serve                    # keep a server running on ports 8000 (HTTP) and 8001 (gRPC), then\n"
        "  .venv/bin/crosswire predict demo/real/tum_desk.rgb.png demo/real/tum_desk.depth.png \\\n"
        f"      --depth-units-per-metre 5000 --pipeline {PIPELINE} --url grpc://127.0.0.1:8001 --out predictions\n"
        "  make demo-train               # train, freeze, export and serve a network of your own"
    )
    return mean


if __name__ == "__main__":
    sys.exit(main())
