"""What people give by mistake is refused by name, and nothing that is half made or somebody's own is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from crosswire.contract import Contract
from crosswire.export.__main__ import main
from crosswire.export.adopt.adopt import AdoptRequest, adopt
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.prepare import prepare
from crosswire.export.adopt.proof.prove import adopted as running
from crosswire.export.adopt.proof.prove import noise_batches
from crosswire.serving.repository.networks import find_networks
from tests.support.adopted.foreign import DEPTH, RGB, SIZE, network, said
from tests.support.paths import ROOT

NAN, INF = float("nan"), float("inf")
WORDS = ["--task", "segmentation", "--set", "rgb.scale=0.01", "--set", "depth.unit=m"]


@pytest.mark.parametrize(
    ("graph", "inputs", "output", "words"),
    [
        ({}, ({**RGB, "mean": [NAN]}, DEPTH), {}, r"inputs\[0\].mean is nan; allowed are finite numbers of 32 bits"),
        ({}, ({**RGB, "mean": [0.1, INF, 0.2]}, DEPTH), {}, r"inputs\[0\].mean is inf"),
        ({}, ({**RGB, "mean": [1e300]}, DEPTH), {}, r"inputs\[0\].mean is 1e\+300"),
        ({}, ({**RGB, "std": [1e-320]}, DEPTH), {}, r"inputs\[0\].std is 1e-320"),
        ({}, ({**RGB, "scale": INF}, DEPTH), {}, r"inputs\[0\].scale is inf; allowed is more than 0"),
        ({}, (RGB, {**DEPTH, "clip": [0.0, INF]}), {}, r"inputs\[1\].clip is inf"),
        ({}, (RGB, {**DEPTH, "invalid": NAN}), {}, r"inputs\[1\].invalid is nan"),
        ({}, (RGB, {**DEPTH, "tile": 4}), {}, r"input depth .* has 1 channels, and tile is 4; say tile = 1"),
        ({"channels": (3,)}, (RGB, DEPTH), {}, r"does not fit rgb and depth, which make \[\?, 4, 48, 64\]"),
        ({"classes": 1}, (RGB, DEPTH), {"threshold": 1.0}, r"threshold is 1; give one between 0 and 1"),
        ({"classes": 1}, (RGB, DEPTH), {"threshold": 0.0}, r"threshold is 0; give one between 0 and 1"),
        ({}, (RGB, DEPTH), {"palette": [[0, 0, 0]]}, r"palette has 1 colours for 5 classes; give one for each"),
        ({}, (RGB, DEPTH), {"palette": [[0, 0, 256]] * 5}, r"palette has the colour \[0, 0, 256\]; .* 0 to 255 each"),
        ({}, (RGB, DEPTH), {"classes": ["a", " ", "c", "d", "e"]}, r"classes has an empty name"),
        ({}, (RGB, DEPTH), {"classes": list("abcd")}, r"has 5 classes, and 4 names were given"),
        ({"end": "ArgMax"}, (RGB, DEPTH), {"classes": ["a", "b"]}, r"gives labels 0 to 4 for noise, and 2 classes"),
        ({"classes": 1}, (RGB, DEPTH), {"kind": "labels", "classes": ["a", "b"]}, r"gives fractions, so it is no lab"),
        ({}, (RGB, DEPTH, {"role": "x"}), {}, r"no input of the graph is left for role 'x'; leave it out"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(
    tmp_path: Path, graph: dict[str, Any], inputs: tuple[dict[str, Any], ...], output: dict[str, Any], words: str
) -> None:
    with pytest.raises(AdoptError, match=words):
        prepare(read_graph(network(tmp_path / "a.onnx", **graph)), said(*inputs, output=output or None), None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("batch", r"input image FLOAT \[4, 3, 48, 64\] has a fixed batch of 4; export the network with 1"),
        ("nan", r"output 'scores' has NaN or infinite values for noise; look at the weights"),
        ("dropout", r"output 'scores' differs from run to run for one input; export it in evaluation mode"),
        ("custom", r"Conv 'scores' is an operator of 'com.acme', which ONNX Runtime does not have"),
        ("square", r"output 'scores' \[1, 12, 12, 12\] may be NCHW or NHWC; say --set output.layout=NCHW"),
    ],
)
def test_graphs_that_cannot_be_proven_are_refused_with_the_reason(tmp_path: Path, change: str, words: str) -> None:
    shape: dict[str, Any] = {"square": {"size": (48, 48), "classes": 12}, "batch": {"batch": 4}}.get(change, {})
    model = onnx.load(network(tmp_path / "a.onnx", **shape))
    last = model.graph.node[-1]
    if change == "nan":
        broken = np.full((5, 8, 1, 1), NAN, np.float32)
        model.graph.initializer[1].CopyFrom(numpy_helper.from_array(broken, "second"))
    elif change == "custom":
        last.domain = "com.acme"
    elif change == "dropout":
        last.output[0] = "before"
        constants = {"ratio": np.asarray(0.5, np.float32), "training": np.asarray(True)}
        model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
        model.graph.node.append(helper.make_node("Dropout", ["before", *constants], ["scores"]))
    onnx.save(model, tmp_path / "b.onnx")
    with pytest.raises(AdoptError, match=words):
        prepare(read_graph(tmp_path / "b.onnx"), said(RGB, DEPTH), None)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_where_sizes_do_not_tell_the_layout_of_an_output_it_is_said(tmp_path: Path, layout: str) -> None:
    model = onnx.load(network(tmp_path / "a.onnx", size=(48, 48), classes=12))
    onnx.save(model, tmp_path / "a.onnx")
    if layout == "NHWC":
        model.graph.node.append(helper.make_node("Transpose", ["scores"], ["turned"], perm=[0, 2, 3, 1]))
        model.graph.output[0].name = "turned"
    onnx.save(model, tmp_path / "b.onnx")
    output = {"layout": layout}
    one = prepare(read_graph(tmp_path / "b.onnx"), said(RGB, DEPTH, output=output), None)
    plain = prepare(read_graph(tmp_path / "a.onnx"), said(RGB, DEPTH, output={"layout": "NCHW"}), None)
    adopt(one, AdoptRequest("a"), tmp_path / "to")
    (raw, *_) = next(iter(noise_batches(one, 1).values()))
    found, expected = (running(each.graph("a", cpu=True), each)(raw)["labels"] for each in (one, plain))
    assert np.array_equal(found, expected) and len(np.unique(found)) > 3


def test_a_graph_that_does_not_say_its_shapes_is_told_them(tmp_path: Path) -> None:
    model = onnx.load(network(tmp_path / "a.onnx"))
    for value in model.graph.input:
        value.type.tensor_type.ClearField("shape")
    onnx.save(model, tmp_path / "b.onnx")
    with pytest.raises(AdoptError, match=r"nothing says how input image FLOAT of unknown shape is laid out"):
        prepare(read_graph(tmp_path / "b.onnx"), said(RGB, DEPTH), SIZE)
    one = prepare(read_graph(tmp_path / "b.onnx"), said({**RGB, "layout": "NCHW"}, {**DEPTH, "layout": "NCHW"}), SIZE)
    assert [spec.shape for spec in adopt(one, AdoptRequest("a"), tmp_path / "to").inputs] == [(*SIZE, 3), SIZE]


@pytest.mark.parametrize("name", ["labels", "rgb", "a/b:0", "é", "with space", "around.tail.0", 'a"b', "new\nline"])
def test_a_graph_may_name_its_tensors_as_it_likes(tmp_path: Path, name: str) -> None:
    model = onnx.load(network(tmp_path / "a.onnx"))
    for tensors in [node.input for node in model.graph.node] + [node.output for node in model.graph.node]:
        for place, tensor in enumerate(tensors):
            tensors[place] = {"image": name, "scores": f"{name}_scores"}.get(tensor, tensor)
    model.graph.input[0].name, model.graph.output[0].name = name, f"{name}_scores"
    onnx.save(model, tmp_path / "b.onnx")
    one = prepare(read_graph(tmp_path / "b.onnx"), said({**RGB, "graph_input": name}, DEPTH), None)
    contract = adopt(one, AdoptRequest("a"), tmp_path / "to")
    assert [spec.name for spec in contract.inputs] == ["rgb", "depth"]
    contract.verify(tmp_path / "to/a")


def test_weights_that_are_listed_among_the_inputs_are_none(tmp_path: Path) -> None:
    model = onnx.load(network(tmp_path / "a.onnx", opset=11, ir_version=3))
    for weight in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims)))
    onnx.save(model, tmp_path / "b.onnx")
    source = read_graph(tmp_path / "b.onnx")
    assert [wire.name for wire in source.inputs] == ["image", "depth"]
    adopt(prepare(source, said(RGB, DEPTH), None), AdoptRequest("a"), tmp_path / "to")


@pytest.mark.parametrize(("opset", "ir"), [(6, 3), (25, 13), (99, 10), (17, 99)])
def test_versions_that_are_too_old_or_too_new_are_brought_to_ours_and_that_is_said(
    tmp_path: Path, opset: int, ir: int
) -> None:
    told: list[str] = []
    one = prepare(read_graph(network(tmp_path / "a.onnx", opset=opset, ir_version=ir)), said(RGB, DEPTH), None)
    contract = adopt(one, AdoptRequest("a", report=told.append), tmp_path / "to")
    assert (contract.graph.ir_version, 18 <= contract.graph.opset <= 21) == (10, True)
    if 99 in (opset, ir):
        assert any("the original cannot be run as it is" in line for line in told)


@pytest.mark.parametrize("content", [b"", b"junk" * 99, None], ids=["empty", "junk", "cut"])
def test_files_that_are_no_graph_are_refused(tmp_path: Path, content: bytes | None) -> None:
    whole = network(tmp_path / "a.onnx").read_bytes()
    (tmp_path / "b.onnx").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(AdoptError, match=r"holds no graph|is no ONNX file"):
        read_graph(tmp_path / "b.onnx")
    with pytest.raises(AdoptError, match="is no file; name an ONNX graph"):
        read_graph(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo = 1", "unknown key 'foo'; known here are task, inputs, outputs"),
        ('[[inputs]]\nrole = "rgb"\nscal = 1.0', "unknown key 'inputs[0].scal'; known here are graph_input, role"),
        ("inputs = 3", "inputs is 3; allowed is a list"),
        ("\0", "is no TOML"),
        ('[[outputs]]\nclasses = "none.txt"', "none.txt cannot be read"),
    ],
)
def test_a_wrong_description_file_is_refused_with_its_key(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "said.toml").write_text(text, encoding="utf-8")
    words_of_it = ["adopt", str(network(tmp_path / "a.onnx")), *WORDS, "--describe", str(tmp_path / "said.toml")]
    assert main([*words_of_it, "--dry-run"]) == 2
    assert words in capsys.readouterr().err


def views(folder: Path, sizes: list[tuple[int, int]], label: int | None = None) -> Path:
    """Write views of some sizes with labels: noise, or one everywhere."""
    generator = np.random.default_rng(0)
    for name in ("rgb", "depth", "labels"):
        (folder / name).mkdir(parents=True)
    for place, size in enumerate(sizes):
        Image.fromarray(generator.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"rgb/{place}.png")
        Image.fromarray(generator.integers(1, 900, size).astype(np.uint16)).save(folder / f"depth/{place}.png")
        labels = generator.integers(0, 5, size) if label is None else np.full(size, label)
        Image.fromarray(labels.astype(np.uint8)).save(folder / f"labels/{place}.png")
    return folder


def adopted(tmp_path: Path, *words: str) -> int:
    return main(
        ["adopt", str(network(tmp_path / "a.onnx")), *WORDS, "--name", "a", "--to", str(tmp_path / "to"), *words]
    )


def test_samples_of_unequal_sizes_are_brought_to_that_of_the_network(tmp_path: Path) -> None:
    folder = str(views(tmp_path / "views", [SIZE, (30, 90), (200, 100), (1, 1)]))
    assert adopted(tmp_path, "--samples", folder, "--evaluate", folder) == 0
    assert {one.inputs for one in Contract.load(tmp_path / "to/a").parity} >= {"4 samples"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--samples", "none"], "none is no folder; name one with rgb/, depth/ in it"),
        (["--samples", "empty"], "holds no files of one name in rgb/, depth/ (found: rgb/ 0, depth/ 0)"),
        (["--samples", "views", "--frames", "0"], "got --frames 0; give 1 or more"),
        (["--samples", "views", "--depth-units", "0"], "got --depth-units 0; give what one metre is"),
        (["--samples", "views", "--depth-units", "nan"], "got --depth-units nan"),
        (["--evaluate", "views"], "no pixel of 2 labelled frames has a label of 0 to 4 (they have 77 to 77)"),
    ],
)
def test_samples_that_say_nothing_are_refused(
    tmp_path: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    views(Path("views"), [SIZE, SIZE], 77)
    assert adopted(tmp_path, *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "to/a").exists()


def test_labels_that_are_no_class_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = views(tmp_path / "views", [SIZE, SIZE])
    Image.fromarray(np.full(SIZE, 77, np.uint8)).save(folder / "labels/0.png")
    assert adopted(tmp_path, "--evaluate", str(folder)) == 0
    assert "note: 50.0% of the labels are 5 or more (up to 77), which are no class" in capsys.readouterr().err


def test_a_folder_that_is_no_network_is_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "to/a").mkdir(parents=True)
    (tmp_path / "to/notes.txt").write_text("mine", encoding="utf-8")
    assert adopted(tmp_path) == 0  # an empty folder is
    assert adopted(tmp_path) == 0  # and a network
    (tmp_path / "to/a/contract.json").unlink()
    assert adopted(tmp_path) == 2
    assert "is there and is no network, so it is not replaced" in capsys.readouterr().err
    assert (tmp_path / "to/a/1/model.onnx").exists() and (tmp_path / "to/notes.txt").exists()


def test_what_a_killed_adoption_leaves_is_not_served_and_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    assert adopted(tmp_path) == 0
    code = """
import os, signal, sys
from crosswire.contract import Contract
Contract.verify = lambda self, folder: os.kill(os.getpid(), signal.SIGKILL)
from crosswire.export.__main__ import main
main(sys.argv[1:])
"""
    words = ["adopt", str(tmp_path / "a.onnx"), *WORDS, "--name", "b", "--to", str(tmp_path / "to")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "to").glob(".b.*.partial")
    assert (left / "contract.json").is_file()
    assert [one.name for one in find_networks(tmp_path / "to")] == ["a"]
    assert main(words) == 0
    assert [one.name for one in find_networks(tmp_path / "to")] == ["a", "b"]
    assert not left.exists()
