"""What every benchmark leaves behind: one JSON line, and the same in a dated file under `benchmarks/results/`."""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from crosswire.contract.atomic_write import write_json
from crosswire.training.engine.machine.hardware import cpuinfo, hardware

RESULTS = Path(__file__).parent / "results"
EIGHT_BIT = ("avx512_vnni", "avx_vnni", "amx_int8")


def processor() -> str:
    """Return the processor's model name, or the architecture where the system does not tell."""
    return str(hardware()["cpu"])


def eight_bit_instructions() -> list[str]:
    """Return which instructions for 8-bit products the processor has."""
    words = set(cpuinfo().split())
    return [name for name in EIGHT_BIT if name in words]


def command() -> str:
    """Return the command line that this process was started with, to measure the same again."""
    spec = sys.modules["__main__"].__spec__
    module = spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).stem
    return shlex.join(["python", "-m", module, *sys.argv[1:]])


def keep(
    name: str,
    figures: dict[str, Any],
    *,
    again: str | None = None,
    gpu: str | None = None,
    results: Path = RESULTS,
) -> None:
    """Print the figures of a benchmark as a JSON line and write them to `results/DATE-NAME.json`.

    Args:
        name: of the benchmark.
        figures: plain JSON types.
        again: command that measures the same again; None for `command()`.
        gpu: name of the GPU that was measured on, if any.
        results: folder to write into.
    """
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    machine = {**hardware(), "eight_bit": eight_bit_instructions(), "gpu": gpu}
    record = {"benchmark": name, "date": date, "command": again or command(), "hardware": machine, **figures}
    write_json(results / f"{date}-{name}.json", record)
    print(json.dumps(record))
