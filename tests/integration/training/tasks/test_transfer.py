"""Beginning from the weights of another run or of ImageNet: what is taken, what is frozen, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.datasets.write import split_evenly
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import Run, read_config, read_run
from crosswire.training.importers.runs import load_run
from crosswire.training.models import exchanged_share
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import NetworkConfig, OptimiserConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.module import parameter_groups
from crosswire.training.tasks.segmentation.network import build_network
from crosswire.training.tasks.segmentation.transforms import TrainTransform


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write procedural rooms as a folder of one's own."""
    path = tmp_path_factory.mktemp("frames")
    LAYOUTS["folder"].write(RoomsFrames(3, 8, 48, 64), path, split_evenly(8))
    return path


def test_a_run_begins_from_another_one_and_makes_the_layers_of_its_classes_anew(tiny_run: Run) -> None:
    config = dataclasses.replace(tiny_run.config.network, classes=3)
    network = build_network(config)
    fresh = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    sized = load_run(network, config, tiny_run.folder)
    assert sized and all(key.startswith("decoder.head") for key in sized)
    taken = read_run(tiny_run.folder).network.state_dict()
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, fresh[key] if key in sized else taken[key])


def test_a_run_of_as_many_classes_is_taken_whole(tiny_run: Run) -> None:
    network = build_network(tiny_run.config.network)
    assert load_run(network, tiny_run.config.network, tiny_run.folder) == []


def test_a_run_of_another_network_is_refused_with_what_differs_and_changes_nothing(tiny_run: Run) -> None:
    config = dataclasses.replace(tiny_run.config.network, features=12)
    network = build_network(config)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(ConfigError, match=r"holds a refinenet14 that differs .* decoder\.\S+"):
        load_run(network, config, tiny_run.folder)
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_train_takes_the_network_of_the_run_that_it_begins_from(tiny_run: Run, folder: Path, tmp_path: Path) -> None:
    settings = [f"data.path={folder}", "network.classes=12", "data.height=48", "data.width=64", "data.batch=2"]
    settings += ["optimiser.encoder_lr=0.0", "optimiser.gamma_lr=0.0", "steps=2", "val_every=2"]
    settings += ["network.frozen_statistics=true"]
    arguments = [word for setting in settings for word in ("--set", setting)]
    to = ["--to", str(tmp_path / "run"), "--quiet"]
    assert main(["train", "fine-tune", "--init", str(tiny_run.folder), *to, *arguments]) == 0
    config = read_config(tmp_path / "run")
    assert isinstance(config, SegmentationConfig)
    by_folder = {k: v for k, v in vars(config.network).items() if k.startswith(("depth_", "geometry"))}
    assert config.network == dataclasses.replace(tiny_run.config.network, frozen_statistics=True, **by_folder)
    encoder = read_run(tmp_path / "run").network.encoder
    before = read_run(tiny_run.folder).network.encoder
    for ours, theirs in zip(encoder.state_dict().values(), before.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["events-gmf", "--init", "imagenet"], "--init is for presets of segmentation"),
        (["--resume", "runs/mine", "--init", "imagenet"], "--resume goes on with a run's own weights"),
        (["rooms-quick", "--init", "runs/nowhere"], "runs/nowhere is no run folder"),
        (["rooms-quick", "--init", "imagenet"], "network.name=cen-mobile"),
    ],
)
def test_what_a_run_cannot_begin_from_is_refused_with_what_it_can(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    to = [] if "--resume" in arguments else ["--to", str(tmp_path / "run")]
    assert main(["train", *arguments, *to]) == 2
    assert message in capsys.readouterr().err


def test_two_sets_of_weights_to_begin_from_are_refused() -> None:
    with pytest.raises(ConfigError, match="not both"):
        SegmentationConfig(network=NetworkConfig(imagenet="installed"), init="runs/mine")


def test_frozen_stages_keep_their_convolutions_and_learn_their_norms(folder: Path, tmp_path: Path) -> None:
    """On few steps of the preset, whose pressure on the scaling factors is spread over them, channels are exchanged."""
    steps = 10
    config = preset("fine-tune")
    config = override(
        config,
        [
            *("network.imagenet=", "network.width=8", "network.features=8", "network.classes=12"),
            *(
                "network.gamma_low=0.05",
                "optimiser.clip=0.0",
                f"data.path={folder}",
                "data.height=48",
                "data.width=64",
                "data.batch=2",
            ),
            *("optimiser.frozen_stages=2", f"optimiser.sparsity={config.optimiser.sparsity * config.steps / steps}"),
            *(f"steps={steps}", f"val_every={steps}"),
        ],
    )
    torch.manual_seed(config.seed)
    before = build_network(config.network).state_dict()
    fit(config, tmp_path / "run", progress=False)
    network = read_run(tmp_path / "run").network
    kept = {key for key, weight in network.encoder.named_parameters() if torch.equal(weight, before[f"encoder.{key}"])}
    kernels = {key for key, weight in network.encoder.named_parameters() if weight.ndim == 4}
    frozen = {key for key in kernels if key.startswith(("stem.", "stages.0.", "stages.1."))}
    assert kept == frozen and len(frozen) == 1 + 8 + 6
    assert exchanged_share(network) > 0.05


def test_with_a_layer_decay_every_stage_learns_slower_than_the_next_deeper_one() -> None:
    config = SegmentationConfig(
        network=NetworkConfig(name="cen-mobile", width=4, features=8),
        optimiser=OptimiserConfig(encoder_lr=1.0, layer_decay=0.5),
    )
    network = build_network(config.network)
    groups = [group for group in parameter_groups(network, config) if group["name"] == "encoder"]
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    found = [rates[id(stage[0].project.weight)] for stage in network.encoder.stages]
    assert [rates[id(network.encoder.stem.weight)], *found] == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]


def test_jitter_changes_colours_and_depth_as_a_whole_and_leaves_labels_and_missing_depth() -> None:
    frame = RoomsFrames(3, 1, 48, 64)[0]
    depth = frame.pictures["depth"].copy()
    depth[:5] = 0
    frame = dataclasses.replace(frame, pictures={**frame.pictures, "depth": depth})
    still, moved = (
        TrainTransform(height=48, width=64, colour_jitter=jitter, depth_jitter=jitter)(frame, 7)
        for jitter in (0.0, 0.2)
    )
    assert np.array_equal(still.labels, moved.labels)
    assert not np.array_equal(still.pictures["rgb"], moved.pictures["rgb"])
    assert moved.pictures["rgb"].dtype == np.uint8
    assert not moved.pictures["depth"][:5].any()
    there = still.pictures["depth"] > 0
    ratio = moved.pictures["depth"][there] / still.pictures["depth"][there]
    assert np.ptp(ratio) < 1e-5 and 0.8 <= ratio.mean() <= 1.2 and abs(ratio.mean() - 1) > 1e-3
