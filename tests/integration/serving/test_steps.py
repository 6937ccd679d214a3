"""The stages' pure functions: decoding, registering, rendering and batching, without Triton."""

from __future__ import annotations

import io
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from PIL import Image

from crosswire.media.registration import View
from crosswire.serving.config.limits import ImageLimits
from crosswire.serving.repository.model_config import step_config
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.steps.decode.decode_domains import decode_some
from crosswire.serving.steps.media.image_facts import ImageFacts, facts_text
from crosswire.serving.steps.media.images import ImageError, nearest, open_image
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.media.registered import check_registered
from crosswire.serving.steps.render.label_spec import LabelSpec
from crosswire.serving.steps.render.overlay_labels import overlay, overlays, visible
from crosswire.serving.steps.render.render_domains import RenderDomains
from crosswire.serving.steps.render.render_labels import render
from crosswire.serving.steps.runtime.network import runner
from crosswire.serving.steps.runtime.providers.sessions import open_session
from crosswire.serving.steps.runtime.side_by_side import Cores
from crosswire.serving.steps.runtime.step import StepRequest, column
from tests.support.servers.real import NETWORK, REPOSITORY, contract, depth_png, jpeg, network_inputs, png

LIMITS = ImageLimits()
LOOK = LabelSpec("net", ("wall", "floor", "lamp"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)))


def png16(values: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint16)).save(file, "PNG")
    return file.getvalue()


def decode_pair(rgb: bytes, depth: bytes, units: float, height: int, width: int) -> tuple[Any, Any]:
    """Decode one registered pair."""
    colour = {"name": "rgb", "dtype": "UINT8", "shape": [height, width, 3], "missing": None}
    metres = {"name": "depth", "dtype": "FP32", "shape": [height, width], "missing": 0.0, "valid_range": [0.0, 10.0]}
    pixels, _, readings, _ = decode_some([0, 1], [colour, metres], [units], rgb, depth)
    return pixels[0], readings[0]


def test_a_pair_of_the_networks_size_arrives_unchanged() -> None:
    depth = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    rgb, metres = decode_pair(png(), png16(depth), 1000.0, 48, 64)
    np.testing.assert_array_equal(rgb, np.asarray(Image.open(io.BytesIO(png()))))
    np.testing.assert_array_equal(metres, depth.astype(np.float32) / np.float32(1000))
    assert (rgb.dtype, metres.dtype) == (np.uint8, np.float32)


def test_holes_in_the_depth_are_never_blended_with_readings() -> None:
    depth = np.full((96, 128), 3000, np.uint16)
    depth[::3, ::2] = 0
    _, metres = decode_pair(jpeg(128, 96), png16(depth), 1000.0, 31, 47)
    assert set(np.unique(metres)) == {np.float32(0), np.float32(3)}


def test_depth_of_another_scale_is_registered_to_the_colour_picture() -> None:
    small = np.arange(12, dtype=np.uint16).reshape(3, 4) * 500
    _, metres = decode_pair(jpeg(64, 48), png16(small), 1000.0, 6, 8)
    np.testing.assert_array_equal(metres, np.repeat(np.repeat(small / 1000, 2, 0), 2, 1))


@pytest.mark.parametrize("size", [(64, 48), (640, 480), (6400, 4800), (65, 49), (4, 3)])
def test_every_size_with_the_same_aspect_ratio_is_registered(size: tuple[int, int]) -> None:
    check_registered(View("rgb_image", (640, 480)), View("depth_image", size), 0.01)


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (640, 360), (652, 480)])
def test_another_aspect_ratio_is_refused_by_name(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=rf"depth_image is {size[0]} x {size[1]} but rgb_image is 640 x 480"):
        check_registered(View("rgb_image", (640, 480)), View("depth_image", size), 0.01)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_grey_palette_and_transparent_pictures_become_rgb(mode: str) -> None:
    rgb, _ = decode_pair(png(mode=mode), depth_png(), 1000.0, 24, 32)
    assert rgb.shape == (24, 32, 3)


def test_a_large_jpeg_at_reduced_scale_is_nearly_its_full_decoding() -> None:
    data = jpeg(1280, 960)
    reduced, _ = decode_pair(data, depth_png(), 1000.0, 48, 64)
    full = np.asarray(Image.open(io.BytesIO(data)).resize((64, 48), Image.Resampling.BILINEAR))
    assert np.abs(reduced.astype(int) - full).mean() < 4


@pytest.mark.parametrize("units", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_unit_that_makes_no_sense_is_refused(units: float) -> None:
    with pytest.raises(ImageError, match="depth_units_per_metre"):
        decode_pair(jpeg(), depth_png(), units, 48, 64)


def test_a_picture_over_a_limit_is_refused_from_its_header() -> None:
    limits = ImageLimits(pixels=3000)
    with pytest.raises(ImageError, match="rgb_image is 64 x 48 = 3072 pixels; allowed are 3000"):
        open_image(png(), "rgb_image", limits, ("PNG",))
    with pytest.raises(ImageError, match=r"rgb_image has \d+ bytes; allowed are 10"):
        open_image(png(), "rgb_image", ImageLimits(encoded_bytes=10), ("PNG",))


def test_nearest_takes_the_value_under_the_centre_of_a_pixel() -> None:
    values = np.arange(4)[None, :]
    np.testing.assert_array_equal(nearest(values, 1, 8), [[0, 0, 1, 1, 2, 2, 3, 3]])
    np.testing.assert_array_equal(nearest(values, 1, 2), [[1, 3]])


def test_the_size_that_was_sent_comes_with_what_was_decoded_of_it() -> None:
    colour = {"name": "rgb", "dtype": "UINT8", "shape": [48, 64, 3], "missing": None}
    metres = {"name": "depth", "dtype": "FP32", "shape": [48, 64], "missing": 0.0, "valid_range": None}
    sent = (jpeg(1280, 960), jpeg(640, 480), depth_png(64, 48), depth_png(320, 240))
    _, large, _, small = decode_some([0, 1], [colour, metres], [1000.0, 1000.0], *sent)
    assert [one["size"] for one in (*large, *small)] == [[1280, 960], [640, 480], [64, 48], [320, 240]]


def test_no_step_after_the_decoder_reads_an_image(small_repository: Path) -> None:
    (network,) = find_networks(small_repository, ["rooms_small"])
    (render_step,) = network.pipeline.after
    config = MessageToDict(step_config(network.contract, render_step), preserving_proto_field_name=True)
    arrays: dict[str, Any] = {
        spec.name: np.zeros((1, *spec.shape), np.float32 if spec.dtype == "FP32" else np.uint8)
        for spec in render_step.inputs
        if spec.dtype != "BYTES"
    }
    first, *_ = (spec.name for spec in render_step.inputs if spec.name.endswith("_image"))
    arrays[first] = column([b"no image at all"])
    facts = {first.removesuffix("_image"): ImageFacts((20, 10), warnings=("odd: very",)).to_plain()}
    arrays["image_facts"] = column([facts_text(facts)])
    with ExitStack() as held:
        answer = RenderDomains(config, small_repository).run(StepRequest(arrays.get, frozenset(), held))
    summary = json.loads(answer["summary"][0, 0])
    assert (summary["width"], summary["height"], summary["warnings"]) == (20, 10, ["odd: very"])


def test_rendered_labels_are_class_indices_at_the_size_of_the_picture_sent() -> None:
    labels = np.array([[0, 1], [2, 1]], np.uint8)
    confidence = np.full((2, 2), 255, np.uint8)
    facts = {"rgb": ImageFacts((640, 480)), "depth": ImageFacts((640, 480), warnings=("odd: very",))}
    labels_png, summary = render(labels, confidence, (640, 480), facts, ("rgb", "depth"), LOOK)
    assert json.loads(render(labels, confidence, (640, 480), facts, ("rgb",), LOOK)[1])["warnings"] == []
    picture = Image.open(io.BytesIO(labels_png))
    assert (picture.mode, picture.size, labels_png[24]) == ("P", (640, 480), 8)
    np.testing.assert_array_equal(np.asarray(picture), np.repeat(np.repeat(labels, 240, 0), 320, 1))
    assert picture.convert("RGB").getpixel((0, 479)) == (0, 0, 255)
    assert Image.open(io.BytesIO(overlay(labels, visible(jpeg(640, 480), LIMITS), LOOK))).size == (640, 480)
    said = json.loads(summary)
    assert (said["network"], said["width"], said["height"], said["mean_confidence"]) == ("net", 640, 480, 1.0)
    assert [(one["name"], one["share"]) for one in said["classes"]] == [("floor", 0.5), ("wall", 0.25), ("lamp", 0.25)]
    assert (said["streams"], said["warnings"]) == (["rgb", "depth"], ["odd: very"])


def test_the_overlay_blends_the_picture_with_the_class_colours() -> None:
    labels = np.zeros((48, 64), np.uint8)
    overlay_png = overlay(labels, visible(png(), LIMITS), LOOK)
    blended = np.asarray(Image.open(io.BytesIO(overlay_png))).astype(float)
    original = np.asarray(Image.open(io.BytesIO(png()))).astype(float)
    np.testing.assert_allclose(blended, 0.45 * original + 0.55 * np.array([255, 0, 0]), atol=1.01)


def test_pictures_that_were_decoded_ahead_are_drawn_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    palette = [list(colour) for colour in LOOK.palette]
    labels = np.zeros((2, 48, 64), np.uint8)
    sent = ("rgb_image", png(), jpeg())
    drawn = overlays(palette, labels, *sent)
    assert overlays(palette, None, *sent) == ()
    assert overlays(palette, labels[:1], "rgb_image", png(32, 24)) != drawn[:1], "another request came between"
    assert overlays(palette, None, *sent) == ()
    with monkeypatch.context() as patch:
        patch.setattr("crosswire.serving.steps.render.overlay_labels.visible", None)
        assert overlays(palette, labels, *sent) == drawn
    assert overlays(palette, labels, *sent) == drawn


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (64, 48), (641, 7)])
def test_a_png_holds_every_pixel(size: tuple[int, int], mode: str) -> None:
    high, dtype = (65536, np.uint16) if mode == "I;16" else (256, np.uint8)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = np.random.default_rng(0).integers(0, high, shape, dtype=dtype)
    picture = Image.fromarray(pixels)
    colours = list(range(256)) * 3
    if mode == "P":
        picture.putpalette(colours)
    data = png_bytes(picture)
    Image.open(io.BytesIO(data)).verify()
    found = Image.open(io.BytesIO(data))
    assert (found.format, found.mode, found.size) == ("PNG", mode, size)
    np.testing.assert_array_equal(np.asarray(found), pixels)
    assert found.getpalette() == (colours if mode == "P" else None)


def test_a_graph_with_another_hash_is_not_opened(tmp_path: Any) -> None:
    (tmp_path / "model.onnx").write_bytes(b"other")
    with pytest.raises(ValueError, match="export the run again"):
        open_session(tmp_path / "model.onnx", "0" * 64)


@pytest.mark.parametrize(("count", "how"), [(1, "together"), (2, "alone"), (5, "alone")])
def test_as_many_samples_as_threads_run_side_by_side(count: int, how: str) -> None:
    runs: list[tuple[str, int]] = []

    def doubled(how: str, feed: dict[str, Any]) -> dict[str, Any]:
        runs.append((how, len(feed["x"])))
        return {"y": 2 * feed["x"]}

    run = Cores(2, 2).shared(partial(doubled, "together"), partial(doubled, "alone"))
    batch = np.arange(count * 3.0).reshape(count, 3)
    np.testing.assert_array_equal(run({"x": batch})["y"], 2 * batch)
    assert runs[0] == (how, 1)
    assert len(runs) == count


def test_a_sample_that_fails_leaves_the_cores_to_the_next() -> None:
    ways: list[str] = []

    def run(how: str, feed: dict[str, Any]) -> dict[str, Any]:
        ways.append(how)
        if feed["x"][0] < 0:
            raise ValueError("negative")
        return feed

    shared = Cores(2, 1).shared(partial(run, "together"), partial(run, "alone"))
    for _ in range(3):
        with pytest.raises(ValueError, match="negative"):
            shared({"x": np.array([-1.0, 1.0, 1.0])})
    np.testing.assert_array_equal(shared({"x": np.array([1.0, 2.0])})["x"], [1.0, 2.0])
    shared({"x": np.array([1.0])})
    assert ways[-1] == "together", "nobody else is counted any more"


def test_one_thread_for_each_sample_gives_the_very_labels_that_all_threads_give() -> None:
    graph = REPOSITORY / NETWORK / contract().graph.file
    outputs = [spec.name for spec in contract().computed_outputs]
    together, alone = (runner(open_session(graph, contract().graph.sha256, threads), outputs) for threads in (2, 1))
    batch = network_inputs(batch=3)
    found, meant = Cores(2, 2).shared(together, alone)(batch), together(batch)
    assert (found["labels"] == meant["labels"]).mean() > 0.9999
    assert np.abs(found["confidence"].astype(int) - meant["confidence"]).max() <= 1
