"""Geometry that is not depth in metres: what is a reading, and that training and serving read it alike."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from crosswire.contract import Contract, ContractError, Geometry, PipelineDescription
from crosswire.export.tasks.segmentation.servable import input_spec
from crosswire.media.depth import to_metres, to_values
from crosswire.serving.repository.pipelines import pipeline_of
from crosswire.serving.steps.decode.decode_domains import decode_some
from crosswire.training.datasets.folder import Manifest
from crosswire.training.modalities import modalities
from crosswire.training.tasks.segmentation.config import NetworkConfig
from tests.support.servers.real import NETWORK, REPOSITORY, png

STORED = np.array([[0, 1, 40000, 65535]], np.uint16)


def test_depth_is_read_by_its_own_rule() -> None:
    np.testing.assert_array_equal(to_values(STORED, Geometry("depth", 500)), to_metres(STORED, 500))


def test_every_number_but_the_stated_one_is_a_reading_of_other_geometry() -> None:
    assert to_values(STORED, Geometry("disparity", 256)).tolist() == [[0, 1 / 256, 156.25, np.float32(65535 / 256)]]


def test_where_0_is_a_reading_it_stays_apart_from_no_reading() -> None:
    assert to_values(STORED, Geometry("height", 100, missing=65535)).tolist() == [[np.float32(0.01)] * 2 + [400, 0]]


def test_floats_of_other_geometry_are_readings_where_they_are_finite_and_above_0() -> None:
    stored = np.array([[np.nan, np.inf, -1, 0, 3]], np.float32)
    assert to_values(stored, Geometry("inverse-depth", 2)).tolist() == [[0, 0, 0, 0, 1.5]]


@pytest.mark.parametrize(
    ("geometry", "message"),
    [(("depht",), "allowed are depth, disparity"), (("depth", 0.0), "scale 0"), (("height", 1, -1), "missing -1")],
)
def test_a_geometry_that_no_image_can_be_read_by_is_refused(geometry: tuple[object, ...], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Geometry(*geometry)  # type: ignore[arg-type]


def test_a_network_of_other_geometry_has_no_farthest_value_and_says_its_unit() -> None:
    config = NetworkConfig(depth_farthest=2.0, depth_mean=0, depth_std=1, geometry="disparity", geometry_scale=16)
    _, disparity = modalities(config)
    assert disparity.normalise(np.array([[0, 300]], np.float32))[0, 0].tolist() == [0, 300]
    spec = input_spec(disparity, (48, 64))
    assert (spec.dtype, spec.unit, spec.missing, spec.valid_range) == ("FP32", "unit of disparity", 0.0, None)
    assert spec.geometry == Geometry("disparity", 16)


def served_with(geometry: Geometry | None) -> PipelineDescription:
    """Return what a committed network's pipeline would say of itself, had its data said a geometry."""
    contract = Contract.load(REPOSITORY / NETWORK)
    rgb, depth = contract.inputs
    contract = dataclasses.replace(contract, inputs=(rgb, dataclasses.replace(depth, geometry=geometry)))
    pipeline = pipeline_of(contract)
    text = PipelineDescription.of(contract, pipeline.inputs, pipeline.outputs, pipeline.name).to_json()
    return PipelineDescription.from_json(text, pipeline.name)


@pytest.mark.parametrize(
    ("geometry", "image", "scale"),
    [
        (None, "16-bit greyscale PNG file; 0 is no reading", "depth picture values per metre; 1000 if left out"),
        (
            Geometry("depth", 5000),
            "16-bit greyscale PNG file; 0 is no reading",
            "depth picture values per metre; 5000 if left out",
        ),
        (
            Geometry("disparity", 12.5, 65535),
            "16-bit greyscale PNG file of disparity; 65535 is no reading",
            "depth picture values per unit of disparity; 12.5 if left out",
        ),
    ],
)
def test_a_pipeline_says_how_its_images_are_read(geometry: Geometry | None, image: str, scale: str) -> None:
    found = served_with(geometry)
    assert [spec.unit for spec in found.inputs[1:3]] == [image, scale]
    lenses = geometry is None or geometry.metric
    assert [spec.name for spec in found.inputs[3:]] == (["camera"] if lenses else []), "lenses say nothing of disparity"
    assert found.geometry == geometry


def test_a_served_image_of_other_geometry_is_read_as_in_training_and_without_doubts_about_metres() -> None:
    manifest = Manifest(("a", "b"), geometry="disparity", geometry_scale=10_000)
    stored = np.full((48, 64), 60000, np.uint16)
    stored[0, :2] = 0, 65535
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "PNG")
    assert manifest.stored_geometry is not None
    colour = {"name": "rgb", "dtype": "UINT8", "shape": [48, 64, 3], "missing": None}
    plain = dataclasses.asdict(manifest.stored_geometry)
    spec = {"name": "depth", "dtype": "FP32", "shape": [48, 64], "missing": 0.0, "valid_range": None, "geometry": plain}
    _, _, served, (facts,) = decode_some([0, 1], [colour, spec], [10_000.0], png(), file.getvalue())
    np.testing.assert_array_equal(served[0], manifest.depth_reader(stored, "x.png"))
    assert served[0, 0, :3].tolist() == [0, np.float32(6.5535), 6]
    assert facts["warnings"] == []
