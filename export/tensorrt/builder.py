"""Builds engines from the graphs of an exported network, with TensorRT on a GPU or with TensorRT-RTX on any machine.

Needs one of the two libraries, and of Crosswire nothing but the network's folder: `crosswire plan-script NAME` puts a
copy of this file beside the contract, for NVIDIA's container to run. Beside `1/model.onnx` it writes

* with TensorRT `1/model.plan`, for the GPU model and the release that it is built with, and `timing.cache`, which makes
  the next build faster. The project's tests have not run this: it needs a GPU;
* with TensorRT-RTX `1/model.engine`, for every compute capability that is named. It needs no GPU and no driver.

A JSON file beside each says what it was built from, with what and for what. The same for every variant.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TENSORRT, RTX = "tensorrt", "tensorrt_rtx"
UNTRIED = {
    TENSORRT: "note: the project's tests build no plans, for want of a GPU; compare their answers before you use them",
    RTX: "note: the project's tests run no engines, for want of a GPU; compare their answers before you use them",
}
CACHE = "timing.cache"
#: Names that each library may be imported by, and what its engines' files end in.
MODULES = {TENSORRT: ("tensorrt",), RTX: ("tensorrt_rtx", "tensorrt_rtx_bindings")}
SUFFIXES = {TENSORRT: ".plan", RTX: ".engine"}
#: Release of CUDA that TensorRT-RTX is installed for; `crosswire.contract` says the same, and a test that they agree.
CUDA_RELEASE = 12
_ABSENT = {
    TENSORRT: "TensorRT is not installed: write a script for NVIDIA's container with `crosswire plan-script NAME`, or "
    "on a machine with an NVIDIA GPU run `pip install --extra-index-url https://pypi.nvidia.com tensorrt`",
    RTX: f"TensorRT-RTX is not installed: run `pip install tensorrt-rtx-cu{CUDA_RELEASE}-libs "
    f"tensorrt-rtx-cu{CUDA_RELEASE}-bindings`",
}
_OLDEST = {TENSORRT: 10, RTX: 1}
_WIRE_TYPES = {"FLOAT": "FP32", "HALF": "FP16"}

#: By precision, the least compute capability whose GPUs have it.
LEAST_CAPABILITY = {"bf16": 80, "fp8": 89}

#: Smallest, usual and largest shape by input.
Shapes = dict[str, tuple[list[int], list[int], list[int]]]


class EngineError(Exception):
    """An engine that cannot be built; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Settings:
    """What engines are built with, and for what.

    Attributes:
        runtime: `TENSORRT` or `RTX`, which loads the engine.
        compute_capabilities: `RTX` only: what the engines shall run on, each as the library writes it, `"89"`;
            TensorRT builds for the GPU that it finds.
        version_compatible: `TENSORRT` only: let newer versions load the plans, which is somewhat slower.
    """

    runtime: str = TENSORRT
    compute_capabilities: tuple[str, ...] = ()
    version_compatible: bool = False


def load_library(name: str) -> Any:
    """Return the module of a library.

    Raises:
        EngineError: it is not installed, or too old.
    """
    for module in MODULES[name]:
        try:
            library = importlib.import_module(module)
        except ImportError:
            continue
        if int(library.__version__.split(".")[0]) < _OLDEST[name]:
            raise EngineError(f"{name} {library.__version__} is too old; try {_OLDEST[name]} or newer")
        return library
    raise EngineError(_ABSENT[name])


def check_settings(settings: Settings) -> None:
    """Refuse settings that no engine can be built with, before anything slow.

    Raises:
        EngineError: no library, or a compute capability that it does not build for.
    """
    trt = load_library(settings.runtime)
    if settings.runtime != RTX:
        return
    known = [name[2:] for name in trt.ComputeCapability.__members__ if re.fullmatch(r"SM\d+", name)]
    expected = f"TensorRT-RTX {trt.__version__} builds for {', '.join(known)}"
    if not settings.compute_capabilities:
        raise EngineError(f"got no compute capability; {expected}: try --compute-capability 89,120")
    if unknown := [one for one in settings.compute_capabilities if one not in known]:
        cure = "try --compute-capability 89,120"
        if unknown[0] in ("90", "100", "103"):
            cure = "cards of data centres such as Hopper's (90) need TensorRT itself: crosswire plan-script NAME"
        raise EngineError(f"got compute capability {unknown[0]!r}; {expected}; {cure}")


def check_precision(precision: str, settings: Settings) -> None:
    """Refuse a precision that GPUs of a compute capability do not have.

    Raises:
        EngineError: with the capability.
    """
    least = LEAST_CAPABILITY.get(precision, 0)
    if older := [one for one in settings.compute_capabilities if int(one) < least]:
        expected = f"expected {least} or newer; leave it out, or take fp16"
        raise EngineError(f"got compute capability {older[0]!r} with {precision}, {expected}")


def check_contract(contract: dict[str, Any], folder: Path) -> None:
    """Refuse a network that no engine can be built of, from its parsed contract.

    Raises:
        EngineError: its graphs are quantised for the CPU.
    """
    if contract["precision"] == "int8" and contract.get("target") != "tensorrt":
        raise EngineError(f"{folder} is quantised for the CPU; export it with --precision int8 --target tensorrt")


def build_engines(folder: Path, settings: Settings) -> list[Path]:
    """Build an engine from every graph in a network's folder and write it beside its graph.

    Layers have the types that the graph gives them (a strongly typed network), so an int8 engine comes from a graph
    with QDQ nodes, exported with `--precision int8 --target tensorrt`.

    Args:
        folder: with `contract.json`.
        settings: the library, and what to build for.

    Returns:
        the engines' paths.

    Raises:
        EngineError: no library, a graph that was changed, laid out for the CPU or not understood, or a failed build.
    """
    check_settings(settings)
    contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    check_contract(contract, folder)
    check_precision(contract["precision"], settings)
    builder = EngineBuilder(settings, folder / CACHE)
    written = []
    for described, bounds in graphs(contract):
        graph = folder / described["file"]
        onnx_sha256 = hashlib.sha256(graph.read_bytes()).hexdigest()
        if onnx_sha256 != described["sha256"]:
            raise EngineError(f"{graph} is not the graph that its contract describes; export the run again")
        engine = builder.build(graph, bounds, wire(contract, list(bounds)))
        manifest = {
            "sha256": hashlib.sha256(engine).hexdigest(),
            "onnx_sha256": onnx_sha256,
            "runtime": settings.runtime,
            "version": builder.version,
            "compute_capabilities": [f"{one[:-1]}.{one[-1]}" for one in settings.compute_capabilities]
            or [compute_capability()],
            "precision": contract["precision"],
            "profile": bounds,
            "version_compatible": settings.version_compatible,
        }
        path = graph.with_suffix(SUFFIXES[settings.runtime])
        _write(path, engine)
        _write(path.with_name(f"{path.name}.json"), (json.dumps(manifest, indent=1) + "\n").encode())
        written.append(path)
    return written


def graphs(contract: dict[str, Any]) -> list[tuple[dict[str, Any], Shapes]]:
    """Return the description of every graph in a parsed contract, and the shapes of its inputs."""
    bounds = shapes(contract)
    lesser = [
        (variant["graph"], {name: bounds[name] for name in variant["inputs"]})
        for variant in contract.get("variants", ())
    ]
    return [(contract["graph"], bounds), *lesser]


def shapes(contract: dict[str, Any]) -> Shapes:
    """Return smallest, usual and largest shape of every input, from a parsed contract."""
    largest = int(contract["max_batch_size"])
    usual = max(1, largest // 2)
    return {
        spec["name"]: tuple([batch, *spec["shape"]] for batch in (1, usual, largest))  # type: ignore[misc]
        for spec in contract["inputs"]
    }


def wire(contract: dict[str, Any], inputs: Sequence[str]) -> list[tuple[str, str, list[int]]]:
    """Return name, dtype and shape of the inputs that a graph takes and of its outputs, from a parsed contract."""
    taken = [spec for spec in contract["inputs"] if spec["name"] in inputs]
    given = [spec for spec in contract["outputs"] if spec["dtype"] != "BYTES"]  # no graph has strings
    return [(spec["name"], spec["dtype"], [-1, *spec["shape"]]) for spec in (*taken, *given)]


def parsed(trt: Any, logger: Any, builder: Any, source: Path | bytes) -> tuple[Any, list[str]]:
    """Have a library's parser read a graph; return its network, and one line per node that it refuses.

    Args:
        trt: the library.
        logger: told what the library says.
        builder: makes the network.
        source: file of the graph, or its bytes.
    """
    # Networks of TensorRT-RTX and of TensorRT from 11 on are strongly typed without being asked.
    asked = "rtx" not in trt.__name__ and int(trt.__version__.split(".")[0]) < 11
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if asked else 0)
    parser = trt.OnnxParser(network, logger)
    taken = parser.parse(source) if isinstance(source, bytes) else parser.parse_from_file(str(source))
    faults = [_fault(parser.get_error(index)) for index in range(parser.num_errors)]
    return network, [] if taken else faults or ["the parser gives no reason"]


def wire_of(network: Any) -> list[tuple[str, str, list[int]]]:
    """Return name, dtype and shape of the inputs and outputs of a network that a parser built."""
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    tensors += [network.get_output(index) for index in range(network.num_outputs)]
    return [(one.name, _WIRE_TYPES.get(one.dtype.name, one.dtype.name), list(one.shape)) for one in tensors]


class EngineBuilder:
    """Builds engines with one library.

    Args:
        settings: that were checked.
        cache: TensorRT only, file of what was timed.
    """

    def __init__(self, settings: Settings, cache: Path) -> None:
        self._settings, self._cache = settings, cache
        self._trt = load_library(settings.runtime)
        self.version: str = self._trt.__version__
        self._log = listener(self._trt)
        self._builder = self._trt.Builder(self._log)
        self._name = f"{settings.runtime} {self.version}"

    def build(self, graph: Path, bounds: Shapes, promised: list[tuple[str, str, list[int]]]) -> bytes:
        """Return the engine of one graph, checked against the wire that its contract promises."""
        network, faults = parsed(self._trt, self._log, self._builder, graph)
        if faults:
            raise EngineError(f"{self._name} refuses {graph}: {'; '.join(faults[:5])}")
        if (found := wire_of(network)) != promised:
            raise EngineError(f"{self._name} reads {found} from {graph}; its contract promises {promised}")
        config = self._builder.create_builder_config()
        profile = self._builder.create_optimization_profile()
        for name, sizes in bounds.items():
            profile.set_shape(name, *sizes)
        config.add_optimization_profile(profile)
        if self._settings.runtime == RTX:
            capabilities = [getattr(self._trt.ComputeCapability, f"SM{x}") for x in self._settings.compute_capabilities]
            config.num_compute_capabilities = len(capabilities)
            for index, capability in enumerate(capabilities):
                config.set_compute_capability(capability, index)
            return self._serialized(network, config, graph)
        if self._settings.version_compatible:
            config.set_flag(self._trt.BuilderFlag.VERSION_COMPATIBLE)
        cache = config.create_timing_cache(self._cache.read_bytes() if self._cache.exists() else b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
        engine = self._serialized(network, config, graph)
        _write(self._cache, bytes(config.get_timing_cache().serialize()))
        return engine

    def _serialized(self, network: Any, config: Any, graph: Path) -> bytes:
        """Return the engine of a network."""
        self._log.said.clear()
        engine = self._builder.build_serialized_network(network, config)
        if engine is None:
            raise EngineError(f"{self._name} could not build {graph}: {'; '.join(self._log.said) or 'it says not why'}")
        return bytes(engine)


def listener(trt: Any) -> Any:
    """Return a logger for a library that keeps its errors, in `said`, and prints nothing."""

    class Listener(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: list[str] = []

        def log(self, severity: Any, text: str) -> None:
            if severity <= trt.ILogger.Severity.ERROR:
                self.said.append(text)

    return Listener()


def _fault(error: Any) -> str:
    """Return what a parser says of one node: its operator, its name and the reason."""
    text = " ".join(str(error.desc()).split())
    reason = "is no operator of this library" if text in ("", "false") or "Plugin not found" in text else text
    return f"{error.node_operator()} {error.node_name()!r}: {reason}"


def compute_capability() -> str:
    """Return the compute capability of the first GPU, for example `"9.0"`.

    Raises:
        EngineError: the driver does not tell.
    """
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise EngineError(
            f"no NVIDIA driver answers ({error}); build the plan on the machine that will serve it"
        ) from None
    return answer.splitlines()[0].strip()


def _write(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def capabilities(text: str) -> tuple[str, ...]:
    """Read compute capabilities as they are written on a command line: `89,120`, or `8.9,12.0`."""
    return tuple(dict.fromkeys(one.strip().replace(".", "") for one in text.split(",") if one.strip()))


def main() -> int:
    """Build the engines of a network; return 0, or 2 after a line on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(description="Build the TensorRT engines of an exported network.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent, help="the network's folder")
    parser.add_argument("--version-compatible", action="store_true", help="let newer versions load it")
    options = parser.parse_args()
    print(UNTRIED[TENSORRT], file=sys.stderr)
    settings = Settings(TENSORRT, version_compatible=options.version_compatible)
    try:
        for engine in build_engines(options.folder, settings):
            print(f"written: {engine}")
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
