"""Every layout that is read: what is written comes back, and its own quirks are decoded."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.media.orientation import upright_array
from crosswire.training.config import ConfigError
from crosswire.training.datasets.cityscapes.write import WRITTEN_CAMERA
from crosswire.training.datasets.classes import NYUV2_CLASSES, NYUV2_PALETTE, SUNRGBD_CLASSES
from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.frames import IGNORE
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.sunrgbd import rotated_depth
from crosswire.training.datasets.write import JPEG_QUALITY, relabel, split_evenly
from crosswire.training.tasks.segmentation.config import DataConfig
from crosswire.training.tasks.segmentation.data import SPLITS, frames

COUNT = 6
UNITS = {"folder": 1000, "nyuv2": 5000, "nyuv2-mat": None, "sunrgbd": 1000, "sunrgbd-png": 1000}


def stored_and_read(layout: str, metres: np.ndarray) -> np.ndarray:
    """Return what is left of depth that was stored in a layout's unit, float32 [H, W] in metres."""
    if layout == "cityscapes":
        seen = metres > 0
        camera = WRITTEN_CAMERA.baseline * WRITTEN_CAMERA.focal
        pixels = np.rint(camera / np.where(seen, metres, 1) * 256) / 256
        return np.where(seen, camera / pixels, 0).astype(np.float32)
    units = UNITS[layout]
    return (metres if units is None else np.rint(metres * units) / units).astype(np.float32)


@pytest.fixture(scope="module")
def rooms() -> RoomsFrames:
    """Six small rooms."""
    return RoomsFrames(4, COUNT, 48, 64)


@pytest.fixture(params=LAYOUTS)
def written(request: pytest.FixtureRequest, rooms: RoomsFrames, tmp_path: Path) -> DataConfig:
    """Write the rooms in a layout and return how to read them."""
    LAYOUTS[request.param].write(rooms, tmp_path, split_evenly(COUNT))
    return DataConfig(name=request.param, path=str(tmp_path))


def test_what_is_written_in_a_layout_is_read_back(written: DataConfig, rooms: RoomsFrames) -> None:
    splits = split_evenly(COUNT)
    shown = {"train": [*splits["train"]], "val": [*splits["val"]], "test": [*splits["test"]]}
    if written.name != "folder":
        shown["val"] = shown["test"] = [*shown["val"], *shown["test"]]
    for split in SPLITS:
        source = frames(written, split)
        assert len(source) == len(shown[split])
        for frame, index in zip((source[i] for i in range(len(source))), shown[split], strict=True):
            room = rooms[index]
            rgb, depth = frame.pictures["rgb"], frame.pictures["depth"]
            assert rgb.dtype == np.uint8 and depth.dtype == np.float32 and frame.labels.dtype == np.uint8
            if written.name.startswith("sunrgbd"):  # JPEG
                saved = BytesIO()
                Image.fromarray(room.pictures["rgb"]).save(saved, "JPEG", quality=JPEG_QUALITY)
                np.testing.assert_array_equal(rgb, np.array(Image.open(saved)))
            else:
                np.testing.assert_array_equal(rgb, room.pictures["rgb"])
            metres = room.pictures["depth"].astype(np.float64)
            np.testing.assert_array_equal(depth, stored_and_read(written.name, metres))
            np.testing.assert_array_equal(frame.labels, relabel(room.labels, rooms.classes, source.classes))


@pytest.mark.parametrize("layout", ["folder", "nyuv2", "sunrgbd-png"])
@pytest.mark.parametrize("tag", range(2, 9))
def test_frames_whose_files_all_have_one_exif_orientation_are_read_upright(
    layout: str, tag: int, rooms: RoomsFrames, tmp_path: Path
) -> None:
    LAYOUTS[layout].write(rooms, tmp_path, split_evenly(COUNT))
    config = DataConfig(name=layout, path=str(tmp_path))
    before = frames(config, "train")[0]
    exif = Image.Exif()
    exif[0x0112] = tag
    back = {6: 8, 8: 6}.get(tag, tag)  # of the eight, only the quarter turns are not their own inverse
    for file in (path for path in tmp_path.rglob("*") if path.suffix in (".png", ".jpg")):
        stored = np.ascontiguousarray(upright_array(np.array(Image.open(file)), back))
        Image.fromarray(stored).save(file, exif=exif, quality=JPEG_QUALITY)
    after = frames(config, "train")[0]
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_array_equal(after.pictures["depth"], before.pictures["depth"])
    assert np.abs(after.pictures["rgb"].astype(int) - before.pictures["rgb"]).mean() < 3, "a JPEG is encoded anew"


def test_a_layout_has_as_many_colours_as_classes(written: DataConfig) -> None:
    source = frames(written, "train")
    assert len(source.classes) == len(source.palette) == len(set(source.palette)) == len(set(source.classes))


def test_frames_can_be_handed_to_another_process(written: DataConfig) -> None:
    source = frames(written, "train")
    before = source[0]
    after = pickle.loads(pickle.dumps(source))[0]
    np.testing.assert_array_equal(before.labels, after.labels)
    np.testing.assert_array_equal(before.pictures["depth"], after.pictures["depth"])


def test_class_lists_have_the_standard_sizes_and_agree() -> None:
    assert len(NYUV2_CLASSES) == 40 and len(SUNRGBD_CLASSES) == 37
    assert [NYUV2_CLASSES[i] for i in (0, 7, 19, 23, 36, 39)] == [
        *("wall", "door", "floor mat", "refrigerator", "bag", "other prop"),
    ]
    differ = {pair for pair in zip(NYUV2_CLASSES, SUNRGBD_CLASSES, strict=False) if pair[0] != pair[1]}
    assert differ == {("refrigerator", "fridge"), ("television", "tv")}
    assert NYUV2_PALETTE[:4] == ((128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128))


def test_classes_that_a_layout_has_not_become_unlabelled() -> None:
    labels = np.arange(3, dtype=np.uint8)[None]
    assert relabel(labels, ("floor", "rug", "column"), SUNRGBD_CLASSES).tolist() == [[1, 19, IGNORE]]


def test_depth_of_sun_rgbd_is_millimetres_rotated_by_three_bits_and_ends_at_eight_metres() -> None:
    millimetres = np.array([[0, 1, 1234, 7999], [1, 2, 3, 4], [8191, 8192, 9000, 65534]], np.uint16)
    stored = np.array([[int(f"{value:016b}"[3:] + f"{value:016b}"[:3], 2) for value in row] for row in millimetres])
    np.testing.assert_array_equal(
        rotated_depth(stored.astype(np.uint16), "x.png"), np.minimum(millimetres / np.float32(1000), 8)
    )


def test_plain_millimetres_are_not_taken_for_depth_of_sun_rgbd() -> None:
    with pytest.raises(ConfigError, match=r"x\.png: is no depth of SUN RGB-D"):
        rotated_depth(np.arange(1000, 3000, dtype=np.uint16), "x.png")


@pytest.mark.parametrize("rim", [(0, 0), (6, 10), (3, 5)])
def test_pictures_of_nyuv2_are_cut_to_the_middle_of_a_smaller_mask(tmp_path: Path, rim: tuple[int, int]) -> None:
    height, width = 24 + rim[0], 32 + rim[1]
    code = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    for name in ("rgb", "depth", "masks"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.repeat((code % 251).astype(np.uint8)[..., None], 3, 2)).save(tmp_path / "rgb/1.png")
    Image.fromarray(code).save(tmp_path / "depth/1.png")
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(tmp_path / "masks/1.png")
    (tmp_path / "train.txt").write_text("rgb/1.png\tmasks/1.png\tdepth/1.png\n")
    (tmp_path / "val.txt").write_text("rgb/1.png\tmasks/1.png\tdepth/1.png\n")
    frame = frames(DataConfig(name="nyuv2", path=str(tmp_path)), "train")[0]
    middle = code[rim[0] // 2 :, rim[1] // 2 :][:24, :32]
    np.testing.assert_array_equal(frame.pictures["rgb"][..., 1], middle % 251)
    np.testing.assert_array_equal(frame.pictures["depth"], (middle / 5000).astype(np.float32))


def test_lists_of_nyuv2_may_lie_elsewhere(tmp_path: Path, rooms: RoomsFrames) -> None:
    data, lists = tmp_path / "data", tmp_path / "lists"
    LAYOUTS["nyuv2"].write(rooms, data, split_evenly(COUNT))
    lists.mkdir()
    for name in ("train.txt", "val.txt"):
        (data / name).rename(lists / name)
    assert len(frames(DataConfig(name="nyuv2", path=str(data), splits=str(lists)), "train")) == 4
    with pytest.raises(ConfigError, match=r"train\.txt: is missing"):
        frames(DataConfig(name="nyuv2", path=str(data)), "train")


def test_the_labelled_file_and_what_belongs_to_it_may_lie_apart(tmp_path: Path, rooms: RoomsFrames) -> None:
    LAYOUTS["nyuv2-mat"].write(rooms, tmp_path, split_evenly(COUNT))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("splits.mat", "classMapping40.mat"):
        (tmp_path / name).rename(elsewhere / name)
    config = DataConfig(name="nyuv2-mat", path=str(tmp_path / "nyu_depth_v2_labeled.mat"))
    with pytest.raises(ConfigError, match=r"splits\.mat: is missing"):
        frames(config, "train")
    config = dataclasses.replace(config, splits=str(elsewhere / "splits.mat"))
    with pytest.raises(ConfigError, match=r"classMapping40\.mat: is missing"):
        frames(config, "train")
    config = dataclasses.replace(config, mapping=str(elsewhere / "classMapping40.mat"))
    assert len(frames(config, "train")) == 4


def test_depth_as_it_was_measured_is_read_on_request(tmp_path: Path, rooms: RoomsFrames) -> None:
    LAYOUTS["sunrgbd"].write(rooms, tmp_path, split_evenly(COUNT))
    measured = tmp_path / "SUNRGBD/kv1/rooms/000001/depth/0000001.png"
    Image.fromarray(np.full((48, 64), 3000 << 3, np.uint16)).save(measured)
    config = DataConfig(name="sunrgbd", path=str(tmp_path), depth_folder="depth")
    assert np.unique(frames(config, "train")[0].pictures["depth"]).tolist() == [3.0]
    assert len(np.unique(frames(DataConfig(name="sunrgbd", path=str(tmp_path)), "train")[0].pictures["depth"])) > 9


def test_frames_of_ones_own_without_lists_are_split_in_order(tmp_path: Path, rooms: RoomsFrames) -> None:
    LAYOUTS["folder"].write(rooms, tmp_path, split_evenly(COUNT))
    for name in SPLITS:
        (tmp_path / f"{name}.txt").unlink()
    stems = []
    for split in SPLITS:
        source = frames(DataConfig(name="folder", path=str(tmp_path)), split)
        assert isinstance(source, FileFrames)
        stems.append([entry.rgb.stem for entry in source.entries])
    assert stems == [["000000", "000001", "000002", "000003"], ["000004"], ["000005"]]


def test_the_manifest_says_what_stored_numbers_mean(tmp_path: Path) -> None:
    for name in ("rgb", "depth", "labels"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "rgb/a.JPG", format="JPEG")
    Image.fromarray(np.full((4, 6), 512, np.uint16)).save(tmp_path / "depth/a.png")
    stored = Image.fromarray(np.array([[0, 1, 2, 2, 1, 0]] * 4, np.uint8), mode="P")
    stored.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    stored.save(tmp_path / "labels/a.png")
    manifest = {"classes": ["road", "car"], "depth_units_per_metre": 256, "first_label": 1, "ignore": 0}
    manifest["plausible_depth"] = [0.5, 80]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for name, stem in (("train", "a"), ("val", "b")):
        (tmp_path / f"{name}.txt").write_text(f"{stem}\n")
    frame = frames(DataConfig(name="folder", path=str(tmp_path)), "train")[0]
    assert frame.pictures["rgb"].shape == (4, 6, 3) and np.unique(frame.pictures["depth"]).tolist() == [2.0]
    assert frame.labels[0].tolist() == [IGNORE, 0, 1, 1, 0, IGNORE]


def binary(folder: Path, manifest: dict[str, object]) -> DataConfig:
    """Write three frames with masks of 0 and 255."""
    for name in ("rgb", "depth", "labels"):
        (folder / name).mkdir()
    for stem in ("a", "b", "c"):
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / f"rgb/{stem}.png")
        Image.fromarray(np.full((4, 6), 1000, np.uint16)).save(folder / f"depth/{stem}.png")
        Image.fromarray(np.array([[0, 255, 255, 255, 0, 0]] * 4, np.uint8)).save(folder / f"labels/{stem}.png")
    plain = {"classes": ["road", "pothole"], "depth_units_per_metre": 1000, **manifest}
    (folder / "manifest.json").write_text(json.dumps(plain))
    return DataConfig(name="folder", path=str(folder))


def test_masks_of_0_and_255_are_refused_with_the_line_that_makes_them_classes(tmp_path: Path) -> None:
    config = binary(tmp_path, {})
    said = r"labels: hold road and 255 for unlabelled alone, of 2 classes; .*\"label_values\": \[0, 255\]"
    with pytest.raises(ConfigError, match=said):
        frames(config, "train")
    (problem,) = LAYOUTS["folder"].survey(config).problems
    assert re.search(said, str(problem))


def test_stored_values_of_classes_may_be_any(tmp_path: Path) -> None:
    config = binary(tmp_path, {"label_values": [0, 255]})
    assert frames(config, "train")[0].labels[0].tolist() == [0, 1, 1, 1, 0, 0]
    assert LAYOUTS["folder"].survey(config).problems == ()


def test_pixels_may_be_unlabelled_beside_a_class_that_is_stored_as_255(tmp_path: Path) -> None:
    config = binary(tmp_path, {"label_values": [128, 255], "ignore": 0})
    mask = np.array([[0, 255, 128, 128, 0, 0]] * 4, np.uint8)
    Image.fromarray(mask).save(tmp_path / "labels/a.png")
    assert frames(config, "train")[0].labels[0].tolist() == [IGNORE, 1, 0, 0, IGNORE, IGNORE]


def test_values_that_are_no_class_are_named_beside_those_that_are(tmp_path: Path) -> None:
    config = binary(tmp_path, {"label_values": [0, 128]})
    Image.fromarray(np.array([[0, 128, 7, 7, 0, 255]] * 4, np.uint8)).save(tmp_path / "labels/a.png")
    with pytest.raises(ConfigError, match="8 pixels hold 7, which is no class; allowed are 0, 128, and 255 for unl"):
        frames(config, "train")[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a", "a"]}, "no two alike"),
        ({"label_values": [0]}, "got 1 values, expected one for each of 2 classes"),
        ({"label_values": [7, 7]}, "got 1 values, expected one for each of 2 classes"),
        ({"label_values": [0, 256]}, "labels run from 0 to 256"),
        ({"label_values": [0, 255], "ignore": 255}, "ignore is 255, which is the label of a class too.*0, 255"),
        ({"label_values": [0, 2], "first_label": 1}, "leave first_label out"),
        ({"ignore": 300}, "ignore is 300; allowed is 0 to 255"),
        ({"classes": []}, "classes has 0 names"),
        ({"depth_units_per_metre": 0}, "depth_units_per_metre is 0"),
        ({"palette": [[1, 2, 3]]}, "palette has 1 colours for 2 classes"),
        ({"palette": [[1, 2, 3], [1, 2, 300]]}, "outside 0 to 255"),
        ({"ignore": 1}, "ignore is 1, which is the label of a class"),
        ({"first_label": 255}, "labels run from 255 to 256"),
        ({"plausible_depth": [3, 2]}, "plausible_depth is"),
        ({"colours": []}, "colours"),
        ({"classes": 7}, "classes"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    plain = {"classes": ["a", "b"], "depth_units_per_metre": 1000} | change
    (tmp_path / "manifest.json").write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match=rf"manifest\.json: cannot be used.*{message}"):
        frames(DataConfig(name="folder", path=str(tmp_path)), "train")


def test_a_frame_that_cannot_be_used_is_refused_by_its_file(tmp_path: Path, rooms: RoomsFrames) -> None:
    LAYOUTS["folder"].write(rooms, tmp_path, split_evenly(COUNT))
    config = DataConfig(name="folder", path=str(tmp_path))
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "labels/000001.png")
    with pytest.raises(ConfigError, match=r"labels.000001\.png: 5x5 \(height x width\), but .* is 48x64; register"):
        frames(config, "train")[1]
    (tmp_path / "depth/000000.png").unlink()
    (tmp_path / "rgb/000002.png").unlink()
    with pytest.raises(ConfigError, match=r"depth.000000\.png: is missing; .*\(1 more; crosswire check-data"):
        frames(config, "train")


@pytest.mark.parametrize(
    ("config", "split", "message"),
    [
        (DataConfig(name="kitti"), "train", "data set 'kitti' is unknown; allowed are rooms, .*folder, nyuv2"),
        (DataConfig(name="nyuv2"), "train", "lies on disk; say where with data.path=DIR"),
        (DataConfig(), "dev", "split 'dev' is unknown; allowed are train, val, test"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_what_is_allowed(config: DataConfig, split: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        frames(config, split)


@pytest.mark.parametrize(
    ("ending", "save"),
    [
        ("npy", np.save),
        ("tif", lambda path, depth: Image.fromarray(depth).save(path)),
        ("pfm", lambda path, depth: Image.fromarray(depth).save(path, "PPM")),
        ("npz", lambda path, depth: np.savez(path, depth=depth)),
    ],
)
def test_a_folders_depth_may_be_floats_in_metres(tmp_path: Path, ending: str, save: Any) -> None:
    depth = np.full((6, 8), 2.5, np.float32)
    depth[0, 0], depth[0, 1] = np.nan, -1
    for name in ("rgb", "depth", "labels"):
        (tmp_path / name).mkdir()
    for stem in "abc":
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / f"rgb/{stem}.png")
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / f"labels/{stem}.png")
        save(tmp_path / f"depth/{stem}.{ending}", depth)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"classes": ["a", "b"]}))
    config = DataConfig(name="folder", path=str(tmp_path))
    found = np.asarray(frames(config, "train")[0].pictures["depth"])
    assert found[0, :3].tolist() == [0, 0, 2.5]
    manifest.write_text(json.dumps({"classes": ["a", "b"], "depth_units_per_metre": 10}))
    assert np.asarray(frames(config, "train")[0].pictures["depth"])[1, 1] == 0.25
    (tmp_path / f"depth/a.{ending}").unlink()
    Image.fromarray(np.full((6, 8), 2500, np.uint16)).save(tmp_path / "depth/a.png")
    manifest.write_text(json.dumps({"classes": ["a", "b"]}))
    with pytest.raises(ConfigError, match=r"a\.png: holds whole numbers of an unknown unit; say in manifest\.json"):
        frames(config, "train")[0]
