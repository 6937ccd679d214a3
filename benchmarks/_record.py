"""What every benchmark leaves behind: one JSON line, and the same in a dated file under `benchmarks/results/`."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
EIGHT_BIT = ("avx512_vnni", "avx_vnni", "amx_int8")


def processor() -> str:
    """Return the processor's model name, or the architecture where the system does not tell."""
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")]
    return names[0] if names else os.uname().machine


def eight_bit_instructions() -> list[str]:
    """Return which instructions for 8-bit products the processor has."""
    words = set(_cpuinfo().split())
    return [name for name in EIGHT_BIT if name in words]


def keep(name: str, command: str, figures: dict[str, Any], *, gpu: str | None = None, results: Path = RESULTS) -> None:
    """Print the figures of a benchmark as a JSON line and write them to `results/DATE-NAME.json`.

    Args:
        name: of the benchmark.
        command: that measures the same again.
        figures: plain JSON types.
        gpu: name of the GPU that was measured on, if any.
        results: folder to write into.
    """
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    hardware = {"cpu": processor(), "cores": os.cpu_count(), "eight_bit": eight_bit_instructions(), "gpu": gpu}
    record = {"benchmark": name, "date": date, "command": command, "hardware": hardware, **figures}
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{date}-{name}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(json.dumps(record))


def _cpuinfo() -> str:
    """Return what Linux says of the processors, or nothing elsewhere."""
    listing = Path("/proc/cpuinfo")
    return listing.read_text() if listing.exists() else ""
