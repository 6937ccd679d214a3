"""What a model says about itself: written and read by one class, and every name on the wire written once."""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from crosswire.clients import InternalServerError
from crosswire.clients.pipelines import find_pipeline
from crosswire.contract import Contract, ContractError, PipelineDescription, wire_names
from crosswire.contract.pipeline_description import PARAMETER
from crosswire.serving.repository.published import published
from tests.support.paths import ROOT
from tests.support.servers.pipelines import as_config, described
from tests.support.servers.real import NETWORK, REPOSITORY

READERS = ("training", "export", "serving", "clients", "offline", "research", "demo", "benchmarks")
PAIR = described("desk_image", "desk", "segmentation", ("rgb_image",), classes=("desk",), palette=((1, 2, 3),))


def edited(**changes: Any) -> dict[str, Any]:
    """Return the configuration of a pipeline whose description was changed by hand; None takes a field away."""
    plain = {**json.loads(PAIR.to_json()), **changes}
    text = json.dumps({key: value for key, value in plain.items() if value is not None})
    return {**as_config(PAIR), "parameters": {PARAMETER: {"string_value": text}}}


def test_the_text_on_the_wire_is_the_public_part_of_the_contract_in_a_fixed_order() -> None:
    contract = Contract.load(REPOSITORY / NETWORK)
    description = published(contract, contract.inputs, contract.outputs, f"{NETWORK}_image", ("one", "two"))
    limits = {
        "encoded_bytes": 64 << 20,
        "pixels": 32_000_000,
        "side": 32_768,
        "aspect_tolerance": 0.01,
        "units_per_metre": [1e-3, 1e6],
        "camera_bytes": 8 << 10,
    }
    expected = {
        "schema_version": 1,
        "name": f"{NETWORK}_image",
        "network": NETWORK,
        "task": "segmentation",
        "classes": contract.classes,
        "palette": contract.palette,
        "inputs": [dataclasses.asdict(spec) for spec in contract.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in contract.outputs],
        "metrics": contract.metrics,
        "data": contract.run.data,
        "steps": ["one", "two"],
        "limits": limits,
        "label_values": (),
    }
    assert description.to_json() == json.dumps(expected, ensure_ascii=False)


def test_a_description_survives_the_round_trip_byte_by_byte() -> None:
    contract = Contract.load(REPOSITORY / NETWORK)
    text = published(contract, contract.inputs, contract.outputs, "möbel_image").to_json()
    assert PipelineDescription.from_json(text, "möbel_image").to_json() == text
    assert "möbel" in text


def test_what_a_later_release_adds_is_ignored_and_what_an_older_one_lacks_is_empty() -> None:
    specs = [{**json.loads(PAIR.to_json())["inputs"][0], "colour": "sRGB"}]
    found = find_pipeline(edited(licence="CC0", inputs=specs, metrics=None, data=None, steps=None, limits=None))
    assert found == PAIR


def test_a_network_and_a_model_without_a_description_are_no_pipelines() -> None:
    assert find_pipeline(as_config(dataclasses.replace(PAIR, name="desk"))) is None
    assert find_pipeline({**as_config(PAIR), "parameters": {}}) is None
    assert find_pipeline({**as_config(PAIR), "platform": ""}) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "model 'desk_image' has schema version 2; this release reads 1: use the client of"),
        ({"schema_version": None}, "described badly .*schema_version"),
        ({"classes": 7}, r"'desk_image' is described badly \(description.classes is 7; allowed is a list\); export"),
        ({"network": None}, "description lacks the keys: network"),
        ({"inputs": ["rgb"]}, r"description.inputs\[0\] is 'rgb'; allowed is a table"),
        ({"palette": [[1, 2]]}, r"description.palette\[0\] is \[1, 2\]; allowed is a list of 3"),
    ],
)
def test_a_description_that_cannot_be_read_is_refused_in_words(changes: dict[str, Any], message: str) -> None:
    config = edited(**changes)
    with pytest.raises(ContractError, match=message):
        PipelineDescription.from_config(config)
    with pytest.raises(InternalServerError, match=message):
        find_pipeline(config)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", None, 7])
def test_what_is_no_json_object_is_refused_by_name(text: Any) -> None:
    config = {**as_config(PAIR), "parameters": {PARAMETER: {"string_value": text}}}
    with pytest.raises(InternalServerError, match="model 'desk_image' is described badly"):
        find_pipeline(config)


def parsed(room: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of a room's files with the place where it is, but in no order."""
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} holds no Python"
    for path in files:
        file = path.relative_to(ROOT)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield f"{file}:{getattr(node, 'lineno', 0)}", node


def by_hand(node: ast.AST) -> str:
    """Say how a node takes a description apart by itself, or nothing.

    It would look up the parameter under its name or the constant, parse its text, or name the version's field.
    """
    match node:
        case ast.Subscript(slice=ast.Constant(value="crosswire") | ast.Name(id="PARAMETER")):
            return "looks up the parameter"
        case ast.Call(
            func=ast.Attribute(attr="get"), args=[ast.Constant(value="crosswire") | ast.Name(id="PARAMETER"), *_]
        ):
            return "looks up the parameter"
        case ast.Constant(value="schema_version") | ast.Attribute(attr="schema_version"):
            return "reads the schema version"
        case ast.Name(id="SCHEMA_VERSION") | ast.alias(name="SCHEMA_VERSION"):
            return "compares the schema version"
    return ""


#: The one place outside `contract` that puts the text into Triton's protobuf message and hands it out again.
PROTOBUF = "serving/repository/published.py"


@pytest.mark.parametrize("room", READERS)
def test_no_room_but_the_contract_parses_a_description(room: str) -> None:
    found = [f"{place} {how}" for place, node in parsed(room) if (how := by_hand(node))]
    assert [one for one in found if not one.startswith(f"{PROTOBUF}:")] == []
    assert not any(
        isinstance(node, ast.alias) and node.name == "json" for where, node in parsed(room) if PROTOBUF in where
    )


@pytest.mark.parametrize(
    "text",
    [
        'json.loads(config["parameters"]["crosswire"]["string_value"])',
        "json.loads(config.parameters[PARAMETER].string_value)",
        'config["parameters"].get("crosswire")',
        'found["schema_version"] == 1',
    ],
)
def test_the_test_above_sees_how_it_was_done_before(text: str) -> None:
    assert any(map(by_hand, ast.walk(ast.parse(text))))


#: Names that are ordinary words, too, and so keys of summaries, domains and files.
WORDS = {"rgb", "depth", "labels", "confidence", "clip", "frames", "probabilities", "summary", "modalities", "waveform"}
WORDS |= {"camera"}


def test_a_name_on_the_wire_is_written_once() -> None:
    names = {value for name, value in vars(wire_names).items() if name.isupper() and isinstance(value, str)} - WORDS
    assert {"depth_units_per_metre", "rgb_image", "labels_png", "predicted_", "_image", "_png"} <= names
    again = [
        f"{place} {node.value!r}"
        for room in ("export", "serving", "clients", "offline")
        for place, node in parsed(room)
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert again == [], "take it from crosswire.contract.wire_names"


def test_the_default_depth_unit_is_written_once() -> None:
    assert wire_names.DEFAULT_UNITS_PER_METRE == 1000
    again = [
        place
        for room in ("serving", "clients", "offline")
        for place, node in parsed(room)
        if isinstance(node, ast.Assign)
        and "METRE" in ast.unparse(node.targets[0]).upper()
        and isinstance(node.value, ast.Constant)
        and node.value.value == wire_names.DEFAULT_UNITS_PER_METRE
    ]
    assert again == [], "take it from crosswire.contract.wire_names"
