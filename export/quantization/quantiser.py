"""Static 8-bit quantisation of a frozen graph: QDQ, per channel, ranges measured once on real inputs."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from crosswire.export.graph_file import save
from crosswire.export.quantization.layers import convolutions, layer_name, outside
from crosswire.export.quantization.shared_weights import with_own_weights

#: What computes or moves activations between two convolutions; nothing else is quantised.
QUANTISED_OPERATORS = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "MaxPool",
    "Mul",
    "Relu",
    "Reshape",
    "Resize",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)

#: Options of the library by target. ONNX Runtime's kernels are fastest with unsigned activations and 32-bit biases;
#: TensorRT takes symmetric activations alone, and biases and other constants but weights only as floats.
OPTIONS: dict[str, dict[str, bool]] = {
    "cpu": {"ActivationSymmetric": False, "WeightSymmetric": True},
    "tensorrt": {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
}
ACTIVATIONS = {"cpu": QuantType.QUInt8, "tensorrt": QuantType.QInt8}


class _FloatConstants(QDQQuantizer):  # type: ignore[misc]
    """Leaves constants that are no weights in float.

    TensorRT's builder takes an integer constant right before its DequantizeLinear alone, and broadcasts one without
    dimensions, such as a weight of the ensemble, in between: "Quantized constant is only allowed before DQ".
    """

    def quantize_activation_tensor(self, tensor_name: str) -> None:
        """Mark an activation, or a constant operand, for quantisation."""
        if tensor_name not in self.initializers:
            super().quantize_activation_tensor(tensor_name)


_QUANTISERS = {"cpu": QDQQuantizer, "tensorrt": _FloatConstants}


class Quantiser:
    """Quantises one graph to 8-bit integers, with any set of layers left in float.

    Args:
        path: fp32 graph whose logits are named.
        target: one of `crosswire.contract.TARGETS`.
        samples: inputs of one sample each to measure the ranges on, in the order of the graph's inputs.
    """

    #: Arithmetic of what is quantised.
    name = "int8"

    def __init__(self, path: Path, target: str, samples: Sequence[Sequence[Any]]) -> None:
        self.path = path
        self.target = target
        graph = onnx.load(path, load_external_data=False).graph
        self.float_nodes = outside(graph)
        self.layers = {node.name: layer_name(node) for node in convolutions(graph) if node.name not in self.float_nodes}
        with _quiet():
            self.ranges = _ranges(path, samples)

    def write(self, kept: Collection[str], path: Path) -> None:
        """Write the quantised graph.

        Args:
            kept: node names of the layers, of `layers`, that stay in float.
            path: the file to write.
        """
        model = onnx.shape_inference.infer_shapes(with_own_weights(onnx.load(self.path)))
        with _quiet():
            quantiser = _QUANTISERS[self.target](
                model,
                per_channel=True,
                reduce_range=False,
                weight_qType=QuantType.QInt8,
                activation_qType=ACTIVATIONS[self.target],
                tensors_range=self.ranges,
                nodes_to_quantize=[],
                nodes_to_exclude=[*self.float_nodes, *kept],
                op_types_to_quantize=list(QUANTISED_OPERATORS),
                extra_options=OPTIONS[self.target],
            )
            quantiser.quantize_model()
        result = quantiser.model.model
        result.ir_version = model.ir_version
        save(result, path)

    def precisions(self, kept: Collection[str]) -> dict[str, str]:
        """Return the arithmetic of every convolution by its name."""
        graph = onnx.load(self.path, load_external_data=False).graph
        return {
            layer_name(node): self.name if node.name in self.layers and node.name not in kept else "fp32"
            for node in convolutions(graph)
        }


def _ranges(path: Path, samples: Sequence[Sequence[Any]]) -> TensorsData:
    """Measure smallest and largest value of every activation."""
    with tempfile.TemporaryDirectory(prefix="calibration-") as folder:
        calibrator = create_calibrator(
            path, list(QUANTISED_OPERATORS), augmented_model_path=str(Path(folder) / "augmented.onnx")
        )
        names = [value.name for value in calibrator.infer_session.get_inputs()]
        calibrator.collect_data(_Reader(names, samples))
        return calibrator.compute_data()


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands samples to the calibrator, one at a time."""

    def __init__(self, names: Sequence[str], samples: Sequence[Sequence[Any]]) -> None:
        self.feeds = iter([dict(zip(names, (np.asarray(x) for x in sample), strict=False)) for sample in samples])

    def get_next(self) -> Mapping[str, object] | None:
        """Return the next sample by input name, or None after the last."""
        return next(self.feeds, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's advice to itself; errors still raise."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
