"""From a servable to a checked ONNX file that ONNX Runtime 1.19 and TensorRT 10 read."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from crosswire.contract import TensorSpec
from crosswire.export.batch_axis import opened, telling_batch
from crosswire.export.graph_file import IR_VERSION, LOGITS, OPSET, GraphError, save
from crosswire.export.tensorrt.lint import lint
from crosswire.export.tensorrt.operators import LARGEST_FILE

#: What must not appear in a frozen graph: decisions and look-ups that a constant exchange does not need.
FORBIDDEN_OPERATORS = frozenset({"Where", "If", "Loop", "Scan", "NonZero", "GatherND", "ScatterND", "ScatterElements"})


def example(specs: Sequence[TensorSpec], batch: int, seed: int) -> list[Tensor]:
    """Return seeded noise for the inputs of a network: bytes, and metres within the valid range with holes.

    Args:
        specs: the inputs.
        batch: N.
        seed: of the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for spec in specs:
        shape = (batch, *spec.shape)
        if spec.dtype == "UINT8":
            tensors.append(torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8))
            continue
        low, high = spec.valid_range or (0.0, 1.0)
        values = low + (high - low) * torch.rand(shape, generator=generator)
        if spec.missing is not None:
            values[torch.rand(shape, generator=generator) < 0.1] = spec.missing
        tensors.append(values)
    return tensors


def write_onnx(
    servable: nn.Module, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], max_batch: int, path: Path
) -> None:
    """Export a frozen servable with a symbolic batch axis and fixed sizes, and check the graph.

    Args:
        servable: maps raw inputs to outputs; where it is tapped, its logits keep their name inside the graph.
        inputs: its inputs.
        outputs: its outputs.
        max_batch: largest batch that may come.
        path: the file to write.

    Raises:
        GraphError: the batch size was baked in, or an operator is in the graph that a frozen network never needs or
            that TensorRT does not have.
    """
    names = [*(spec.name for spec in outputs), *([LOGITS] if getattr(servable, "tapped", False) else [])]
    model = exported(servable, inputs, names, max_batch)
    del model.graph.output[len(outputs) :]
    check(model, inputs, outputs)
    save(model, path)


def exported(
    servable: nn.Module, inputs: Sequence[TensorSpec], names: Sequence[str], max_batch: int | None
) -> onnx.ModelProto:
    """Translate a network of this project to ONNX as it is, live or frozen.

    Its samples do not know of each other, so that it may be traced at one batch size; the proof of every export
    compares answers at several.

    Args:
        servable: maps raw inputs to outputs.
        inputs: its inputs.
        names: of its outputs.
        max_batch: largest batch that may come, or None for a graph of batch 1 alone.
    """
    batch = None if max_batch is None else telling_batch(servable, inputs)
    if batch is not None:
        model = _translated(servable, _unwritten(inputs, batch), inputs, names, None)
        if opened(model, batch):
            return model
    return exported_symbolically(servable, inputs, names, max_batch)


def exported_symbolically(
    module: nn.Module, inputs: Sequence[TensorSpec], names: Sequence[str], max_batch: int | None
) -> onnx.ModelProto:
    """Translate any module to ONNX; PyTorch itself holds that the graph is right for every batch.

    Args:
        module: maps inputs to outputs.
        inputs: its inputs.
        names: of its outputs.
        max_batch: largest batch that may come, or None for a graph of batch 1 alone.
    """
    dim = None if max_batch is None else torch.export.Dim("batch", min=1, max=max(max_batch, 2))
    return _translated(module, example(inputs, 1 if dim is None else 2, seed=0), inputs, names, dim)


def _translated(
    servable: nn.Module, raw: Sequence[Tensor], inputs: Sequence[TensorSpec], names: Sequence[str], dim: Any
) -> onnx.ModelProto:
    """Translate a module as it answers to some inputs, with a dimension for their batch axis or of that batch alone."""
    with _quiet():
        program = torch.onnx.export(
            servable.eval(),
            tuple(raw),
            input_names=[spec.name for spec in inputs],
            output_names=list(names),
            dynamic_shapes=None if dim is None else {"raw": tuple({0: dim} for _ in inputs)},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    _measure_casts(model)
    return model


def _unwritten(specs: Sequence[TensorSpec], batch: int) -> list[Tensor]:
    """Return inputs of a large batch that nobody reads: their memory is never written and so never taken."""
    kinds = [torch.uint8 if spec.dtype == "UINT8" else torch.float32 for spec in specs]
    return [torch.empty((batch, *spec.shape), dtype=kind) for spec, kind in zip(specs, kinds, strict=True)]


def _measure_casts(model: onnx.ModelProto) -> None:
    """Let what reads the shape of an input of bytes read that of its cast, for TensorRT knows no shape of bytes.

    The cast has the input's shape; it is moved to the front, so that it stands before every reader.
    """
    nodes = model.graph.node
    bytes_in = {value.name for value in model.graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8}
    casts = [node for node in nodes if node.op_type == "Cast" and node.input[0] in bytes_in]
    measured = {node.input[0]: node.output[0] for node in reversed(casts)}
    changed = [node for node in nodes if node.op_type == "Shape" and node.input[0] in measured]
    for node in changed:
        node.input[0] = measured[node.input[0]]
    if changed:
        ordered = casts + [node for node in nodes if not any(node is cast for cast in casts)]
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
        del nodes[:]
        nodes.extend(copies)


def check(model: onnx.ModelProto, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Raise `GraphError` unless a graph has the promised wire and no forbidden operator."""
    if model.ByteSize() <= LARGEST_FILE:
        onnx.checker.check_model(model, full_check=True)
    for specs, values in ((inputs, model.graph.input), (outputs, model.graph.output)):
        for spec, value in zip(specs, values, strict=True):
            dims = value.type.tensor_type.shape.dim
            found = tuple(dim.dim_value for dim in dims[1:])
            if value.name != spec.name or found != spec.shape:
                raise GraphError(f"{value.name} {found} is in the graph where {spec.name} {spec.shape} is promised")
            if not dims[0].dim_param:
                raise GraphError(f"the batch axis of {value.name} is fixed to {dims[0].dim_value}; it must be symbolic")
    if found_operators := {node.op_type for node in model.graph.node} & FORBIDDEN_OPERATORS:
        raise GraphError(f"the frozen graph holds {', '.join(sorted(found_operators))}, which no frozen network needs")
    if faults := lint(model):
        raise GraphError(f"TensorRT would refuse the graph: {'; '.join(faults[:5])}")


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Keep the exporter's progress lines and third-party deprecations to itself; errors still raise."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.getLogger("torch.onnx").setLevel(level)
