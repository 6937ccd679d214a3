"""Networks that somebody else made, adopted and served by the real server like our own."""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import Predictor, predict_folder
from crosswire.export.adopt.adopt import AdoptRequest, adopt
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.prepare import Prepared, prepare
from crosswire.export.adopt.proof.prove import original, reference_of
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.adopted.foreign import DEPTH, RGB, SIZE, network, said


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    """Two networks: of colour and depth, and of colour alone."""
    folder = tmp_path_factory.mktemp("foreign")
    both = prepare(read_graph(network(folder / "both.onnx")), said(RGB, DEPTH), None)
    colour = network(folder / "colour.onnx", channels=(3,), size=("h", "w"), end="ArgMax", seed=3)
    alone = prepare(read_graph(colour), said(RGB, output={"classes": list("abcde")}), SIZE)
    return {"both": both, "alone": alone}


@pytest.fixture(scope="module")
def adopting(ready: dict[str, Prepared], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of them."""
    repository = tmp_path_factory.mktemp("adopted")
    for name, one in ready.items():
        adopt(one, AdoptRequest(name), repository)
    with EmbeddedServer(repository) as running:
        yield running


def frame(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Return a colour image and its depth in millimetres, of the networks' size."""
    generator = np.random.default_rng(seed)
    rgb = generator.integers(0, 256, (*SIZE, 3), np.uint8)
    depth = generator.integers(500, 6000, SIZE).astype(np.uint16)
    depth[:5] = 0
    return rgb, depth


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
    for name in ("rgb", "depth"):
        (tmp_path / "in" / name).mkdir(parents=True)
    for seed in range(3):
        rgb, depth = frame(seed)
        Image.fromarray(rgb).save(tmp_path / f"in/rgb/{seed}.png")
        Image.fromarray(depth).save(tmp_path / f"in/depth/{seed}.png")
    for pipeline, one in (("both_image", ready["both"]), ("alone_image", ready["alone"])):
        outcome = predict_folder(tmp_path / "in", tmp_path / pipeline, adopting.grpc_url, pipeline=pipeline)
        assert (outcome.done, outcome.failed) == (3, 0)
        labels = np.asarray(Image.open(tmp_path / pipeline / "labels/2.png"))
        assert (labels == expected(one, *frame(2))).mean() >= 0.999


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
