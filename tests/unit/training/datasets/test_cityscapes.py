"""Cityscapes as it is distributed: labels, disparity, depth by the camera, and what is wrong with half a copy."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.contract import Geometry
from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.cityscapes.classes import CITYSCAPES_CLASSES, CITYSCAPES_PALETTE
from crosswire.training.datasets.cityscapes.stereo import StereoCamera, disparity
from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.frames import IGNORE
from crosswire.training.from_data import with_geometry, with_measured
from crosswire.training.modalities import modalities
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import DataConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.data import frames
from tests.support.training.cityscapes import HEIGHT, STREETS, WIDTH, place, write_streets

FIRST = STREETS["train"][0]
#: Value in `_labelIds.png` and in `_labelTrainIds.png` of the classes that are scored, as the authors publish them.
PUBLISHED = {
    **{7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9},
    **{23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18},
}
Break = Callable[[Path], object]


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write seven streets."""
    return write_streets(tmp_path_factory.mktemp("streets"))


@pytest.fixture
def copy(streets: Path, tmp_path: Path) -> Path:
    """Return streets that a test may change."""
    return Path(shutil.copytree(streets, tmp_path / "copy"))


def of(root: Path, **settings: bool) -> DataConfig:
    """Return how streets are read."""
    return DataConfig(name="cityscapes", path=str(root), **settings)


def labels_of(root: Path, name: str = FIRST, kind: str = "labelIds") -> Path:
    """Return where the labels of a street to train on lie."""
    return place(root, "gtFine", "train", name, f"gtFine_{kind}.png")


def test_frames_of_a_split_come_city_by_city_and_the_labelled_val_is_the_test(streets: Path) -> None:
    found = {}
    for split in ("train", "val", "test"):
        source = frames(of(streets), split)
        assert isinstance(source, FileFrames)
        found[split] = tuple(entry.rgb.name.removesuffix("_leftImg8bit.png") for entry in source.entries)
    assert found == {"train": STREETS["train"], "val": STREETS["val"], "test": STREETS["val"]}


def test_34_stored_labels_become_the_19_published_classes_and_ignored_pixels(copy: Path) -> None:
    stored = np.resize(np.arange(34, dtype=np.uint8), (HEIGHT, WIDTH))
    Image.fromarray(stored).save(labels_of(copy))
    want = np.vectorize(lambda value: PUBLISHED.get(value, IGNORE))(stored)
    np.testing.assert_array_equal(frames(of(copy), "train")[0].labels, want)
    labels_of(copy).unlink()
    Image.fromarray(want.astype(np.uint8)).save(labels_of(copy, kind="labelTrainIds"))
    np.testing.assert_array_equal(frames(of(copy), "train")[0].labels, want)


def test_where_both_kinds_of_labels_lie_the_official_one_is_read(copy: Path) -> None:
    before = frames(of(copy), "train")[0].labels
    Image.fromarray(np.full((HEIGHT, WIDTH), 18, np.uint8)).save(labels_of(copy, kind="labelTrainIds"))
    np.testing.assert_array_equal(frames(of(copy), "train")[0].labels, before)


def test_names_and_colours_are_the_published_ones() -> None:
    assert len(CITYSCAPES_CLASSES) == len(set(CITYSCAPES_PALETTE)) == 19
    assert [CITYSCAPES_CLASSES[label] for label in (0, 6, 10, 13, 18)] == [
        *("road", "traffic light", "sky", "car", "bicycle"),
    ]
    assert [CITYSCAPES_PALETTE[label] for label in (0, 10, 13)] == [(128, 64, 128), (70, 130, 180), (0, 0, 142)]


def test_depth_is_baseline_times_focal_length_over_the_documented_disparity() -> None:
    stored = np.array([[0, 1, 257, 513, 25601, 65535]], np.uint16)
    depth = StereoCamera(0.25, 2000.0).depth(stored, "x.png")
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[0, 0, 500, 250, 5, 500 * 256 / 65534]], rtol=1e-6)
    np.testing.assert_allclose(disparity(stored, "x.png"), [[0, 1 / 256, 1, 2, 100, 65534 / 256]], rtol=1e-6)


def test_the_network_is_given_depth_or_with_a_setting_disparity(streets: Path) -> None:
    stored = np.asarray(Image.open(place(streets, "disparity", "train", FIRST, "disparity.png"))).astype(float)
    assert (stored == 0).any()
    depth = np.asarray(frames(of(streets), "train")[0].pictures["depth"])
    want = np.where(stored > 0, 0.209313 * 2262.52 * 256 / np.maximum(stored - 1, 1), 0)
    np.testing.assert_allclose(depth, want, rtol=1e-6)
    pixels = np.asarray(frames(of(streets, disparity=True), "train")[0].pictures["depth"])
    np.testing.assert_allclose(pixels, np.maximum(stored - 1, 0) / 256, rtol=1e-6)


def test_frames_travel_to_another_process(streets: Path) -> None:
    source = frames(of(streets), "val")
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[1].pictures["depth"], source[1].pictures["depth"])


def test_disparity_alone_needs_no_camera(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "camera")
    assert frames(of(copy, disparity=True), "train")[0].pictures["depth"].any()
    with pytest.raises(ConfigError, match=r"camera/train: is missing; extract camera_trainvaltest\.zip again"):
        frames(of(copy), "train")
    assert main(["check-data", str(copy), "--quiet", "--disparity"]) == 0
    out = capsys.readouterr().out
    assert "disparity of 4 training frames (whole numbers, 256 per unit of disparity)" in out
    assert "--set data.disparity=true" in out


def test_disparity_is_refused_for_data_sets_that_have_none() -> None:
    with pytest.raises(ConfigError, match=r"data\.disparity is true, data\.name is 'nyuv2'; .*geometry=disparity"):
        DataConfig(name="nyuv2", disparity=True)


def test_a_whole_copy_passes_with_a_warning_that_it_is_smaller_than_the_official_one(
    streets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-data", str(streets), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert f"{streets}: Cityscapes, fine labels and disparity, 6 frames" in out
    assert "leftImg8bit/train: holds 4 frames, the official split has 2975; extract the archives again" in out
    assert "depth of 4 training frames (metres, of disparity and camera): " in out
    assert f"nothing wrong, 2 warnings; train with --data {streets}" in out


def save(folder: str, ending: str, picture: np.ndarray) -> Break:
    """Return what replaces an image of the first street."""
    return lambda root: Image.fromarray(picture).save(place(root, folder, "train", FIRST, ending))


def remove(folder: str, ending: str) -> Break:
    """Return what removes a file of the first street."""
    return lambda root: place(root, folder, "train", FIRST, ending).unlink()


def camera(text: str) -> Break:
    """Return what replaces the camera of the first street."""
    return lambda root: place(root, "camera", "train", FIRST, "camera.json").write_text(text)


def cut_off(folder: str, ending: str) -> Break:
    """Return what keeps the first half of a file of the first street, as an archive does that ends early."""

    def cut(root: Path) -> None:
        path = place(root, folder, "train", FIRST, ending)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


PLAIN = np.zeros((HEIGHT, WIDTH), np.uint8)
BROKEN: tuple[tuple[Break, str, str], ...] = (
    (remove("leftImg8bit", "leftImg8bit.png"), "_leftImg8bit.png", "is missing; extract leftImg8bit_trainvaltest.zip"),
    (remove("gtFine", "gtFine_labelIds.png"), "_gtFine_labelIds.png", "is missing; extract gtFine_trainvaltest.zip"),
    (remove("disparity", "disparity.png"), "_disparity.png", "is missing; extract disparity_trainvaltest.zip again"),
    (remove("camera", "camera.json"), "_camera.json", "is missing; extract camera_trainvaltest.zip again, whole"),
    (lambda root: shutil.rmtree(root / "gtFine/train"), "gtFine/train", "is missing; extract gtFine_trainvaltest.zip"),
    (lambda root: shutil.rmtree(root / "disparity"), "disparity/val", "is missing; extract disparity_trainvaltest.z"),
    (cut_off("leftImg8bit", "leftImg8bit.png"), "_leftImg8bit.png", "cannot be read"),
    (cut_off("disparity", "disparity.png"), "_disparity.png", "cannot be read"),
    (cut_off("camera", "camera.json"), "_camera.json", "cannot be read"),
    (camera("[]"), "_camera.json", "has extrinsic.baseline None, expected a number above 0; extract camera_"),
    (camera(json.dumps({"extrinsic": {"baseline": 0.2}})), "_camera.json", "has intrinsic.fx None, expected a number"),
    (camera(json.dumps({"extrinsic": {"baseline": -0.2}})), "_camera.json", "has extrinsic.baseline -0.2"),
    (save("disparity", "disparity.png", PLAIN), "_disparity.png", "(PNG, mode L), not 16-bit"),
    (
        save("disparity", "disparity.png", PLAIN.astype(np.uint16) + 90),
        "_disparity.png",
        "holds numbers up to 90, as 8 bits",
    ),
    (
        save("disparity", "disparity.png", PLAIN[::2, ::2].astype(np.uint16) + 999),
        "_disparity.png",
        "24x32 (height x width)",
    ),
    (save("gtFine", "gtFine_labelIds.png", PLAIN[:40]), "_gtFine_labelIds.png", "40x64 (height x width)"),
    (save("gtFine", "gtFine_labelIds.png", PLAIN + 34), "_gtFine_labelIds.png", "hold 34, which is no class"),
    (save("gtFine", "gtFine_labelIds.png", PLAIN + 255), "_gtFine_labelIds.png", "hold 255, which is no class"),
)


@pytest.mark.parametrize(("damage", "file", "message"), BROKEN)
def test_a_damaged_copy_is_named_file_by_file_with_the_archive_to_extract(
    copy: Path, capsys: pytest.CaptureFixture[str], damage: Break, file: str, message: str
) -> None:
    damage(copy)
    assert main(["check-data", str(copy), "--quiet"]) == 2
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if f"{file}: " in line and message in line]
    assert len(lines) == 1 and lines[0].rpartition("; ")[2].strip(), out
    assert "problem" in err
    with pytest.raises(ConfigError):
        for split in ("train", "val"):
            source = frames(of(copy), split)
            [source[index] for index in range(len(source))]


def test_archives_that_hold_nothing_are_named(tmp_path: Path) -> None:
    for folder in ("leftImg8bit", "gtFine", "disparity", "camera"):
        (tmp_path / folder / "train").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"leftImg8bit/train: holds no CITY/CITY_SEQ_FRAME_leftImg8bit\.png; extract"):
        frames(of(tmp_path), "train")
    with pytest.raises(ConfigError, match=r"leftImg8bit/val: is missing; .*3 more"):
        frames(of(tmp_path), "val")


def run_on(root: Path, **settings: bool) -> SegmentationConfig:
    """Return the preset on streets."""
    config = preset("cityscapes-pspnet101")
    assert isinstance(config, SegmentationConfig)
    return dataclasses.replace(config, data=dataclasses.replace(config.data, path=str(root), **settings))


def test_a_run_takes_geometry_and_measured_depth_from_the_streets(streets: Path) -> None:
    config, words = with_measured(with_geometry(run_on(streets)), ())
    depth = np.concatenate([frames(of(streets), "train")[i].pictures["depth"].ravel() for i in range(4)])
    assert words.startswith("measured on 4 training frames: network.depth_mean=")
    assert config.network.depth_mean == pytest.approx(depth[depth > 0].mean(), rel=0.02)
    assert config.network.depth_farthest > depth.max()
    assert (config.network.classes, config.network.geometry, config.network.geometry_scale) == (19, "depth", None)
    config, _ = with_measured(with_geometry(run_on(streets, disparity=True)), ())
    assert modalities(config.network)[1].geometry == Geometry("disparity", 256.0)
    assert 2 < config.network.depth_mean < 70


def test_the_presets_are_those_of_the_supplements_picture() -> None:
    named = {f"cityscapes-pspnet101{end}" for end in ("", "-rgb", "-depth", "-concat-all", "-align-middle")}
    for name in named | {"cityscapes-pspnet101-attention-all"}:
        config = preset(name)
        assert isinstance(config, SegmentationConfig)
        assert (config.network.name, config.network.classes, config.data.eval_size) == ("pspnet101", 19, "full")
        assert config.steps == 90 * (2975 // 6)
