"""Plain tritonclient scripts, without an import of ours, get labels through gRPC and through HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.http

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import (
    NETWORK,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    bytes_input,
    call,
    contract,
    depth_png,
    infer_body,
    infer_pictures,
    jpeg,
    network_inputs,
    png,
)

SCRIPT = """
import io, json, sys
import numpy as np
from PIL import Image
import tritonclient.{protocol} as triton

client = triton.InferenceServerClient(sys.argv[1])
rgb, depth = (open(name, "rb").read() for name in sys.argv[2:4])

def tensor(name, array, kind):
    made = triton.InferInput(name, array.shape, kind)
    made.set_data_from_numpy(array)
    return made

answer = client.infer("rooms_cen_image", [
    tensor("rgb_image", np.array([[rgb]], dtype=object), "BYTES"),
    tensor("depth_image", np.array([[depth]], dtype=object), "BYTES"),
])
labels = Image.open(io.BytesIO(answer.as_numpy("labels_png")[0, 0]))
summary = json.loads(answer.as_numpy("summary")[0, 0])

height, width = int(sys.argv[4]), int(sys.argv[5])
pixels = np.asarray(Image.open(io.BytesIO(rgb)).resize((width, height)))
metres = np.full((height, width), 2, np.float32)
direct = client.infer("rooms_cen", [tensor("rgb", pixels[None], "UINT8"), tensor("depth", metres[None], "FP32")])
print(json.dumps({{
    "mode": labels.mode, "size": labels.size, "classes": summary["classes"], "network": summary["network"],
    "direct": list(direct.as_numpy("labels").shape), "largest": int(np.asarray(labels).max()),
    "ours": sorted(name for name in sys.modules if name.startswith("crosswire")),
}}))
"""


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_script_without_an_import_of_ours_gets_labels(protocol: str, server: EmbeddedServer, tmp_path: Path) -> None:
    (tmp_path / "rgb.jpg").write_bytes(jpeg(200, 150))
    (tmp_path / "depth.png").write_bytes(depth_png(100, 75))
    height, width = contract().inputs[1].shape
    url = (server.grpc_url if protocol == "grpc" else server.http_url).partition("://")[2]
    arguments = [url, "rgb.jpg", "depth.png", str(height), str(width)]
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT.format(protocol=protocol), *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["mode"], said["size"], said["network"]) == ("P", [200, 150], NETWORK)
    assert said["direct"] == [1, height, width]
    assert said["largest"] < len(contract().classes)
    assert sum(one["share"] for one in said["classes"]) == pytest.approx(1, abs=1e-4)
    assert said["ours"] == []


@pytest.fixture
def http_client(server: EmbeddedServer) -> Any:
    """NVIDIA's HTTP client."""
    with tritonclient.http.InferenceServerClient(server.http_url.removeprefix("http://")) as client:
        yield client


def test_nvidias_http_client_reads_health_metadata_configuration_and_statistics(http_client: Any) -> None:
    assert http_client.is_server_live() and http_client.is_server_ready()
    assert http_client.is_model_ready(PIPELINE) and http_client.is_model_ready(NETWORK, "1")
    assert not http_client.is_model_ready("nope") and not http_client.is_model_ready(NETWORK, "2")
    assert "binary_tensor_data" in http_client.get_server_metadata()["extensions"]
    metadata = http_client.get_model_metadata(NETWORK)
    assert [one["name"] for one in metadata["inputs"]] == ["rgb", "depth"]
    assert metadata["inputs"][1]["shape"] == [-1, *contract().inputs[1].shape]
    config = http_client.get_model_config(PIPELINE, "1")
    assert config["max_batch_size"] == contract().max_batch_size
    assert json.loads(config["parameters"]["crosswire"]["string_value"])["classes"] == list(contract().classes)
    (statistics,) = http_client.get_inference_statistics(NETWORK)["model_stats"]
    assert statistics["inference_stats"]["success"]["count"] >= 1
    assert len(http_client.get_inference_statistics()["model_stats"]) == 3
    assert {one["name"]: one["state"] for one in http_client.get_model_repository_index()}[PIPELINE] == "READY"


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_nvidias_http_client_gets_what_onnx_runtime_gives(http_client: Any, binary_in: bool, binary_out: bool) -> None:
    arrays = network_inputs(batch=1, seed=3)
    inputs = []
    for name, array in arrays.items():
        kind = "UINT8" if name == "rgb" else "FP32"
        inputs.append(tritonclient.http.InferInput(name, array.shape, kind).set_data_from_numpy(array, binary_in))
    names = ("labels", "confidence")
    asked = [tritonclient.http.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    answer = http_client.infer(NETWORK, inputs, outputs=asked, request_id="a-7")
    session = onnxruntime.InferenceSession(REPOSITORY / NETWORK / contract().graph.file)
    for name, expected in zip(names, session.run(names, arrays), strict=True):
        np.testing.assert_array_equal(answer.as_numpy(name), expected)
    assert answer.get_response()["id"] == "a-7"


def test_text_comes_as_json_and_pictures_only_in_the_binary_form(http_client: Any) -> None:
    def ask(output: str) -> Any:
        asked = [tritonclient.http.InferRequestedOutput(output, binary_data=False)]
        inputs = []
        for name, data in (("rgb_image", jpeg()), ("depth_image", depth_png())):
            tensor = tritonclient.http.InferInput(name, [1, 1], "BYTES")
            inputs.append(tensor.set_data_from_numpy(np.array([[data]], dtype=np.object_)))
        return http_client.infer(PIPELINE, inputs, outputs=asked)

    assert json.loads(ask("summary").as_numpy("summary")[0][0])["network"] == NETWORK
    with pytest.raises(tritonclient.http.InferenceServerException, match="ask for it in the binary form"):
        ask("labels_png")


def test_nested_json_data_is_the_same_as_flat_data(server: EmbeddedServer) -> None:
    flat = infer_body()
    nested = infer_body(inputs=[{**one, "data": network_inputs()[one["name"]].tolist()} for one in flat["inputs"]])
    answers = [
        call(server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(body).encode()) for body in (flat, nested)
    ]
    assert answers[0][0] == 200 and answers[0] == answers[1]


def test_pictures_of_many_sizes_share_a_server_and_come_back_at_their_own_size(server: EmbeddedServer) -> None:
    import io

    from PIL import Image

    sizes = [(64, 48), (641, 480), (48, 64), (1600, 1200), (1, 1), (300, 7)]
    for width, height in sizes:
        answer = infer_pictures(server, [jpeg(width, height)], [depth_png(width, height)])
        for output in ("labels_png", "overlay_png"):
            assert Image.open(io.BytesIO(answer.as_numpy(output)[0, 0])).size == (width, height)


def test_a_batch_of_different_sizes_keeps_its_order(server: EmbeddedServer) -> None:
    sizes = [(64, 48), (200, 150), (320, 240)]
    rgb = [(jpeg if index % 2 else png)(*size) for index, size in enumerate(sizes)]
    answer = infer_pictures(server, rgb, [depth_png(*size) for size in sizes], units=[1000, 500, 2000])
    said = [json.loads(text) for text in answer.as_numpy("summary")[:, 0]]
    assert [(one["width"], one["height"]) for one in said] == sizes


def test_the_default_unit_is_millimetres(server: EmbeddedServer) -> None:
    explicit = infer_pictures(server, [jpeg()], [depth_png()], units=[1000])
    default = infer_pictures(server, [jpeg()], [depth_png()])
    assert explicit.as_numpy("labels_png")[0, 0] == default.as_numpy("labels_png")[0, 0]
    other = infer_pictures(server, [jpeg()], [depth_png()], units=[1])
    assert any("depth_units_per_metre" in one for one in json.loads(other.as_numpy("summary")[0, 0])["warnings"])


def test_one_picture_too_many_in_a_batch_is_refused(server: EmbeddedServer) -> None:
    from tritonclient.utils import InferenceServerException

    count = contract().max_batch_size + 1
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*N from 1 to"):
        infer_pictures(server, [jpeg()] * count, [depth_png()] * count)
    assert bytes_input("rgb_image", [b"a"]).shape() == [1, 1]
    assert_answers(server)
