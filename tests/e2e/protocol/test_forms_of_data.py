"""The forms in which tensors travel over HTTP, as Triton has them: raw bodies, and which outputs are binary."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from crosswire.serving.gateway.http.infer_request import HEADER_LENGTH
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.wire import unpack_bytes
from tests.support.paths import REPOSITORY, ROOT
from tests.support.servers.real import NETWORK, call, infer_body, jpeg

CLIP = ROOT / "serving/gateway/page/samples/bounce_knock.mp4"
INFER = f"/v2/models/{NETWORK}/infer"


@pytest.fixture(scope="module")
def single_server() -> Iterator[EmbeddedServer]:
    """A server of models that have one input each."""
    with EmbeddedServer(REPOSITORY, networks=["events_gmf", "rooms_multitask"]) as running:
        yield running


def binary_outputs(server: EmbeddedServer, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """Return name and data of every output of an answer that is binary throughout."""
    connection = http.client.HTTPConnection(server.http_url.removeprefix("http://"), timeout=60)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status == 200, data
    length = int(answer.headers[HEADER_LENGTH])
    found, position = {}, length
    for output in json.loads(data[:length])["outputs"]:
        assert "data" not in output
        size = output["parameters"]["binary_data_size"]
        found[output["name"]] = (output["shape"], data[position : position + size])
        position += size
    assert position == len(data)
    return found


def test_a_raw_body_is_the_clip(single_server: EmbeddedServer) -> None:
    found = binary_outputs(single_server, "/v2/models/events_gmf_clip/infer", CLIP.read_bytes(), {HEADER_LENGTH: "0"})
    assert sorted(found) == ["modalities", "probabilities", "strip_png", "summary", "top_labels"]
    shape, data = found["probabilities"]
    assert shape == [1, 8] and np.frombuffer(data, np.float32).sum() == pytest.approx(1, abs=1e-4)
    assert unpack_bytes(found["strip_png"][1])[0].startswith(b"\x89PNG")


def test_a_raw_body_is_the_picture(single_server: EmbeddedServer) -> None:
    path = "/v2/models/rooms_multitask_image/infer"
    found = binary_outputs(single_server, path, jpeg(320, 256), {HEADER_LENGTH: "0"})
    assert json.loads(unpack_bytes(found["summary"][1])[0])["network"] == "rooms_multitask"


def test_a_raw_body_is_the_tensor_of_a_network(single_server: EmbeddedServer) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 128, 160, 3), np.uint8)
    path = "/v2/models/rooms_multitask/infer"
    found = binary_outputs(single_server, path, pixels.tobytes(), {HEADER_LENGTH: "0"})
    assert found["predicted_depth"][0] == [1, 128, 160]


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        ("rooms_multitask", b"abc", "has 3 bytes, UINT8 of shape [1, 128, 160, 3] needs 61440"),
        ("rooms_multitask", bytes(2 * 61440), "needs 61440"),
        ("events_gmf_clip", b"", "clip is empty"),
        ("events_gmf_clip", b"clips/a.mp4", "got the path or address 'clips/a.mp4' in sample 0"),
        ("events_gmf", bytes(100), "the inputs frames, waveform, present, expected one with one input"),
    ],
)
def test_a_raw_body_that_is_not_the_one_input_is_refused(
    model: str, body: bytes, said: str, single_server: EmbeddedServer
) -> None:
    status, answer = call(single_server, "POST", f"/v2/models/{model}/infer", body, {HEADER_LENGTH: "0"})
    assert status == 400 and said in json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("parameters", "outputs", "binary"),
    [
        ({"binary_data_output": True}, None, ["confidence", "labels"]),
        ({"binary_data_output": True}, [{"name": "labels"}], []),
        ({"binary_data_output": True}, [{"name": "labels", "parameters": {"binary_data": False}}], []),
        ({"binary_data_output": False}, [{"name": "labels", "parameters": {"binary_data": True}}], ["labels"]),
        (
            {"binary_data_output": True},
            [{"name": "labels"}, {"name": "confidence", "parameters": {"binary_data": True}}],
            ["confidence"],
        ),
        ({}, None, []),
        ({"binary_data_output": False}, None, []),
    ],
)
def test_outputs_are_json_unless_they_say_binary_or_none_is_named(
    parameters: dict[str, Any], outputs: Any, binary: list[str], server: EmbeddedServer
) -> None:
    body = json.dumps(infer_body(parameters=parameters, outputs=outputs)).encode()
    status, answer = call(server, "POST", INFER, body)
    assert status == 200
    said, _ = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    assert sorted(one["name"] for one in said["outputs"] if "data" not in one) == binary


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"binary_data_output": "false"}},
        {"parameters": {"binary_data_output": 1}},
        {"outputs": [{"name": "labels", "parameters": {"binary_data": "true"}}]},
        {"outputs": [{"name": "labels", "parameters": {"binary_data": 0}}]},
    ],
)
def test_a_flag_that_is_neither_true_nor_false_is_refused(changes: dict[str, Any], server: EmbeddedServer) -> None:
    status, answer = call(server, "POST", INFER, json.dumps(infer_body(**changes)).encode())
    assert status == 400 and json.loads(answer)["error"].endswith("send true or false")
