"""Every option of an export on every task: taken, or refused by its name before weights are read."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from crosswire.export.__main__ import main
from crosswire.export.tasks.exporter import EXPORTERS, INSTEAD
from crosswire.training.config import RunConfig
from crosswire.training.engine.run_folder import write_config
from crosswire.training.tasks.registry import TASKS
from crosswire.training.tasks.retrieval.config import NetworkConfig, RetrievalConfig
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
}


def export(folder: Path, config: RunConfig, words: str) -> tuple[int, Path]:
    """Export a run without weights; return exit code and target."""
    write_config(folder / "run", config)
    needed = "" if config is RUNS["clips"] or "--size" in words else "--size 64x96"
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


@pytest.mark.parametrize("words", ["", *OPTIONS])
def test_a_run_of_retrieval_is_refused_with_what_it_can_do_instead(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, to = export(tmp_path, RetrievalConfig(network=NetworkConfig(video=6, image=4)), words)
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1 and not to.exists()
    assert error.startswith("error: retrieval runs are not exported; use this one with: crosswire infer ")
    assert str(tmp_path / "run") in error


def test_a_run_of_retrieval_is_refused_without_the_libraries_that_it_needs_itself(tmp_path: Path) -> None:
    write_config(tmp_path / "run", RetrievalConfig())
    words = ["export", str(tmp_path / "run"), "--name", "x", "--to", str(tmp_path / "to")]
    code = (
        f"import sys; sys.modules['h5py'] = None; from crosswire.export.__main__ import main; sys.exit(main({words}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("error: retrieval runs are not exported")


def test_every_task_has_an_exporter_or_something_else_to_do() -> None:
    assert {*EXPORTERS} | {*INSTEAD} == {*TASKS}
    assert not {*EXPORTERS} & {*INSTEAD}


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
