"""Every option of an export on every task: taken, or refused by its name before weights are read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from crosswire.export.__main__ import main
from crosswire.export.tasks.exporter import EXPORTERS
from crosswire.training.config import RunConfig
from crosswire.training.engine.run_folder import write_config
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.registry import TASKS
from crosswire.training.tasks.retrieval.config import FeatureDataConfig, NetworkConfig, RetrievalConfig
from crosswire.training.tasks.segmentation.config import DataConfig, SegmentationConfig
from tests.integration.training.tasks.test_audio_video_training import small
from tests.integration.training.tasks.test_translation_training import shrunk
from tests.unit.training.models.test_networks import tiny_config

#: Says that every check was passed: the runs of these tests have no weights.
PASSED = "holds no weights.pt yet"
ROOMS = SegmentationConfig(network=tiny_config("refinenet14"), data=DataConfig(height=32, width=48, test_scenes=2))
ROOMS = dataclasses.replace(ROOMS, network=dataclasses.replace(ROOMS.network, classes=12), modality_dropout=0.2)
RUNS: dict[str, RunConfig] = {
    "segmentations": ROOMS,
    "translations": shrunk("rooms-translate"),
    "clips": small("events-gmf"),
    "retrievals": RetrievalConfig(
        network=NetworkConfig(video=6, image=4), data=FeatureDataConfig(path=str(Path(__file__).parent))
    ),
}
INT8 = "--precision int8"
OPTIONS = (
    "--size 64x96",
    "--missing-modality",
    "--class-indices",
    "--frames 32",
    "--calibration frames",
    "--calibration-frames 32",
    "--max-drop 0.5",
    "--precision fp32",
    "--precision fp16",
    INT8,
    "--target cpu",
    "--target tensorrt",
    f"{INT8} --calibration frames",
    f"{INT8} --calibration-frames 32",
    f"{INT8} --max-drop 0.5",
)
TAKEN = {
    "segmentations": {*OPTIONS} - {"--calibration frames", "--calibration-frames 32", "--max-drop 0.5"},
    "translations": {"--size 64x96", "--precision fp32", "--precision fp16", "--target cpu", "--target tensorrt"},
    "clips": {"--precision fp32", "--target cpu"},
    "retrievals": {"--precision fp32", "--target cpu"},
}


def export(folder: Path, config: RunConfig, words: str) -> tuple[int, Path]:
    """Export a run without weights; return exit code and target."""
    write_config(folder / "run", config)
    needed = "" if isinstance(config, AudioVideoConfig | RetrievalConfig) or "--size" in words else "--size 64x96"
    to = folder / "repository"
    return main(["export", str(folder / "run"), "--name", "x", "--to", str(to), *f"{needed} {words}".split()]), to


@pytest.mark.parametrize("words", OPTIONS)
@pytest.mark.parametrize("plural", RUNS)
def test_an_option_is_taken_or_refused_by_its_name(
    plural: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, to = export(tmp_path, RUNS[plural], words)
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1 and not to.exists()
    if words in TAKEN[plural]:
        assert PASSED in error
        return
    option = words.removeprefix(f"{INT8} ")
    named = option if option.startswith(("--precision", "--target")) else option.split()[0]
    taker = "--precision fp32 does" if plural == "segmentations" else f"{plural} do"
    assert error.startswith(f"error: got {named}, which {taker} not take; leave it out")


def test_every_task_has_an_exporter() -> None:
    assert {*EXPORTERS} == {*TASKS}


@pytest.mark.parametrize("path", ["", "/nowhere"])
def test_a_run_of_retrieval_whose_features_are_gone_is_refused_with_where_they_should_be(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = dataclasses.replace(RUNS["retrievals"], data=FeatureDataConfig(path=path))
    code, to = export(tmp_path, gone, "")
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1 and not to.exists()
    assert f"there is no folder {path!r}; put them back there, or set data.path" in error


def test_both_names_of_a_retrieval_are_held_against_what_names_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path / "run", RUNS["retrievals"])
    words = ["export", str(tmp_path / "run"), "--name", "x" * 60, "--to", str(tmp_path / "to")]
    assert main(words) == 2
    assert f"name '{'x' * 60}_video' is not allowed" in capsys.readouterr().err


@pytest.mark.parametrize("plural", ["segmentations", "translations"])
def test_a_size_that_is_needed_is_asked_for(plural: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(tmp_path, RUNS[plural])
    assert main(["export", str(tmp_path), "--name", "x", "--to", str(tmp_path / "to")]) == 2
    assert "add one, for example --size 128x160" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["--frames 32", f"{INT8} --calibration frames --max-drop 0.5"])
def test_a_run_without_data_does_not_take_what_only_frames_show(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = dataclasses.replace(ROOMS, data=DataConfig(name="none"))
    assert export(tmp_path, without, words)[0] == 2
    assert "which runs without data do not take; leave it out" in capsys.readouterr().err


def test_a_plan_that_is_not_built_is_not_made_compatible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path, ROOMS, "--version-compatible")[0] == 2
    assert capsys.readouterr().err.startswith("error: got --version-compatible, which --format onnx does not take")
