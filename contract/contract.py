"""All of a contract."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.contract.atomic_write import write_text
from crosswire.contract.errors import ContractError
from crosswire.contract.graph import ExchangedLayer, Graph, TrainingRun, Variant
from crosswire.contract.plain import SCHEMA_VERSION, check_schema_version, from_plain
from crosswire.contract.proof import Evaluation, Parity, Tolerance
from crosswire.contract.tensors import TensorSpec

FILE_NAME = "contract.json"
TASKS = ("segmentation", "translation", "classification", "retrieval")
PRECISIONS = ("fp32", "fp16", "int8", "bf16", "fp8")
#: Those that only TensorRT computes in, and that no other provider or processor serves.
TENSORRT_ALONE = ("bf16", "fp8")
TARGETS = ("cpu", "tensorrt")


@dataclass(frozen=True)
class Contract:
    """What a network promises on the wire, and the proof that it keeps it.

    Attributes:
        name: name of the network, its folder and its Triton model.
        task: one of `TASKS`.
        inputs: input tensors in order; stream m of the network is fed by input m.
        outputs: output tensors in order.
        classes: class names; the index is the label. Empty where the task has none.
        palette: one RGB colour per class, 0..255; may be empty for a classification.
        max_batch_size: largest batch that a server may form.
        precision: arithmetic of the graph, one of `PRECISIONS`.
        graph: the file of the network that takes every input.
        tolerances: at least one per computed output, and one per measure that is proven of it; where a stage has bounds
            of its own, those too. Some bound the logits, which are no output.
        parity: measured comparisons; each must lie within the tolerance for its output, measure and stage.
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
        label_values: value of every class in label images where that is not its index: as the data number them; empty
            where it is. The tensor `labels` of the network always holds indices.
        variants: further graphs, for requests that lack some inputs; `graph` answers when all are present.
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
    run: TrainingRun
    schema_version: int = field(default=SCHEMA_VERSION)
    target: str = "cpu"
    precisions: dict[str, str] = field(default_factory=dict)
    evaluation: tuple[Evaluation, ...] = ()
    calibration: str = ""
    variants: tuple[Variant, ...] = ()
    label_values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a contract that contradicts itself."""
        remedy = "export the run again with this release"
        check_schema_version(self.schema_version, f"contract {self.name!r}", remedy)
        if self.task not in TASKS:
            raise ContractError(f"contract {self.name!r} has task {self.task!r}; allowed are {', '.join(TASKS)}")
        for name, value, allowed in (("precision", self.precision, PRECISIONS), ("target", self.target, TARGETS)):
            if value not in allowed:
                raise ContractError(f"contract {self.name!r} has {name} {value!r}; allowed are {', '.join(allowed)}")
        if len(self.classes) != len(self.palette) and (self.palette or self.task != "classification"):
            raise ContractError(
                f"contract {self.name!r} names {len(self.classes)} classes and {len(self.palette)} colours; "
                "give one colour per class"
            )
        if self.label_values and (
            len(set(self.label_values)) != len(self.classes)
            or len(self.label_values) != len(self.classes)
            or not 0 <= min(self.label_values) <= max(self.label_values) <= 255
        ):
            raise ContractError(
                f"contract {self.name!r} has label_values {list(self.label_values)} for {len(self.classes)} classes; "
                "give one per class, 0 to 255, no two alike"
            )
        bounded = {tolerance.output for tolerance in self.tolerances}
        if missing := {spec.name for spec in self.computed_outputs} - bounded:
            raise ContractError(f"contract {self.name!r} has no tolerance for {', '.join(sorted(missing))}")
        self._check_variants()

    @property
    def computed_outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs that the graphs make, in their order; strings are added by the server."""
        return tuple(spec for spec in self.outputs if spec.computed)

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
            raise ContractError(f"{folder} holds no {FILE_NAME}; write one with: crosswire export") from None
        except (ContractError, UnicodeDecodeError) as error:
            raise ContractError(f"{path}: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Parse the JSON text of a contract; the inverse of `to_json`."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ContractError(f"not JSON: {error}") from error
        return from_plain(cls, data, "contract", error=ContractError)

    def to_json(self) -> str:
        """Return the contract as JSON text with a final newline."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=False) + "\n"

    def save(self, folder: Path) -> None:
        """Write `contract.json` into a folder, all of it or nothing."""
        write_text(folder / FILE_NAME, self.to_json())

    def verify(self, folder: Path) -> Path:
        """Return the path of the graph that takes every input, after checking all graphs' hashes and proofs.

        Raises:
            ContractError: a graph is missing or changed, or a promised output has no proof within its tolerance.
        """
        for graph in (self.graph, *(variant.graph for variant in self.variants)):
            graph.check(self.name, folder)
        self.check_parity()
        return folder / self.graph.file

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
        """Raise `ContractError` unless every graph has every output proven in ONNX Runtime, all within tolerance."""
        for parity in self.parity:
            tolerance = self.tolerance(parity)
            if not tolerance.holds(parity.value):
                raise ContractError(
                    f"{self.name}: {parity.stage} output {parity.output!r}{_of(parity.variant)} on {parity.inputs} has "
                    f"{parity.measure} {parity.value:.6g}, outside the tolerance {tolerance.bound:.6g}"
                )
        for variant in ("", *(variant.name for variant in self.variants)):
            proven = {one.output for one in self.parity if one.stage == "onnx" and one.variant == variant}
            if unproven := [spec.name for spec in self.computed_outputs if spec.name not in proven]:
                names = ", ".join(unproven)
                raise ContractError(f"{self.name}: no measured parity for {names}{_of(variant)}; export the run again")

    def _check_variants(self) -> None:
        """Raise `ContractError` unless the optional inputs are those that some variant lacks."""
        names = [spec.name for spec in self.inputs]
        taken = [variant.inputs for variant in self.variants]
        for inputs in taken:
            if list(inputs) != [name for name in names if name in inputs] or not 0 < len(inputs) < len(names):
                raise ContractError(
                    f"contract {self.name!r} has a variant for the inputs {', '.join(inputs) or 'none'}; name some of "
                    f"{', '.join(names)}, in that order"
                )
        if len(set(taken)) != len(taken):
            raise ContractError(f"contract {self.name!r} has two variants for the same inputs; leave one")
        lacked = {name for name in names if any(name not in inputs for inputs in taken)}
        if wrong := sorted(lacked ^ {spec.name for spec in self.inputs if spec.optional}):
            raise ContractError(
                f"contract {self.name!r} must mark as optional exactly the inputs that some variant lacks; wrong are "
                f"{', '.join(wrong)}"
            )


def _of(variant: str) -> str:
    """Return words that name a variant, none for the graph that takes every input."""
    return f" of the graph for {variant} alone" if variant else ""
