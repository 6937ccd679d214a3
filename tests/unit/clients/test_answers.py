"""Results: decoding what a server sends, and saving it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients import InputError, InternalServerError, OutputError, Segmentation, Timings
from crosswire.clients.inputs.images import colour_image
from crosswire.clients.tasks.segmentation import read_segmentation
from crosswire.training.datasets.rooms import CLASSES, PALETTE, render
from tests.support.servers.pipelines import described

ROOM = render(11, 0)
RGB = colour_image(ROOM.rgb)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def palette_png(labels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(labels, "L")
    image.putpalette([value for colour in PALETTE for value in colour])
    return png(image)


def tensors(**changed: bytes) -> dict[str, NDArray[Any]]:
    summary = {"mean_confidence": 0.5, "classes": [{"name": "floor", "mean_confidence": 0.25}], "warnings": ["holes"]}
    values = {
        "labels_png": palette_png(ROOM.labels),
        "overlay_png": RGB.data,
        "summary": json.dumps(summary).encode(),
    } | changed
    return {name: np.array([[value]], np.object_) for name, value in values.items()}


PIPELINE = described("rooms", "rooms_network", "segmentation", (), classes=CLASSES, palette=PALETTE)
TIMINGS = Timings(1.0, 2.0, 3.0, 6.0)


def read(values: dict[str, NDArray[Any]]) -> Segmentation:
    return read_segmentation(PIPELINE, values, lambda: TIMINGS, rgb=RGB, depth=None)


@pytest.fixture
def result() -> Segmentation:
    return read(tensors())


def test_an_answer_is_labels_confidences_and_warnings() -> None:
    answer = read(tensors())
    assert (answer.pipeline, answer.timings, answer.streams, answer.rgb) == ("rooms", TIMINGS, ("rgb",), RGB.data)
    assert np.array_equal(answer.labels, ROOM.labels)
    assert answer.labels.dtype == np.uint8
    assert answer.mean_confidence == 0.5
    assert answer.confidences == {"floor": 0.25}
    assert answer.warnings == ("holes",)


def test_a_summary_may_be_empty() -> None:
    answer = read(tensors(summary=b"{}"))
    assert (answer.mean_confidence, answer.confidences, answer.warnings) == (None, {}, ())


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"labels_png": b"no picture"}, "labels are no readable PNG"),
        ({"labels_png": palette_png(ROOM.labels)[:200]}, "labels are no readable PNG"),
        ({"labels_png": RGB.data}, "labels are a PNG of mode RGB, not a palette image"),
        ({"labels_png": palette_png(np.full_like(ROOM.labels, 12))}, "hold index 12, but there are 12 classes"),
        ({"labels_png": palette_png(ROOM.labels[:64])}, "labels are 160 x 64, the image is 160 x 128"),
        ({"summary": b"{"}, "summary is no JSON"),
        ({"summary": b"\xff"}, "summary is no JSON"),
        ({"summary": b"[1]"}, "summary is a JSON list, not an object"),
        ({"summary": b'{"classes": [1]}'}, "summary has another form"),
        ({"summary": b'{"classes": [{"name": "floor"}]}'}, "summary has another form"),
        ({"summary": b'{"mean_confidence": "high"}'}, "summary has another form"),
    ],
)
def test_an_answer_that_makes_no_sense_is_named(changed: dict[str, bytes], complaint: str) -> None:
    with pytest.raises(InternalServerError, match=complaint):
        read(tensors(**changed))


def test_an_answer_of_several_values_is_refused() -> None:
    several = tensors() | {"summary": np.array([[b"{}"], [b"{}"]], np.object_)}
    with pytest.raises(InternalServerError, match=r"summary is object \[2, 1\], not one BYTES value"):
        read(several)


def test_shares_are_counted_in_label_order_and_sum_to_one(result: Segmentation) -> None:
    assert tuple(result.shares) == CLASSES
    assert sum(result.shares.values()) == pytest.approx(1)
    assert result.shares["wall"] == (ROOM.labels == CLASSES.index("wall")).mean()


def test_an_overlay_is_the_servers_own_or_blended_here(result: Segmentation) -> None:
    assert np.array_equal(np.asarray(result.overlay()), ROOM.rgb)
    assert np.array_equal(np.asarray(result.overlay(0)), ROOM.rgb)
    assert np.array_equal(np.asarray(result.overlay(1)), np.array(PALETTE, np.uint8)[ROOM.labels])
    with pytest.raises(InputError, match="opacity is 2"):
        result.overlay(2)


def test_saving_makes_the_folder_and_leaves_exactly_three_files(result: Segmentation, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    for _ in range(2):
        files = result.save(folder, "room")
        assert sorted(path.name for path in folder.iterdir()) == [
            "room.labels.png",
            "room.overlay.png",
            "room.summary.json",
        ]
    with Image.open(files["labels"]) as labels:
        assert labels.mode == "P"
        assert np.array_equal(np.asarray(labels), ROOM.labels)
        assert np.array_equal(np.asarray(labels.convert("RGB")), np.array(PALETTE, np.uint8)[ROOM.labels])
    assert json.loads(files["summary"].read_text()) == result.summary


def test_saving_to_where_nothing_can_be_written_is_one_clear_error(result: Segmentation, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(OutputError, match=r"cannot write to the folder .*taken"):
            result.save(folder, "room")
    (tmp_path / "room.labels.png").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*room\.labels\.png \(Is a directory\)"):
        result.save(tmp_path, "room")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["room.labels.png", "taken"]
