"""What a run on a user's own folder takes from the folder: the unit of depth, classes, and measured settings."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.contract import Geometry
from crosswire.contract.errors import CrosswireError
from crosswire.contract.plain import from_plain, to_plain
from crosswire.training.config import ConfigError
from crosswire.training.datasets.folder import Manifest
from crosswire.training.datasets.measured.depth import DepthFigures
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly, write_folder
from crosswire.training.from_data import with_geometry, with_measured
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import SegmentationConfig


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return ten small rooms as a folder."""
    folder = tmp_path_factory.mktemp("rooms")
    write_folder(RoomsFrames(2, 10, 48, 64), folder, split_evenly(10))
    return folder


def run_on(folder: Path, **manifest: Any) -> SegmentationConfig:
    """Return a run on a folder whose manifest was changed."""
    path = folder / "manifest.json"
    as_before = {"depth_units_per_metre": 1000, **dict.fromkeys(("geometry", "geometry_scale", "geometry_missing"))}
    plain = {**json.loads(path.read_text()), **as_before} | manifest
    path.write_text(json.dumps({key: value for key, value in plain.items() if value is not None}))
    quick = preset("rooms-quick")
    assert isinstance(quick, SegmentationConfig)
    return dataclasses.replace(quick, data=dataclasses.replace(quick.data, name="folder", path=str(folder)))


def test_the_manifests_unit_is_written_into_the_run(rooms: Path) -> None:
    network = with_geometry(run_on(rooms, depth_units_per_metre=500)).network
    assert (network.geometry, network.geometry_scale) == ("depth", 500)


def test_other_geometry_is_written_into_the_run(rooms: Path) -> None:
    said = {"geometry": "disparity", "geometry_scale": 16, "geometry_missing": 65535}
    config = with_geometry(run_on(rooms, depth_units_per_metre=None, **said))
    network = config.network
    assert (network.geometry, network.geometry_scale, network.geometry_missing) == ("disparity", 16, 65535)
    assert from_plain(SegmentationConfig, to_plain(config)) == config


def test_runs_on_other_data_and_of_other_tasks_stay_as_they_are() -> None:
    for name in ("rooms-cen", "nyuv2-refinenet101", "events-gmf", "rooms-translate"):
        config = preset(name)
        assert with_geometry(config) is config
        assert with_measured(config, ()) == (config, "")


def test_depth_is_measured_on_the_training_frames(rooms: Path) -> None:
    config, words = with_measured(run_on(rooms), ())
    source = RoomsFrames(2, 10, 48, 64)
    depth = np.concatenate([source[index].pictures["depth"].ravel() for index in range(6)])
    readings = np.rint(depth[depth > 0] * 1000) / 1000
    assert config.network.depth_mean == pytest.approx(readings.mean(), rel=5e-3)
    assert config.network.depth_std == pytest.approx(readings.std(), rel=5e-3)
    assert 1.1 * np.percentile(readings, 99.9) < config.network.depth_farthest < 1.5 * readings.max()
    assert config.network.classes == 12
    assert words.startswith("measured on 6 training frames: network.depth_mean=")


def test_what_the_user_gave_is_not_measured(rooms: Path) -> None:
    given = run_on(rooms)
    config, words = with_measured(given, ("network.depth_mean", "network.classes", "steps"))
    assert config.network.depth_mean == given.network.depth_mean == 2.5
    assert config.network.depth_std != given.network.depth_std
    assert "depth_mean" not in words
    assert with_measured(given, [f"network.depth_{one}" for one in ("mean", "std", "farthest")])[1] == ""


@pytest.mark.parametrize(
    ("figures", "geometry", "settings"),
    [
        (
            DepthFigures(3, 0.5, 0.8, 1.41, 0.8512, 0.2749, 0.1),
            None,
            {"depth_mean": 0.851, "depth_std": 0.275, "depth_farthest": 1.7},
        ),
        (
            DepthFigures(3, 4, 20, 71, 23.456, 12.345, 0.1),
            Geometry("depth", 256),
            {"depth_mean": 23.5, "depth_std": 12.3, "depth_farthest": 86},
        ),
        (DepthFigures(3, 4, 55, 71, 5500, 0, 0.1), Geometry("disparity"), {"depth_mean": 5500, "depth_std": 55}),
    ],
)
def test_measured_settings_are_short_numbers(
    figures: DepthFigures, geometry: Geometry | None, settings: dict[str, float]
) -> None:
    assert figures.settings(geometry) == settings


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"geometry": "disparity", "depth_units_per_metre": 1000}, "geometry is disparity; say geometry_scale"),
        ({"geometry_scale": 16}, "for other geometry than depth.*disparity, inverse-depth, height"),
        ({"geometry_missing": 0}, "for other geometry than depth"),
        ({"geometry": "parallax"}, "'parallax'; allowed are depth, disparity"),
        ({"geometry": "height", "geometry_scale": -1}, "scale -1"),
        ({"geometry": "height", "geometry_missing": 70000}, "missing 70000"),
    ],
)
def test_a_manifest_with_keys_of_one_geometry_beside_another_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(CrosswireError, match=message):
        Manifest(("a", "b"), **said)


def test_only_depth_has_an_expected_median_unless_the_manifest_says_one() -> None:
    assert Manifest(("a",)).form.plausible == (0.1, 20.0)
    assert Manifest(("a",), geometry="height").form.plausible is None
    assert Manifest(("a",), geometry="height", plausible_depth=(1.0, 5.0)).form.plausible == (1.0, 5.0)


def test_a_folder_without_a_reading_is_named(tmp_path: Path) -> None:
    write_folder(RoomsFrames(2, 3, 48, 64), tmp_path, split_evenly(3))
    config = run_on(tmp_path, geometry="disparity", depth_units_per_metre=None, geometry_scale=1)
    for path in (tmp_path / "depth").glob("*.png"):
        Image.fromarray(np.zeros((48, 64), np.uint16)).save(path)
    with pytest.raises(ConfigError, match="no training frame has a reading; check the depth files"):
        with_measured(config, ())
