"""`evaluate` on other data than a run's own, and on frames that got worse."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from crosswire.contract.errors import UsageError
from crosswire.training.__main__ import main
from crosswire.training.datasets.frames import Frame
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly, write_folder
from crosswire.training.engine.run_folder import METRICS, Run, RunOf, read_config, read_metrics, write_config
from crosswire.training.modalities import MODALITIES
from crosswire.training.overrides import override
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.network import build_network
from crosswire.training.tasks.segmentation.scoring.degrade import DegradedFrames, degradations, score_degraded

FRAMES = 4


@pytest.fixture(scope="module")
def rooms() -> RoomsFrames:
    """Frames of other rooms than those of the run."""
    return RoomsFrames(40, FRAMES, 60, 80)


@pytest.fixture
def elsewhere(rooms: RoomsFrames, tmp_path: Path) -> Path:
    """Return a folder with frames that only a test list names."""
    write_folder(rooms, tmp_path / "site", split_evenly(FRAMES))
    for name in ("train", "val"):
        (tmp_path / "site" / f"{name}.txt").unlink()
    (tmp_path / "site" / "test.txt").write_text("000002\n000001\n", encoding="utf-8")
    return tmp_path / "site"


@pytest.fixture
def run(tiny_run: Run, tmp_path: Path) -> Path:
    """Return a trained run that a test may write into."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "run"))


def test_another_folder_with_a_test_list_alone_is_scored_beside_the_runs_own_frames(
    run: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / METRICS).read_bytes() if (run / METRICS).exists() else None
    assert main(["evaluate", str(run), "--data", str(elsewhere), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert f"on 2 frames of {elsewhere}" in printed and "ceiling" in printed
    assert printed.endswith(f"written: {run / 'metrics.site.json'}\n")
    written = json.loads((run / "metrics.site.json").read_text(encoding="utf-8"))
    assert written["scenes"] == 2 and written["data"] == str(elsewhere)
    assert sum(written["scores"]["ensemble"]["pixels"].values()) == 2 * 60 * 80
    assert ((run / METRICS).read_bytes() if (run / METRICS).exists() else None) == before
    (elsewhere / "test.txt").unlink()
    assert main(["evaluate", str(run), "--data", str(elsewhere), "--quiet"]) == 0
    assert f"on {FRAMES} frames of" in capsys.readouterr().out, "without lists all frames are scored"


def test_a_folder_to_score_is_a_whole_data_set_to_a_check_and_nothing_to_train_on(
    elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-data", str(elsewhere), "--quiet"]) == 0
    assert (
        f"nothing to train on; score a run with: crosswire evaluate RUN --data {elsewhere}" in capsys.readouterr().out
    )
    for streams in ("rgb,depth", "rgb"):
        words = ["--data", str(elsewhere), "--set", f"network.streams={streams}"]
        assert main(["train", "rooms-quick", "--to", str(tmp_path / "new"), "--quiet", *words]) == 2
        assert "there are 0 samples to train on" in capsys.readouterr().err


def test_other_classes_are_refused_by_name(run: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((elsewhere / "manifest.json").read_text(encoding="utf-8"))
    manifest["classes"][1] = "hedge"
    (elsewhere / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert main(["evaluate", str(run), "--data", str(elsewhere), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "has the classes floor, hedge, ceiling" in error and "decides between floor, wall, ceiling" in error
    unknown = override(read_config(run), ["data.name=none"])  # as of an imported checkpoint: only their number is known
    write_config(run, unknown)
    (run / METRICS).unlink(missing_ok=True)
    assert main(["evaluate", str(run), "--data", str(elsewhere), "--quiet"]) == 0
    (elsewhere / "manifest.json").write_text(json.dumps({"classes": ["road", "hole"]}), encoding="utf-8")
    assert main(["evaluate", str(run), "--data", str(elsewhere), "--quiet"]) == 2
    assert "has the classes road, hole" in capsys.readouterr().err


def test_geometry_other_than_that_of_the_training_is_neither_scored_nor_labelled(
    run: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((elsewhere / "manifest.json").read_text(encoding="utf-8"))
    del manifest["depth_units_per_metre"]
    manifest |= {"geometry": "disparity", "geometry_scale": 16}
    (elsewhere / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    label = ["infer", str(run), "--folder", str(elsewhere), "--out", str(tmp_path / "out")]
    for words in (["evaluate", str(run), "--data", str(elsewhere)], label):
        assert main([*words, "--quiet"]) == 2
        error = capsys.readouterr().err
        assert "holds disparity" in error and "was trained on depth" in error


def test_degraded_frames_are_scored_the_same_way_every_time(
    run: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(run), "--data", str(elsewhere), "--quiet", "--degrade"]
    assert main(words) == 0
    first = json.loads((run / "metrics.site.json").read_text(encoding="utf-8"))
    kinds = ["depth-blocks=0.5", "depth-blocks=0.8", "depth-noise=4", "rgb-absent", "depth-absent"]
    assert list(first["degraded"]) == kinds
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    table = {row[0]: row[1:] for row in rows if row and row[0] in ("clean", *kinds)}
    assert list(table) == ["clean", *kinds]
    assert table["clean"] == [f"{of['mean_iou']:.3f}" for of in first["scores"].values()]
    assert table["rgb-absent"][1:] == ["–", "–"], "depth decides alone"
    assert main([*words, "depth-blocks=0.8", "depth-noise=0"]) == 0
    again = json.loads((run / "metrics.site.json").read_text(encoding="utf-8"))["degraded"]
    assert again["depth-blocks=0.8"] == first["degraded"]["depth-blocks=0.8"] != first["degraded"]["depth-blocks=0.5"]
    assert again["depth-noise=0"] == first["scores"]
    assert "degraded" not in read_metrics(run)


@pytest.mark.parametrize("word", ["depth-fog=1", "depth-blocks=80", "depth-blocks", "rgb-noise=4", "rgb-absent=1"])
def test_an_unknown_degradation_is_refused_with_those_that_there_are(word: str) -> None:
    with pytest.raises(UsageError) as error:
        degradations([word], ("rgb", "depth"))
    assert str(error.value).startswith(f"{word!r} is no degradation; allowed are depth-blocks=SHARE (0 to 1)")


def test_what_a_network_does_not_see_cannot_get_worse() -> None:
    assert degradations([], ("rgb",)) == []
    assert [str(one) for one in degradations([], ("depth",))] == [
        "depth-blocks=0.5",
        "depth-blocks=0.8",
        "depth-noise=4",
    ]
    for words, message in (("depth-noise=4", "sees rgb"), ("rgb-absent", "leaves nothing")):
        with pytest.raises(UsageError, match=message):
            degradations([words], ("rgb",))


def test_a_network_that_mixes_its_streams_sees_nothing_in_the_place_of_an_absent_one(
    tiny: SegmentationConfig, rooms: RoomsFrames, tmp_path: Path
) -> None:
    config = dataclasses.replace(tiny, network=dataclasses.replace(tiny.network, fusion="concat"))
    mixing = RunOf(tmp_path, config, build_network(config.network).eval())
    wanted = degradations(["depth-absent"], ("rgb", "depth"))
    found = score_degraded(mixing, rooms, wanted, progress=False)
    assert list(found["depth-absent"]) == ["ensemble", "rgb", "depth"]


class OneFrame:
    """A flat wall two metres away, with a hole on the left."""

    classes = ("wall",)
    palette = ((0, 0, 0),)

    def __len__(self) -> int:
        """One."""
        return 1

    def __getitem__(self, index: int) -> Frame:
        """Return the wall."""
        depth = np.full((100, 200), 2.0, np.float32)
        depth[:, :10] = 0
        return Frame({"rgb": np.full((100, 200, 3), 9, np.uint8), "depth": depth}, np.zeros((100, 200), np.uint8))


def worse(word: str) -> Frame:
    """Return the wall, degraded."""
    (one,) = degradations([word], ("rgb", "depth"))
    return DegradedFrames(OneFrame(), one, MODALITIES[one.modality], seed=1)[0]


def test_a_share_of_square_blocks_goes_missing() -> None:
    depth = worse("depth-blocks=0.5").pictures["depth"]
    blocks = depth[:, 10:].reshape(10, 10, 19, 10)
    assert set(np.unique(depth)) == {0.0, 2.0}
    missing = (blocks == 0).all((1, 3))
    assert np.array_equal(missing, (blocks == 0).any((1, 3))) and 90 <= missing.sum() <= 100
    assert (worse("depth-blocks=1").pictures["depth"] == 0).all()


def test_noise_has_so_many_times_the_deviation_of_a_kinect_and_leaves_holes_alone() -> None:
    depth = worse("depth-noise=4").pictures["depth"]
    assert (depth[:, :10] == 0).all() and depth.dtype == np.float32
    assert depth[:, 10:].std() == pytest.approx(4 * (0.0012 + 0.0019 * 1.6**2), rel=0.03)
    assert depth[:, 10:].mean() == pytest.approx(2.0, abs=1e-3)


def test_an_absent_stream_is_unknown_everywhere_and_the_other_one_as_it_was() -> None:
    dark = worse("rgb-absent").pictures
    assert np.unique(dark["rgb"].reshape(-1, 3), axis=0).tolist() == [[124, 116, 104]]
    assert dark["depth"].max() == 2.0
    blind = worse("depth-absent").pictures
    assert blind["depth"].shape == (100, 200) and not blind["depth"].any() and (blind["rgb"] == 9).all()
