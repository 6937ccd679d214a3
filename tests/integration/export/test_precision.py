"""Graphs in 16 and 8 bits: what they are proven on, calibrated with and kept in float for, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from crosswire.contract import Contract, EngineManifest
from crosswire.contract.errors import UsageError
from crosswire.export.__main__ import main
from crosswire.export.build import build
from crosswire.export.frames import Frames, of_source
from crosswire.export.graph_file import LOGITS, save
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.quantization.layers import outside
from crosswire.export.quantization.precision import EXACT, TOLERANCES, Precision
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.quantization.sensitivity import search
from crosswire.export.tasks.exporter import silent
from crosswire.export.tasks.segmentation.score import score
from crosswire.export.tasks.segmentation.single_export import SegmentationExport, prepare_export
from crosswire.export.tensorrt.builder import RTX, Settings, build_engines
from crosswire.export.tensorrt.lint import lint
from crosswire.export.tensorrt.operators import table_faults
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.assemble import assemble
from crosswire.serving.repository.gpus import ChosenGpus, Gpu
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.repository.tuning import Tuning
from crosswire.training.engine.run_folder import Run
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.network import build_network

SIZE = (64, 80)
FEW = {"calibration_frames": 4, "frames": 4}


@pytest.fixture(scope="module")
def work(tiny_run: Run) -> SegmentationExport:
    """Return the frozen tiny run."""
    return prepare_export(tiny_run, SIZE, 4, Precision(), silent)


@pytest.fixture(scope="module")
def graph(work: SegmentationExport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the fp32 graph of the tiny run."""
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"
    work.write(path)
    return path


@pytest.fixture(scope="module")
def quantiser(work: SegmentationExport, graph: Path) -> Quantiser:
    """Return the quantiser of that graph, for the CPU."""
    return Quantiser(graph, "cpu", work.labelled("train").samples)


@pytest.fixture(scope="module")
def int8(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an int8 export for TensorRT, with its engine."""
    repository = tmp_path_factory.mktemp("repository")
    words = ["--precision", "int8", "--max-drop", "100", "--calibration-frames", "4", "--frames", "4"]
    words += ["--format", "tensorrt-rtx", "--compute-capability", "89,12.0", "--max-batch", "4", "--size", "64x80"]
    assert main(["export", str(tiny_run.folder), "--name", "tiny_int8", "--to", str(repository), *words]) == 0
    return repository / "tiny_int8"


def test_an_int8_export_says_what_it_was_proven_on_and_what_each_layer_computes_in(int8: Path) -> None:
    contract = Contract.load(int8)
    contract.verify(int8)
    assert {parity.stage for parity in contract.parity} == {"frozen", "onnx-fp32", "onnx"}
    assert all("frames" in parity.inputs for parity in contract.parity if parity.stage == "onnx")
    assert {one.metric for one in contract.evaluation} == {"mean_iou", "mean_accuracy", "pixel_accuracy"}
    assert contract.calibration == "rooms, 4 training frames"
    assert contract.precisions["decoder_head"] == "fp32"
    assert set(contract.precisions.values()) == {"int8", "fp32"}
    assert Contract.from_json(contract.to_json()) == contract
    files = sorted(path.name for path in int8.rglob("*") if path.is_file())
    assert files == ["contract.json", "model.engine", "model.engine.context", "model.engine.json", "model.onnx"]


def test_an_int8_engine_is_that_of_its_graph_and_inspect_says_so(
    int8: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract, engine = Contract.load(int8), int8 / "1" / "model.engine"
    assert contract.target == "tensorrt"
    manifest = EngineManifest.load(engine)
    assert manifest.faults(engine, contract.graph.sha256) == []
    assert (manifest.runtime, manifest.precision) == ("tensorrt_rtx", "int8")
    assert manifest.compute_capabilities == ("8.9", "12.0")
    assert manifest.profile["rgb"] == tuple((batch, *SIZE, 3) for batch in (1, 2, 4))
    assert main(["inspect", str(int8), "--repeats", "0"]) == 0
    said = capsys.readouterr().out
    assert f"engine model.engine: int8 of tensorrt_rtx {manifest.version} for compute capability 8.9, 12.0" in said
    assert "batch 1 to 4" in said
    other = engine.read_bytes()
    engine.write_bytes(other[:-1])
    assert main(["inspect", str(int8), "--repeats", "0"]) == 2
    engine.write_bytes(other)
    assert "the engine is not the one that its manifest names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("precision", "opset", "stands_in"), [("bf16", 22, "rounded to bf16"), ("fp8", 19, "taken apart")]
)
def test_what_only_tensorrt_computes_is_proven_by_a_stand_in_and_becomes_an_engine(
    precision: str, opset: int, stands_in: str, tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--precision", precision, "--format", "tensorrt-rtx", "--max-batch", "2", "--size", "64x80"]
    words += ["--frames", "4", *(["--max-drop", "100", "--calibration-frames", "4"] if precision == "fp8" else [])]
    command = ["export", str(tiny_run.folder), "--name", "tiny", "--to", str(tmp_path), *words]
    assert main([*command, "--compute-capability", "75,89"]) == 2
    assert f"got compute capability '75' with {precision}" in capsys.readouterr().err
    assert main([*command, "--compute-capability", "89"]) == 0
    contract = Contract.load(tmp_path / "tiny")
    model = onnx.load(tmp_path / "tiny" / contract.graph.file)
    assert contract.graph.opset == model.opset_import[0].version == opset
    assert lint(model) == table_faults(model) == []
    assert precision in contract.precisions.values() and contract.target == "tensorrt"
    reduced = [one for one in contract.parity if one.stage == "onnx"]
    assert reduced and all(stands_in in one.inputs for one in (*reduced, *contract.evaluation))
    assert EngineManifest.load(tmp_path / "tiny" / "1" / "model.engine").precision == precision
    assert main(["inspect", str(tmp_path / "tiny")]) == 0
    with pytest.raises(ServingError, match=f"is in {precision}, which TensorRT alone computes"):
        assemble(find_networks(tmp_path), Runtime.EMBEDDED, tmp_path / "made", copy_graphs=False)
    able = Tuning(chosen=ChosenGpus((Gpu(0),), ("tensorrt-rtx", "cuda")))
    made = assemble(find_networks(tmp_path), Runtime.EMBEDDED, tmp_path / "able", copy_graphs=False, tuning=able)
    (graph,) = json.loads(made.configs["tiny"].parameters["graphs"].string_value)
    assert graph["tensorrt_alone"] and graph["engine"] == "model.engine"
    places = able.wish.places(0, engine=True, alone=True)
    assert [(one.provider, one.engine) for one in places] == [("tensorrt-rtx", True), ("tensorrt-rtx", False)]
    with pytest.raises(UsageError, match=f"got precision {precision} for target cpu"):
        Precision(precision)


def test_for_tensorrt_only_weights_are_integer_constants(int8: Path) -> None:
    graph = onnx.load(int8 / "1" / "model.onnx").graph
    dims = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    constants = [node.input[0] for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in dims]
    assert constants and {dims[name] for name in constants} == {4}


def test_a_graph_for_tensorrt_is_symmetric_and_passes_the_lint(int8: Path) -> None:
    model = onnx.load(int8 / "1" / "model.onnx")
    assert lint(model) == table_faults(model) == []
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    points = [values[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert points and all(point.dtype == np.int8 and not point.any() for point in points)


def test_weights_are_quantised_per_channel(int8: Path) -> None:
    model = onnx.load(int8 / "1" / "model.onnx")
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = [node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in values]
    kernels = [node for node in weights if values[node.input[0]].ndim == 4]
    assert kernels
    assert all(values[node.input[1]].shape == values[node.input[0]].shape[:1] for node in kernels)


def test_the_processor_gets_unsigned_activations_and_a_float_tail(quantiser: Quantiser, tmp_path: Path) -> None:
    quantiser.write((), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    produced = {name: node for node in model.graph.node for name in node.output}
    points = [values[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert points and all(point.dtype == np.uint8 for point in points)
    tail = [node for node in model.graph.node if LOGITS in node.input]
    assert tail and not any(node.op_type == "QuantizeLinear" for node in tail)
    assert produced[LOGITS].input[1] not in produced  # the head's weights are plain numbers


def test_normalisation_head_and_tail_are_outside_of_quantisation(graph: Path) -> None:
    model = onnx.load(graph)
    names = set(outside(model.graph))
    kinds = {node.op_type for node in model.graph.node if node.name in names}
    assert {"Sub", "Div", "ArgMax", "Exp", "ReduceMax", "Round"} <= kinds
    assert [node.input[1] for node in model.graph.node if node.op_type == "Conv" and node.name in names] == [
        "network.decoder_head.weight"
    ]


def test_between_two_8_bit_convolutions_nothing_is_clipped_in_float(tiny: SegmentationConfig, tmp_path: Path) -> None:
    """ReLU6 of the mobile family becomes the range of the activation before it, where no exchange lies between."""
    network = dataclasses.replace(tiny.network, name="cen-mobile", width=4, gamma_low=1.0)
    config = dataclasses.replace(tiny, network=network)
    untrained = prepare_export(Run(tmp_path, config, build_network(network).eval()), SIZE, 4, Precision(), silent)
    untrained.write(tmp_path / "model.onnx")
    full, reduced = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    inputs = untrained.labelled("train").samples[0]
    assert (torch_runner(untrained.live())(inputs)[0] == onnx_runner(full)(inputs)[0]).mean() >= 0.999
    Quantiser(full, "cpu", untrained.labelled("train").samples[:2]).write((), reduced)
    clips = [[node.op_type for node in onnx.load(path).graph.node].count("Clip") for path in (full, reduced)]
    assert clips == [2 * (1 + 15 + 16), 0]  # per stream the stem's, and those of the wide and the depth-wise layers
    Quantiser(full, "tensorrt", untrained.labelled("train").samples[:2]).write((), reduced)
    assert lint(onnx.load(reduced)) == []


def test_an_fp16_export_stays_close(tiny_run: Run, tmp_path: Path) -> None:
    contract = build(tiny_run, "tiny_half", SIZE, tmp_path, max_batch=4, precision=Precision("fp16", frames=4))
    assert set(contract.precisions.values()) == {"fp16"}
    model = onnx.load(tmp_path / "tiny_half" / "1" / "model.onnx")
    kinds = {tensor.data_type for tensor in model.graph.initializer if tensor.name.endswith("weight")}
    assert kinds == {onnx.TensorProto.FLOAT16}
    wire = [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]
    assert onnx.TensorProto.FLOAT16 not in wire
    assert lint(model) == table_faults(model) == []
    (engine,) = build_engines(tmp_path / "tiny_half", Settings(RTX, ("89",)))
    assert EngineManifest.load(engine).precision == "fp16"


def iou_on(watched: Frames) -> Callable[[Path], float]:
    """Return what scores a graph's file on frames."""
    return lambda path: score(onnx_runner(path), watched, 12).mean_iou


def test_a_small_enough_drop_keeps_every_layer_in_8_bits(
    quantiser: Quantiser, work: SegmentationExport, tmp_path: Path
) -> None:
    kept = search(
        quantiser, 0.0, iou_on(work.labelled("val")), "mean IoU on frames", 0.5, tmp_path / "model.onnx", silent
    )
    assert kept == ()
    assert set(quantiser.precisions(kept).values()) == {"int8", "fp32"}


def test_layers_go_back_to_float_until_the_drop_is_small_enough(
    quantiser: Quantiser, work: SegmentationExport, tmp_path: Path
) -> None:
    """A reference that nothing reaches puts all of them back, and the graph is the fp32 one again."""
    said: list[str] = []
    watched = work.labelled("val")
    path = tmp_path / "model.onnx"
    kept = search(quantiser, 1.1, iou_on(watched), "frames", 0.5, path, said.append)
    assert sorted(kept) == sorted(quantiser.layers)
    assert set(quantiser.precisions(kept).values()) == {"fp32"}
    assert len(said) == 9 and "points" in said[-1]
    full = score(onnx_runner(quantiser.path), watched, 12).mean_iou
    assert score(onnx_runner(path), watched, 12).mean_iou == pytest.approx(full, abs=0.02)


def test_the_score_of_the_live_network_is_the_one_that_evaluate_gives(work: SegmentationExport, tiny_run: Run) -> None:
    from crosswire.training.tasks.segmentation.evaluate import evaluate

    tested = of_source(frames(tiny_run.config.data, "test"), work.inputs, 99, "{count}")
    ours = score(torch_runner(work.live()), tested, 12)
    assert ours.pixel_accuracy == pytest.approx(evaluate(tiny_run, progress=False)["ensemble"].pixel_accuracy, abs=2e-3)


def test_weights_that_do_not_fit_into_one_file_lie_beside_it(
    graph: Path, work: SegmentationExport, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    save(onnx.load(graph), path, largest=1000)
    assert (tmp_path / "model.onnx.data").stat().st_size > path.stat().st_size
    sample = work.labelled("test").samples[0]
    for one, other in zip(onnx_runner(graph, (LOGITS,))(sample), onnx_runner(path, (LOGITS,))(sample), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "int4"}, "allowed are fp32, fp16, int8"),
        ({"target": "gpu"}, "allowed are cpu, tensorrt"),
        ({"max_drop": 0.0}, "more than 0"),
        ({"frames": 0}, "1 or more"),
    ],
)
def test_a_precision_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Precision(**changes)  # type: ignore[arg-type]


def test_every_precision_keeps_the_exact_bounds_before_it_is_reduced() -> None:
    assert Precision().tolerances() == EXACT
    for name in ("fp16", "int8"):
        bounds = Precision(name).tolerances()
        assert bounds[: len(TOLERANCES[name])] == TOLERANCES[name]
        assert {(t.output, t.bound) for t in bounds if t.stage == "frozen"} == {(t.output, t.bound) for t in EXACT}


def test_a_folder_without_frames_leaves_nothing_behind(
    tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = ["--name", "tiny", "--size", "64x80", "--precision", "int8", "--calibration", str(tmp_path / "empty")]
    assert main(["build", str(tiny_run.folder), *words, "--frames", "2", "--to", str(tmp_path / "to")]) == 2
    assert "holds no frames" in capsys.readouterr().err
    assert list((tmp_path / "to").iterdir()) == []
