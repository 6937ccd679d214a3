"""Damaged recordings of every format in endless supply, each the same again for its seed and number."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.recordings import clouds, kinect, scans

_SMALL = ((32, 24), (32, 24))
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _mkv(folder: Path) -> Path:
    return kinect.write_mkv(folder / "a.mkv", sizes=_SMALL)


def _r3d(folder: Path) -> Path:
    return scans.write_r3d(folder / "a.r3d", sizes=_SMALL)


def _sens(folder: Path) -> Path:
    return scans.write_sens(folder / "a.sens", sizes=_SMALL)


def _pcd(data: str) -> Callable[[Path], Path]:
    return lambda folder: clouds.write_pcd(folder / "a.pcd", clouds.points(clouds.room()), clouds.colours(), data=data)


def _ply(order: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        return clouds.write_ply(
            folder / "a.ply", clouds.points(clouds.room()), clouds.colours(), order=order, grid=order != "ascii"
        )

    return write


def _images(colour: str, depth: str) -> tuple[bytes, bytes]:
    """Return a JPEG or PNG, and a PNG or PGM of depth."""
    values = np.arange(32 * 24, dtype=np.uint16).reshape(24, 32)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    pgm = b"P5 32 24 65535\n" + values.astype(">u2").tobytes()
    return scans.jpeg(9, (32, 24)), pgm if depth.endswith("pgm") else file.getvalue()


def _folder(*names: str, text: str = "") -> Callable[[Path], Path]:
    """Return what writes a folder: colour, depth, and a text file that is to be damaged, or else depth."""

    def write(folder: Path) -> Path:
        for name, data in zip(names, _images(*names[:2]), strict=False):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        if len(names) > 2:
            (folder / names[2]).write_text(text)
        return folder / names[-1]

    return write


_INFO = "m_colorWidth = 32\nm_colorHeight = 24\nm_depthWidth = 32\nm_depthHeight = 24\nm_depthShift = 1000\n" + "".join(
    f"m_calibration{kind}{which}trinsic = 30 0 16 0 0 30 12 0 0 0 1 0 0 0 0 1\n"
    for kind in ("Color", "Depth")
    for which in ("In", "Ex")
)
#: What writes a recording into a folder and returns the file that is damaged, and whether the folder is the recording.
WRITERS: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "mkv": (_mkv, False),
    "r3d": (_r3d, False),
    "sens": (_sens, False),
    "pcd ascii": (_pcd("ascii"), False),
    "pcd binary": (_pcd("binary"), False),
    "pcd compressed": (_pcd("binary_compressed"), False),
    "ply ascii": (_ply("ascii"), False),
    "ply binary": (_ply("binary_big_endian"), False),
    "7-scenes": (_folder("frame-000000.color.jpg", "frame-000000.depth.png"), True),
    "info.txt": (_folder("frame-000000.color.jpg", "frame-000000.depth.png", "info.txt", text=_INFO), True),
    "tum": (_folder("rgb/0.jpg", "depth/0.png", "associations.txt", text="1.5 rgb/0.jpg 1.5 depth/0.png\n"), True),
    "pgm": (_folder("0.jpg", "0.pgm"), True),
    "redwood": (_folder("image/000001-000000033369.jpg", "depth/000001-000000033400.png"), True),
}


def write_damaged(kind: str, folder: Path, seed: int, number: int) -> Path:
    """Write a damaged recording and return what is to be opened."""
    write, is_folder = WRITERS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    path = write(folder)
    path.write_bytes(changed(path.read_bytes(), random.Random(f"{kind} {seed} {number}")))
    return folder if is_folder else path


def changed(data: bytes, draws: random.Random) -> bytes:
    """Return bytes with a few changes; headers, which lie in the beginning, get more than their part."""
    found = bytearray(data)
    for _ in range(draws.choice((1, 1, 1, 2, 3, 8))):
        place = draws.randrange(min(len(found), draws.choice((64, 400, 1 << 30)))) if found else 0
        match draws.randrange(5):
            case 0:
                found[place : place + 1] = bytes([draws.randrange(256)])
            case 1:
                width = draws.choice((1, 2, 4, 8))
                order = draws.choice(("little", "big"))
                number = draws.choice(_NUMBERS) & ((1 << 8 * width) - 1)
                found[place : place + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
            case 2:
                del found[place : place + draws.choice((1, 4, 100))]
            case 3:
                found[place:place] = draws.randbytes(draws.choice((1, 4, 100)))
            case _:
                del found[draws.randrange(len(found) + 1) :]
    return bytes(found)
