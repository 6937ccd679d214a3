"""KServe's own client: its null wherever nothing is given, a request to the byte, and health as JSON for it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import NETWORK, call, infer_body

ALL = ["labels", "confidence"]


def nulls_in_inputs() -> dict[str, Any]:
    """Return a request as that client makes it: every field is there."""
    body = infer_body(id=None, parameters=None, outputs=None, model_name=NETWORK)
    body["inputs"] = [{**one, "parameters": None} for one in body["inputs"]]
    return body


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (nulls_in_inputs(), ALL),
        (infer_body(id=None), ["labels"]),
        (infer_body(parameters=None), ["labels"]),
        (infer_body(parameters={"priority": None, "timeout": None, "binary_data_output": None}), ["labels"]),
        (infer_body(outputs=None), ALL),
        (infer_body(outputs=[]), ALL),
        (infer_body(outputs=[{"name": "labels", "parameters": None}]), ["labels"]),
        (infer_body(outputs=[{"name": "labels", "parameters": {"binary_data": None}}]), ["labels"]),
        ({"inputs": infer_body()["inputs"]}, ALL),
    ],
    ids=[
        "all fields", "id", "parameters", "values of parameters", "outputs", "no outputs",
        "parameters of an output", "values of an output's parameters", "absent",
    ],
)  # fmt: skip
def test_null_is_the_same_as_left_out(body: dict[str, Any], names: list[str], server: EmbeddedServer) -> None:
    status, answer = call(server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(body).encode())
    assert status == 200, answer
    said = json.loads(answer)
    assert sorted(one["name"] for one in said["outputs"]) == sorted(names)
    assert "id" not in said


def test_data_may_be_null_beside_binary_data(server: EmbeddedServer) -> None:
    body = infer_body()
    blobs = b""
    for one, dtype in zip(body["inputs"], ("u1", "<f4"), strict=True):
        blob = np.array(one["data"], dtype).tobytes()
        one["data"], one["parameters"], blobs = None, {"binary_data_size": len(blob)}, blobs + blob
    text = json.dumps(body).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    status, answer = call(server, "POST", f"/v2/models/{NETWORK}/infer", text + blobs, headers)
    assert status == 200, answer


@pytest.mark.parametrize("name", ["name", "datatype", "shape"])
def test_what_is_needed_may_not_be_null(name: str, server: EmbeddedServer) -> None:
    body = infer_body()
    body["inputs"][0][name] = None
    status, answer = call(server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(body).encode())
    assert status == 400 and name in json.loads(answer)["error"]


#: What `InferenceRESTClient` of kserve 0.21.0 sends of arrays with `binary_data=True`.
SDK_HEADER = (
    b'{"id":"2d7ca3d8-1922-410d-9203-759ec0a3a22d","model_name":"rooms_cen","inputs":[{"name":"rgb",'
    b'"shape":[1,128,160,3],"datatype":"UINT8","parameters":{"binary_data_size":61440}},{"name":"depth",'
    b'"shape":[1,128,160],"datatype":"FP32","parameters":{"binary_data_size":81920}}]}'
)


def test_a_request_as_the_client_sent_it_is_answered(server: EmbeddedServer) -> None:
    pixels, metres = np.zeros((1, 128, 160, 3), np.uint8), np.full((1, 128, 160), 2, "<f4")
    headers = {"Inference-Header-Content-Length": str(len(SDK_HEADER)), "Content-Type": "application/octet-stream"}
    headers["Accept-Encoding"] = "gzip, deflate"
    body = SDK_HEADER + pixels.tobytes() + metres.tobytes()
    answer = httpx.post(f"{server.http_url}/v2/models/{NETWORK}/infer", content=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["id"] == "2d7ca3d8-1922-410d-9203-759ec0a3a22d"
    assert {one["name"]: one["shape"] for one in said["outputs"]} == {name: [1, 128, 160] for name in ALL}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("health/live", {"live": True}),
        ("health/ready", {"ready": True}),
        (f"models/{NETWORK}/ready", {"name": NETWORK, "ready": True}),
    ],
)
def test_health_is_json_that_the_client_can_read(path: str, body: dict[str, Any], server: EmbeddedServer) -> None:
    status, answer = call(server, "GET", f"/v2/{path}")
    assert (status, json.loads(answer)) == (200, body)
