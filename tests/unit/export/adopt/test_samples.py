"""What samples, labels and metadata tell of an adopted graph, and what they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from crosswire.export.__main__ import main
from crosswire.export.adopt.adopt import AdoptRequest, adopt
from crosswire.export.adopt.description import read_description
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.metadata import metadata_of
from crosswire.export.adopt.prepare import Prepared, prepare
from crosswire.export.adopt.proof.prove import adopted as running
from crosswire.export.adopt.proof.prove import noise_batches, original, prove, reference_of, tolerances_of
from crosswire.export.adopt.proof.samples import read_samples
from tests.support.adopted.foreign import DEPTH, RGB, SIZE, network, said


def prepared(path: Path, *inputs: dict[str, Any], **output: Any) -> Prepared:
    return prepare(read_graph(path), said(*inputs, output=output or None), None)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six views with the labels that a network described rightly gives."""
    folder = tmp_path_factory.mktemp("frames")
    truth = prepared(network(folder / "truth.onnx"), RGB, DEPTH)
    run = original(truth.source, truth, print)
    generator = np.random.default_rng(5)
    for name in ("rgb", "depth", "labels"):
        (folder / name).mkdir()
    for place in range(6):
        coarse = generator.integers(0, 256, (6, 8, 3), np.uint8)
        rgb = np.asarray(Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BILINEAR))
        far = generator.uniform(1000, 6000, (6, 8)).astype(np.float32)
        depth = np.asarray(Image.fromarray(far).resize(SIZE[::-1], Image.Resampling.BILINEAR)).astype(np.uint16)
        raw = {"rgb": rgb[None], "depth": (depth / np.float32(1000)).astype(np.float32)[None]}
        labels = reference_of(truth, run, raw)["labels"][0]
        for name, array in (("rgb", rgb), ("depth", depth), ("labels", labels)):
            Image.fromarray(array).save(folder / name / f"{place}.png")
    return folder


def told(tmp_path: Path, frames: Path, *inputs: dict[str, Any]) -> list[str]:
    """Adopt a graph described somehow with samples and labels; return what was said."""
    ready = prepared(network(tmp_path / "a.onnx"), *inputs)
    lines: list[str] = []
    seen = read_samples(frames, ready.inputs, 6)
    labelled = read_samples(frames, ready.inputs, 6, labelled=True)
    contract = adopt(ready, AdoptRequest("a", samples=seen, labelled=labelled, report=lines.append), tmp_path)
    assert {one.inputs for one in contract.parity} == {"noise, batches of 1, 2, 3", "6 samples"}
    scores = {one.metric: (one.live, one.served) for one in contract.evaluation}
    assert scores["mean_iou"][0] == pytest.approx(scores["mean_iou"][1], abs=0.01)
    return lines


def test_a_right_description_is_not_doubted_and_what_is_not_known_is_said(tmp_path: Path, frames: Path) -> None:
    lines = told(tmp_path, frames, RGB, DEPTH)
    assert not [line for line in lines if line.startswith("suspicion")]
    assert any(line.startswith("labels speak against depth.unit m:") for line in lines)
    assert any(line.startswith("labels speak against rgb.channel_order BGR:") for line in lines)
    assert [line for line in lines if line.startswith("not known: the value of missing readings (0, raw) of 'depth'")]


def test_what_no_proof_can_know_is_said_by_name_when_nothing_but_the_graph_is_given(tmp_path: Path) -> None:
    lines: list[str] = []
    ready = prepared(network(tmp_path / "a.onnx"), RGB, DEPTH, classes=list("abcde"))
    adopt(ready, AdoptRequest("a", report=lines.append), tmp_path / "to")
    end = ": no proof can tell, it is as described"
    assert lines == [
        f"not known: channel order RGB of 'image' (rgb){end}",
        "not known: scale 0.00392157, mean [0.485, 0.456, 0.406] and std [0.229, 0.224, 0.225] of 'image' (rgb)" + end,
        f"not known: unit mm of 'depth' (depth){end}",
        f"not known: scale 1, mean [2841] and std [1417] of 'depth' (depth){end}",
        f"not known: the value of missing readings (0, raw) of 'depth' (depth){end}",
        f"not known: the order of the names of 5 classes{end}",
        "hint: --samples DIR would show values far from 0 and 1; "
        "--evaluate DIR would try other readings on labelled data",
    ]


def test_a_wrong_unit_of_depth_shows_on_samples_without_labels(tmp_path: Path, frames: Path) -> None:
    lines: list[str] = []
    ready = prepared(network(tmp_path / "a.onnx"), RGB, {**DEPTH, "unit": "m"})
    adopt(ready, AdoptRequest("a", samples=read_samples(frames, ready.inputs, 6), report=lines.append), tmp_path / "to")
    (doubt,) = [line for line in lines if line.startswith("suspicion")]
    assert "'depth' (depth) has mean -2.00" in doubt and "check unit, scale, mean and std" in doubt


def test_a_wrong_unit_of_an_answer_shows_on_samples_and_is_named_without(tmp_path: Path, frames: Path) -> None:
    model = onnx.load(network(tmp_path / "a.onnx", channels=(3,), classes=1))
    model.graph.initializer[-1].CopyFrom(onnx.numpy_helper.from_array(np.asarray([2500.0], np.float32), "bias"))
    onnx.save(model, tmp_path / "b.onnx")
    said_by_unit = {}
    for unit in ("m", "mm"):
        lines: list[str] = []
        ready = prepare(read_graph(tmp_path / "b.onnx"), said(RGB, task="translation", output={"unit": unit}), None)
        samples = read_samples(frames, ready.inputs, 6)
        adopt(ready, AdoptRequest("a", samples=samples, report=lines.append), tmp_path / "to")
        assert f"not known: unit {unit} of 'scores': no proof can tell, it is as described" in lines
        said_by_unit[unit] = [line for line in lines if line.startswith("suspicion")]
    assert not said_by_unit["mm"]
    assert "has a median depth of 2498 metres on the samples" in said_by_unit["m"][0]
    assert "check its unit (m) and scale" in said_by_unit["m"][0]


@pytest.mark.parametrize(
    ("colour", "distance", "words"),
    [
        ({"scale": 1.0}, {}, "'image' (rgb) has mean"),
        ({}, {"unit": "m"}, "with depth.unit mm the mean IoU is"),
        ({"channel_order": "BGR"}, {}, "with rgb.channel_order RGB the mean IoU is"),
    ],
    ids=["mean", "unit", "order"],
)
def test_a_wrong_description_is_named(
    tmp_path: Path, frames: Path, colour: dict[str, Any], distance: dict[str, Any], words: str
) -> None:
    lines = told(tmp_path, frames, {**RGB, **colour}, {**DEPTH, **distance})
    assert any(words in line for line in lines if line.startswith("suspicion")), lines


def test_a_proof_against_another_preprocessing_fails_at_the_step_where_values_part(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx")
    right, wrong = prepared(path, RGB, DEPTH), prepared(path, {**RGB, "mean": [0.4, 0.4, 0.4]}, DEPTH)
    run = original(right.source, right, print)
    with pytest.raises(AdoptError, match=r"parts from the original at 'normalised image': relative .* allowed 1e-05"):
        prove(
            lambda raw: reference_of(right, run, raw),
            running(wrong.graph("a", cpu=True), wrong),
            noise_batches(right, 8),
            tolerances_of(right),
        )
    other = prepared(network(tmp_path / "b.onnx", seed=1), RGB, DEPTH)
    with pytest.raises(AdoptError, match=r"at 'logits': .* before it agree normalised image, normalised depth"):
        prove(
            lambda raw: reference_of(right, run, raw),
            running(other.graph("b", cpu=True), other),
            noise_batches(right, 8),
            tolerances_of(right),
        )


def test_eight_bits_come_by_our_own_quantiser(tmp_path: Path, frames: Path) -> None:
    ready = prepared(network(tmp_path / "a.onnx"), RGB, DEPTH)
    samples = read_samples(frames, ready.inputs, 6)
    contract = adopt(ready, AdoptRequest("a", precision="int8", samples=samples), tmp_path / "to")
    assert contract.precision == "int8" and set(contract.precisions.values()) == {"int8", "fp32"}
    operators = {node.op_type for node in onnx.load(tmp_path / "to/a/1/model.onnx").graph.node}
    assert "QuantizeLinear" in operators
    with pytest.raises(AdoptError, match="--precision int8 measures ranges on real inputs, and got none"):
        adopt(ready, AdoptRequest("b", precision="int8"), tmp_path / "to")


def test_layers_stay_in_float_until_labels_agree_with_those_of_the_graph_in_floats(
    tmp_path: Path, frames: Path
) -> None:
    model = onnx.load(network(tmp_path / "a.onnx"))
    for tensor in model.graph.initializer:  # one channel is so large that 8 bits leave nothing of the others
        if tensor.name in ("first", "second"):
            weights = onnx.numpy_helper.to_array(tensor).copy()
            if tensor.name == "first":
                weights[0] *= 4096
            else:
                weights[:, 0] /= 4096
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, tmp_path / "wide.onnx")
    ready = prepared(tmp_path / "wide.onnx", RGB, DEPTH)
    lines: list[str] = []
    samples = read_samples(frames, ready.inputs, 6)
    contract = adopt(ready, AdoptRequest("a", precision="int8", samples=samples, report=lines.append), tmp_path / "to")
    assert set(contract.precisions.values()) == {"fp32"}
    assert any("of agreement with the labels in fp32 on the worst of 6 samples (allowed 10)" in line for line in lines)
    (agreed,) = (one.value for one in contract.parity if one.stage == "onnx" and one.output == "labels")
    assert agreed >= 0.99


def test_eight_bits_of_what_has_no_labels_are_refused(tmp_path: Path, frames: Path) -> None:
    path = network(tmp_path / "a.onnx", channels=(3,), classes=1)
    ready = prepare(read_graph(path), said(RGB, task="translation", output={"unit": "m"}), None)
    samples = read_samples(frames, ready.inputs, 2)
    with pytest.raises(AdoptError, match="got --precision int8, which segmentations alone take; leave it out"):
        adopt(ready, AdoptRequest("far", precision="int8", samples=samples), tmp_path / "to")


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("mm", 0.001), ("relative", 1.0)])
def test_depth_of_a_picture_is_a_translation(tmp_path: Path, unit: str, factor: float) -> None:
    path = network(tmp_path / "a.onnx", channels=(3,), classes=1)
    ready = prepare(read_graph(path), said(RGB, task="translation", output={"unit": unit}), None)
    contract = adopt(ready, AdoptRequest("far"), tmp_path / "to")
    (output,) = contract.outputs
    assert (output.name, output.shape) == ("predicted_depth", SIZE)
    assert output.unit == ("relative depth" if unit == "relative" else "metre")
    assert bool(ready.answer.remarks) == (unit == "relative")
    (raw, *_) = next(iter(noise_batches(ready, 1).values()))
    found = running(ready.graph("far", cpu=True), ready)(raw)["predicted_depth"]
    scores = original(ready.source, ready, print)(
        {"image": ((raw["rgb"] / 255 - RGB["mean"]) / RGB["std"]).transpose(0, 3, 1, 2).astype(np.float32)}
    )["scores"]
    assert found.mean() == pytest.approx(float(scores.mean()) * factor, rel=0.02)


def test_a_picture_of_a_picture_is_a_translation(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx", channels=(3,), classes=3, stride=1)
    output = {"domain": "shade", "mean": [0.5], "std": [0.2], "scale": 1 / 255, "channel_order": "BGR"}
    ready = prepare(read_graph(path), said(RGB, task="translation", output=output), None)
    contract = adopt(ready, AdoptRequest("shade"), tmp_path / "to")
    assert [(one.name, one.dtype, one.shape) for one in contract.outputs] == [("predicted_shade", "UINT8", (*SIZE, 3))]
    with pytest.raises(AdoptError, match=r"nothing says how output 'scores' holds colours"):
        prepare(read_graph(path), said(RGB, task="translation"), None)


def test_what_no_pipeline_carries_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx", channels=(3,))
    with pytest.raises(AdoptError, match="a classification takes frames, waveform"):
        prepare(read_graph(path), said(RGB, task="classification"), None)
    with pytest.raises(AdoptError, match="no pipeline answers with vectors"):
        prepare(read_graph(path), said(RGB, output={"kind": "embeddings"}), None)
    model = onnx.load(path)
    model.graph.node[1].domain = "somebody"
    model.graph.node[1].name = "deform"
    onnx.save(model, tmp_path / "b.onnx")
    with pytest.raises(AdoptError, match="Conv 'deform' is an operator of 'somebody', which"):
        read_graph(tmp_path / "b.onnx")


def test_metadata_of_exporters_are_read_and_told(tmp_path: Path) -> None:
    path, lines = network(tmp_path / "a.onnx", channels=(3,)), []
    preprocessor = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "rescale_factor": 0.5}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"1": "wall", "0": "floor"}}))
    found = metadata_of(read_graph(path), lines.append)
    assert (found.inputs[0].mean, found.inputs[0].std, found.inputs[0].scale) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 0.5)
    assert found.outputs[0].classes == ("floor", "wall")
    assert lines == [
        "read from preprocessor_config.json: scale, mean, std",
        "read from config.json: classes",
    ]


def test_metadata_of_ultralytics_are_read(tmp_path: Path) -> None:
    model = onnx.load(network(tmp_path / "a.onnx", channels=(3,), size=("h", "w")))
    facts = {"names": "{0: 'a', 1: 'b'}", "imgsz": "[320, 640]", "stride": "32", "task": "segment"}
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, tmp_path / "b.onnx")
    found = metadata_of(read_graph(tmp_path / "b.onnx"), print)
    assert found.task == "segmentation" and found.outputs[0].classes == ("a", "b")
    assert (found.inputs[0].size, found.inputs[0].multiple) == ((320, 640), 32)
    assert found.inputs[0].scale == pytest.approx(1 / 255)


def test_the_command_prints_a_description_that_it_reads_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network(tmp_path / "a.onnx")
    words = ["adopt", str(path), "--task", "segmentation", "--set", "rgb.scale=0.5", "--set", "depth.unit=mm"]
    assert main([*words, "--dry-run", "--write-description", str(tmp_path / "a.toml")]) == 0
    description = read_description(tmp_path / "a.toml")
    assert [one.graph_input for one in description.inputs] == ["image", "depth"]
    assert description.inputs[0].size == SIZE and description.outputs[0].kind == "logits"
    again = ["adopt", str(path), "--describe", str(tmp_path / "a.toml"), "--name", "a", "--to", str(tmp_path / "to")]
    assert main(again) == 0
    assert "parity with the graph as it came" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "to/a"), "--to", str(tmp_path / "a.html")]) == 0
    assert main(["adopt", str(path), "--task", "segmentation"]) == 2
    assert "got no --name and no --to" in capsys.readouterr().err
