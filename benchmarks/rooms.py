"""Times the procedural rooms: scenes per second on one core.

Measured are whole calls of ``render`` at 128x160, once for the three arrays that segmentation trains on (rgb, depth,
labels) and once with every further domain asked for. Each figure is the median over repetitions, each of which renders
another series of rooms; seconds are processor time, so that a busy neighbour hardly counts. Run it with
``python -m benchmarks.rooms``.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from benchmarks._record import keep, processor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def scenes_per_second(scenes: int, repetitions: int, *, all_domains: bool) -> list[float]:
    """Return the pace of each repetition, in scenes per second of processor time, after one that is not counted."""
    from crosswire.training.datasets.rooms import DOMAINS, render

    paces = []
    for repetition in range(repetitions + 1):
        start = time.process_time()
        for index in range(scenes):
            room = render(repetition, index)
            if all_domains:
                for name in DOMAINS:
                    room.domain(name)
        paces.append(scenes / (time.process_time() - start))
    return paces[1:]


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="scenes per second of the procedural rooms on one core")
    parser.add_argument("--scenes", type=int, default=60, help="rooms per repetition")
    parser.add_argument("--repetitions", type=int, default=7, help="counted repetitions; the median is reported")
    wanted = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):
        single = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
        again = subprocess.run([sys.executable, "-m", "benchmarks.rooms", *sys.argv[1:]], env=single)
        raise SystemExit(again.returncode)
    figures: dict[str, float] = {}
    print(f"{processor()}, one thread, 128x160, median of {wanted.repetitions} x {wanted.scenes} rooms")
    for title, everything in (("rgb_depth_labels", False), ("all_domains", True)):
        paces = scenes_per_second(wanted.scenes, wanted.repetitions, all_domains=everything)
        figures[title] = round(statistics.median(paces), 1)
        print(f"{title:18s} {figures[title]:7.1f} scenes/s   (from {min(paces):.1f} to {max(paces):.1f})")
    keep("rooms", {"size": [128, 160], "threads": 1, "scenes_per_second": figures})


if __name__ == "__main__":
    main()
