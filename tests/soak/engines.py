"""Every network of the registry becomes engines of TensorRT-RTX, at a tiny size, in 8 and in 16 bits: `make soak`."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import pytest
import torch

from crosswire.export.freeze import freeze
from crosswire.export.onnx_graph import example, write_onnx
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.tasks.segmentation.argmax_head import whole
from crosswire.export.tasks.segmentation.servable import SegmentationServable, input_spec, output_specs
from crosswire.export.tensorrt.builder import RTX, EngineBuilder, Settings
from crosswire.export.tensorrt.lint import parser_faults
from crosswire.export.tensorrt.operators import table_faults
from crosswire.training.modalities import MODALITIES
from crosswire.training.tasks.segmentation.network import NETWORKS
from tests.integration.export.test_engines import promised
from tests.unit.training.models.test_networks import tiny_network

SIZE, CLASSES, LARGEST = (64, 96), 5, 4
STREAMS = [MODALITIES["rgb"], MODALITIES["depth"]]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_registry_becomes_engines(name: str, tmp_path: Path) -> None:
    inputs, outputs = tuple(input_spec(modality, SIZE) for modality in STREAMS), output_specs(SIZE, CLASSES)
    frozen = freeze(tiny_network(name, 2))
    for dtype, file in ((torch.float32, "full.onnx"), (torch.float16, "half.onnx")):
        network = copy.deepcopy(frozen).to(dtype)
        servable = SegmentationServable(network, STREAMS, tapped=True, dtype=dtype, tail=whole).eval()
        write_onnx(servable, inputs, outputs, LARGEST, tmp_path / file)
    Quantiser(tmp_path / "full.onnx", "tensorrt", [example(inputs, 1, seed=0)]).write((), tmp_path / "int8.onnx")
    builder = EngineBuilder(Settings(RTX, ("89", "120")), tmp_path / "unused")
    bounds = {spec.name: tuple([batch, *spec.shape] for batch in (1, 2, LARGEST)) for spec in inputs}
    for file in ("half.onnx", "int8.onnx"):
        model = onnx.load(tmp_path / file)
        assert parser_faults(model, tmp_path / file) == table_faults(model) == []
        assert builder.build(tmp_path / file, bounds, promised((*inputs, *outputs)))
