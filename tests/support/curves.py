"""What a server's processes hold over time, as samples, and whether any of it grows with the requests."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import psutil

from crosswire.serving.processes.process_table import descendants_of
from crosswire.serving.supervisor.watch import stub_label

MEBIBYTE = 1 << 20
#: Largest growth per 1,000 requests, by kind of curve.
MOST_GROWTH = {
    "memory": 1.0 * MEBIBYTE,
    "shared memory": 0.25 * MEBIBYTE,
    "descriptors": 1.0,
    "threads": 1.0,
    "files": 0.5,
}
_KEPT = 200  # samples that a slope is made of


@dataclass(frozen=True)
class Sample:
    """One value at one time.

    Attributes:
        seconds: since the start.
        requests: how many were answered until then.
        kind: what was measured.
        part: of which process, or of the whole server.
        value: in bytes, or how many.
    """

    seconds: float
    requests: int
    kind: str
    part: str
    value: float


def measure(pid: int, runtime: Path, seconds: float, requests: int) -> list[Sample]:
    """Return what a server holds: memory, descriptors and threads per part; shared memory and files of the whole."""
    found: dict[tuple[str, str], float] = {}
    for one in (pid, *descendants_of(pid)):
        try:
            process = psutil.Process(one)
            part = _part_of(process, pid)
            values = {
                "memory": _memory(one),
                "descriptors": process.num_fds(),
                "threads": process.num_threads(),
            }
        except (psutil.Error, OSError):  # it has just ended
            continue
        for kind, value in values.items():
            found[kind, part] = found.get((kind, part), 0) + value
    regions = Path("/dev/shm").glob(f"crosswire_{pid}_*")
    found["shared memory", "server"] = sum(path.stat().st_size for path in regions)
    found["files", "server"] = sum(1 for _ in runtime.rglob("*"))
    return [Sample(seconds, requests, kind, part, value) for (kind, part), value in found.items()]


def faults(samples: Iterable[Sample]) -> list[str]:
    """Say what grows, after the first third of the requests, by more than `MOST_GROWTH`."""
    curves: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        curves.setdefault((sample.kind, sample.part), []).append(sample)
    wrong = []
    for (kind, part), curve in sorted(curves.items()):
        if kind in MOST_GROWTH and (grows := growth(curve)) > MOST_GROWTH[kind]:
            unit = f"{grows / MEBIBYTE:.2f} MiB" if "memory" in kind else f"{grows:.2f}"
            wrong.append(f"{kind} of {part} grows by {unit} per 1,000 requests")
    return wrong


def growth(curve: Sequence[Sample]) -> float:
    """Return the median slope between any two samples of the last two thirds, per 1,000 requests."""
    settled = [one for one in curve if one.requests >= curve[-1].requests / 3]
    kept = settled[:: max(1, len(settled) // _KEPT)]
    slopes = [
        1000 * (second.value - first.value) / (second.requests - first.requests)
        for first, second in combinations(kept, 2)
        if second.requests > first.requests
    ]
    return statistics.median(slopes) if slopes else 0.0


def table(samples: Iterable[Sample]) -> str:
    """Return in Markdown what every part held after a third of the requests and at the end, and how it grew.

    Numbers are MiB of memory, or how many; growth is per 1,000 requests, as `growth` has it.
    """
    curves: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        curves.setdefault((sample.kind, sample.part), []).append(sample)
    lines = ["| what | of | after a third | at the end | growth per 1,000 | allowed |", "|---|---|---|---|---|---|"]
    for (kind, part), curve in sorted(curves.items()):
        if kind in MOST_GROWTH:
            unit, digits = (MEBIBYTE, 1) if "memory" in kind else (1, 0)
            third = next(one for one in curve if one.requests >= curve[-1].requests / 3)
            held = " | ".join(f"{one.value / unit:.{digits}f}" for one in (third, curve[-1]))
            grown = f"{growth(curve) / unit:+.3f} | {MOST_GROWTH[kind] / unit:g}"
            lines.append(f"| {kind}{', MiB' if unit > 1 else ''} | {part} | {held} | {grown} |")
    return "\n".join(lines) + "\n"


def read_csv(path: Path) -> list[Sample]:
    """Read what `write_csv` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Sample(float(row["seconds"]), int(row["requests"]), row["kind"], row["part"], float(row["value"]))
            for row in csv.DictReader(file)
        ]


def write_csv(samples: Iterable[Sample], path: Path) -> None:
    """Write every sample as a line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("seconds", "requests", "kind", "part", "value"))
        writer.writerows((f"{one.seconds:.1f}", one.requests, one.kind, one.part, one.value) for one in samples)


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Draw the curves, one field per kind."""
    from matplotlib.figure import Figure

    kinds = sorted({one.kind for one in samples})
    figure = Figure(figsize=(9, 2.6 * len(kinds)), layout="constrained")
    for axes, kind in zip(figure.subplots(len(kinds), squeeze=False)[:, 0], kinds, strict=True):
        scale = MEBIBYTE if "memory" in kind else 1
        for part in sorted({one.part for one in samples if one.kind == kind}):
            curve = [one for one in samples if (one.kind, one.part) == (kind, part)]
            axes.plot([one.requests for one in curve], [one.value / scale for one in curve], label=part)
        axes.set_title(f"{kind} [MiB]" if scale > 1 else kind, loc="left", fontsize=9)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_xlabel("requests")
    figure.savefig(path, dpi=110)


def _part_of(process: psutil.Process, supervisor: int) -> str:
    """Return what a process is to its server; decoders of one stub count together, for they are replaced."""
    words = " ".join(process.cmdline())
    if process.pid == supervisor:
        return "supervisor"
    if "crosswire.serving.gateway" in words:
        return "gateway"
    if "sandbox_main" in words:
        return f"decoders of {stub_label(process.ppid())}"
    return stub_label(process.pid) if "/model.py" in words else process.name()


def _memory(pid: int) -> int:
    """Return the bytes of a process that are no mapped files."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "RssShmem")))
