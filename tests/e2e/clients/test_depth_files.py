"""Depth as people keep it, from the command line and from folders, is answered like the PNG that it could be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients import predict_folder
from crosswire.clients.__main__ import main
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import PIPELINE

RGB, DEPTH = Path("demo/rooms/room_0.rgb.jpg"), Path("demo/rooms/room_0.depth.png")


def metres() -> NDArray[np.float32]:
    return np.asarray(Image.open(DEPTH)).astype(np.float32) / np.float32(1000)


def hdf5(path: Path, values: NDArray[Any]) -> None:
    with h5py.File(path, "w") as file:
        file["depth"] = values


WRITE: dict[str, Callable[[Path, NDArray[Any]], object]] = {
    "tif": lambda path, values: Image.fromarray(values).save(path),
    "pfm": lambda path, values: Image.fromarray(values).save(path, "PPM"),
    "npy": np.save,
    "npz": lambda path, values: np.savez(path, depth=values),
    "h5": hdf5,
    "mat": lambda path, values: scipy.io.savemat(str(path), {"depth": values}),
}


def test_predict_takes_depth_of_every_format(server: EmbeddedServer, tmp_path: Path) -> None:
    def labels(depth: Path, *more: str) -> NDArray[Any]:
        arguments = ["predict", str(RGB), str(depth), "--pipeline", PIPELINE, "--url", server.grpc_url]
        assert main([*arguments, "--out", str(tmp_path / "out"), *more]) == 0
        return np.asarray(Image.open(tmp_path / "out/room_0.labels.png"))

    want = labels(DEPTH)
    for ending, write in WRITE.items():
        write(tmp_path / f"d.{ending}", metres())
        np.testing.assert_array_equal(labels(tmp_path / f"d.{ending}"), want)
        write(tmp_path / f"m.{ending}", metres() * 1000)
        np.testing.assert_array_equal(labels(tmp_path / f"m.{ending}", "--depth-units-per-metre", "1000"), want)


def test_depth_alone_is_asked_what_it_belongs_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "d.npy", metres())
    assert main(["predict", str(tmp_path / "d.npy"), "--out", str(tmp_path), "--url", "grpc://127.0.0.1:1"]) == 2
    assert "came alone; name its DEPTH too" in capsys.readouterr().err


def test_a_folder_may_mix_formats_and_each_file_has_its_own_unit(server: EmbeddedServer, tmp_path: Path) -> None:
    source = tmp_path / "pairs"
    for name in ("rgb", "depth"):
        (source / name).mkdir(parents=True)
    colour = Image.open(RGB)
    for number, (ending, write) in enumerate(WRITE.items()):
        colour.save(source / f"rgb/{number}.{('png', 'webp', 'tif')[number % 3]}", lossless=True)
        write(source / f"depth/{number}.{ending}", metres())
    colour.save(source / "rgb/plain.png")
    (source / "depth/plain.png").write_bytes(DEPTH.read_bytes())
    outcome = predict_folder(source, tmp_path / "out", server.grpc_url, pipeline=PIPELINE)
    assert (outcome.done, outcome.failed) == (len(WRITE) + 1, 0)
    want = np.asarray(Image.open(tmp_path / "out/labels/plain.png"))
    assert "warning" not in outcome.as_text()
    for number in range(len(WRITE)):
        found = np.asarray(Image.open(tmp_path / f"out/labels/{number}.png"))
        assert (found == want).mean() > 0.999
