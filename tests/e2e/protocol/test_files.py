"""Text in the place of a file, as other servers take it and as a forgotten @ makes it, is called what it is."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from crosswire.serving.gateway.tensors.files import text_for_file
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.paths import ROOT
from tests.support.servers.real import PIPELINE, call, depth_png, infer_pictures, jpeg, png

SAMPLES = ROOT / "serving/gateway/page/samples"
FORM = f"/v1/pipelines/{PIPELINE}"


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


TEXTS = {
    "base64 of a JPEG": (text_of(jpeg()), "base64 text ('/9j/"),
    "base64 of a PNG": (text_of(png()), "base64 text ('iVBOR"),
    "base64 in lines": (base64.encodebytes(jpeg()).decode(), "base64 text ("),
    "a data URL": (f"data:image/png;base64,{text_of(png())}", "a data URL ('data:image/png"),
    "an absolute path": ("/data/room_0.rgb.jpg", "the path or address '/data/room_0.rgb.jpg'"),
    "a file name": ("room 0.jpeg", "the path or address 'room 0.jpeg'"),
    "an address": ("https://example.org/room?id=3", "the path or address 'https://example.org"),
    "a home folder": ("~/rooms/depth", "the path or address '~/rooms/depth'"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text_in_json_is_called_what_it_is(case: str, server: EmbeddedServer) -> None:
    text, said = TEXTS[case]
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1, 1], "data": [text]} for name in ("rgb_image", "depth_image")
    ]
    status, answer = call(server, "POST", f"/v2/models/{PIPELINE}/infer", json.dumps({"inputs": inputs}).encode())
    error = json.loads(answer)["error"]
    assert status == 400
    assert f"input 'rgb_image' of model '{PIPELINE}': got {said}" in error
    assert "expected the bytes of a file, try the file's own bytes over gRPC or in the binary form" in error


@pytest.mark.parametrize("case", TEXTS)
def test_text_over_grpc_is_called_what_it_is_with_its_sample(case: str, server: EmbeddedServer) -> None:
    text, said = TEXTS[case]
    with pytest.raises(InferenceServerException) as rejected:
        infer_pictures(server, [jpeg(), text.encode()], [depth_png()] * 2)
    assert f"got {said}" in rejected.value.message() and "in sample 1, expected" in rejected.value.message()


def test_text_in_typed_contents_is_called_what_it_is(server: EmbeddedServer) -> None:
    request = service_pb2.ModelInferRequest(model_name=PIPELINE)
    for name in ("rgb_image", "depth_image"):
        tensor = request.inputs.add(name=name, datatype="BYTES", shape=[1, 1])
        tensor.contents.bytes_contents.append(b"rgb.png")
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError, match=r"got the path or address 'rgb.png' in sample 0"):
            stub.ModelInfer(request)


@pytest.mark.parametrize("case", TEXTS)
def test_a_part_of_a_form_that_is_text_is_called_what_it_is(case: str, server: EmbeddedServer) -> None:
    text, said = TEXTS[case]
    files = {"rgb": (None, text), "depth": ("depth.png", depth_png())}
    answer = httpx.post(server.http_url + FORM, files=files, timeout=60)
    assert answer.status_code == 400
    assert f"the field 'rgb': got {said}" in answer.json()["error"]
    assert answer.json()["error"].endswith("expected a file, try curl -F rgb=@FILE")


def test_a_file_that_holds_base64_is_called_so_by_its_field(server: EmbeddedServer) -> None:
    files = {"rgb": ("rgb.jpg", jpeg()), "depth": ("depth.txt", text_of(depth_png()).encode())}
    answer = httpx.post(server.http_url + FORM, files=files, timeout=60)
    assert answer.status_code == 400
    assert "the field 'depth': got base64 text" in answer.json()["error"]


@pytest.mark.needs("curl")
def test_a_forgotten_at_sign_is_told_with_the_command(server: EmbeddedServer, tmp_path: Path) -> None:
    (tmp_path / "depth.png").write_bytes(depth_png())
    command = ["curl", "-s", "-F", f"rgb={tmp_path}/rgb.jpg", "-F", "depth=@depth.png", server.http_url + FORM]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(said)["error"].endswith("try curl -F rgb=@FILE")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"rgb": b"oops"}, ", rgb is no JPEG or PNG file"),
        ({"depth": png()}, ", depth is an RGB picture"),
        ({"depth": depth_png(48, 64)}, "depth is 48 x 64 but rgb is 64 x 48"),
    ],
)
def test_an_error_about_a_form_names_its_fields(parts: dict[str, bytes], said: str, server: EmbeddedServer) -> None:
    files = {"rgb": jpeg(), "depth": depth_png(), **parts}
    answer = httpx.post(server.http_url + FORM, files={name: ("a", data) for name, data in files.items()}, timeout=60)
    assert answer.status_code == 400
    assert said in answer.json()["error"] and "_image" not in answer.json()["error"].replace(PIPELINE, "")


def test_no_file_is_taken_for_text() -> None:
    files = [path.read_bytes() for path in SAMPLES.iterdir() if path.suffix in (".jpg", ".png", ".mp4")]
    made = [
        jpeg(1, 1), png(1, 1), depth_png(2, 1), b"RIFF\x10\0\0\0AVI LIST", b"GIF89a\1\0\1\0\0\0\0;", b"II*\0\x08\0\0\0",
        b"P5\n640 480\n65535\n" + bytes(64), b"P2\n2 2\n255\n0 1\n2 3\n", b"", b"oops", b"hello world",
    ]  # fmt: skip
    assert len(files) >= 6
    assert [text_for_file(data) for data in files + made] == [""] * len(files + made)
