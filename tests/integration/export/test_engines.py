"""Engines of TensorRT-RTX: its own parser and builder take every committed network and one of every family."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from crosswire.contract import Contract, EngineManifest, TensorSpec, sha256_of
from crosswire.export.__main__ import main
from crosswire.export.frames import of_source
from crosswire.export.freeze import freeze
from crosswire.export.graph_file import GraphError
from crosswire.export.onnx_graph import check, example, write_onnx
from crosswire.export.parity import onnx_runner
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.tasks.segmentation.score import score
from crosswire.export.tasks.segmentation.servable import SegmentationServable, input_spec, output_specs
from crosswire.export.tensorrt import lint as lint_module
from crosswire.export.tensorrt.builder import (
    RTX,
    EngineBuilder,
    EngineError,
    Settings,
    build_engines,
    listener,
    parsed,
    wire_of,
)
from crosswire.export.tensorrt.engine_context import ENGINE_KEY, GRAPH_KEY, PROVIDER, write_contexts
from crosswire.export.tensorrt.lint import faults_of_file, lint, parser, parser_faults
from crosswire.export.tensorrt.operators import table_faults
from crosswire.serving.steps.runtime.providers.first_that_runs import Wish, WishedGpu, first_that_runs
from crosswire.serving.steps.runtime.providers.names import PROVIDERS
from crosswire.serving.steps.runtime.providers.sessions import GraphFile, open_session
from crosswire.training.engine.run_folder import read_run
from crosswire.training.modalities import MODALITIES
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.network import build_network
from tests.integration.export.test_freeze import shaken
from tests.support.paths import REPOSITORY, ROOT
from tests.unit.training.models.test_networks import tiny_config

TWO = Settings(RTX, ("89", "120"))
COMMITTED = sorted(path.parent.name for path in REPOSITORY.glob("*/contract.json"))
SIZE = (64, 96)


def promised(specs: tuple[TensorSpec, ...]) -> list[tuple[str, str, list[int]]]:
    """Return name, dtype and shape of tensors with their batch axis."""
    return [(spec.name, spec.dtype, [-1, *spec.shape]) for spec in specs]


def single(*nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Return a graph from x to y of [N, 4, 8, 8]."""
    x, y = (helper.make_tensor_value_info(name, kind, ["N", 4, 8, 8]) for name in "xy")
    graph = helper.make_graph(list(nodes), "graph", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("name", [name for name in COMMITTED if not name.endswith("int8")])
def test_every_committed_network_becomes_an_engine_with_the_wire_of_its_contract(name: str, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / name, tmp_path / name)
    contract = Contract.load(tmp_path / name)
    engines = build_engines(tmp_path / name, TWO)
    assert len(engines) == 1 + len(contract.variants)
    trt, log = parser(), listener(parser())
    inputs = {"": [spec.name for spec in contract.inputs]} | {one.name: list(one.inputs) for one in contract.variants}
    for engine, taken in zip(engines, inputs.values(), strict=True):
        manifest = EngineManifest.load(engine)
        assert manifest.compute_capabilities == ("8.9", "12.0")
        specs = tuple(spec for spec in contract.inputs if spec.name in taken)
        batches = sorted({1, contract.max_batch_size // 2, contract.max_batch_size})
        assert manifest.profile == {one.name: tuple((batch, *one.shape) for batch in batches) for one in specs}
        graph = engine.with_suffix(".onnx")
        assert faults_of_file(graph) == table_faults(onnx.load(graph)) == []
        network, faults = parsed(trt, log, trt.Builder(log), graph)
        assert not faults and wire_of(network) == promised((*specs, *contract.computed_outputs))


def test_an_engine_is_named_by_a_graph_of_one_node_that_says_what_it_was_built_of(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "rooms_cen", tmp_path / "rooms_cen")
    contract = Contract.load(tmp_path / "rooms_cen")
    (engine,) = build_engines(tmp_path / "rooms_cen", Settings(RTX, ("89",)))
    (path,) = write_contexts(contract, tmp_path / "rooms_cen")
    model, manifest = onnx.load(path), EngineManifest.load(engine)
    onnx.checker.check_model(model)
    (node,) = model.graph.node
    told = {one.key: one.value for one in model.metadata_props}
    assert told == {GRAPH_KEY: contract.graph.sha256, ENGINE_KEY: sha256_of(engine)}
    assert (node.op_type, node.domain, list(node.input)) == ("EPContext", "com.microsoft", ["rgb", "depth"])
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    assert attributes["ep_cache_context"] == b"model.engine" and attributes["embed_mode"] == 0
    assert attributes["source"].decode() == PROVIDERS["tensorrt-rtx"] == PROVIDER
    assert manifest.context_sha256 == sha256_of(path) and not manifest.faults(engine, contract.graph.sha256)
    graph = tmp_path / "rooms_cen" / contract.graph.file
    with pytest.raises(Exception, match="EPContext"):  # the processor has no such kernel
        open_session(path, sha256_of(path))
    file = GraphFile(graph, contract.graph.sha256, engine=engine)
    places = Wish(("tensorrt-rtx",), gpus={"0": WishedGpu(compute_capability="12.0")}).places(0, engine=True)
    assert [one.label for one in places] == [
        "TensorRT-RTX on GPU 0 with the engine built ahead",
        "TensorRT-RTX on GPU 0",
        "the processor",
    ]
    opened = first_that_runs(file, places, 1, lambda session: None)
    assert opened.place.provider == "cpu" and len(opened.warnings) == 2
    assert opened.warnings[0].endswith("it was built for compute capability 8.9, here is 12.0")
    unlike = {engine: "the engine is not the one that its manifest names", path: "model.engine.context is missing, or"}
    for changed, said in unlike.items():
        content = changed.read_bytes()
        changed.write_bytes(content + b"x")
        assert said in first_that_runs(file, places, 1, lambda session: None).warnings[0]
        changed.write_bytes(content)


def test_rooms_cen_in_8_bits_becomes_an_engine_and_loses_at_most_half_a_point(tmp_path: Path) -> None:
    run, contract = read_run(ROOT / "tests" / "runs" / "rooms_cen"), Contract.load(REPOSITORY / "rooms_cen")
    full, path = REPOSITORY / "rooms_cen" / contract.graph.file, tmp_path / "model.onnx"
    shown, tested = (
        of_source(frames(run.config.data, split), contract.inputs, count, split)
        for split, count in (("train", 8), ("test", 16))
    )
    Quantiser(full, "tensorrt", shown.samples).write((), path)
    assert lint(onnx.load(path)) == table_faults(onnx.load(path)) == []
    bounds = {spec.name: tuple([batch, *spec.shape] for batch in (1, 4, 8)) for spec in contract.inputs}
    wire = promised((*contract.inputs, *contract.outputs))
    assert EngineBuilder(TWO, tmp_path / "unused").build(path, bounds, wire)
    classes = len(contract.classes)
    before, after = (score(onnx_runner(graph), tested, classes).mean_iou for graph in (full, path))
    assert 100 * (before - after) <= 0.5


@pytest.mark.parametrize("name", ["pspnet14", "cen-lite-s"])
def test_the_other_families_become_engines_in_8_bits(name: str, tmp_path: Path) -> None:
    """RefineNet does in `test_precision.py`, in 8 and in 16 bits; all networks do in `make soak`."""
    streams = [MODALITIES["rgb"], MODALITIES["depth"]]
    inputs, outputs = tuple(input_spec(modality, SIZE) for modality in streams), output_specs(SIZE, 5)
    torch.manual_seed(1)
    network = shaken(build_network(tiny_config(name)))  # as in `test_freeze.py`: it is translated once for both
    servable = SegmentationServable(freeze(network), streams, tapped=True)
    write_onnx(servable, inputs, outputs, 4, tmp_path / "full.onnx")
    Quantiser(tmp_path / "full.onnx", "tensorrt", [example(inputs, 1, seed=0)]).write((), tmp_path / "model.onnx")
    for file in ("full.onnx", "model.onnx"):
        model = onnx.load(tmp_path / file)
        assert parser_faults(model, tmp_path / file) == table_faults(model) == []
    bounds = {spec.name: tuple([batch, *spec.shape] for batch in (1, 2, 4)) for spec in inputs}
    builder = EngineBuilder(Settings(RTX, ("89",)), tmp_path / "unused")
    assert builder.build(tmp_path / "model.onnx", bounds, promised((*inputs, *outputs)))


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (single(helper.make_node("Det", ["x"], ["y"], name="node")), "Det 'node'"),
        (single(helper.make_node("Foo", ["x"], ["y"], name="node")), "Foo 'node'"),
        (single(helper.make_node("Exp", ["x"], ["y"], name="node"), kind=TensorProto.INT32), "Exp 'node'"),
        (single(helper.make_node("Relu", ["x"], ["y"], name="node"), kind=TensorProto.DOUBLE), "DOUBLE"),
        (
            single(
                helper.make_node("Cast", ["x"], ["inner"], name="down", to=TensorProto.UINT8),
                helper.make_node("Cast", ["inner"], ["y"], name="up", to=TensorProto.FLOAT),
            ),
            "UINT8",
        ),
    ],
    ids=["missing", "unknown", "integers", "double", "bytes"],
)
def test_parser_and_table_refuse_the_same(model: onnx.ModelProto, names: str) -> None:
    (by_parser,), (by_table,) = parser_faults(model, model.SerializeToString()), table_faults(model)
    assert names in by_parser and names in by_table
    assert lint(model) == [by_parser]


def test_an_export_fails_by_node_and_operator() -> None:
    x = TensorSpec("x", "FP32", (4, 8, 8), ("channel", "height", "width"), "metre")
    y = TensorSpec("y", "FP32", (4, 8, 8), ("channel", "height", "width"), "metre")
    model = single(helper.make_node("Bernoulli", ["x"], ["y"], name="coin"))
    with pytest.raises(GraphError, match=r"TensorRT would refuse the graph: Bernoulli 'coin'"):
        check(model, (x,), (y,))


def test_what_the_builder_alone_refuses_is_named_before_it_is_built() -> None:
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5])
    zero, constant = (helper.make_tensor(name, TensorProto.INT8, [], [value]) for name, value in (("z", 0), ("c", 3)))
    nodes = [
        helper.make_node("DequantizeLinear", ["c", "scale", "z"], ["value"], name="dequantised"),
        helper.make_node("Mul", ["x", "value"], ["y"], name="product"),
    ]
    model = single(*nodes)
    model.graph.initializer.extend([scale, zero, constant])
    (fault,) = lint(model)
    assert fault == "DequantizeLinear 'dequantised': takes the INT8 constant 'c' without dimensions; make it float"


@pytest.fixture
def without_the_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have TensorRT-RTX not be importable."""
    with monkeypatch.context() as patch:
        for module in ("tensorrt_rtx", "tensorrt_rtx_bindings"):
            patch.setitem(sys.modules, module, None)
        lint_module.parser.cache_clear()
        yield
    lint_module.parser.cache_clear()


@pytest.mark.usefixtures("without_the_library")
def test_without_the_library_the_table_is_asked_and_an_engine_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = single(helper.make_node("Det", ["x"], ["y"], name="node"))
    assert lint(model) == table_faults(model) != []
    words = ["--name", "x", "--size", "64x80", "--format", "tensorrt-rtx", "--compute-capability", "89"]
    assert main(["export", str(tmp_path), *words, "--to", str(tmp_path / "to")]) == 2
    assert "pip install tensorrt-rtx-cu12-libs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--format", "tensorrt-rtx"], "got no compute capability; TensorRT-RTX .* builds for 75, 80"),
        (["--format", "tensorrt-rtx", "--compute-capability", "89,90"], "'90'.*Hopper.*crosswire plan-script NAME"),
        (["--format", "tensorrt-rtx", "--compute-capability", "8.7"], "'87'.*try --compute-capability 89,120"),
        (["--compute-capability", "89"], "--compute-capability, which --format onnx does not take"),
        (
            ["--format", "tensorrt-rtx", "--compute-capability", "89", "--version-compatible"],
            "--version-compatible, which --format tensorrt-rtx does not take",
        ),
    ],
)
def test_what_no_engine_can_be_built_for_is_refused_before_anything_slow(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path), "--name", "x", "--size", "64x80", "--to", str(tmp_path / "to"), *given]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "to").exists()


def test_a_graph_that_was_changed_or_is_another_than_promised_becomes_no_engine(tmp_path: Path) -> None:
    folder = tmp_path / "rooms_multitask"
    shutil.copytree(REPOSITORY / "rooms_multitask", folder)
    builder = EngineBuilder(Settings(RTX, ("89",)), tmp_path / "unused")
    with pytest.raises(EngineError, match=r"reads .*predicted_depth.*its contract promises \[\]"):
        builder.build(folder / "1" / "model.onnx", {}, [])
    (folder / "1" / "model.onnx").write_bytes(b"")
    with pytest.raises(EngineError, match="is not the graph that its contract describes"):
        build_engines(folder, TWO)
    with pytest.raises(EngineError, match=r"rooms_cen_int8 is quantised for the CPU"):
        build_engines(REPOSITORY / "rooms_cen_int8", TWO)
