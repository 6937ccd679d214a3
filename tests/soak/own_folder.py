"""A user's own folder is trained on, exported and served: its unit of depth and its numbers of labels come out again.

`tests/e2e/networks/test_own_units.py` asks a server the same of contracts that were written by hand, in seconds.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from crosswire.clients import Predictor
from crosswire.clients.__main__ import main
from crosswire.contract import Contract, Geometry
from crosswire.contract.atomic_write import write_json
from crosswire.export.build import build, default_size
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly, write_folder
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_config, read_run
from crosswire.training.tasks.segmentation.config import SegmentationConfig

UNITS, SIZE = 500.0, (48, 64)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rooms whose depth has 500 steps a metre, with masks of 0 and 255."""
    folder = tmp_path_factory.mktemp("frames")
    write_folder(RoomsFrames(1, 6, *SIZE), folder, split_evenly(6))
    for path in (folder / "depth").glob("*.png"):
        Image.fromarray(np.array(Image.open(path)) // 2).save(path)
    for path in (folder / "labels").glob("*.png"):
        Image.fromarray(np.where(np.array(Image.open(path)) > 1, 255, 0).astype(np.uint8)).save(path)
    manifest = {"classes": ["shell", "things"], "label_values": [0, 255], "depth_units_per_metre": UNITS}
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture(scope="module")
def repository(tiny: SegmentationConfig, frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on them, and the network that was exported from it."""
    folder = tmp_path_factory.mktemp("repository")
    data = dataclasses.replace(tiny.data, name="folder", path=str(frames), height=SIZE[0], width=SIZE[1], batch=2)
    network = dataclasses.replace(tiny.network, classes=2)
    fit(dataclasses.replace(tiny, data=data, network=network), folder / "run", progress=False)
    run = read_run(folder / "run")
    build(run, "mine", default_size(run.config, run.folder), folder / "networks", max_batch=2)
    return folder


@pytest.fixture(scope="module")
def served(repository: Path) -> Iterator[EmbeddedServer]:
    """A server of it."""
    with EmbeddedServer(repository / "networks") as running:
        yield running


def test_unit_and_numbers_travel_from_the_manifest_through_the_run_to_the_contract(repository: Path) -> None:
    config = read_config(repository / "run")
    assert (config.network.geometry, config.network.geometry_scale) == ("depth", UNITS)
    contract = Contract.load(repository / "networks/mine")
    assert contract.inputs[1].geometry == Geometry("depth", UNITS) and contract.inputs[1].shape == SIZE
    assert contract.label_values == (0, 255)


def test_a_request_that_says_no_unit_is_read_in_the_training_datas(served: EmbeddedServer, frames: Path) -> None:
    pair = frames / "rgb/000000.png", frames / "depth/000000.png"
    with Predictor(served.grpc_url) as predictor:
        silent, same, other = (
            predictor.segment(*pair, depth_units_per_metre=unit, pipeline="mine_image") for unit in (None, UNITS, 1000)
        )
    assert silent.confidence is not None and other.confidence is not None
    assert np.array_equal(silent.confidence, same.confidence)
    assert not np.array_equal(silent.confidence, other.confidence)


def test_labels_come_in_the_numbers_of_the_training_data(served: EmbeddedServer, frames: Path) -> None:
    files = {"rgb": (frames / "rgb/000000.png").read_bytes(), "depth": (frames / "depth/000000.png").read_bytes()}
    url = f"{served.http_url}/v1/pipelines/mine_image?output=labels"
    png = httpx.post(url, files=files, headers={"Accept": "image/png"}, timeout=60).content
    sent = np.asarray(Image.open(io.BytesIO(png)))
    with Predictor(served.grpc_url) as predictor:
        found = predictor.segment(files["rgb"], files["depth"], pipeline="mine_image")
    assert set(np.unique(sent)) <= {0, 255} and np.array_equal(sent // 255, found.labels)
    assert {one["value"] for one in found.summary["classes"]} == set(np.unique(sent))


def test_a_batch_says_in_which_unit_it_read_depth_and_who_says_so(
    served: EmbeddedServer, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("rgb", "depth"):
        shutil.copytree(frames / kind, tmp_path / "bare" / kind)
    words = ["--pipeline", "mine_image", "--url", served.grpc_url]
    assert main(["batch", str(tmp_path / "bare"), str(tmp_path / "one"), *words]) == 0
    assert "count 500 per metre, as in the data that the network was trained on" in capsys.readouterr().out
    assert main(["batch", str(frames), str(tmp_path / "two"), *words, "--depth-units-per-metre", "500"]) == 0
    assert "count 500 per metre, as given" in capsys.readouterr().out
    for stem in (path.name for path in (tmp_path / "one/labels").iterdir()):
        one, two = (tmp_path / f"{batch}/labels/{stem}" for batch in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
