"""Which files a stream leaves: what cannot be written is told before anything is asked, and all are completed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import InputError
from crosswire.clients.display.overlays import blend_labels
from crosswire.clients.streaming.outputs.choose import Outputs
from crosswire.clients.streaming.outputs.frame import StreamFacts
from crosswire.clients.tasks.segmentation import OPACITY
from tests.support.outputs.labelled import HEIGHT, LENS, WIDTH, labelled

FACTS = StreamFacts(LENS, 30.0, "desk.bag")


@pytest.mark.parametrize(
    ("option", "name", "missing", "install"),
    [
        ("mcap", "labels.mcap", "mcap.writer", r"needs rosbags, mcap and zstandard; .*'\.\[client,recordings\]'"),
        ("mcap", "labels.mcap", "rosbags.typesys", r"needs rosbags, mcap and zstandard"),
        ("rerun", "labels.rrd", "rerun", r"needs rerun-sdk and numpy 2 .*without the server: .*'\.\[client,rerun\]'"),
        ("table", "frames.parquet", "pyarrow", r"needs pyarrow; install it: pip install pyarrow, or name .* \.csv"),
        ("video", "overlay.mp4", "av", r"needs PyAV; install it"),
    ],
)
def test_a_missing_package_is_named_before_anything_is_asked(
    option: str, name: str, missing: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=install):
        Outputs(**{option: tmp_path / name})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "name", "complaint"),
    [
        ("mcap", "labels.bag", r"expected a file that ends in \.mcap; try labels\.mcap"),
        ("rerun", "labels.rec", r"expected a file that ends in \.rrd; try labels\.rrd"),
        ("table", "frames.txt", r"expected a file that ends in \.csv"),
        ("video", "overlay.gif", r"no video that can be written"),
    ],
)
def test_another_ending_is_told(option: str, name: str, complaint: str) -> None:
    if option == "video":
        pytest.importorskip("av")
    with pytest.raises(InputError, match=complaint):
        Outputs(**{option: Path(name)})


def test_two_outputs_of_one_name_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got one name for two outputs"):
        Outputs(table=tmp_path / "a.csv", cloud=tmp_path / "a.csv")


def test_all_are_written_and_completed_where_one_fails_too(tmp_path: Path) -> None:
    outputs = Outputs(cloud=tmp_path / "clouds", table=tmp_path / "frames.csv")
    assert outputs.confident and not Outputs(table=tmp_path / "frames.csv").confident
    with pytest.raises(InputError, match="frame 1 has no depth"), outputs.open(FACTS) as writer:
        writer.add(labelled(0))
        writer.add(labelled(1, depth=None))
    assert [path.name for path in (tmp_path / "clouds").iterdir()] == ["000000.ply"]
    assert len((tmp_path / "frames.csv").read_text().splitlines()) == 2


def test_an_overlay_is_over_the_image_that_was_recorded() -> None:
    frame = labelled()
    assert frame.rgb is not None and frame.encoded is frame.result.rgb
    wanted = blend_labels(Image.fromarray(frame.rgb), frame.result.labels, frame.result.palette, OPACITY)
    assert np.array_equal(np.asarray(frame.overlay), np.asarray(wanted))
    assert np.array_equal(np.asarray(frame.result.overlay()), np.asarray(wanted))
    grey = np.full((HEIGHT, WIDTH, 3), 7, np.uint8)
    pixels = labelled(colour=grey)
    assert pixels.encoded is None and pixels.rgb is grey
    assert not np.array_equal(np.asarray(pixels.overlay), np.asarray(wanted))
