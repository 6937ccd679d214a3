"""An unregistered pair with its camera gets the answer of the pair that was registered before, over every way there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from crosswire.clients import AsyncPredictor, Predictor, RequestRejectedError, segmentation_request
from crosswire.clients.__main__ import main
from crosswire.media.cameras.camera import RgbdCamera
from crosswire.media.cameras.register import register_depth
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import CALM, PIPELINE, REPOSITORY, STEPS, configured, jpeg
from tests.support.servers.unregistered import CAMERA, COLOUR_SIZE, depth_file, unregistered

EITHER = "rooms_cen_int8_image"  # can do without one of the two
OUTPUTS = ("labels_png", "overlay_png", "confidence_png", "summary")
RGB, STORED = jpeg(*COLOUR_SIZE), unregistered()
DEPTH = depth_file(STORED)
MOVED = register_depth(STORED, CAMERA, units_per_metre=1000.0)
REGISTERED, TEXT = depth_file(MOVED), CAMERA.to_json()
SHARE = round(np.count_nonzero(MOVED) / MOVED.size, 4)


@pytest.fixture(scope="module", params=["fused", "apart"])
def layout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with all steps in one process, and one with a process for each."""
    options = configured(tmp_path_factory.mktemp(request.param), (STEPS if request.param == "apart" else "") + CALM)
    with EmbeddedServer(REPOSITORY, networks=["rooms_cen", "rooms_cen_int8"], options=options) as running:
        yield running


def ask(
    server: EmbeddedServer, files: dict[str, list[bytes]], pipeline: str = PIPELINE, protocol: str = "grpc"
) -> dict[str, list[bytes]]:
    """Return the outputs of one request of a plain client, per name those of every sample."""
    client, url = {
        "grpc": (tritonclient.grpc, server.grpc_url),
        "http": (tritonclient.http, server.http_url),
    }[protocol]
    inputs = []
    for name, items in files.items():
        tensor = client.InferInput(name, [len(items), 1], "BYTES")
        inputs.append(tensor.set_data_from_numpy(np.array(items, np.object_).reshape(-1, 1)) or tensor)
    with client.InferenceServerClient(url.partition("://")[2]) as connection:
        found = connection.infer(pipeline, inputs)
        return {name: list(found.as_numpy(name)[:, 0]) for name in OUTPUTS}


def without_share(summary: bytes | str | dict[str, Any]) -> dict[str, Any]:
    """Return a summary without what a camera adds to it, which must be there."""
    said: dict[str, Any] = dict(summary) if isinstance(summary, dict) else json.loads(summary)
    assert said.pop("depth_registered") == SHARE
    return said


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tensors_of_both_protocols(protocol: str, layout: EmbeddedServer) -> None:
    meant = ask(layout, {"rgb_image": [RGB], "depth_image": [REGISTERED]})
    files = {"rgb_image": [RGB], "depth_image": [DEPTH], "camera": [TEXT.encode()]}
    found = ask(layout, files, protocol=protocol)
    assert [found[name] for name in OUTPUTS[:3]] == [meant[name] for name in OUTPUTS[:3]]
    assert without_share(found["summary"][0]) == json.loads(meant["summary"][0])


def test_every_sample_of_a_batch_has_its_own_camera(layout: EmbeddedServer) -> None:
    other = RgbdCamera(CAMERA.colour, CAMERA.depth, translation=(0.4, 0.0, 0.0))
    cameras = [TEXT.encode(), other.to_json().encode()]
    both = ask(layout, {"rgb_image": [RGB] * 2, "depth_image": [DEPTH] * 2, "camera": cameras})
    for index, camera in enumerate(cameras):
        alone = ask(layout, {"rgb_image": [RGB], "depth_image": [DEPTH], "camera": [camera]})
        assert [both[name][index] for name in OUTPUTS] == [alone[name][0] for name in OUTPUTS]
    assert both["labels_png"][0] != both["labels_png"][1]


def test_json_and_forms(layout: EmbeddedServer) -> None:
    meant = ask(layout, {"rgb_image": [RGB], "depth_image": [REGISTERED]})
    url = f"{layout.http_url}/v1/pipelines/{PIPELINE}"
    files = {"rgb": ("a.jpg", RGB), "depth": ("a.png", DEPTH)}
    as_text = httpx.post(url, files=files, data={"camera": TEXT}, timeout=60)
    as_file = httpx.post(url, files={**files, "camera": ("camera.json", TEXT.encode())}, timeout=60)
    for answer in (as_text, as_file):
        assert answer.status_code == 200, answer.text
        assert without_share(answer.json()["summary"]) == json.loads(meant["summary"][0])
    drawn = httpx.post(url, files=files, data={"camera": TEXT}, headers={"Accept": "image/png"}, timeout=60)
    assert drawn.content == meant["overlay_png"][0]


def test_predictors_of_threads_and_of_event_loops(layout: EmbeddedServer, tmp_path: Path) -> None:
    file = tmp_path / "camera.json"
    file.write_text(TEXT)

    async def in_a_loop() -> Any:
        async with AsyncPredictor(layout.http_url) as predictor:
            return await predictor.segment(RGB, DEPTH, camera=TEXT, pipeline=PIPELINE)

    with Predictor(layout.grpc_url) as predictor:
        meant = predictor.segment(RGB, MOVED, pipeline=PIPELINE)
        for found in (predictor.segment(RGB, STORED, camera=file, pipeline=PIPELINE), asyncio.run(in_a_loop())):
            np.testing.assert_array_equal(found.labels, meant.labels)
            assert without_share(dict(found.summary)) == meant.summary
        assert any("depth was registered by the camera" in line for line in found.as_lines())
        assert not any("registered" in line for line in meant.as_lines())


def test_what_is_absent_and_what_is_no_camera(layout: EmbeddedServer) -> None:
    colour = {"rgb_image": [RGB]}
    alone = ask(layout, colour, EITHER)
    assert ask(layout, {**colour, "camera": [TEXT.encode()]}, EITHER) == alone, "there is nothing to register"
    refused: dict[str, dict[str, list[bytes]]] = {
        "camera came without rgb_image": {"depth_image": [DEPTH], "camera": [TEXT.encode()]},
        "camera has 9000000 bytes; allowed are 8192": {**colour, "depth_image": [DEPTH], "camera": [b" " * 9_000_000]},
        "depth_image must be registered to rgb_image": {**colour, "depth_image": [DEPTH]},
        "depth_image is 640 x 360, but the depth lens is 640 x 576": {
            **colour, "depth_image": [REGISTERED], "camera": [TEXT.encode()],
        },
    }  # fmt: skip
    for message, files in refused.items():
        with pytest.raises(InferenceServerException, match=message) as error:
            ask(layout, files, EITHER)
        assert error.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_commands_take_the_file_of_a_camera(
    layout: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "camera.json").write_text(TEXT)
    for name, data in (("rgb", RGB), ("depth", DEPTH), ("moved", REGISTERED)):
        folder = tmp_path / "pairs" / name if name != "moved" else tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ("a.jpg" if name == "rgb" else "a.png")).write_bytes(data)
    there = ["--pipeline", PIPELINE, "--url", layout.grpc_url]
    camera = ["--camera", str(tmp_path / "camera.json")]
    rgb, depth = str(tmp_path / "pairs/rgb/a.jpg"), str(tmp_path / "pairs/depth/a.png")
    assert main(["predict", rgb, str(tmp_path / "a.png"), "--out", str(tmp_path / "meant"), *there]) == 0
    assert main(["predict", rgb, depth, *camera, "--out", str(tmp_path / "found"), *there]) == 0
    assert f"depth was registered by the camera: {SHARE:.0%} of the image has some" in capsys.readouterr().out
    assert main(["batch", str(tmp_path / "pairs"), str(tmp_path / "batch"), *camera, *there]) == 0
    meant = (tmp_path / "meant/a.labels.png").read_bytes()
    assert (tmp_path / "found/a.labels.png").read_bytes() == meant
    assert (tmp_path / "batch/labels/a.png").read_bytes() == meant
    for options, reason in ((camera, ""), ([], "must be registered")):
        played = ["stream", str(tmp_path / "pairs"), *options, "--speed", "0", "--report", str(tmp_path / "played")]
        main([*played, *there])
        (frame,) = map(json.loads, (tmp_path / "played").read_text().splitlines())
        assert (reason in frame.get("reason", ""), frame["latency_ms"] is None) == (True, bool(reason)), frame
    line = json.loads((tmp_path / "batch/results.jsonl").read_text())
    assert line["summary"]["depth_registered"] == SHARE
    assert main(["batch", str(tmp_path / "pairs"), str(tmp_path / "batch"), *there]) == 2, "another batch lies there"
    (tmp_path / "camera.json").write_text("{}")
    capsys.readouterr()
    assert main(["predict", rgb, depth, *camera, "--out", str(tmp_path / "found"), *there]) == 2
    assert 'got a camera without "colour" and "depth"' in capsys.readouterr().err


def test_descriptions_list_it(layout: EmbeddedServer) -> None:
    with httpx.Client(base_url=layout.http_url, timeout=60) as client:
        inputs = {one["field"]: one for one in client.get(f"/v1/pipelines/{PIPELINE}").json()["inputs"]}
        document = client.get("/openapi.json").json()
        page = client.get("/docs").text
    assert (inputs["camera"]["kind"], inputs["camera"]["optional"]) == ("text", True)
    body = document["paths"][f"/v1/pipelines/{PIPELINE}"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert body["schema"]["properties"]["camera"]["contentMediaType"] == "application/json"
    assert body["schema"]["required"] == ["rgb", "depth"]
    assert 'name="camera" type="file" data-optional' in page and "-F camera" not in page


def test_a_camera_that_the_server_refuses_is_a_rejected_request(layout: EmbeddedServer) -> None:
    request = segmentation_request(RGB, DEPTH, camera=CAMERA, pipeline=PIPELINE)
    request.inputs["camera"][0, 0] = b"{}"  # type: ignore[index]  # what no client of ours sends
    with Predictor(layout.grpc_url) as predictor, pytest.raises(RequestRejectedError, match='without "colour"'):
        predictor.ask(request)
