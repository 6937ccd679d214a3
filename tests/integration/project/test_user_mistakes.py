"""Mistakes that only data, arrays or options show: each ends in one line with its cure, on every kind of run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.export.build import build
from crosswire.export.place import BuildError
from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError, RunConfig
from crosswire.training.engine.arrays import TensorError
from crosswire.training.engine.run_folder import RunOf, read_run, write_config, write_weights
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.registry import ScoreOptions, network_family_of, task_of
from crosswire.training.tasks.segmentation.config import DataConfig, SegmentationConfig
from tests.integration.training.tasks.test_audio_video_training import small
from tests.integration.training.tasks.test_retrieval import RUNS
from tests.integration.training.tasks.test_translation_training import shrunk
from tests.unit.training.models.test_networks import tiny_config

ROOMS = SegmentationConfig(network=tiny_config("refinenet14"), data=DataConfig(height=32, width=48, test_scenes=2))


def random_run(config: RunConfig, folder: Path) -> RunOf[Any, Any]:
    """Write a run with random weights and read it again."""
    write_config(folder, config)
    write_weights(folder, network_family_of(config).build_network(config.network).state_dict())
    return read_run(folder)


@pytest.mark.parametrize("classes", [5, 40])
def test_a_network_is_neither_scored_on_data_with_other_classes_nor_exported(
    classes: int, tmp_path: Path, capsys: Any
) -> None:
    """As a checkpoint that was imported with the wrong `data.name` would be."""
    seeing = dataclasses.replace(ROOMS, network=dataclasses.replace(ROOMS.network, classes=classes))
    for config in (seeing, small("events-gmf", f"network.classes={classes}")):
        folder = tmp_path / config.data.name
        run = random_run(config, folder)
        with pytest.raises(BuildError, match=f"network.classes is {classes}, the data set {config.data.name} has"):
            build(run, "net", (32, 48) if config is seeing else None, tmp_path / "repository")
        assert main(["evaluate", str(folder), "--quiet"]) == 2
        assert f"network.classes is {classes}, the data set {config.data.name} has" in capsys.readouterr().err
        assert not (folder / "metrics.json").exists()


def test_the_page_of_a_run_on_data_with_other_classes_says_so(tmp_path: Path) -> None:
    run = random_run(ROOMS, tmp_path)
    page = task_of(run.config).report(run)
    assert "network.classes is 5, the data set rooms has 12" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["rooms-quick", "events-gmf", "rooms-translate", next(iter(RUNS))])
@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("kind=foo", "choose a preset of another task"),
        ("steps=-1", "steps is -1; allowed is 0 or more"),
        ("seed=-1", "seed is -1; allowed is 0 or more"),
        ("val_every=0", "val_every is 0; allowed is 1 or more"),
        ("steps=1", "use steps="),
    ],
)
def test_what_no_kind_of_run_can_have_is_refused(name: str, assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(preset(name), [assignment])


def test_the_kind_is_not_listed_among_the_settings() -> None:
    with pytest.raises(ConfigError, match="there are: preset") as error:
        override(preset("rooms-translate"), ["network.kind=foo"])
    assert "kind, " not in str(error.value)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_without_scenes_is_refused_before_the_training(split: str) -> None:
    with pytest.raises(ConfigError, match=f"data.{split}_scenes is 0; allowed is 1 or more"):
        override(preset("rooms-quick"), [f"data.{split}_scenes=0"])


def test_a_size_that_a_generator_cannot_halve_is_not_counted(capsys: Any) -> None:
    assert main(["count", "unet256", "--size", "100x100"]) == 2
    assert "pictures of 100x100 can be halved 2 times" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0x0", "0x64", "64x0"])
def test_a_size_of_nothing_is_refused(size: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["count", "refinenet50", "--size", size])
    assert stopped.value.code == 2 and f"{size!r} is not a size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texture": (3, 3, 32, 48)}, r"\[3, 3, 32, 48\].*; N, H and W are the same for all inputs"),
        ({"texture": (2, 3, 16, 48)}, "the same for all inputs"),
        ({"shade": (0, 1, 32, 48), "texture": (0, 3, 32, 48)}, r"has shape \[0, .*; give \[N, "),
        ({"shade": (2, 1, 33, 48), "texture": (2, 3, 33, 48)}, "give multiples of 16"),
    ],
)
def test_pictures_that_do_not_belong_together_are_not_translated(
    change: dict[str, tuple[int, ...]], message: str, tmp_path: Path
) -> None:
    run = random_run(shrunk("rooms-translate"), tmp_path)
    sizes = {"shade": (2, 1, 32, 48), "texture": (2, 3, 32, 48)} | change
    with pytest.raises(TensorError, match=message):
        task_of(run.config).infer(run, {name: np.zeros(size, np.float32) for name, size in sizes.items()})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"audio": np.float32(0)}, r"'audio' has shape \[\]; give \[N, 2000\]"),
        ({"audio": np.zeros((0, 2000))}, r"'audio' has shape \[0, 2000\]; give \[N, 2000\]"),
        ({"audio": np.zeros((2, 2000)), "video": np.zeros((3, 3, 16, 16, 3))}, "the same for all arrays"),
        ({"smell": np.zeros((2, 2000))}, "smell are unknown"),
        ({}, "no array was given"),
    ],
)
def test_clips_that_do_not_belong_together_are_not_answered(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    run = random_run(small("events-gmf"), tmp_path)
    with pytest.raises(TensorError, match=message):
        task_of(run.config).infer(run, {name: np.asarray(array, np.float32) for name, array in arrays.items()})


@pytest.mark.parametrize("name", ["rooms-quick", "events-gmf", next(iter(RUNS))])
def test_inception_belongs_to_translations(name: str, tmp_path: Path) -> None:
    run = RunOf(tmp_path, preset(name), None)
    with pytest.raises(ConfigError, match="--inception"):
        task_of(run.config).score(run, ScoreOptions(inception=Path("/nonexistent")))
