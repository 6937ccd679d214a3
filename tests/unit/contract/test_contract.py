"""The contract: a JSON round trip, and every way in which a contract can be wrong."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from crosswire.contract import Contract, ContractError, Parity, TensorSpec, Tolerance, Variant, sha256_of, used_spec
from tests.support.servers.real import NETWORK, REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of a committed network's folder."""
    return Path(shutil.copytree(REPOSITORY / NETWORK, tmp_path / NETWORK))


def edited(folder: Path, **changes: Any) -> None:
    """Change top-level fields of a contract file by hand."""
    path = folder / "contract.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_contract_survives_the_round_trip_through_json() -> None:
    contract = Contract.load(REPOSITORY / NETWORK)
    assert Contract.from_json(contract.to_json()) == contract


def test_the_committed_network_has_a_graph_and_proofs_that_verify() -> None:
    contract = Contract.load(REPOSITORY / NETWORK)
    path = contract.verify(REPOSITORY / NETWORK)
    assert path.stat().st_size <= 8 * 1024 * 1024
    assert contract.metrics["scenes"] == 64
    assert contract.metrics["mean_iou"] >= 0.60
    assert 0.10 <= contract.metrics["exchanged_share"] <= 0.50


def test_a_missing_contract_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="crosswire export"):
        Contract.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown key 'contract.colour'; known here are name, task, inputs"),
        ({"name": 7}, "contract.name is 7; allowed is a text"),
        ({"max_batch_size": True}, "contract.max_batch_size is True; allowed is a whole number"),
        ({"classes": ["floor"]}, "1 classes and 12 colours"),
        ({"label_values": [0, 255]}, r"label_values \[0, 255\] for 12 classes; give one per class"),
        ({"label_values": [*range(11), 0]}, "no two alike"),
        ({"label_values": [*range(11), 256]}, "0 to 255"),
        ({"task": "poetry"}, "task 'poetry'; allowed are segmentation, translation, classification"),
        ({"schema_version": 99}, "schema version 99; this release reads 1"),
        ({"tolerances": []}, "no tolerance for confidence, labels"),
        ({"palette": [[1, 2]]}, r"palette\[0\] is \[1, 2\]; allowed is a list of 3"),
        ({"graph": "model.onnx"}, "contract.graph is 'model.onnx'; allowed is a table with the keys file, sha256"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused_by_name(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    edited(folder, **changes)
    with pytest.raises(ContractError, match=message):
        Contract.load(folder)


def test_a_contract_that_lacks_a_field_names_it(folder: Path) -> None:
    plain = json.loads((folder / "contract.json").read_text())
    del plain["graph"]
    (folder / "contract.json").write_text(json.dumps(plain))
    with pytest.raises(ContractError, match="contract lacks the keys: graph"):
        Contract.load(folder)


def test_text_that_is_not_json_is_refused(folder: Path) -> None:
    (folder / "contract.json").write_text("{")
    with pytest.raises(ContractError, match="not JSON"):
        Contract.load(folder)


def test_a_changed_graph_is_refused(folder: Path) -> None:
    contract = Contract.load(folder)
    with (folder / contract.graph.file).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ContractError, match="changed by hand"):
        contract.verify(folder)


def test_a_missing_graph_is_refused(folder: Path) -> None:
    contract = Contract.load(folder)
    (folder / contract.graph.file).unlink()
    with pytest.raises(ContractError, match="is missing"):
        contract.verify(folder)


@pytest.mark.parametrize("value", [0.9, float("nan")])
def test_a_proof_outside_its_tolerance_is_refused(folder: Path, value: float) -> None:
    contract = Contract.load(folder)
    wrong = dataclasses.replace(contract, parity=(*contract.parity, Parity("onnx", "x", "labels", "agreement", value)))
    with pytest.raises(ContractError, match="outside the tolerance"):
        wrong.verify(folder)


def test_an_output_without_proof_on_the_graph_is_refused(folder: Path) -> None:
    contract = Contract.load(folder)
    unproven = dataclasses.replace(contract, parity=tuple(p for p in contract.parity if p.stage != "onnx"))
    with pytest.raises(ContractError, match="no measured parity for labels, confidence"):
        unproven.verify(folder)


@pytest.fixture
def with_variant(folder: Path) -> Contract:
    """Return the contract of a network that also answers without depth, its second graph written."""
    whole = Contract.load(folder)
    shutil.copy(folder / whole.graph.file, folder / "1" / "model.rgb.onnx")
    rgb, depth = whole.inputs
    graph = dataclasses.replace(whole.graph, file="1/model.rgb.onnx")
    return dataclasses.replace(
        whole,
        inputs=(rgb, dataclasses.replace(depth, optional=True)),
        variants=(Variant(("rgb",), graph),),
        parity=(*whole.parity, *(dataclasses.replace(one, variant="rgb") for one in whole.parity)),
    )


def test_a_variant_is_stored_and_verified_like_the_graph_for_all_inputs(folder: Path, with_variant: Contract) -> None:
    with_variant.save(folder)
    assert Contract.load(folder) == with_variant
    assert with_variant.verify(folder) == folder / "1" / "model.onnx"
    (folder / "1" / "model.rgb.onnx").write_bytes(b"other")
    with pytest.raises(ContractError, match=r"model.rgb.onnx has sha256 d9298a10d1b0….*export the run again"):
        with_variant.verify(folder)


def test_a_variant_without_proof_or_outside_its_tolerance_is_refused(folder: Path, with_variant: Contract) -> None:
    unproven = tuple(one for one in with_variant.parity if not one.variant)
    with pytest.raises(ContractError, match="no measured parity for labels, confidence of the graph for rgb alone"):
        dataclasses.replace(with_variant, parity=unproven).verify(folder)
    wrong = Parity("onnx", "x", "labels", "agreement", 0.5, "rgb")
    with pytest.raises(ContractError, match=r"'labels' of the graph for rgb alone on x has agreement 0\.5"):
        dataclasses.replace(with_variant, parity=(*with_variant.parity, wrong)).verify(folder)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ((), "a variant for the inputs none"),
        (("depth", "rgb"), "name some of rgb, depth, in that order"),
        (("sound",), "a variant for the inputs sound"),
        (("depth",), "wrong are depth, rgb"),
    ],
)
def test_variants_that_contradict_the_inputs_are_refused(
    with_variant: Contract, inputs: tuple[str, ...], said: str
) -> None:
    graph = with_variant.variants[0].graph
    with pytest.raises(ContractError, match=said):
        dataclasses.replace(with_variant, variants=(Variant(inputs, graph),))
    with pytest.raises(ContractError, match="two variants for the same inputs"):
        dataclasses.replace(with_variant, variants=2 * with_variant.variants)


def test_an_output_of_strings_needs_no_proof_because_the_server_makes_it(folder: Path, with_variant: Contract) -> None:
    told = dataclasses.replace(with_variant, outputs=(*with_variant.outputs, used_spec()))
    assert [spec.name for spec in told.computed_outputs] == ["labels", "confidence"]
    assert sha256_of(told.verify(folder)) == told.graph.sha256


def test_a_classification_may_have_no_colours(folder: Path) -> None:
    contract = Contract.load(folder)
    assert dataclasses.replace(contract, task="classification", palette=()).palette == ()
    with pytest.raises(ContractError, match="12 classes and 0 colours"):
        dataclasses.replace(contract, task="translation", palette=())


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(ContractError, match="give a positive number per second"):
        TensorSpec("waveform", "FP32", (4,), ("sample",), "amplitude -1..1", rate=rate)


def test_a_tensor_with_an_unknown_dtype_or_an_empty_axis_is_refused() -> None:
    with pytest.raises(ContractError, match="allowed are UINT8"):
        TensorSpec("rgb", "UINT16", (4,), ("x",), "")
    with pytest.raises(ContractError, match="one size >= 1 per axis"):
        TensorSpec("rgb", "UINT8", (0,), ("x",), "")


@pytest.mark.parametrize(
    ("measure", "bound", "good", "bad"), [("agreement", 0.9, 0.95, 0.85), ("max_abs", 2.0, 1.0, 3.0)]
)
def test_a_tolerance_knows_which_side_is_good(measure: str, bound: float, good: float, bad: float) -> None:
    tolerance = Tolerance("labels", measure, bound)
    assert tolerance.holds(good) and not tolerance.holds(bad)
