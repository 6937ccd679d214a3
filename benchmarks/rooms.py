"""Times the procedural rooms and tabletops: scenes per second on one core.

Measured are whole calls of ``render`` at 128x160, once for the three arrays that segmentation trains on (rgb, depth,
labels) and once with every further domain asked for. Each figure is the median over repetitions, each of which renders
another series of rooms; seconds are processor time, so that a busy neighbour hardly counts. Tables are timed against
rooms of the same size, 240x320, in turns. Run it with ``python -m benchmarks.rooms``.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from benchmarks._record import keep, processor

TABLE_SIZE = (240, 320)
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


def tables_over_rooms(scenes: int, repetitions: int) -> list[float]:
    """Return how many times as long a table takes as a room of the same size, per repetition, rendered in turns."""
    from crosswire.training.datasets import rooms, tabletops

    ratios = []
    for repetition in range(repetitions + 1):
        seconds = [0.0, 0.0]
        for index in range(scenes):
            for number, module in enumerate((rooms, tabletops)):
                start = time.process_time()
                module.render(repetition, index, *TABLE_SIZE)
                seconds[number] += time.process_time() - start
        ratios.append(seconds[1] / seconds[0])
    return ratios[1:]


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="scenes per second of the procedural rooms and tabletops on one core")
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
    ratios = tables_over_rooms(wanted.scenes, wanted.repetitions)
    ratio = round(statistics.median(ratios), 3)
    print(f"a table takes {ratio:.2f} x as long as a room of 240x320   (from {min(ratios):.2f} to {max(ratios):.2f})")
    keep("rooms", {"size": [128, 160], "threads": 1, "scenes_per_second": figures, "table_over_room": ratio})


if __name__ == "__main__":
    main()
