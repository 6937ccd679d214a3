"""A second opinion: NVIDIA's perf_analyzer drives the same pipeline with the same inputs.

The program comes with no package that can be installed beside ours; it lies in the manylinux wheel of `tritonclient`
2.51.0, which is to be unzipped, not installed (it would replace protobuf and numpy by old releases):

    pip download --no-deps tritonclient==2.51.0 && crosswire bench --perf-analyzer tritonclient-2.51.0*.whl ...

It needs two libraries that the wheel `nvidia-pytriton` carries under other names.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from crosswire.clients.bench.load import Target
from crosswire.clients.errors import InputError, InternalServerError
from crosswire.clients.transport import Tensors

VARIABLE = "CROSSWIRE_PERF_ANALYZER"
_LIBRARIES = {"libb64.so.0d": "libb64-*.so*", "libcudart.so.12": "libcudart-*.so*"}
_VENDORED = "nvidia_pytriton.libs"
_INSIDE = "/bin/perf_analyzer"
_STABLE_PERCENT, _MOST_TRIALS = 50, 12


def find_perf_analyzer(named: Path | None) -> Path:
    """Return the program, or the wheel that holds it.

    Args:
        named: what the user named; None takes the variable `CROSSWIRE_PERF_ANALYZER`.

    Raises:
        InputError: there is none.
    """
    path = named or Path(os.environ.get(VARIABLE, ""))
    if not path.is_file():
        raise InputError(
            f"perf_analyzer is not at {str(path)!r}; get it with: pip download --no-deps tritonclient==2.51.0, and "
            f"name the wheel after --perf-analyzer or in {VARIABLE}"
        )
    return path


def run_perf_analyzer(program: Path, target: Target, clients: int, seconds: float) -> dict[str, Any]:
    """Let it drive a target with so many clients in a closed loop.

    Args:
        program: the binary, or a wheel that holds it.
        target: a pipeline behind gRPC.
        clients: requests in flight.
        seconds: length of one of its measurements; it repeats them until three in a row agree.

    Returns:
        `per_second`, `mean_ms` and percentiles, as it reports them.

    Raises:
        InputError: the wheel holds no such program, or the target is not behind gRPC.
        InternalServerError: it ended without figures; holds what it said.
    """
    scheme, _, place = target.url.partition("://")
    if scheme != "grpc" or "," in place:
        raise InputError(f"perf_analyzer is driven over gRPC against one server; {target.url} is something else")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        binary, environment = unpacked(program, folder)
        data, table = folder / "data.json", folder / "table.csv"
        data.write_text(json.dumps({"data": [input_data(target.inputs)]}))
        command = [str(binary), "-m", target.pipeline, "-u", place, "-i", "grpc", "--input-data", str(data)]
        command += ["--concurrency-range", str(clients), "--measurement-interval", str(round(1e3 * seconds))]
        command += ["--stability-percentage", str(_STABLE_PERCENT), "--max-trials", str(_MOST_TRIALS), "-f", str(table)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if not table.exists():
            said = " ".join((done.stdout + done.stderr).split())[-400:]
            raise InternalServerError(f"perf_analyzer ended with code {done.returncode} and without figures: {said}")
        (row,) = csv.DictReader(table.read_text().splitlines())
    found = {f"p{percent}": float(row[f"p{percent} latency"]) / 1e3 for percent in (50, 90, 95, 99)}
    return {"clients": clients, "per_second": float(row["Inferences/Second"]), "latency_ms": found}


def input_data(inputs: Tensors) -> dict[str, Any]:
    """Return one sample in perf_analyzer's form: BYTES elements after their length, numbers as a list.

    Args:
        inputs: arrays by tensor name, each with an axis for samples, of which the first counts.
    """
    sample: dict[str, Any] = {}
    for name, array in inputs.items():
        value = array.reshape(-1)[0]
        if isinstance(value, bytes):
            encoded = base64.b64encode(struct.pack("<I", len(value)) + value).decode()
            sample[name] = {"b64": encoded, "shape": list(array.shape[1:])}
        else:
            sample[name] = {"content": array.reshape(-1).tolist(), "shape": list(array.shape[1:])}
    return sample


def unpacked(program: Path, folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the program itself, and an environment in which it finds its libraries.

    Args:
        program: the binary, or a wheel that holds it.
        folder: where it is unpacked to.

    Raises:
        InputError: the wheel holds no such program.
    """
    return _binary(program, folder), _environment(folder)


def _binary(program: Path, folder: Path) -> Path:
    """Return the binary, taken out of a wheel if it is one."""
    if program.suffix != ".whl":
        return program.resolve()
    with zipfile.ZipFile(program) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(_INSIDE)]
        if not names:
            raise InputError(f"{program} holds no perf_analyzer; download tritonclient==2.51.0 for manylinux")
        binary = Path(wheel.extract(names[0], folder))
    binary.chmod(0o755)
    return binary


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which the binary finds its libraries, under the names that it looks for."""
    libraries = folder / "libraries"
    libraries.mkdir()
    paths = [str(libraries)]
    for vendored in (Path(entry) / _VENDORED for entry in sys.path):
        for name, pattern in _LIBRARIES.items():
            for found in vendored.glob(pattern):
                if not (libraries / name).exists():
                    (libraries / name).symlink_to(found.resolve())
        paths += [str(vendored)] if vendored.is_dir() else []
    return {**os.environ, "LD_LIBRARY_PATH": ":".join([*paths, os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")}
