"""Networks with absent inputs, translation and clips, through the real Triton: embedded, and the container's façade."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from PIL import Image
from tritonclient.utils import InferenceServerException

from crosswire.contract import sha256_of
from crosswire.media.clips.shape import ClipShape
from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.config.settings import ModelSettings
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.repository.assemble import assemble
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.repository.tuning import Tuning
from crosswire.serving.steps.media.clips import read_clip
from tests.integration.serving.test_clips import hostile
from tests.support.servers.native_backend import native_triton
from tests.support.servers.real import PATIENCE_SECONDS, depth_png, jpeg, png
from tests.support.small_clips import clip
from tests.support.training import small_networks
from tests.support.training.small_networks import EVENTS, FRAMES, HEIGHT, SAMPLES, WIDTH, classified

SHAPE = ClipShape(FRAMES, HEIGHT, WIDTH, small_networks.FRAME_RATE, SAMPLES, small_networks.SAMPLE_RATE)


@pytest.fixture(scope="module")
def facade(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of the repository that a container gets."""
    triton = native_triton(tmp_path_factory.mktemp("native"))
    options = ["--runtime", "container", "--triton", str(triton)]
    with EmbeddedServer(small_repository, networks=["events_small"], options=options) as running:
        yield running


def ask(server: EmbeddedServer, model: str, protocol: str = "grpc", **inputs: Any) -> dict[str, Any]:
    """Send arrays, and lists of byte strings, by a plain client; return the arrays that come back."""
    module: Any = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    url = server.grpc_url.removeprefix("grpc://") if protocol == "grpc" else server.http_url.removeprefix("http://")
    tensors = []
    for name, value in inputs.items():
        array = value if isinstance(value, np.ndarray) else np.array(value, dtype=np.object_).reshape(-1, 1)
        dtype = {"u": "UINT8", "f": "FP32", "O": "BYTES"}[array.dtype.kind]
        tensors.append(module.InferInput(name, list(array.shape), dtype).set_data_from_numpy(array))
    with module.InferenceServerClient(url) as client:
        found = client.infer(model, tensors)
        names = [one.name if protocol == "grpc" else one["name"] for one in _outputs(found)]
        return {name: found.as_numpy(name) for name in names}


def _outputs(found: Any) -> Any:
    answer = found.get_response()
    return answer["outputs"] if isinstance(answer, dict) else answer.outputs


def noise(batch: int = 2) -> tuple[Any, Any]:
    """Return frames and a waveform."""
    random = np.random.default_rng(batch)
    frames = random.integers(0, 256, (batch, FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    return frames, random.uniform(-1, 1, (batch, SAMPLES)).astype(np.float32)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_graph_that_was_trained_for_what_came_answers_and_says_so(small: EmbeddedServer, protocol: str) -> None:
    frames, waveform = noise()
    for inputs, used in (
        ({"frames": frames, "waveform": waveform}, b"frames+waveform"),
        ({"frames": frames}, b"frames"),
        ({"waveform": waveform}, b"waveform"),
    ):
        answer = ask(small, "events_small", protocol, **inputs)
        wanted = classified(inputs.get("frames"), inputs.get("waveform"))
        np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)
        assert answer["modalities"].tolist() == [[used], [used]]


def test_the_facade_of_the_container_answers_like_the_embedded_network(
    small: EmbeddedServer, facade: EmbeddedServer
) -> None:
    frames, waveform = noise(3)
    present = [b"frames", b"frames+waveform", b"waveform"]
    mixed = {"frames": frames, "waveform": waveform, "present": present}
    for inputs in ({"frames": frames, "waveform": waveform}, {"frames": frames}, {"waveform": waveform}, mixed):
        ours, theirs = (ask(server, "events_small", **inputs) for server in (small, facade))
        np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], atol=1e-6)
        assert ours["modalities"].tolist() == theirs["modalities"].tolist()
    assert ours["modalities"].ravel().tolist() == present
    for index, name in enumerate(present):
        taken = [mixed[key][index : index + 1] if key.encode() in name else None for key in ("frames", "waveform")]
        np.testing.assert_allclose(ours["probabilities"][index : index + 1], classified(*taken), atol=1e-5)
    sent = clip(sounds=0)
    ours, theirs = (ask(server, "events_small_clip", clip=[sent]) for server in (small, facade))
    np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], atol=1e-6)
    assert theirs["modalities"].tolist() == [[b"frames"]]


@pytest.mark.parametrize("which", ["small", "facade"])
def test_a_request_that_lacks_everything_is_refused_by_name(request: pytest.FixtureRequest, which: str) -> None:
    server = request.getfixturevalue(which)
    with pytest.raises(InferenceServerException, match="got no input at all; it answers when some of these come"):
        ask(server, "events_small")
    with pytest.raises(
        InferenceServerException, match=r"INVALID_ARGUMENT.*present names 'waveform', which did not come"
    ):
        ask(server, "events_small", frames=noise(1)[0], present=[b"waveform"])
    with pytest.raises(
        InferenceServerException, match=r"INVALID_ARGUMENT.*got none of its inputs; .* frames\+waveform, or frames, or"
    ):
        ask(server, "events_small", frames=noise(1)[0], present=[b""])


def test_both_repositories_have_the_same_wires_and_every_graph_in_its_place(
    small_repository: Path, tmp_path: Path
) -> None:
    networks, apart = find_networks(small_repository), Tuning(ModelSettings(in_process=False))
    embedded, container = (
        assemble(networks, runtime, tmp_path / runtime.value, copy_graphs=True, tuning=apart).configs
        for runtime in Runtime
    )
    for name, config in embedded.items():
        other = container[name]
        assert (list(config.input), list(config.output)) == (list(other.input), list(other.output))
        assert config.ensemble_scheduling == other.ensemble_scheduling
        assert config.parameters["crosswire"] == other.parameters["crosswire"]
    added = {name: config for name, config in container.items() if name not in embedded}
    assert sorted(added) == [
        "events_small_net", "events_small_net_frames", "events_small_net_waveform",
        "rooms_absent_net", "rooms_absent_net_depth", "rooms_absent_net_rgb",
    ]  # fmt: skip
    for config in added.values():
        assert config.backend == "onnxruntime" and not any(one.optional for one in config.input)
    assert [one.name for one in added["events_small_net_waveform"].input] == ["waveform"]
    assert [container[name].backend for name in ("events_small", "rooms_absent", "rooms_small")] == [
        "python", "python", "onnxruntime",
    ]  # fmt: skip
    events = next(one.contract for one in networks if one.contract.name == "events_small")
    placed = tmp_path / "container" / "events_small_net_waveform" / "1" / "model.onnx"
    kept = tmp_path / "embedded" / "events_small" / "1" / "model.waveform.onnx"
    assert sha256_of(placed) == sha256_of(kept) == events.variants[1].graph.sha256


def test_a_segmentation_answers_without_one_of_its_pictures_and_says_which_it_used(small: EmbeddedServer) -> None:
    for sent, streams, label in (
        ({"rgb_image": [png()], "depth_image": [depth_png()]}, ["rgb", "depth"], "near"),
        ({"rgb_image": [png()]}, ["rgb"], "by colour"),
        ({"depth_image": [depth_png(120, 90)]}, ["depth"], "by depth"),
    ):
        answer = ask(small, "rooms_absent_image", **sent)
        summary = json.loads(answer["summary"][0, 0])
        assert (summary["streams"], [one["name"] for one in summary["classes"]]) == (streams, [label])
        size = (64, 48) if "rgb" in streams else (120, 90)
        for name in ("labels_png", "overlay_png"):
            assert Image.open(io.BytesIO(answer[name][0, 0])).size == size
    with pytest.raises(InferenceServerException, match="got no input at all"):
        ask(small, "rooms_absent_image")
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*the request holds no picture; send some of"):
        ask(small, "rooms_absent_image", depth_units_per_metre=np.ones((1, 1), np.float32))


def test_the_summary_warns_of_another_unit_and_of_holes_where_depth_was_used(small: EmbeddedServer) -> None:
    def warnings(**sent: Any) -> list[str]:
        return [
            one.split(":")[0]
            for one in json.loads(ask(small, "rooms_absent_image", **sent)["summary"][0, 0])["warnings"]
        ]

    ones = np.ones((1, 1), np.float32)
    assert warnings(rgb_image=[png()], depth_image=[depth_png()]) == []
    assert warnings(depth_image=[depth_png()], depth_units_per_metre=ones) == ["depth_unit_suspect"]
    assert warnings(depth_image=[depth_png(millimetres=0)]) == ["depth_mostly_holes"]
    assert warnings(rgb_image=[png()], depth_units_per_metre=ones) == []


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_translation_gives_a_picture_per_domain_at_the_size_that_was_sent(
    small: EmbeddedServer, protocol: str
) -> None:
    grey = np.asarray(Image.open(io.BytesIO(png(WIDTH, HEIGHT, "L"))))
    sent = {"texture_image": [png(WIDTH, HEIGHT, "L")], "shade_image": [png(WIDTH, HEIGHT, "L")]}
    answer = ask(small, "rooms_small_image", protocol, **sent, depth_image=[depth_png(WIDTH, HEIGHT)])
    pictures = {name: Image.open(io.BytesIO(data[0, 0])) for name, data in answer.items() if name.endswith("_png")}
    assert {name: (picture.mode, picture.size) for name, picture in pictures.items()} == {
        "rgb_png": ("RGB", (WIDTH, HEIGHT)),
        "depth_png": ("I;16", (WIDTH, HEIGHT)),
        "edge_png": ("L", (WIDTH, HEIGHT)),
        "labels_png": ("P", (WIDTH, HEIGHT)),
    }
    np.testing.assert_array_equal(np.asarray(pictures["rgb_png"]), np.stack([255 - grey, grey, grey], -1))
    np.testing.assert_array_equal(np.asarray(pictures["edge_png"]), grey)
    metres = np.asarray(Image.open(io.BytesIO(depth_png(WIDTH, HEIGHT)))).astype(float)
    np.testing.assert_allclose(np.asarray(pictures["depth_png"]), 2 * metres, atol=1)
    summary = json.loads(answer["summary"][0, 0])
    assert summary["streams"] == ["texture", "shade", "depth"]
    assert [one["domain"] for one in summary["outputs"]] == ["rgb", "depth", "edge", "labels"]
    big = {"texture_image": [jpeg(640, 480)], "shade_image": [png(64, 48)], "depth_image": [depth_png()]}
    answer = ask(small, "rooms_small_image", protocol, **big)
    assert {Image.open(io.BytesIO(data[0, 0])).size for name, data in answer.items() if name != "summary"} == {
        (640, 480)
    }


def test_pictures_of_a_translation_that_show_other_views_are_refused_by_name(small: EmbeddedServer) -> None:
    with pytest.raises(InferenceServerException, match="shade_image is 64 x 64 but texture_image is 64 x 48: another"):
        ask(
            small, "rooms_small_image",
            texture_image=[png()], shade_image=[png(64, 64)], depth_image=[depth_png()],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "used"),
    [
        ({"container": "mp4"}, "frames+waveform"),
        ({"container": "webm", "sound_first": True}, "frames+waveform"),
        ({"container": "avi", "seconds": 0.5}, "frames+waveform"),
        ({"seconds": 4.0}, "frames+waveform"),
        ({"pictures": 2, "sounds": 2}, "frames+waveform"),
        ({"sounds": 0}, "frames"),
        ({"loudness": 0.0}, "frames"),
        ({"pictures": 0}, "waveform"),
    ],
)
def test_every_sort_of_clip_is_answered_and_says_what_was_used(
    small: EmbeddedServer, made: dict[str, Any], used: str
) -> None:
    sent = clip(**made)
    answer = ask(small, "events_small_clip", clip=[sent])
    found = read_clip(sent, SHAPE, ClipLimits())
    frames = found.frames[None] if found.frames is not None and "frames" in used else None
    waveform = found.waveform[None] if found.waveform is not None and "waveform" in used else None
    wanted = classified(frames, waveform)
    np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)
    assert answer["modalities"].tolist() == [[used.encode()]]
    order = [EVENTS[index].encode() for index in np.argsort(-wanted[0])]
    assert answer["top_labels"].tolist() == [order]
    summary = json.loads(answer["summary"][0, 0])
    assert summary["modalities"] == used.split("+") and summary["classes"][0]["name"] == order[0].decode()
    strip = Image.open(io.BytesIO(answer["strip_png"][0, 0]))
    assert (strip.mode, strip.width) == ("RGB", 960)


def test_clips_of_different_availability_share_a_request(small: EmbeddedServer) -> None:
    answer = ask(small, "events_small_clip", clip=[clip(), clip(sounds=0), clip(pictures=0)])
    assert answer["modalities"].ravel().tolist() == [b"frames+waveform", b"frames", b"waveform"]
    assert len(answer["probabilities"]) == 3


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_hostile_clips_are_refused_and_the_server_goes_on(small: EmbeddedServer, protocol: str) -> None:
    for name, (data, said) in hostile().items():
        with pytest.raises(InferenceServerException, match=said) as refusal:
            ask(small, "events_small_clip", protocol, clip=[data])
        assert "\n" not in str(refusal.value), name
    assert ask(small, "events_small_clip", protocol, clip=[clip()])["probabilities"].shape == (1, 3)


def post(server: EmbeddedServer, path: str, accept: str = "", data: Any = None, **files: bytes) -> httpx.Response:
    """Send a form as people do."""
    headers = {"Accept": accept} if accept else {}
    url = f"{server.http_url}/v1/pipelines/{path}"
    return httpx.post(url, files=files, data=data, headers=headers, timeout=60)


def test_a_clip_is_a_form_for_people_too(small: EmbeddedServer) -> None:
    said = post(small, "events_small_clip", clip=clip()).json()
    assert (said["modalities"], sorted(said["top_labels"])) == ("frames+waveform", sorted(EVENTS))
    assert said["summary"]["clip"]["container"] == "WebM or MKV" and "strip" not in said
    answer = post(small, "events_small_clip", "image/png", clip=clip())
    assert answer.headers["Content-Type"] == "image/png", answer.text
    assert Image.open(io.BytesIO(answer.content)).width == 960
    refused = post(small, "events_small_clip", clip=b"#EXTM3U")
    assert refused.status_code == 400 and "is no MP4" in refused.json()["error"]


def test_a_translation_is_a_form_too_and_absent_pictures_are_left_out(small: EmbeddedServer) -> None:
    pictures = {"texture": png(), "shade": png(), "depth": depth_png()}
    answer = post(small, "rooms_small_image?output=edge", "image/png", **pictures)
    assert Image.open(io.BytesIO(answer.content)).mode == "L"
    assert post(small, "rooms_absent_image", depth=depth_png()).json()["summary"]["streams"] == ["depth"]
    refused = post(small, "rooms_absent_image", data={"depth_units_per_metre": "1000"}, **{"rgb": b""})
    assert refused.status_code == 400 and ", rgb is empty" in refused.json()["error"]
    page = httpx.get(f"{small.http_url}/docs", timeout=PATIENCE_SECONDS)
    assert page.status_code == 200 and "-F rgb=@FILE -F depth=@FILE" in page.text


def test_a_form_without_any_file_is_refused_with_those_that_it_takes(small: EmbeddedServer) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="depth_units_per_metre"\r\n\r\n1000\r\n--x--\r\n'
    url = f"{small.http_url}/v1/pipelines/rooms_absent_image"
    refused = httpx.post(
        url, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}, timeout=PATIENCE_SECONDS
    )
    assert refused.status_code == 400
    assert (
        "the form holds no file; send some of rgb, depth: curl -F rgb=@FILE -F depth=@FILE" in refused.json()["error"]
    )
