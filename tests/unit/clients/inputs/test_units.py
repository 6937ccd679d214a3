"""Which unit the depth files of a batch are read in, and who says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from crosswire.clients.inputs.units import units_of
from crosswire.contract import Geometry, PipelineDescription, TensorSpec
from tests.support.servers.pipelines import described


def pipeline(geometry: Geometry | None = None) -> PipelineDescription:
    """Return a pipeline of colour and depth."""
    found = described("p", "n", "t", ("rgb_image", "depth_image"))
    rgb, depth = found.inputs
    units = TensorSpec("depth_units_per_metre", "FP32", (1,), ("item",), "values per metre", optional=True)
    return dataclasses.replace(found, inputs=(rgb, dataclasses.replace(depth, geometry=geometry), units))


@pytest.mark.parametrize(
    ("given", "layout", "manifest", "sent", "origin"),
    [
        (256.0, 5000.0, '{"depth_units_per_metre": 100}', 256, "as given"),
        (None, 5000.0, '{"depth_units_per_metre": 100}', 5000, "as the layout of the recording says"),
        (None, None, '{"depth_units_per_metre": 100}', 100, "manifest.json says"),
        (None, None, '{"geometry": "disparity", "geometry_scale": 16.5}', 16.5, "manifest.json says"),
        (None, None, '{"geometry": "disparity"}', 1, "manifest.json says"),
        (None, None, '{"geometry": "depth"}', None, ""),
        (None, None, '{"depth_units_per_metre": "many"}', None, ""),
        (None, None, "{", None, ""),
        (None, None, "[1]", None, ""),
        (None, None, None, None, ""),
    ],
)
def test_the_nearest_to_the_files_says_their_unit(
    tmp_path: Path, given: float | None, layout: float | None, manifest: str | None, sent: float | None, origin: str
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    found = units_of(given, layout, tmp_path)
    assert found.sent == sent and found.origin.endswith(origin)


@pytest.mark.parametrize(
    ("given", "geometry", "words"),
    [
        (None, None, "whole numbers count 1000 per metre, the usual unit, as nobody says another"),
        (None, Geometry("depth", 5000), "count 5000 per metre, as in the data that the network was trained on"),
        (None, Geometry("disparity", 10_000), "count 10000 per unit of disparity, as in the data that the network"),
        (256.0, Geometry("depth", 5000), "count 256 per metre, as given"),
    ],
)
def test_the_unit_is_told_with_who_says_it(given: float | None, geometry: Geometry | None, words: str) -> None:
    assert words in units_of(given).note(pipeline(geometry))


def test_a_pipeline_without_depth_is_told_of_no_unit() -> None:
    assert units_of(None).note(described("p", "n", "t", ("rgb_image",))) == ""
