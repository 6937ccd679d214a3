"""Label images in the numbers of the training data: written by the server, read by clients, said by the pipeline."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import InternalServerError
from crosswire.clients.tasks.segmentation import read_labels
from crosswire.contract import Contract
from crosswire.serving.repository.pipelines import pipeline_of
from crosswire.serving.steps.media.image_facts import ImageFacts
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.render.label_spec import LabelSpec, palette_image
from crosswire.serving.steps.render.render_labels import render
from crosswire.training.datasets.folder import Manifest
from tests.support.servers.real import NETWORK, REPOSITORY

INDICES = np.array([[0, 1, 2], [2, 2, 0]], np.uint8)
COLOURS = ((9, 8, 7), (0, 255, 0), (200, 0, 100))
OWN = LabelSpec("net", ("road", "pothole", "sky"), COLOURS, (0, 255, 17))
PLAIN = dataclasses.replace(OWN, values=())


def test_pixels_are_the_datas_values_in_the_classes_colours() -> None:
    image = palette_image(INDICES, OWN)
    assert np.asarray(image).tolist() == [[0, 255, 17], [17, 17, 0]]
    assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(COLOURS, np.uint8)[INDICES])


def test_without_values_of_their_own_pixels_are_indices() -> None:
    image = palette_image(INDICES, PLAIN)
    assert np.array_equal(np.asarray(image), INDICES)
    assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(COLOURS, np.uint8)[INDICES])


@pytest.mark.parametrize("look", [OWN, PLAIN])
def test_a_client_reads_indices_whatever_the_pixels_are(look: LabelSpec) -> None:
    data = png_bytes(palette_image(INDICES, look))
    assert np.array_equal(read_labels(data, 3, look.values), INDICES)


def test_a_pixel_of_no_class_is_named_by_the_client() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 3]], np.uint8)).save(file, "PNG")
    with pytest.raises(InternalServerError, match="there are 3 classes"):
        read_labels(file.getvalue(), 3, OWN.values)


@pytest.mark.parametrize(("look", "values"), [(OWN, [17, 0, 255]), (PLAIN, [None] * 3)])
def test_a_summary_says_the_value_beside_the_index_where_they_differ(look: LabelSpec, values: list[Any]) -> None:
    sure = np.full(INDICES.shape, 255, np.uint8)
    _, text = render(INDICES, sure, (3, 2), {"rgb": ImageFacts((3, 2), 1, ())}, ("rgb",), look)
    found = json.loads(text)["classes"]
    assert [one["index"] for one in found] == [2, 0, 1] and [one.get("value") for one in found] == values


def test_a_pipeline_says_what_a_pixel_of_its_labels_is() -> None:
    contract = Contract.load(REPOSITORY / NETWORK)
    assert "a pixel is a class index" in pipeline_of(contract).outputs[0].unit
    own = dataclasses.replace(contract, label_values=tuple(range(1, 13)))
    first, second, *_ = contract.classes
    said = f"a pixel is a label as the training data number them: 1 {first}, 2 {second}, "
    assert said in pipeline_of(own).outputs[0].unit


@pytest.mark.parametrize(
    ("manifest", "values"),
    [
        (Manifest(("a", "b")), ()),
        (Manifest(("a", "b"), first_label=1, ignore=0), (1, 2)),
        (Manifest(("a", "b"), label_values=(0, 255)), (0, 255)),
        (Manifest(("a", "b"), label_values=(0, 1)), ()),
        (Manifest(("a", "b"), label_colours=((0, 0, 0), (1, 1, 1))), ()),
    ],
)
def test_a_folder_hands_out_values_where_they_are_no_indices(manifest: Manifest, values: tuple[int, ...]) -> None:
    assert manifest.form.label_values == values
