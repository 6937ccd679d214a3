"""Networks that somebody else made, adopted and served by the real server like our own."""

from __future__ import annotations

import contextlib
import io
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from crosswire.__main__ import main
from crosswire.clients import Predictor, predict_folder
from crosswire.export.adopt.adopt import AdoptRequest, adopt
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.prepare import Prepared, prepare
from crosswire.export.adopt.proof.prove import original, reference_of
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.adopted.foreign import DEPTH, RGB, SIZE, network, said


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    """Networks of colour and depth, of colour alone, and one that tells depth of colour."""
    folder = tmp_path_factory.mktemp("foreign")
    both = prepare(read_graph(network(folder / "both.onnx")), said(RGB, DEPTH), None)
    colour = network(folder / "colour.onnx", channels=(3,), size=("h", "w"), end="ArgMax", seed=3)
    alone = prepare(read_graph(colour), said(RGB, output={"classes": list("abcde")}), SIZE)
    path = network(folder / "far.onnx", channels=(3,), classes=1, stride=2, seed=7)
    model = onnx.load(path)  # two to three metres
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.full((1, 8, 1, 1), 40, np.float32), "second"))
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.asarray([2000], np.float32), "bias"))
    onnx.save(model, path)
    far = prepare(read_graph(path), said(RGB, task="translation", output={"unit": "mm"}), None)
    return {"both": both, "alone": alone, "far": far}


@contextlib.contextmanager
def serving(ready: dict[str, Prepared], repository: Path) -> Iterator[EmbeddedServer]:
    """Adopt networks under their names and serve them all."""
    for name, one in ready.items():
        adopt(one, AdoptRequest(name), repository)
    with EmbeddedServer(repository) as running:
        yield running


@pytest.fixture(scope="module")
def adopting(ready: dict[str, Prepared], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of them."""
    with serving(ready, tmp_path_factory.mktemp("adopted")) as running:
        yield running


def frame(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Return a colour image and its depth in millimetres, of the networks' size."""
    generator = np.random.default_rng(seed)
    rgb = generator.integers(0, 256, (*SIZE, 3), np.uint8)
    depth = generator.integers(500, 6000, SIZE).astype(np.uint16)
    depth[:5] = 0
    return rgb, depth


def save_frames(folder: Path, count: int) -> None:
    """Write frames as files: rgb/ and depth/, each named by its seed."""
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    for seed in range(count):
        for name, array in zip(("rgb", "depth"), frame(seed), strict=True):
            Image.fromarray(array).save(folder / name / f"{seed}.png")


def expected(one: Prepared, rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return the labels that the original pipeline gives."""
    run = original(one.source, one, print)
    raw = {"rgb": rgb[None], "depth": (depth / np.float32(1000)).astype(np.float32)[None]}
    return np.asarray(reference_of(one, run, raw)["labels"][0])


def test_labels_are_those_of_the_original_pipeline(adopting: EmbeddedServer, ready: dict[str, Prepared]) -> None:
    rgb, depth = frame()
    with Predictor(adopting.grpc_url) as predictor:
        both = predictor.segment(rgb, depth, pipeline="both_image")
        alone = predictor.segment(rgb, pipeline="alone_image")
    assert (both.labels == expected(ready["both"], rgb, depth)).mean() >= 0.999
    assert len(np.unique(both.labels)) >= 3
    assert both.streams == ("rgb", "depth")
    assert (alone.labels == expected(ready["alone"], rgb, depth)).mean() >= 0.999
    assert (alone.streams, alone.class_names) == (("rgb",), tuple("abcde"))


def test_a_batch_of_files_is_answered(adopting: EmbeddedServer, ready: dict[str, Prepared], tmp_path: Path) -> None:
    save_frames(tmp_path / "in", 3)
    for pipeline, one in (("both_image", ready["both"]), ("alone_image", ready["alone"])):
        outcome = predict_folder(tmp_path / "in", tmp_path / pipeline, adopting.grpc_url, pipeline=pipeline)
        assert (outcome.done, outcome.failed) == (3, 0)
        labels = np.asarray(Image.open(tmp_path / pipeline / "labels/2.png"))
        assert (labels == expected(one, *frame(2))).mean() >= 0.999


def test_a_translation_gives_the_depth_of_the_original_network(
    adopting: EmbeddedServer, ready: dict[str, Prepared], tmp_path: Path
) -> None:
    rgb, _ = frame(4)
    one = ready["far"]
    metres = reference_of(one, original(one.source, one, print), {"rgb": rgb[None]})["predicted_depth"][0]
    assert metres.min() >= 2 and metres.std() > 0.01
    with Predictor(adopting.grpc_url) as predictor:
        answer = predictor.translate({"rgb": rgb}, pipeline="far_image")
    found = np.asarray(answer.image("depth"))
    assert found.shape == SIZE and np.abs(found / 1000.0 - metres).max() <= 0.002
    (tmp_path / "in/rgb").mkdir(parents=True)
    Image.fromarray(rgb).save(tmp_path / "in/rgb/4.png")
    outcome = predict_folder(tmp_path / "in", tmp_path / "out", adopting.grpc_url, pipeline="far_image")
    assert (outcome.done, outcome.failed) == (1, 0)
    (file,) = (tmp_path / "out").rglob("4.png")
    assert np.array_equal(np.asarray(Image.open(file)), found)


def test_a_stream_of_frames_gets_the_labels_that_a_request_gets(
    adopting: EmbeddedServer, ready: dict[str, Prepared], tmp_path: Path
) -> None:
    save_frames(tmp_path / "in", 3)
    words = ["--url", adopting.grpc_url, "--speed", "0", "--pipeline", "both_image", "--mcap", str(tmp_path / "a.mcap")]
    assert main(["stream", str(tmp_path / "in"), *words]) == 0
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(tmp_path / "a.mcap") as reader:
        chosen = [one for one in reader.connections if one.topic == "/crosswire/labels"]
        streamed: list[Any] = [store.deserialize_cdr(data, one.msgtype) for one, _, data in reader.messages(chosen)]
    assert len(streamed) == 3
    for seed, message in enumerate(streamed):
        labels = message.data.reshape(SIZE)
        assert (labels == expected(ready["both"], *frame(seed))).mean() >= 0.999


def test_the_gateway_describes_an_adopted_network_like_any_other(adopting: EmbeddedServer) -> None:
    with urllib.request.urlopen(f"{adopting.http_url}/openapi.json", timeout=30) as answer:
        paths = json.load(answer)["paths"]
    assert {path for path in paths if "alone_image" in path or "both_image" in path}
    rgb, _ = frame()
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, "PNG")
    with Predictor(adopting.http_url) as predictor:
        found = {one.name: [spec.name for spec in one.inputs] for one in predictor.pipelines()}
    assert found["alone_image"] == ["rgb_image"]
    assert found["both_image"] == ["rgb_image", "depth_image", "depth_units_per_metre", "camera"]
