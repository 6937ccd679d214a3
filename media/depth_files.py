"""Depth from files of every format that people keep it in: whole numbers in some unit, or floats.

PNG, TIFF, PGM and PFM, NPY and NPZ need nothing but Pillow and numpy; EXR, HDF5 and MAT need the packages of the extra
`depth`. The format is told by a file's first bytes, so bytes are as good as a path.
"""

from __future__ import annotations

import importlib
import io
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract.errors import CrosswireError
from crosswire.media.describe import describe_image
from crosswire.media.orientation import orientation_of, upright_array

DEPTH_ENDINGS = (".png", ".tif", ".tiff", ".pgm", ".pfm", ".npy", ".npz", ".exr", ".h5", ".hdf5", ".mat")
_DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I", "F")
#: What an array of depth is called in files that hold several; case does not matter.
_NAMES = ("depth", "depths", "z", "depth_map", "depthmap", "range", "y")
_LARGEST = 65535
_KINDS = "PNG or TIFF of 16-bit whole numbers or 32-bit floats, PGM, PFM, NPY, NPZ, EXR, HDF5 or MAT"
_CURE = "save depth as a 16-bit grey PNG"
_PNG, _HDF5 = b"\x89PNG\r\n\x1a\n", b"\x89HDF\r\n\x1a\n"
_PGM = re.compile(rb"P([25])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s")


class DepthFileError(CrosswireError):
    """A file that holds no depth that can be used.

    Args:
        what: is wrong with it; follows the file's name.
        cure: what to try.
    """

    def __init__(self, what: str, cure: str = _CURE) -> None:
        super().__init__(f"{what}; {cure}")
        self.what = what
        self.cure = cure


def read_depth_file(data: bytes) -> npt.NDArray[Any]:
    """Return the depth of a file.

    Args:
        data: the bytes of the file.

    Returns:
        [H, W], as its EXIF orientation says that it is seen: uint16 where whole numbers are stored, in the file's
        unit, or floats.

    Raises:
        DepthFileError: it is of another format, damaged, holds no depth or several, or needs a package.
    """
    read = _reader(data)
    try:
        values = read(data)
    except CrosswireError:
        raise
    except Exception as error:  # a damaged file makes a parser raise whatever it stumbles over
        raise DepthFileError(f"cannot be read ({error})", "export or copy it again") from error
    return numbers_of(values)


def numbers_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array as depth, [H, W]: whole numbers of any type that fit into 16 bits as uint16, floats as they are.

    A negative number is no reading, 0, and so is one that a masked array hides.

    Raises:
        DepthFileError: another shape or type, or numbers that do not fit.
    """
    if isinstance(values, np.ma.MaskedArray):
        values = np.asarray(values.filled(0))  # type: ignore[no-untyped-call]  # numpy has no types here
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "uif":
        what = f"holds {values.dtype} {list(values.shape)}, expected are whole numbers or floats [height, width]"
        raise DepthFileError(what, "save one depth map")
    if values.dtype.kind == "f":
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.max() > _LARGEST:
        cure = "save metres as floats, or a coarser unit"
        raise DepthFileError(f"holds whole numbers up to {values.max()}, expected are 0 to {_LARGEST}", cure)
    return np.maximum(values, 0).astype(np.uint16)


def _reader(data: bytes) -> Callable[[bytes], npt.NDArray[Any]]:
    """Return what reads a format, by its first bytes."""
    readers: tuple[tuple[tuple[bytes, ...], Callable[[bytes], npt.NDArray[Any]]], ...] = (
        ((_PNG, b"II*\0", b"MM\0*", b"Pf\n"), _image),
        ((b"P5", b"P2"), _pgm),
        ((b"\x93NUMPY",), lambda content: np.asarray(np.load(io.BytesIO(content), allow_pickle=False))),
        ((b"PK\x03\x04",), _npz),
        ((b"\x76\x2f\x31\x01",), _exr),
        ((_HDF5,), lambda content: _chosen(_datasets(content))),
        ((b"MATLAB 7.3",), lambda content: _chosen(_datasets(content)).T),  # MATLAB stores columns
        ((b"MATLAB 5",), _mat),
    )
    for beginnings, read in readers:
        if data.startswith(beginnings):
            return read
    if not data:
        raise DepthFileError("is empty")
    if data.startswith(b"\xff\xd8"):
        raise DepthFileError("is a JPEG, and depth does not survive lossy compression")
    raise DepthFileError(f"begins with {data[:8]!r}, expected is {_KINDS}")


def _image(data: bytes) -> npt.NDArray[Any]:
    """Read a PNG, TIFF or PFM."""
    with Image.open(io.BytesIO(data), formats=("PNG", "TIFF", "PPM")) as image:
        if image.mode not in _DEPTH_MODES:
            raise DepthFileError(f"is {describe_image(image)}, not 16-bit grey")
        if _pages(image) > 1:
            raise DepthFileError(f"holds {_pages(image)} pages of one size, expected is one depth map", "save one page")
        orientation = orientation_of(image)
        return upright_array(np.array(image), orientation)


def _pages(image: Image.Image) -> int:
    """Return how many pages an image has of the size of its first one: smaller ones are views of it to look at."""
    size, count = image.size, 0
    for page in range(getattr(image, "n_frames", 1)):
        image.seek(page)
        count += image.size == size
    image.seek(0)
    return count


def _pgm(data: bytes) -> npt.NDArray[Any]:
    """Read a PGM of more than 8 bits, unscaled: Pillow would stretch its largest value to 65535."""
    header = _PGM.match(data)
    if header is None:
        raise DepthFileError("has a damaged PGM header", "export or copy it again")
    kind, width, height, largest = (int(number) for number in header.groups())
    if largest < 256:
        raise DepthFileError("is an 8-bit greyscale picture (PGM), not 16-bit grey")
    body = data[header.end() :]
    numbers = np.array(body.split(), np.uint16) if kind == 2 else np.frombuffer(body, ">u2", width * height)
    return numbers[: width * height].reshape(height, width)


def _npz(data: bytes) -> npt.NDArray[Any]:
    """Read the depth among the arrays of an NPZ."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return _chosen({name: np.asarray(file[name]) for name in file.files})


def _mat(data: bytes) -> npt.NDArray[Any]:
    """Read the depth among the variables of a MATLAB file older than version 7.3."""
    variables = _library("scipy.io", "a MATLAB file").loadmat(io.BytesIO(data))
    return _chosen({name: value for name, value in variables.items() if isinstance(value, np.ndarray)})


def _datasets(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return every data set of an HDF5 file."""
    h5py = _library("h5py", "an HDF5 file")
    found: dict[str, npt.NDArray[Any]] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "uif":
            found[name] = np.asarray(item[()])

    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(keep)
    return found


def _exr(data: bytes) -> npt.NDArray[Any]:
    """Read the depth among the channels of an OpenEXR image; channels that are all alike are one."""
    library = _library("OpenEXR", "an EXR file")
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:  # the library reads paths alone
        file.write(data)
        file.flush()
        with library.File(file.name, separate_channels=True) as image:
            channels = {name: np.array(one.pixels) for name, one in image.channels().items()}
    colours = [channels[name] for name in "RGB" if name in channels]
    if len(colours) == len(channels) and all(np.array_equal(colours[0], one, equal_nan=True) for one in colours):
        return colours[0]
    return _chosen(channels)


def _chosen(arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the array that is called depth, or the only one of the right kind.

    Raises:
        DepthFileError: there is none, or several.
    """
    maps = {name: one for name, one in arrays.items() if one.dtype.kind in "uif" and _is_map(one.shape)}
    named = [one for wanted in _NAMES for name, one in maps.items() if Path(name).name.lower() == wanted]
    if named:
        return named[0]
    if len(maps) == 1:
        return next(iter(maps.values()))
    listed = ", ".join(f"{name} {one.dtype} {list(one.shape)}" for name, one in arrays.items()) or "nothing"
    raise DepthFileError(f"holds {listed}, expected is one depth map [height, width]", "call it depth")


def _is_map(shape: tuple[int, ...]) -> bool:
    """Say whether a shape is [H, W], [1, H, W] or [H, W, 1]."""
    return (len(shape) == 2 and 1 not in shape) or (len(shape) == 3 and 1 in (shape[0], shape[2]))


def _library(module: str, kind: str) -> Any:
    """Import the package that reads a format.

    Raises:
        DepthFileError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise DepthFileError(
            f"is {kind}, expected without the package {name} is PNG, TIFF, PGM, PFM, NPY or NPZ",
            f"try pip install {name}, which the extra 'crosswire[depth]' has",
        ) from error
