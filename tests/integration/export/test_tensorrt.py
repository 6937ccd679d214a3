"""The way to a plan: the lint's table, the plan's shapes, the script, and what is said where TensorRT is absent."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from crosswire.contract import ENGINE_SUFFIXES, Contract
from crosswire.export.__main__ import main
from crosswire.export.tensorrt.builder import (
    SUFFIXES,
    TENSORRT,
    UNTRIED,
    EngineError,
    Settings,
    build_engines,
    graphs,
    shapes,
)
from crosswire.export.tensorrt.image import PLAN_BUILDER, RELEASE
from crosswire.export.tensorrt.operators import table_faults
from tests.support.paths import REPOSITORY, ROOT
from tests.support.training.small_networks import write_translation

ABSENT = importlib.util.find_spec("tensorrt") is None


def single(operator: str, kind: int = TensorProto.FLOAT, **attributes: object) -> onnx.ModelProto:
    """Return a graph of one operator."""
    x = helper.make_tensor_value_info("x", kind, ["N", 4, 8, 8])
    y = helper.make_tensor_value_info("y", kind, None)
    node = helper.make_node(operator, ["x"], ["y"], name="node", **attributes)
    return helper.make_model(helper.make_graph([node], "graph", [x], [y]), opset_imports=[helper.make_opsetid("", 18)])


def test_an_operator_of_the_table_passes() -> None:
    assert table_faults(single("Relu")) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (single("Mish"), "is no operator that TensorRT is known to have"),
        (single("Relu", TensorProto.DOUBLE), "takes DOUBLE"),
        (single("Exp", TensorProto.INT32), "takes INT32"),
    ],
)
def test_what_tensorrt_does_not_have_is_named(model: onnx.ModelProto, message: str) -> None:
    faults = table_faults(model)
    assert len(faults) == 1 and message in faults[0] and "'node'" in faults[0]


def test_bytes_inside_a_graph_are_named() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    nodes = [
        helper.make_node("Cast", ["x"], ["inner"], name="down", to=TensorProto.UINT8),
        helper.make_node("Cast", ["inner"], ["y"], name="up", to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(nodes, "graph", [x], [y])
    assert table_faults(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])) == [
        "tensor 'inner' is UINT8, which only inputs and outputs may be"
    ]


def test_a_plan_takes_every_batch_that_the_contract_allows() -> None:
    contract = json.loads((REPOSITORY / "rooms_cen" / "contract.json").read_text())
    bounds = shapes(contract)
    assert bounds["rgb"] == ([1, 128, 160, 3], [4, 128, 160, 3], [8, 128, 160, 3])
    assert [shape[1:] for shape in bounds["depth"]] == [[128, 160]] * 3


def test_every_variant_gets_a_plan_for_the_inputs_that_it_takes() -> None:
    contract = json.loads((REPOSITORY / "rooms_cen_int8" / "contract.json").read_text())
    found = {described["file"]: list(bounds) for described, bounds in graphs(contract)}
    assert found == {"1/model.onnx": ["rgb", "depth"], "1/model.rgb.onnx": ["rgb"], "1/model.depth.onnx": ["depth"]}


@pytest.mark.skipif(not ABSENT, reason="TensorRT is installed")
def test_without_tensorrt_it_says_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"pip install .* tensorrt`"):
        build_engines(REPOSITORY / "rooms_cen", Settings(TENSORRT))
    words = ["--name", "x", "--size", "64x80", "--format", "tensorrt", "--to", str(tmp_path / "to")]
    assert main(["build", str(tmp_path), *words]) == 2
    assert "plan-script" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_the_plan_script_runs_by_itself_beside_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = REPOSITORY / "rooms_cen"
    folder = tmp_path / "rooms_cen"
    (folder / "1").mkdir(parents=True)
    for name in ("contract.json", Contract.load(source).graph.file):
        (folder / name).write_bytes((source / name).read_bytes())
    assert main(["plan-script", "rooms_cen", "--repository", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"{PLAN_BUILDER} python3 /network/build_plan.py" in said and UNTRIED[TENSORRT] in said
    done = subprocess.run(
        [sys.executable, "-S", str(folder / "build_plan.py")], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 2  # -S: as in a container without this project, and without TensorRT
    assert UNTRIED[TENSORRT] in done.stderr and "error: TensorRT is not installed" in done.stderr


def test_a_plan_script_for_no_network_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan-script", "nothing", "--repository", str(tmp_path)]) == 2
    assert "holds no contract.json" in capsys.readouterr().err


def test_no_script_is_written_for_a_graph_that_no_plan_can_be_built_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPOSITORY / "rooms_cen_int8", tmp_path / "rooms_cen_int8")
    assert main(["plan-script", "rooms_cen_int8", "--repository", str(tmp_path)]) == 2
    assert "is quantised for the CPU; export it with --precision int8 --target tensorrt" in capsys.readouterr().err
    write_translation(tmp_path, "with_greater")
    assert main(["plan-script", "with_greater", "--repository", str(tmp_path)]) == 2
    assert "TensorRT would refuse" in capsys.readouterr().err
    assert not list(tmp_path.rglob("build_plan.py"))


def test_the_builder_that_stands_alone_names_its_files_as_their_readers_do() -> None:
    assert SUFFIXES == ENGINE_SUFFIXES


def test_plans_are_built_in_the_release_that_serves_them() -> None:
    (base,) = (line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM nvcr.io"))
    assert base.split()[1] == f"nvcr.io/nvidia/tritonserver:{RELEASE}-py3"
