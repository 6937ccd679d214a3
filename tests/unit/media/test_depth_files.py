"""Depth from files of every format, written by the libraries that people write them with."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients import InputError
from crosswire.clients.inputs.depth import depth_image
from crosswire.media.depth_files import DepthFileError, numbers_of, read_depth_file
from crosswire.training.datasets.files.images import PlainDepth, read_depth
from crosswire.training.datasets.files.problems import DataError

MILLIMETRES = (1000 + np.arange(6 * 9).reshape(6, 9) * 37).astype(np.uint16)
METRES = MILLIMETRES.astype(np.float32) / np.float32(1000)
Write = Callable[[Path, NDArray[Any]], object]


def exr(**channels: NDArray[Any]) -> bytes:
    """Return an EXR file."""
    library = pytest.importorskip("OpenEXR")
    path = Path("depth.exr").absolute()
    library.File({"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}, channels).write(str(path))
    return path.read_bytes()


def pgm(path: Path, values: NDArray[Any], largest: int = 65535, comment: bytes = b"") -> None:
    """Write a PGM as a camera's tools do, whose largest value need not be 65535."""
    path.write_bytes(b"P5\n%s%d %d\n%d\n" % (comment, *values.shape[::-1], largest) + values.astype(">u2").tobytes())


def hdf5(path: Path, values: NDArray[Any], name: str = "depth", **more: Any) -> None:
    with h5py.File(path, "w") as file:
        for key, value in {name: values, **more}.items():
            file[key] = value


def mat73(path: Path, values: NDArray[Any]) -> None:
    """Write a MATLAB file of version 7.3: HDF5 after 512 bytes that say so, and columns for rows."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["depth"] = values.T
    data = path.read_bytes()
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b"\0") + data[512:])


WHOLE: dict[str, Write] = {
    "png": lambda path, values: Image.fromarray(values).save(path),
    "tif": lambda path, values: Image.fromarray(values).save(path),
    "tiff": lambda path, values: Image.fromarray(values).save(path, compression="tiff_lzw"),
    "pgm": lambda path, values: Image.fromarray(values).save(path, "PPM"),
    "npy": lambda path, values: np.save(path, values),
    "npz": lambda path, values: np.savez_compressed(path, depth=values, intrinsics=np.eye(3)),
    "h5": hdf5,
    "hdf5": lambda path, values: hdf5(path, values, "camera/left/depth", rgb=np.zeros((6, 9, 3), np.uint8)),
    "mat": lambda path, values: scipy.io.savemat(str(path), {"depth": values, "K": np.eye(3)}),
}
FLOATS: dict[str, Write] = {
    "tif": WHOLE["tif"],
    "pfm": lambda path, values: Image.fromarray(values).save(path, "PPM"),
    **{ending: WHOLE[ending] for ending in ("npy", "npz", "h5", "mat")},
}


@pytest.mark.parametrize("ending", WHOLE)
def test_whole_numbers_are_read_unchanged_by_data_sets_and_sent_unchanged_by_clients(
    ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"frame.{ending}"
    WHOLE[ending](path, MILLIMETRES)
    stored = read_depth_file(path.read_bytes())
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, MILLIMETRES)
    np.testing.assert_array_equal(read_depth(path, PlainDepth(5000)), MILLIMETRES / np.float32(5000))
    for unit in (None, 5000.0):
        sent = depth_image(path, unit)
        assert sent.units_per_metre == unit
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sent.image.data))), MILLIMETRES)


@pytest.mark.parametrize("ending", FLOATS)
def test_floats_are_metres_unless_a_unit_is_given(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"frame.{ending}"
    FLOATS[ending](path, METRES)
    np.testing.assert_array_equal(read_depth(path, PlainDepth(None)), METRES)
    FLOATS[ending](tmp_path / f"unit.{ending}", METRES * 1000)
    for file, unit in ((path, None), (tmp_path / f"unit.{ending}", 1000.0)):
        sent = depth_image(file.read_bytes(), unit)
        assert sent.units_per_metre == 1000
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sent.image.data))), MILLIMETRES)


def test_an_exr_gives_its_depth_channel_or_its_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for channels in ({"Z": METRES}, {"Y": METRES}, {"R": METRES, "G": METRES, "B": METRES}, {"V": METRES}):
        np.testing.assert_array_equal(read_depth_file(exr(**channels)), METRES)
    colours = {name: METRES * factor for name, factor in (("R", 1), ("G", 2), ("B", 3))}
    np.testing.assert_array_equal(read_depth_file(exr(**colours, Z=METRES)), METRES)
    with pytest.raises(DepthFileError, match=r"holds B float32 \[6, 9\], G .*, expected is one depth map"):
        read_depth_file(exr(**colours))


def test_a_matlab_file_of_version_7_3_is_turned_to_rows(tmp_path: Path) -> None:
    mat73(tmp_path / "new.mat", METRES)
    np.testing.assert_array_equal(read_depth_file((tmp_path / "new.mat").read_bytes()), METRES)


@pytest.mark.parametrize("largest", [4095, 10_000, 65535])
def test_a_pgm_is_not_stretched_to_its_largest_value(largest: int, tmp_path: Path) -> None:
    pgm(tmp_path / "d.pgm", MILLIMETRES, largest, b"# millimetres\n")
    np.testing.assert_array_equal(read_depth_file((tmp_path / "d.pgm").read_bytes()), MILLIMETRES)
    text = f"P2\n9 6 {largest}\n" + "\n".join(" ".join(map(str, row)) for row in MILLIMETRES)
    np.testing.assert_array_equal(read_depth_file(text.encode()), MILLIMETRES)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i4", "int64", "uint32", "uint64", ">u2"])
def test_whole_numbers_of_every_type_travel_where_they_fit(dtype: str) -> None:
    values = np.array([[0, 1, 100], [7, 8, 127]], dtype)
    sent = depth_image(values)
    assert np.asarray(Image.open(io.BytesIO(sent.image.data))).tolist() == values.tolist()
    assert depth_image(values[..., None]).image.data == depth_image(values[None]).image.data == sent.image.data


@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64"])
def test_floats_of_every_type_travel(dtype: str) -> None:
    sent = depth_image(np.array([[0.5, 1.0], [np.nan, 2.0]], dtype))
    assert np.asarray(Image.open(io.BytesIO(sent.image.data))).tolist() == [[500, 1000], [0, 2000]]


def test_negative_whole_numbers_are_holes_and_too_large_ones_are_refused() -> None:
    assert numbers_of(np.array([[-1, 5]], np.int32)).tolist() == [[0, 5]]
    with pytest.raises(
        InputError, match="holds whole numbers up to 70000, expected are 0 to 65535; save metres as floats"
    ):
        depth_image(np.array([[70_000, 5]], np.int64))


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_what_a_masked_array_hides_is_no_reading(dtype: str) -> None:
    values = np.ma.masked_array(np.array([[1, 2], [3, 4]], dtype), mask=[[False, True], [False, False]])
    sent = depth_image(values)
    factor = 1000 if dtype == "float32" else 1
    assert np.asarray(Image.open(io.BytesIO(sent.image.data))).tolist() == [[factor, 0], [3 * factor, 4 * factor]]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate"])
def test_a_tiff_may_hold_smaller_views_of_its_depth(compression: str) -> None:
    small = Image.fromarray(MILLIMETRES[::2, ::2].copy())
    data = saved(Image.fromarray(MILLIMETRES), "TIFF", append_images=[small], save_all=True, compression=compression)
    np.testing.assert_array_equal(read_depth_file(data), MILLIMETRES)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pages(count: int) -> bytes:
    """Return a TIFF of several depth maps of one size."""
    one = Image.fromarray(np.full((4, 5), 7, np.uint16))
    return saved(one, "TIFF", save_all=True, append_images=[one] * (count - 1))


def packed(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def stored(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b"GIF89a..", "begins with b'GIF89a..', expected is PNG or TIFF"),
        (saved(Image.new("RGB", (4, 4)), "JPEG"), "is a JPEG, and depth does not survive"),
        (saved(Image.new("LA", (4, 4)), "PNG"), "8-bit greyscale picture with alpha|greyscale picture with alpha"),
        (saved(Image.new("RGB", (4, 4)), "TIFF"), r"is an RGB picture \(TIFF, mode RGB\)"),
        (pages(2), "holds 2 pages of one size, expected is one depth map; save one page"),
        (pages(5), "holds 5 pages of one size"),
        (saved(Image.new("L", (4, 4)), "PPM"), "is an 8-bit greyscale picture"),
        (b"P5\nnothing", "damaged PGM header"),
        (stored(np.zeros((4, 4, 3))), r"holds float64 \[4, 4, 3\], expected are whole numbers or floats"),
        (stored(np.array([[True]])), "holds bool"),
        (stored(np.array([[None]], object))[:-1], "cannot be read"),
        (
            packed(a=np.zeros((4, 4)), b=np.zeros((4, 5))),
            r"holds a float64 \[4, 4\], b float64 \[4, 5\], expected is one",
        ),
        (packed(a=np.zeros(4)), "expected is one depth map"),
        (stored(np.zeros((40, 40)))[:200], "cannot be read"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "cannot be read"),
        (b"MATLAB 5.0 MAT-file" + bytes(10), "cannot be read"),
    ],
)
def test_a_file_that_holds_no_depth_is_named_alike_by_clients_and_data_sets(
    data: bytes, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "d.any"
    path.write_bytes(data)
    with pytest.raises(DataError, match=complaint):
        read_depth(path, PlainDepth(1000))
    with pytest.raises(InputError, match=complaint):
        depth_image(path)


@pytest.mark.parametrize(("module", "name", "write"), [("h5py", "h5py", hdf5), ("scipy.io", "scipy", WHOLE["mat"])])
def test_a_package_that_is_missing_is_named_with_what_to_try(
    module: str, name: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "d.mat", METRES)
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda wanted: real("no_such" if wanted == module else wanted))
    with pytest.raises(
        InputError, match=rf"without the package {name} is PNG.*; try pip install {name}, which the extra"
    ):
        depth_image(tmp_path / "d.mat")
