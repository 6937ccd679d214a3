"""Plain REST: forms in, JSON or pictures out, described by the server itself; ids, logs and metrics of requests."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
from PIL import Image

from crosswire.serving.gateway.access_log import request_id
from crosswire.serving.gateway.errors import WireError
from crosswire.serving.gateway.rest.accept import wants_png
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import NETWORK, PIPELINE, contract, depth_png, infer_pictures, jpeg, png, wait_until

URL = f"/v1/pipelines/{PIPELINE}"
STEPS_OF_PIPELINE = (NETWORK, f"{NETWORK}_decode", f"{NETWORK}_render")


def files(rgb: bytes | None = None, depth: bytes | None = None) -> dict[str, Any]:
    return {"rgb": ("a.jpg", rgb or jpeg(200, 150)), "depth": ("a.png", depth or depth_png(200, 150))}


def post(server: EmbeddedServer, path: str = URL, **options: Any) -> httpx.Response:
    """Post a form."""
    return httpx.post(server.http_url + path, timeout=60, **options)


def get(server: EmbeddedServer, path: str) -> httpx.Response:
    """Get a page."""
    return httpx.get(server.http_url + path, timeout=60)


def test_a_form_gets_the_summary_that_grpc_gets(server: EmbeddedServer) -> None:
    answer = post(server, files=files(), data={"depth_units_per_metre": "500"})
    assert answer.status_code == 200
    same = infer_pictures(server, [jpeg(200, 150)], [depth_png(200, 150)], units=[500])
    assert answer.json()["summary"] == json.loads(same.as_numpy("summary")[0, 0])
    assert answer.json()["pipeline"] == PIPELINE and "labels" not in answer.json()


@pytest.mark.parametrize("output", ["overlay", "labels", "confidence"])
def test_an_image_is_answered_to_who_accepts_one(output: str, server: EmbeddedServer) -> None:
    same = infer_pictures(server, [jpeg(200, 150)], [depth_png(200, 150)]).as_numpy(f"{output}_png")[0, 0]
    asked = post(server, f"{URL}?output={output}", files=files(), headers={"Accept": "image/png"})
    assert (asked.status_code, asked.headers["content-type"]) == (200, "image/png")
    assert asked.content == same
    inside = post(server, f"{URL}?output={output},summary", files=files()).json()
    assert base64.b64decode(inside[output]) == same and inside["summary"]["width"] == 200


def test_an_overlay_is_what_an_image_is_if_nothing_else_is_said(server: EmbeddedServer) -> None:
    answer = post(server, files=files(), headers={"Accept": "image/*"})
    assert Image.open(io.BytesIO(answer.content)).mode == "RGB"


@pytest.mark.needs("curl")
def test_curl_writes_the_labels(server: EmbeddedServer, tmp_path: Path) -> None:
    (tmp_path / "rgb.jpg").write_bytes(jpeg(640, 480))
    (tmp_path / "depth.png").write_bytes(depth_png(640, 480))
    form = ["-F", "rgb=@rgb.jpg", "-F", "depth=@depth.png", "-F", "depth_units_per_metre=5000"]
    url = f"{server.http_url}{URL}?output=labels"
    subprocess.run(
        ["curl", "-sf", *form, "-H", "Accept: image/png", "-o", "labels.png", url], cwd=tmp_path, check=True, timeout=60
    )
    labels = np.asarray(Image.open(tmp_path / "labels.png"))
    assert labels.shape == (480, 640) and labels.max() < len(contract().classes)


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({"files": {"rgb": ("a", b"x")}}, 400, "field 'depth' is missing; send it: curl -F rgb=@FILE -F depth=@FILE"),
        ({"files": {**files(), "nope": ("a", b"x")}}, 400, "no field 'nope'; rooms_cen_image takes rgb, depth, depth"),
        ({"files": [*files().items(), ("rgb", ("b", b"x"))]}, 400, "field 'rgb' came twice"),
        ({"files": files(), "data": {"depth_units_per_metre": "many"}}, 400, "is 'many'; send a number"),
        ({"files": files(), "data": {"depth_units_per_metre": "1e99"}}, 400, "is '1e99'; send a number"),
        ({"files": files(), "data": {"depth_units_per_metre": "-2"}}, 400, "depth_units_per_metre is -2"),
        ({"files": files(rgb=b"hello")}, 400, ", rgb is no JPEG or PNG file"),
        ({"files": files(depth=png())}, 400, "send a 16-bit greyscale PNG"),
        ({"json": {"rgb": "a"}}, 415, "send multipart/form-data"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "no multipart form"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, 400, "no multipart form"),
        ({"content": b"--a\r\n\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, 400, "no mult"),
        ({"files": files(), "headers": {"Accept": "text/html"}}, 406, "answers application/json or image/png"),
        ({"files": files(), "params": {"output": "nope"}}, 400, "no output 'nope'; it has labels, overlay, summary"),
        ({"files": files(), "params": {"output": "summary"}, "headers": {"Accept": "image/png"}}, 400, "one picture"),
        ({"files": files(), "params": {"output": "labels,overlay"}, "headers": {"Accept": "image/png"}}, 400, "one"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_used_is_refused_with_its_reason(
    options: dict[str, Any], status: int, said: str, server: EmbeddedServer
) -> None:
    answer = post(server, **options)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text


def test_an_unknown_pipeline_is_refused_with_those_that_there_are(server: EmbeddedServer) -> None:
    for path in ("/v1/pipelines/nope", f"/v1/pipelines/{NETWORK}"):
        answer = post(server, path, files=files())
        assert answer.status_code == 404 and answer.json()["error"].endswith(f"served are {PIPELINE}")


def test_the_pipelines_describe_themselves_from_the_contract(server: EmbeddedServer) -> None:
    (said,) = get(server, "/v1/pipelines").json()["pipelines"]
    assert (said["name"], said["task"], said["url"]) == (PIPELINE, contract().task, URL)
    assert said["classes"] == list(contract().classes) and len(said["palette"]) == len(said["classes"])
    inputs = {one["field"]: (one["kind"], one["optional"]) for one in said["inputs"]}
    assert inputs == {
        "rgb": ("file", False), "depth": ("file", False), "depth_units_per_metre": ("number", True),
        "camera": ("text", True),
    }  # fmt: skip
    assert [one["output"] for one in said["outputs"]] == ["labels", "overlay", "summary", "confidence"]
    assert get(server, URL).json() == said


def test_the_openapi_document_holds_every_pipeline_and_field(server: EmbeddedServer) -> None:
    document = get(server, "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    body = document["paths"][URL]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert body["required"] == ["rgb", "depth"] and set(body["properties"]) == {
        *body["required"],
        "depth_units_per_metre",
        "camera",
    }
    for path, methods in document["paths"].items():
        if "get" in methods:
            assert get(server, path).status_code == 200, path


def test_the_page_loads_nothing_from_elsewhere(server: EmbeddedServer) -> None:
    page = get(server, "/docs")
    assert page.status_code == 200 and page.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", page.text)
    for words in (PIPELINE, 'name="rgb"', 'name="depth"', "depth_units_per_metre", *contract().classes):
        assert words in page.text


def test_a_request_keeps_the_id_that_it_came_with(server: EmbeddedServer) -> None:
    answer = post(server, files=files(), headers={"X-Request-Id": "mine-7"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine-7"
    given = {get(server, "/v2").headers["x-request-id"] for _ in range(3)}
    assert len(given) == 3 and all(re.fullmatch("[0-9a-f]{32}", one) for one in given)
    refused = get(server, "/nowhere")
    assert refused.status_code == 404 and refused.headers["x-request-id"]


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, 'a"b', "Ü"])
def test_an_id_that_is_not_fit_for_a_log_is_replaced(given: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", request_id(given))


@pytest.mark.parametrize(
    ("accept", "picture"),
    [
        ("", False), ("*/*", False), ("image/png", True), ("image/*", True), ("application/json", False),
        ("image/png, application/json", False), ("image/png, application/json;q=0.9", True),
        ("image/png;q=0.1, */*;q=0.5", False), ("IMAGE/PNG", True), ("text/html, */*;q=0.1", False),
    ],
)  # fmt: skip
def test_the_preferred_kind_of_answer_is_given(accept: str, picture: bool) -> None:
    assert wants_png(accept) is picture


def test_a_client_that_takes_neither_kind_is_refused() -> None:
    with pytest.raises(WireError, match="text/html"):
        wants_png("text/html, image/png;q=0")


def sample(text: str, name: str) -> float:
    """Return the value of one Prometheus sample."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.rpartition(" ")[2])


def test_metrics_are_tritons_and_ours(server: EmbeddedServer) -> None:
    answered = 'crosswire_requests_total{protocol="http",route="/v1/pipelines/{name}",status="200"}'
    refused = 'crosswire_requests_total{protocol="grpc",route="ModelInfer",status="INVALID_ARGUMENT"}'
    asked = 'crosswire_requests_in_flight{protocol="http"}'
    steps = [f'crosswire_step_requests_total{{model="{step}"}} ' for step in STEPS_OF_PIPELINE]

    def told() -> str:
        """Return what is said when everything was counted: a request after its answer, a step when it is quiet."""
        texts = [""]

        def counted() -> bool:
            texts.append(get(server, "/metrics").text)
            idle = sample(texts[-1], asked) == 1 and sample(texts[-1], asked.replace("http", "grpc")) == 0
            return idle and all(step in texts[-1] for step in steps)

        wait_until(counted)
        return texts[-1]

    before, after = "", ""
    for _ in range(2):
        post(server, files=files())
        with pytest.raises(tritonclient.utils.InferenceServerException):
            infer_pictures(server, [b"x"], [depth_png()])
        before, after = after, told()
    for name in (answered, refused):
        assert sample(after, name) == sample(before, name) + 1
    assert sample(after, f'nv_inference_request_success{{model="{PIPELINE}",version="1"}}') >= 1
    for step in STEPS_OF_PIPELINE:
        assert sample(after, f'crosswire_step_requests_total{{model="{step}"}}') >= 1
        assert sample(after, f'crosswire_step_seconds_total{{model="{step}"}}') > 0
    assert sample(after, "crosswire_ready") == 1
    assert sample(after, 'crosswire_restarts{part="triton"}') == 0
    assert sample(after, 'crosswire_request_seconds_count{protocol="grpc",route="ModelInfer"}') >= 2
    assert sample(after, asked) == 1, "the question itself"
