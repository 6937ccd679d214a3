"""Builds a TensorRT plan from every graph of an exported network. It has not been run on hardware yet.

Needs `tensorrt` 10 and a GPU, and of Crosswire nothing but the network's folder: `crosswire plan-script NAME`
puts a copy of this file beside the contract, for the container to run. Writes `1/model.plan` beside `1/model.onnx`,
`1/model.plan.json` (what it was built from, with what), the same for every variant, and `timing.cache`, which makes the
next build faster.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

UNTRIED = "note: this builder has not been run on hardware yet; compare the plan's answers before you trust them"
CACHE = "timing.cache"

#: Smallest, usual and largest shape by input.
Shapes = dict[str, tuple[list[int], list[int], list[int]]]


class PlanError(Exception):
    """A plan that cannot be built; the message says what is missing and what to do."""


def load_tensorrt() -> Any:
    """Return the `tensorrt` module.

    Raises:
        PlanError: it is not installed, or older than 10.
    """
    try:
        tensorrt = importlib.import_module("tensorrt")
    except ImportError:
        raise PlanError(
            "TensorRT is not installed: on a machine with an NVIDIA GPU run `pip install tensorrt`, or write a script "
            "for the container with `crosswire plan-script NAME`"
        ) from None
    if int(tensorrt.__version__.split(".")[0]) < 10:
        raise PlanError(f"TensorRT {tensorrt.__version__} is too old; plans are built with 10 or newer")
    return tensorrt


def build_plans(folder: Path, *, version_compatible: bool = False) -> list[Path]:
    """Build a plan from every graph in a network's folder and write it beside its graph.

    Layers have the types that the graph gives them (a strongly typed network), so an int8 plan comes from a graph with
    QDQ nodes, exported with `--precision int8 --target tensorrt`.

    Args:
        folder: with `contract.json`.
        version_compatible: let newer versions of TensorRT load the plans, which is somewhat slower.

    Returns:
        the plans' paths.

    Raises:
        PlanError: no TensorRT, a graph that was changed, laid out for the CPU or not understood, or a failed build.
    """
    trt = load_tensorrt()
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    if contract["precision"] == "int8" and contract.get("target") != "tensorrt":
        raise PlanError(f"{folder} is quantised for the CPU; export it with --precision int8 --target tensorrt")
    written = []
    for described, bounds in graphs(contract):
        graph = folder / described["file"]
        onnx_sha256 = hashlib.sha256(graph.read_bytes()).hexdigest()
        if onnx_sha256 != described["sha256"]:
            raise PlanError(f"{graph} is not the graph that its contract describes; export the run again")
        plan = _built(trt, graph, bounds, folder / CACHE, version_compatible)
        manifest = {
            "sha256": hashlib.sha256(plan).hexdigest(),
            "onnx_sha256": onnx_sha256,
            "tensorrt": trt.__version__,
            "compute_capability": compute_capability(),
            "version_compatible": version_compatible,
        }
        _write(graph.with_suffix(".plan"), plan)
        _write(graph.with_suffix(".plan.json"), (json.dumps(manifest, indent=1) + "\n").encode())
        written.append(graph.with_suffix(".plan"))
    return written


def graphs(contract: dict[str, Any]) -> list[tuple[dict[str, Any], Shapes]]:
    """Return the description of every graph in a parsed contract, and the shapes of its inputs."""
    bounds = shapes(contract)
    lesser = [
        (variant["graph"], {name: bounds[name] for name in variant["inputs"]})
        for variant in contract.get("variants", ())
    ]
    return [(contract["graph"], bounds), *lesser]


def _built(trt: Any, graph: Path, bounds: Shapes, cache_file: Path, version_compatible: bool) -> bytes:
    """Build the plan of one graph, and keep what was timed."""
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        faults = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise PlanError(f"TensorRT {trt.__version__} refuses {graph}: {'; '.join(faults)}")
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for name, sizes in bounds.items():
        profile.set_shape(name, *sizes)
    config.add_optimization_profile(profile)
    if version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    cache = config.create_timing_cache(cache_file.read_bytes() if cache_file.exists() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise PlanError(f"TensorRT {trt.__version__} could not build {graph}; its log above says why")
    _write(cache_file, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def shapes(contract: dict[str, Any]) -> Shapes:
    """Return smallest, usual and largest shape of every input, from a parsed contract."""
    largest = int(contract["max_batch_size"])
    usual = max(1, largest // 2)
    return {
        spec["name"]: tuple([batch, *spec["shape"]] for batch in (1, usual, largest))  # type: ignore[misc]
        for spec in contract["inputs"]
    }


def compute_capability() -> str:
    """Return the compute capability of the first GPU, for example `"9.0"`.

    Raises:
        PlanError: the driver does not tell.
    """
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise PlanError(
            f"no NVIDIA driver answers ({error}); build the plan on the machine that will serve it"
        ) from None
    return answer.splitlines()[0].strip()


def _write(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def main() -> int:
    """Build a plan; return 0, or 2 after a line on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(description="Build the TensorRT plans of an exported network.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent, help="the network's folder")
    parser.add_argument("--version-compatible", action="store_true", help="let newer TensorRT versions load it")
    options = parser.parse_args()
    print(UNTRIED, file=sys.stderr)
    try:
        for plan in build_plans(options.folder, version_compatible=options.version_compatible):
            print(f"written: {plan}")
    except (PlanError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
