"""The contract: everything that is known about an exported network, in one JSON file beside its graph.

Standard library only, because `serving/` and `tests/` read it where neither torch nor onnx is installed.
Tensor names, units, class names and palettes are written here once; every Triton configuration is generated from it.

Example:
    >>> [spec.name for spec in Contract.load(Path("model_repository/rooms_cen")).inputs]
    ['rgb', 'depth']
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
FILE_NAME = "contract.json"
DTYPES = ("UINT8", "INT32", "FP32", "BYTES")
TASKS = ("segmentation",)
MEASURES = ("agreement", "max_abs", "mean_abs", "relative")
PRECISIONS = ("fp32", "fp16", "int8")
TARGETS = ("cpu", "tensorrt")


class ContractError(ValueError):
    """A contract is missing, unreadable or contradicts itself or its graph."""


@dataclass(frozen=True)
class TensorSpec:
    """One tensor on the wire, without its leading batch axis.

    Attributes:
        name: wire name.
        dtype: Triton's name of the element type.
        shape: fixed sizes, one per axis.
        axes: names of the axes, for example `("height", "width", "channel")`.
        unit: what one element means: `"intensity 0..255"`, `"metre"`, `"class index"`.
        missing: the value that says "no reading", or None if every value is a reading.
        valid_range: smallest and largest value the network was trained with, or None.
        optional: whether a request may leave this tensor out.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    unit: str
    missing: float | None = None
    valid_range: tuple[float, float] | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse a specification that no server could honour."""
        if self.dtype not in DTYPES:
            raise ContractError(f"tensor {self.name!r} has dtype {self.dtype!r}; allowed are {', '.join(DTYPES)}")
        if len(self.shape) != len(self.axes) or any(size < 1 for size in self.shape):
            raise ContractError(
                f"tensor {self.name!r} has shape {self.shape} for axes {self.axes}; give one size >= 1 per axis"
            )


@dataclass(frozen=True)
class Tolerance:
    """How far an output may lie from live PyTorch.

    Attributes:
        output: name of the output.
        measure: `"agreement"` (share of equal elements, at least `bound`), `"max_abs"` (largest absolute
            difference, at most `bound`), `"mean_abs"` (mean absolute difference) or `"relative"` (largest absolute
            difference, divided by the largest reference magnitude).
        bound: the bound itself.
        stage: the stage of a `Parity` that it is for; empty for all that have none of their own.
    """

    output: str
    measure: str
    bound: float
    stage: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown measure."""
        if self.measure not in MEASURES:
            raise ContractError(f"measure {self.measure!r} is unknown; allowed are {', '.join(MEASURES)}")

    def holds(self, value: float) -> bool:
        """Say whether a measured value is within the bound (NaN never is)."""
        return value >= self.bound if self.measure == "agreement" else value <= self.bound


@dataclass(frozen=True)
class Parity:
    """One measured comparison against live PyTorch.

    Attributes:
        stage: what was compared: `"frozen"` (PyTorch without masks), `"onnx-fp32"` (the graph before its precision was
            reduced), `"onnx"` (the graph that is served, in ONNX Runtime) or `"plan"` (TensorRT).
        inputs: what it was run on, for example `"noise, batches 1, 2, 3"`.
        output: name of the output; `"logits"` are those before up-sampling, which stay inside the graph.
        measure: as in `Tolerance`.
        value: what was measured; the worst over the inputs.
    """

    stage: str
    inputs: str
    output: str
    measure: str
    value: float


@dataclass(frozen=True)
class ExchangedLayer:
    """The exchange of one norm layer, read from the trained scaling factors.

    Attributes:
        layer: name of the layer in the network.
        channels: channels per stream.
        penalised: per stream, how many channels may be replaced (the sub-part with the L1 penalty).
        exchanged: per stream, how many are replaced.
    """

    layer: str
    channels: int
    penalised: tuple[int, ...]
    exchanged: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """The file that holds the network.

    Attributes:
        file: path relative to the contract's folder.
        sha256: hash of the file, hexadecimal.
        opset: ONNX operator set.
        ir_version: ONNX file format version.
        weights: path of the file with the weights where they do not fit into `file`, else empty.
        weights_sha256: its hash, else empty.
    """

    file: str
    sha256: str
    opset: int
    ir_version: int
    weights: str = ""
    weights_sha256: str = ""


@dataclass(frozen=True)
class Evaluation:
    """One task metric of the live network and of the graph on the same frames.

    Attributes:
        inputs: what it was measured on, for example `"rooms, 64 test frames"`.
        metric: `"mean_iou"`, `"mean_accuracy"` or `"pixel_accuracy"`, each 0..1.
        live: of live PyTorch.
        served: of the graph.
    """

    inputs: str
    metric: str
    live: float
    served: float


@dataclass(frozen=True)
class Run:
    """Where the weights come from.

    Attributes:
        preset: name of the training preset.
        config: the whole training configuration.
        weights_sha256: hash of the weights file, hexadecimal.
        steps: optimiser steps that were taken.
        data: name of the data set, so that clients can say what is outside the training domain.
        versions: versions of the libraries that trained and exported.
    """

    preset: str
    config: dict[str, Any]
    weights_sha256: str
    steps: int
    data: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Contract:
    """What a network promises on the wire, and the proof that it keeps it.

    Attributes:
        name: name of the network, its folder and its Triton model.
        task: one of `TASKS`.
        inputs: input tensors in order; stream m of the network is fed by input m.
        outputs: output tensors in order.
        classes: class names; the index is the label.
        palette: one RGB colour per class, 0..255.
        max_batch_size: largest batch that a server may form.
        precision: arithmetic of the graph, one of `PRECISIONS`.
        graph: the network's file.
        tolerances: one per output.
        parity: measured comparisons; each must lie within the tolerance of its output.
        exchange: per exchanging layer, how many channels are exchanged.
        parameters: parameters of the live network.
        macs_live: multiply-accumulates for one sample before freezing.
        macs_frozen: multiply-accumulates for one sample after freezing.
        metrics: quality on fresh data, for example `{"mean_iou": 0.7, "scenes": 64}`.
        run: where the weights come from.
        schema_version: version of this format.
        target: what the graph's precision is laid out for, one of `TARGETS`.
        precisions: arithmetic of every convolution by its name, where it is not fp32 throughout.
        evaluation: task metrics of live network and graph on the same frames.
        calibration: what the ranges of an int8 graph were measured on, else empty.
    """

    name: str
    task: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    max_batch_size: int
    precision: str
    graph: Graph
    tolerances: tuple[Tolerance, ...]
    parity: tuple[Parity, ...]
    exchange: tuple[ExchangedLayer, ...]
    parameters: int
    macs_live: int
    macs_frozen: int
    metrics: dict[str, float]
    run: Run
    schema_version: int = field(default=SCHEMA_VERSION)
    target: str = "cpu"
    precisions: dict[str, str] = field(default_factory=dict)
    evaluation: tuple[Evaluation, ...] = ()
    calibration: str = ""

    def __post_init__(self) -> None:
        """Refuse a contract that contradicts itself."""
        if self.schema_version != SCHEMA_VERSION:
            raise ContractError(
                f"contract {self.name!r} has schema version {self.schema_version}; this release reads "
                f"{SCHEMA_VERSION}: export the run again with this release"
            )
        if self.task not in TASKS:
            raise ContractError(f"contract {self.name!r} has task {self.task!r}; allowed are {', '.join(TASKS)}")
        for name, value, allowed in (("precision", self.precision, PRECISIONS), ("target", self.target, TARGETS)):
            if value not in allowed:
                raise ContractError(f"contract {self.name!r} has {name} {value!r}; allowed are {', '.join(allowed)}")
        if len(self.classes) != len(self.palette):
            raise ContractError(
                f"contract {self.name!r} names {len(self.classes)} classes and {len(self.palette)} colours; "
                "give one colour per class"
            )
        if missing := {spec.name for spec in self.outputs} - {tolerance.output for tolerance in self.tolerances}:
            raise ContractError(f"contract {self.name!r} has no tolerance for {', '.join(sorted(missing))}")

    @classmethod
    def load(cls, folder: Path) -> Contract:
        """Read `contract.json` from a network's folder.

        Args:
            folder: the folder that holds `contract.json`.

        Raises:
            ContractError: the file is missing, is not JSON, or lacks, adds or mistypes a field.
        """
        path = folder / FILE_NAME
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ContractError(f"{folder} holds no {FILE_NAME}; write one with: python -m export build") from None
        except (ContractError, UnicodeDecodeError) as error:
            raise ContractError(f"{path}: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Parse the JSON text of a contract; the inverse of `to_json`."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ContractError(f"not JSON: {error}") from error
        contract: Contract = _from_plain(cls, data, "contract")
        return contract

    def to_json(self) -> str:
        """Return the contract as JSON text with a final newline."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=False) + "\n"

    def save(self, folder: Path) -> None:
        """Write `contract.json` into a folder, all of it or nothing."""
        temporary = folder / f".{FILE_NAME}.tmp"
        temporary.write_text(self.to_json(), encoding="utf-8")
        temporary.replace(folder / FILE_NAME)

    def verify(self, folder: Path) -> Path:
        """Return the path of the graph after checking its hash and the measured parity.

        Raises:
            ContractError: the graph is missing or changed, or a promised output has no proof within its tolerance.
        """
        path = folder / self.graph.file
        self._check_file("graph", path, self.graph.sha256)
        if self.graph.weights:
            self._check_file("graph's weights", folder / self.graph.weights, self.graph.weights_sha256)
        self.check_parity()
        return path

    def _check_file(self, what: str, path: Path, sha256: str) -> None:
        """Raise `ContractError` unless a file is there with the hash that it was written with."""
        if not path.is_file():
            raise ContractError(f"{self.name}: the {what} {path} is missing; export the run again")
        if (found := sha256_of(path)) != sha256:
            raise ContractError(
                f"{self.name}: the {what} {path} has sha256 {found[:12]}…, its contract says "
                f"{sha256[:12]}…; one of them was changed by hand: export the run again"
            )

    def tolerance(self, parity: Parity) -> Tolerance:
        """Return the bound that a comparison must keep.

        Raises:
            ContractError: there is none for its output and measure.
        """
        for stage in (parity.stage, ""):
            for tolerance in self.tolerances:
                if (tolerance.output, tolerance.measure, tolerance.stage) == (parity.output, parity.measure, stage):
                    return tolerance
        raise ContractError(f"{self.name}: no {parity.measure} tolerance for output {parity.output!r}")

    def check_parity(self) -> None:
        """Raise `ContractError` unless every output was proven on ONNX Runtime and every proof is within tolerance."""
        for parity in self.parity:
            tolerance = self.tolerance(parity)
            if not tolerance.holds(parity.value):
                raise ContractError(
                    f"{self.name}: {parity.stage} output {parity.output!r} on {parity.inputs} has {parity.measure} "
                    f"{parity.value:.6g}, outside the tolerance {tolerance.bound:.6g}"
                )
        proven = {parity.output for parity in self.parity if parity.stage == "onnx"}
        if unproven := [spec.name for spec in self.outputs if spec.name not in proven]:
            raise ContractError(f"{self.name}: no measured parity for {', '.join(unproven)}; export the run again")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _from_plain(kind: Any, value: Any, where: str) -> Any:
    """Build a value of an annotated type from parsed JSON, refusing anything that does not fit."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_from_plain(kind, value, where)
    if origin is types.UnionType:
        return None if value is None else _from_plain(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ContractError(f"{where} must be a list, not {type(value).__name__}")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise ContractError(f"{where} must have {len(kinds)} entries, not {len(value)}")
        return tuple(_from_plain(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if origin is dict:
        if not isinstance(value, dict):
            raise ContractError(f"{where} must be an object, not {type(value).__name__}")
        return {key: _from_plain(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ContractError(f"{where} must be {kind.__name__}, not {value!r}")
    return value


def _dataclass_from_plain(kind: Any, value: Any, where: str) -> Any:
    """Build a dataclass from a JSON object with exactly its fields."""
    if not isinstance(value, dict):
        raise ContractError(f"{where} must be an object, not {type(value).__name__}")
    hints = typing.get_type_hints(kind)
    free = dataclasses.MISSING
    required = {f.name for f in dataclasses.fields(kind) if f.default is free and f.default_factory is free}
    if unknown := sorted(set(value) - set(hints)):
        raise ContractError(f"{where} has unknown fields: {', '.join(unknown)}")
    if missing := sorted(required - set(value)):
        raise ContractError(f"{where} lacks the fields: {', '.join(missing)}")
    return kind(**{name: _from_plain(hints[name], item, f"{where}.{name}") for name, item in value.items()})
