"""An adopted graph against the original one with the described work in numpy, setting by setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from crosswire.contract import Contract
from crosswire.export.adopt.adopt import AdoptRequest, adopt
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.prepare import Prepared, prepare
from crosswire.export.adopt.proof.prove import adopted, noise_batches
from tests.support.adopted.foreign import CLASSES, DEPTH, RGB, SIZE, network, said


def prepared(path: Path, *inputs: dict[str, Any], size: tuple[int, int] | None = None, **output: Any) -> Prepared:
    return prepare(read_graph(path), said(*inputs, output=output or None), size)


def written(tmp_path: Path, ready: Prepared, **options: Any) -> Contract:
    contract = adopt(ready, AdoptRequest("foreign", **options), tmp_path / "repository")
    assert Contract.load(tmp_path / "repository" / "foreign") == contract
    return contract


@pytest.mark.parametrize(
    ("colour", "distance"),
    [
        ({}, {}),
        ({"channel_order": "BGR", "scale": 1.0, "mean": [103.5, 116.3, 123.7], "std": [57.4, 57.1, 58.4]}, {}),
        ({"mean": [0.5], "std": [0.5]}, {"unit": "m", "clip": [0.5, 6.0], "mean": [3.0], "std": [2.0]}),
        ({}, {"unit": "relative", "clip": [0.5, 8.0], "mean": [0.5], "std": [0.5]}),
        ({}, {"invalid": -1.0, "invalid_at": "normalised"}),
        ({}, {"invalid": 65.0, "invalid_at": "raw", "scale": 0.5}),
    ],
    ids=["plain", "bgr", "clip", "relative", "invalid-normalised", "invalid-raw"],
)
def test_the_front_does_what_the_description_says(
    tmp_path: Path, colour: dict[str, Any], distance: dict[str, Any]
) -> None:
    ready = prepared(network(tmp_path / "a.onnx"), {**RGB, **colour}, {**DEPTH, **distance})
    contract = written(tmp_path, ready)
    assert [spec.name for spec in contract.inputs] == ["rgb", "depth"]
    assert {one.output for one in contract.parity} == {
        "normalised image", "normalised depth", "logits", "labels", "confidence",
    }  # fmt: skip


def test_what_goes_in_is_what_a_person_would_write_by_hand(tmp_path: Path) -> None:
    distance = {**DEPTH, "clip": [1.0, 5.0], "tile": 3, "invalid": 7.0, "invalid_at": "normalised", "scale": 2.0}
    distance |= {"mean": [1.0, 2.0, 3.0], "std": [1.0, 2.0, 4.0]}
    ready = prepared(network(tmp_path / "a.onnx", channels=(3, 3)), {**RGB, "channel_order": "BGR"}, distance)
    model = ready.graph("foreign", cpu=True)
    rgb = np.random.default_rng(1).integers(0, 256, (2, *SIZE, 3), np.uint8)
    depth = np.random.default_rng(2).uniform(0, 8, (2, *SIZE)).astype(np.float32)
    depth[:, :9] = 0
    found = adopted(model, ready)({"rgb": rgb, "depth": depth})
    mean, std = np.array(RGB["mean"]), np.array(RGB["std"])
    colours = ((rgb[..., ::-1] / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found["normalised image"], colours, rtol=1e-4, atol=1e-5)
    clipped = np.clip(depth, 1, 5) * 1000 * 2
    planes = np.stack([(clipped - m) / s for m, s in ((1, 1), (2, 2), (3, 4))], 1)
    planes = np.where((depth == 0)[:, None], 7, planes)
    np.testing.assert_allclose(found["normalised depth"], planes, rtol=1e-4)


@pytest.mark.parametrize(
    ("graph", "output"),
    [
        ({"stride": 1}, {}),
        ({"stride": 2}, {}),
        ({"stride": 4}, {}),
        ({"stride": 8}, {}),
        ({"stride": 4}, {"align_corners": True}),
        ({"stride": 4}, {"upsampling": "nearest"}),
        ({"stride": 4, "end": "Softmax"}, {}),
        ({"stride": 4, "end": "Sigmoid"}, {}),
        ({"stride": 4}, {"sigmoid": True}),
        ({"stride": 4, "end": "ArgMax"}, {"classes": list("abcde")}),
        ({"stride": 4}, {"first_class": 1, "drop": [3]}),
        ({"stride": 4, "classes": 1}, {}),
        ({"stride": 4, "classes": 1, "end": "Sigmoid"}, {"threshold": 0.3}),
        ({"stride": 8, "classes": 1}, {"threshold": 0.7}),
    ],
    ids=str,
)
def test_the_tail_does_what_the_description_says(tmp_path: Path, graph: dict[str, Any], output: dict[str, Any]) -> None:
    contract = written(tmp_path, prepared(network(tmp_path / "a.onnx", **graph), RGB, DEPTH, **output))
    labels = next(one.value for one in contract.parity if one.output == "labels")
    assert labels > 0.999
    expected = {"first_class": 3}.get(next(iter(output), ""), 2 if graph.get("classes") == 1 else CLASSES)
    assert len(contract.classes) == len(contract.palette) == expected


def test_labels_come_at_full_size_and_vary(tmp_path: Path) -> None:
    ready = prepared(network(tmp_path / "a.onnx"), RGB, DEPTH)
    (raw, *_) = next(iter(noise_batches(ready, 1).values()))
    found = adopted(ready.graph("foreign", cpu=True), ready)(raw)
    assert found["labels"].shape == (1, *SIZE)
    assert len(np.unique(found["labels"])) >= 3


@pytest.mark.parametrize(("layout", "size"), [("NCHW", ("h", "w")), ("NHWC", SIZE)])
def test_layouts_and_open_sizes(tmp_path: Path, layout: str, size: tuple[int | str, int | str]) -> None:
    path = network(tmp_path / "a.onnx", layout=layout, size=size, channels=(3,))
    ready = prepared(path, RGB, size=SIZE)
    assert ready.description.inputs[0].layout == layout
    assert written(tmp_path, ready).inputs[0].shape == (*SIZE, 3)


@pytest.mark.parametrize(("opset", "ir"), [(11, 6), (13, 7), (18, 8), (21, 10), (22, 10), (24, 13)])
def test_other_versions_of_the_format_are_brought_to_ours(tmp_path: Path, opset: int, ir: int) -> None:
    contract = written(tmp_path, prepared(network(tmp_path / "a.onnx", opset=opset, ir_version=ir), RGB, DEPTH))
    model = onnx.load(tmp_path / "repository/foreign/1/model.onnx")
    assert model.ir_version == contract.graph.ir_version == 10
    assert 18 <= model.opset_import[0].version == contract.graph.opset <= 21


def test_a_batch_of_one_in_a_shape_is_opened(tmp_path: Path) -> None:
    ready = prepared(network(tmp_path / "a.onnx", batch=1, end="Reshape"), RGB, DEPTH)
    assert written(tmp_path, ready).max_batch_size == 8


def test_a_batch_that_cannot_be_opened_is_one_and_said(tmp_path: Path) -> None:
    ready = prepared(network(tmp_path / "a.onnx", batch=1, end="Fixed"), RGB, DEPTH)
    told: list[str] = []
    assert written(tmp_path, ready, report=told.append).max_batch_size == 1
    assert any("batches are not formed" in line for line in told)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx")
    onnx.save(onnx.load(path), tmp_path / "b.onnx", save_as_external_data=True, location="b.data", size_threshold=0)
    assert written(tmp_path, prepared(tmp_path / "b.onnx", RGB, DEPTH)).parameters == 333
    (tmp_path / "b.data").unlink()
    with pytest.raises(AdoptError, match=r"its weights cannot be read .* put its external data beside it"):
        read_graph(tmp_path / "b.onnx")


@pytest.mark.parametrize(
    ("graph", "inputs", "output", "message"),
    [
        ({}, (RGB, {**DEPTH, "unit": None}), {}, r"nothing says in which unit input 'depth' takes depth"),
        ({}, ({"role": "rgb"}, DEPTH), {}, r"nothing says how the colours of input 'image' are normalised"),
        ({"channels": (3, 3)}, (RGB, DEPTH), {}, r"three channels: say tile = 3 .* HHA needs the camera's lens"),
        ({}, (RGB, {**DEPTH, "role": "hha"}), {}, r"role 'hha' cannot be served: HHA needs"),
        ({"channels": (3,), "size": ("h", "w")}, (RGB,), {}, r"takes several sizes; choose one with --size"),
        ({}, ({**RGB, "multiple": 32}, DEPTH), {}, r"48x64 is no multiple of 32.* try --size 64x64"),
        ({}, (RGB, DEPTH), {"graph_output": "no"}, r"no output 'no'; it has scores"),
        ({}, (RGB, DEPTH), {"classes": ["a"]}, r"has 5 classes, and 1 names were given"),
        ({}, ({**RGB, "mean": [0.1, 0.2]}, DEPTH), {}, r"has 2 values of mean; give one, or one for each of 3"),
        ({"end": "ArgMax"}, (RGB, DEPTH), {}, r"labels, which do not tell how many classes"),
    ],
)
def test_what_cannot_be_known_is_refused_by_name(
    tmp_path: Path, graph: dict[str, Any], inputs: tuple[dict[str, Any], ...], output: dict[str, Any], message: str
) -> None:
    given = [{key: value for key, value in one.items() if value is not None} for one in inputs]
    with pytest.raises(AdoptError, match=message):
        prepared(network(tmp_path / "a.onnx", **graph), *given, **output)
