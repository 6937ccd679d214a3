"""`check-data` names every file that training could not use, and `make-data` writes data in which there is none."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from crosswire.training.__main__ import main
from crosswire.training.datasets import sunrgbd
from crosswire.training.datasets.check import NAMES
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.taskonomy.write import write_taskonomy
from crosswire.training.datasets.write import split_evenly
from crosswire.training.from_data import SELF_DESCRIBING

COUNT = 5
Break = Callable[[Path], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write five small rooms in every layout."""
    root = tmp_path_factory.mktemp("sound")
    rooms = RoomsFrames(4, COUNT, 48, 64)
    for name, layout in LAYOUTS.items():
        layout.write(rooms, root / name, split_evenly(COUNT))
    write_taskonomy(4, COUNT, (48, 64), root / "taskonomy")
    return root


def save(path: str, picture: np.ndarray) -> Break:
    """Return what replaces a file by a picture."""
    return lambda root: Image.fromarray(picture).save(root / path)


def write(path: str, text: str) -> Break:
    """Return what replaces a file by text."""
    return lambda root: (root / path).write_text(text)


def cut_off(path: str) -> Break:
    """Return what keeps the first half of a file."""
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[: (root / path).stat().st_size // 2])


def lay_down(path: str) -> Break:
    """Return what says of a file that it is shown a quarter turn further than it is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return lambda root: Image.fromarray(np.array(Image.open(root / path))).save(root / path, exif=exif)


def remove(path: str) -> Break:
    """Return what removes a file."""
    return lambda root: (root / path).unlink()


def change(path: str, edit: Callable[[np.ndarray], np.ndarray]) -> Break:
    """Return what edits the values of a picture."""
    return lambda root: Image.fromarray(edit(np.array(Image.open(root / path)))).save(root / path)


def bomb(path: str) -> Break:
    """Return what replaces a file by a PNG that says it is larger than any picture that is read."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, b"IDAT"))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    return lambda root: (root / path).write_bytes(content)


def with_value(value: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what sets the first ten pixels to a value."""

    def edit(picture: np.ndarray) -> np.ndarray:
        picture.reshape(-1)[:10] = value
        return picture

    return edit


def array(name: str, where: object, value: object) -> Break:
    """Return what changes a part of an array of the labelled file."""

    def edit(root: Path) -> None:
        with h5py.File(root / "nyu_depth_v2_labeled.mat", "r+") as file:
            file[name][where] = value

    return edit


def without_array(root: Path) -> None:
    """Remove the depths of the labelled file."""
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "r+") as file:
        del file["depths"]


def splits(train: list[int], test: list[int]) -> Break:
    """Return what replaces the splits."""
    return lambda root: scipy.io.savemat(str(root / "splits.mat"), {"trainNdxs": train, "testNdxs": test})


def toolbox_label(root: Path) -> None:
    """Give one pixel of the third frame a class that does not exist."""
    with h5py.File(root / "SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat", "r+") as file:
        file[file["SUNRGBD2Dseg/seglabel"][2, 0]][0, 0] = 38


def fewer_labels(root: Path) -> None:
    """Remove the labels of the last frame."""
    with h5py.File(root / "SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat", "r+") as file:
        references = file["SUNRGBD2Dseg/seglabel"][:-1]
        del file["SUNRGBD2Dseg/seglabel"]
        file["SUNRGBD2Dseg/seglabel"] = references


def allsplit(pattern: str, numbers: tuple[int, ...]) -> Break:
    """Return what replaces the folders of SUN RGB-D's training set."""
    names = np.asarray([pattern.format(number) for number in numbers], object)[None]
    return lambda root: scipy.io.savemat(str(root / sunrgbd.SPLIT), {"alltrain": names, "alltest": names})


def first_trained_is_tested(root: Path) -> None:
    """Repeat the first line of the training list of `sunrgbd-png` in the test list, with another blank."""
    line = (root / "train37.txt").read_text().splitlines()[0]
    with (root / "test37.txt").open("a") as file:
        file.write(line.replace(" ", "  ") + "\n")


def view(folder: str) -> str:
    """Return where a picture of the third view of Taskonomy lies."""
    return f"{folder}/point_2_view_0_domain_{folder}.png"


SEMANTIC = "segment_semantic/point_2_view_0_domain_segmentsemantic.png"
FRAME = "SUNRGBD/kv1/rooms/000002"
ALL_ROOMS = "/n/fs/sun3d/data/SUNRGBD/kv1/rooms/{:06d}"
GREY, SMALL = np.zeros((48, 64), np.uint8), np.zeros((40, 64), np.uint8)
BROKEN: tuple[tuple[str, Break, str, str], ...] = (
    ("folder", remove("labels/000001.png"), "labels/000001.png", "is missing; put it there"),
    ("folder", remove("rgb/000004.png"), "rgb/000004.png", "is missing; put it there"),
    ("folder", cut_off("rgb/000002.png"), "rgb/000002.png", "cannot be read"),
    ("folder", cut_off("depth/000002.png"), "depth/000002.png", "cannot be read"),
    ("folder", write("labels/000003.png", "text"), "labels/000003.png", "cannot be read"),
    ("folder", save("labels/000000.png", SMALL), "labels/000000.png", "40x64 (height x width), but"),
    ("folder", save("depth/000000.png", np.full((48, 60), 2000, np.uint16)), "depth/000000.png", "48x60"),
    ("folder", save("depth/000001.png", GREY), "depth/000001.png", "(PNG, mode L), not 16-bit"),
    ("folder", save("depth/000001.png", np.zeros((48, 64, 3), np.uint8)), "depth/000001.png", "mode RGB), not 16-bit"),
    ("folder", save("rgb/000001.png", GREY.astype(np.uint16)), "rgb/000001.png", "mode I;16), not a col"),
    ("folder", save("labels/000001.png", np.zeros((48, 64, 3), np.uint8)), "labels/000001.png", "mode RGB), not class"),
    ("folder", save("labels/000001.png", GREY.astype(np.uint16)), "labels/000001.png", "mode I;16), not class"),
    (
        "folder",
        change("labels/000001.png", with_value(12)),
        "labels/000001.png",
        "10 pixels hold 12, which is no class",
    ),
    ("folder", change("depth/000003.png", lambda x: x * 0), "depth/000003.png", "all of it is 0"),
    ("folder", change("depth/000003.png", lambda x: x // 100), "depth/000003.png", "the median reading is 0.0"),
    ("folder", write("train.txt", "000000\nnobody\n"), "rgb/nobody.png", "is missing"),
    ("folder", write("train.txt", "000000\n000001\n000000\n"), "train.txt", "names '000000' more than once"),
    ("folder", write("val.txt", "000000\n"), "val.txt", "names '000000', which train.txt names too"),
    ("folder", write("val.txt", "\n\n"), "val.txt", "names no frame"),
    ("folder", remove("val.txt"), "val.txt", "is missing"),
    ("folder", write("rgb/000001.bmp", ""), "rgb/000001.bmp", "is not read; save it as .png or .jpg"),
    ("folder", save("rgb/000001.jpg", GREY), "rgb/000001.png", "stands beside 000001.jpg"),
    ("folder", lambda root: shutil.rmtree(root / "labels"), "labels", "is missing"),
    ("folder", lay_down("rgb/000001.png"), "depth/000001.png", "has EXIF orientation 1, but "),
    ("folder", lay_down("depth/000001.png"), "depth/000001.png", "has EXIF orientation 6, but "),
    ("folder", lay_down("labels/000001.png"), "labels/000001.png", "has EXIF orientation 6, but "),
    ("nyuv2", lay_down("masks/000001.png"), "masks/000001.png", "has EXIF orientation 6, but "),
    ("nyuv2", remove("masks/000002.png"), "masks/000002.png", "is missing"),
    ("nyuv2", change("masks/000002.png", with_value(40)), "masks/000002.png", "10 pixels hold 40"),
    ("nyuv2", save("rgb/000001.png", np.zeros((40, 64, 3), np.uint8)), "depth/000001.png", "48x64"),
    ("nyuv2", write("train.txt", "rgb/000001.png masks/000001.png\n"), "train.txt", "has 2 paths instead of 3"),
    ("nyuv2", lambda root: shutil.copy(root / "train.txt", root / "val.txt"), "rgb/000001.png", "is in both lists"),
    ("nyuv2-mat", array("labels", (1, 3, 3), 895), "labels of frame 2", "holds label 895; the mapping knows 1 to 894"),
    ("nyuv2-mat", array("depths", 2, 0), "depths of frame 3", "all of it is 0"),
    ("nyuv2-mat", array("depths", (2, 0, 0), np.nan), "depths of frame 3", "below 0 or not finite"),
    ("nyuv2-mat", splits([1, 2, 3], [3, 4]), "splits.mat", "puts frame 3 into both splits"),
    ("sunrgbd", remove(f"{FRAME}/image/0000002.jpg"), "image/0000002.jpg", "is missing"),
    ("sunrgbd", cut_off(f"{FRAME}/depth_bfx/0000002.png"), "depth_bfx/0000002.png", "cannot be read"),
    ("sunrgbd", change(f"{FRAME}/depth_bfx/0000002.png", lambda x: x | 1), "0000002.png", "bits are not rotated"),
    ("sunrgbd", toolbox_label, "SUNRGBD2Dseg.mat, frame 3", "1 pixels hold 38, which is no class"),
    (
        "sunrgbd-png",
        change("label37/train/img37labels-000001.png", with_value(38)),
        "img37labels-000001.png",
        "hold 38",
    ),
    ("sunrgbd-png", first_trained_is_tested, "image/train/img-000001.jpg", "is in both lists"),
    ("sunrgbd-png", remove("depth/test/00000001.png"), "depth/test/00000001.png", "is missing"),
    ("taskonomy", remove(view("normal")), view("normal"), "is missing"),
    ("taskonomy", cut_off(view("rgb")), view("rgb"), "cannot be read"),
    ("taskonomy", bomb(view("rgb")), view("rgb"), "cannot be read (Image size"),
    ("taskonomy", save(view("reshading"), SMALL), view("reshading"), "40x64 (height x width)"),
    ("taskonomy", save(view("edge_texture"), GREY), view("edge_texture"), "has 8 bits per value"),
    ("taskonomy", save(view("normal"), GREY.astype(np.uint16)), view("normal"), "has 16 bits per value"),
    ("taskonomy", save(view("depth_zbuffer"), GREY + np.uint16(65535)), view("depth_zbuffer"), "all of it is 0"),
    ("taskonomy", save(SEMANTIC, GREY + np.uint8(18)), SEMANTIC, "allowed are 0 to 17"),
    ("taskonomy", lay_down(view("normal")), view("normal"), "has EXIF orientation 6, but "),
    ("taskonomy", write("train.txt", "point_1_view_0\n"), "val.txt", "is missing"),
    ("taskonomy", write("val.txt", "point_1_view_0\npoint_1_view_0\n"), "val.txt", "more than once"),
)


def brief(value: Any) -> str:
    """Return a part of a test's name, the same in every process."""
    return value[:40] if isinstance(value, str) else str(value.__name__)


@pytest.mark.parametrize(("layout", "damage", "file", "message"), BROKEN, ids=brief)
def test_a_damaged_file_is_named_with_what_is_wrong(
    sound: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    layout: str,
    damage: Break,
    file: str,
    message: str,
) -> None:
    shutil.copytree(sound / layout, tmp_path / "data")
    damage(tmp_path / "data")
    assert main(["check-data", str(tmp_path / "data"), "--layout", layout, "--quiet"]) == 2
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if f"{file}: " in line and message in line]
    assert len(lines) == 1, out
    assert lines[0].rpartition("; ")[2].strip(), "no cure"
    assert err.strip().endswith(("frames", "views")) and "problem" in err


@pytest.mark.parametrize(
    ("layout", "damage", "message"),
    [
        ("folder", remove("manifest.json"), "manifest.json: is missing; docs/guides/own-data.md shows one"),
        ("folder", write("manifest.json", "{"), "manifest.json: cannot be used"),
        ("folder", write("manifest.json", json.dumps({"depth_units_per_metre": 1})), "lacks the keys: classes"),
        ("nyuv2-mat", remove("splits.mat"), "splits.mat: is missing"),
        ("nyuv2-mat", write("splits.mat", "text"), "splits.mat: cannot be read"),
        ("nyuv2-mat", splits([1, 6], [2]), "names frames outside 1 to 5"),
        ("nyuv2-mat", write("nyu_depth_v2_labeled.mat", "text"), "nyu_depth_v2_labeled.mat: cannot be read"),
        ("nyuv2-mat", without_array, "holds no 'depths'"),
        ("sunrgbd", remove("SUNRGBDtoolbox/Metadata/SUNRGBDMeta.mat"), "SUNRGBDMeta.mat: is missing"),
        ("sunrgbd", remove("SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat"), "SUNRGBD2Dseg.mat: is missing"),
        ("sunrgbd", allsplit("/other/{}", (1, 2)), "allsplit.mat: alltrain names none of the 5 frames"),
        ("sunrgbd", allsplit(ALL_ROOMS, (1, 2, 3, 4, 5)), "allsplit.mat: alltrain names all of the 5 frames"),
        ("sunrgbd", fewer_labels, "holds labels of 4 frames, SUNRGBDMeta.mat names 5"),
    ],
)
def test_without_what_everything_hangs_on_the_check_ends_with_its_name(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str, damage: Break, message: str
) -> None:
    shutil.copytree(sound / layout, tmp_path / "data")
    damage(tmp_path / "data")
    assert main(["check-data", str(tmp_path / "data"), "--layout", layout, "--quiet"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sound_data_are_recognised_and_pass(sound: Path, capsys: pytest.CaptureFixture[str], layout: str) -> None:
    assert main(["check-data", str(sound / layout)]) == 0
    out = capsys.readouterr().out
    assert f"{LAYOUTS[layout].title}, {COUNT} frames" in out
    way = f"--data {sound / layout}" if layout in SELF_DESCRIBING else f"--set data.name={layout} "
    assert "nothing wrong" in out and f"train with {way}" in out


def test_every_one_of_several_problems_is_listed_and_counted(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(sound / "folder", root)
    cut_off("rgb/000002.png")(root)
    save("depth/000002.png", GREY)(root)
    change("labels/000002.png", with_value(77))(root)
    remove("depth/000004.png")(root)
    assert main(["check-data", str(root)]) == 2
    out, err = capsys.readouterr()
    for file in ("rgb/000002.png", "depth/000002.png", "labels/000002.png", "depth/000004.png"):
        assert f"{file}: " in out
    assert "error: 4 problems in 5 frames" in err and "checking frames" in err


def test_a_folder_that_looks_like_nothing_is_refused_with_the_layouts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-data", str(tmp_path)]) == 2
    assert f"looks like none of {', '.join(NAMES)}" in capsys.readouterr().err
    assert main(["check-data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    assert main(["check-data", str(tmp_path), "--layout", "kitti"]) == 2
    assert "layout 'kitti' is unknown; allowed are folder, nyuv2" in capsys.readouterr().err


def test_a_sound_copy_of_taskonomy_is_recognised_and_passes(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", str(sound / "taskonomy")]) == 0
    out = capsys.readouterr().out
    assert f"Taskonomy, a folder per domain, {COUNT} views" in out
    assert "nothing wrong; train with --set data.name=taskonomy" in out and "classes" not in out


def test_a_view_in_both_lists_of_taskonomy_and_a_view_without_pictures_are_named(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lines in (("train", "point_0_view_0\npoint_1_view_0\n"), ("val", "point_1_view_0\npoint_9_view_0\n")):
        (tmp_path / f"{name}.txt").write_text(lines)
    check = ["check-data", str(sound / "taskonomy"), "--splits", str(tmp_path), "--quiet"]
    assert main(check) == 2
    said = capsys.readouterr()
    assert "val.txt: names 'point_1_view_0', which train.txt names too" in said.out
    assert said.out.count("point_9_view_0_domain_") == 8 and "9 problems in 3 views" in said.err


def test_make_data_writes_an_example_that_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make = ["make-data", "rooms", "--to", str(tmp_path / "example"), "--count", "4", "--size", "32x40", "--seed", "3"]
    assert main(make) == 0
    with Image.open(tmp_path / "example/rgb/000003.png") as picture:
        assert picture.size == (40, 32)
    assert main(["check-data", str(tmp_path / "example"), "--quiet"]) == 0
    assert main(make) == 2
    assert "exists and is not an empty folder" in capsys.readouterr().err
    assert main([*make[:3], str(tmp_path / "other"), "--count", "2"]) == 2
    assert "--count is 2; allowed is 3 or more" in capsys.readouterr().err
    copy = [*make[:3], str(tmp_path / "copy"), "--layout", "taskonomy", "--count", "3", "--size", "32x40"]
    assert main(copy) == 0 and main(["check-data", str(tmp_path / "copy"), "--quiet"]) == 0
    capsys.readouterr()
    assert main([*make[:3], str(tmp_path / "other"), "--layout", "kitti"]) == 2
    assert "layout 'kitti' is unknown" in capsys.readouterr().err


def test_make_data_writes_tables_as_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make = ["make-data", "tabletop", "--to", str(tmp_path / "tables"), "--count", "3", "--seed", "3"]
    assert main([*make, "--size", "48x64"]) == 0
    manifest = json.loads((tmp_path / "tables/manifest.json").read_text(encoding="utf-8"))
    assert manifest["classes"] == ["background", "table", "object"]
    assert main(["check-data", str(tmp_path / "tables"), "--quiet"]) == 0
    capsys.readouterr()
    make[3] = str(tmp_path / "others")
    assert main([*make, "--layout", "nyuv2"]) == 2
    assert "layout 'nyuv2' is unknown for tabletop; allowed are folder" in capsys.readouterr().err
