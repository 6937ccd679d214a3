"""What one model takes and gives, and checking a request against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from crosswire.contract import TensorSpec
from crosswire.serving.gateway.errors import bad
from crosswire.serving.gateway.tensors.files import check_files, holds_files
from crosswire.serving.gateway.tensors.values import check_values
from crosswire.serving.repository.published import description_of
from crosswire.serving.wire import RawTensor

CHECKED_DTYPES = ("FP32", "BYTES")  # types whose elements may be what no model can use
_PER_CLASS = ("class",)  # axes of an output with one element per class


@dataclass(frozen=True)
class InputWire:
    """One input of a model.

    Attributes:
        dtype: Triton's name of its type.
        dims: its sizes after the batch axis.
        optional: whether a request may leave it out.
        spec: what the model's description says of it, or None where it has none.
    """

    dtype: str
    dims: tuple[int, ...]
    optional: bool
    spec: TensorSpec | None = None


@dataclass(frozen=True)
class OutputWire:
    """One output of a model.

    Attributes:
        dtype: Triton's name of its type.
        labels: names of what its elements are of, by index; empty unless they are one per class.
    """

    dtype: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelWire:
    """One model's wire.

    Attributes:
        name: the model.
        max_batch_size: largest first size of every tensor.
        inputs: its inputs by name.
        outputs: its outputs by name, in order.
    """

    name: str
    max_batch_size: int
    inputs: Mapping[str, InputWire]
    outputs: Mapping[str, OutputWire]

    @classmethod
    def from_config(cls, config: ModelConfig) -> ModelWire:
        """Read it from a model configuration."""
        described = description_of(config)
        specs = {} if described is None else {spec.name: spec for spec in described.inputs}
        inputs = {
            tensor.name: InputWire(
                _dtype(tensor.data_type), tuple(tensor.dims), tensor.optional, specs.get(tensor.name)
            )
            for tensor in config.input
        }
        labelled = () if described is None else (spec.name for spec in described.outputs if spec.axes == _PER_CLASS)
        labels = dict.fromkeys(labelled, described.classes if described else ())
        outputs = {
            tensor.name: OutputWire(_dtype(tensor.data_type), labels.get(tensor.name, ())) for tensor in config.output
        }
        return cls(config.name, config.max_batch_size, inputs, outputs)

    def check_input(self, tensor: RawTensor) -> None:
        """Raise `WireError` unless one tensor has a name, a type and a shape that the model takes; data may lack."""
        wire = self.inputs.get(tensor.name)
        if wire is None:
            raise bad(f"model {self.name!r} has no input {_listed([tensor.name])}; it has {_listed(self.inputs)}")
        if tensor.dtype != wire.dtype:
            raise bad(f"input {tensor.name!r} of model {self.name!r} is {tensor.dtype}; it takes {wire.dtype}")
        batch, dims = tensor.shape[:1], tensor.shape[1:]
        if dims != wire.dims or not batch or batch[0] > self.max_batch_size:
            raise bad(
                f"input {tensor.name!r} of model {self.name!r} has the shape {list(tensor.shape)}; it takes "
                f"{['N', *wire.dims]} with N from 1 to {self.max_batch_size}"
            )

    def check_values(self, tensor: RawTensor) -> None:
        """Raise `WireError` unless the elements of one tensor, which passed `check_input`, are what it may hold."""
        if tensor.dtype == "FP32":
            check_values(tensor, self.inputs[tensor.name].spec, self.name)
        elif tensor.dtype == "BYTES" and holds_files(tensor.name):
            check_files(tensor, self.name)

    def check_together(self, tensors: Sequence[RawTensor]) -> None:
        """Raise `WireError` unless tensors, each of which the model takes, make a whole request."""
        names = [tensor.name for tensor in tensors]
        if len(set(names)) != len(names):
            raise bad(f"model {self.name!r} got an input twice in {_listed(names)}; send each once")
        if missing := [name for name, wire in self.inputs.items() if not wire.optional and name not in names]:
            raise bad(f"model {self.name!r} needs the input {_listed(missing)} too; it got {_listed(names)}")
        if self.inputs and not names:
            raise bad(
                f"model {self.name!r} got no input at all; it answers when some of these come: {_listed(self.inputs)}"
            )
        if len({tensor.shape[0] for tensor in tensors}) > 1:
            batches = ", ".join(f"{tensor.name} {tensor.shape[0]}" for tensor in tensors)
            raise bad(
                f"the inputs have different batch sizes ({batches}); the first size of every shape must be the same"
            )

    def check_outputs(self, names: Iterable[str]) -> None:
        """Raise `WireError` unless the model has these outputs."""
        if unknown := [name for name in names if name not in self.outputs]:
            raise bad(f"model {self.name!r} has no output {_listed(unknown)}; it has {_listed(self.outputs)}")


def _dtype(data_type: int) -> str:
    """Return the KServe name of a configuration's data type."""
    name = DataType.Name(data_type).removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name


def _listed(names: Iterable[str]) -> str:
    """Return names for a message, long ones shortened."""
    return ", ".join(repr(name if len(name) <= 60 else name[:59] + "…") for name in names)
