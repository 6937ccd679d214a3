"""Importing official CEN checkpoints: the same answers as a forward written from the specification, and refusals."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crosswire.export.freeze import freeze
from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.engine.arrays import infer
from crosswire.training.engine.run_folder import Run, read_metrics, read_run
from crosswire.training.importers.cen_keys import official_key
from crosswire.training.importers.cen_segmentation import THRESHOLD, import_cen
from crosswire.training.importers.weight_files import CheckpointError
from crosswire.training.modalities import modalities
from crosswire.training.models import exchanged_share, exchanging_norms
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.evaluate import evaluate
from tests.support.training import official_cen
from tests.support.training.official_cen import STAGES, State

CLASSES = 13


@pytest.fixture(scope="module")
def state() -> State:
    """Return an official state dict at the full size of refinenet50."""
    return official_cen.random_state(STAGES["refinenet50"], CLASSES, seed=3)


@pytest.fixture(scope="module")
def checkpoint(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint as the official code saves it: data parallel names, an epoch, a numpy score, old format."""
    file = tmp_path_factory.mktemp("official") / "model-best.pth.tar"
    segmenter = {f"module.{key}": value for key, value in state.items()}
    content = {"segmenter": segmenter, "epoch_start": 299, "best_val": np.float64(51.1)}
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file


@pytest.fixture(scope="module")
def imported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the run that the checkpoint was imported into."""
    folder = tmp_path_factory.mktemp("runs") / "official"
    import_cen(checkpoint, "refinenet50", folder)
    return read_run(folder)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    """Return a function that saves anything as a checkpoint."""

    def write(content: Any) -> Path:
        file = tmp_path / "checkpoint.pth.tar"
        torch.save(content, file)
        return file

    return write


def tiny_state(state: State) -> State:
    """Return a state dict with every key and one number in each, for checks that look at names first."""
    return {key: torch.zeros(1) for key in state}


def test_ensemble_and_streams_agree_with_a_forward_written_from_the_specification(state: State, imported: Run) -> None:
    random = np.random.default_rng(0)
    rgb = random.standard_normal((2, 3, 64, 96)).astype(np.float32)
    depth = random.uniform(0, 5, (2, 1, 64, 96)).astype(np.float32)
    with torch.inference_mode():
        ensemble, streams = official_cen.forward(
            state, STAGES["refinenet50"], torch.from_numpy(rgb), torch.from_numpy(depth)
        )
    ours = infer(imported, {"rgb": rgb, "depth": depth})
    for name, reference in {"ensemble": ensemble, "rgb": streams[0], "depth": streams[1]}.items():
        expected = reference.numpy()
        assert ours[name].shape == expected.shape == (2, CLASSES, 16, 24)
        assert np.abs(ours[name] - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(ours["rgb"] - ours["depth"]).max() > 1e-2 * np.abs(ours["rgb"]).max()


def test_channels_are_exchanged_as_the_official_code_does_anywhere_both_ways_and_strictly_below_the_threshold(
    imported: Run,
) -> None:
    assert 0.25 < exchanged_share(imported.network) < 0.35
    both = first_half = 0
    for norm in exchanging_norms(imported.network).values():
        rgb, depth = norm.masks()
        both += int((rgb & depth).sum())
        first_half += int(depth[: norm.channels // 2].sum())
        assert [gamma[0].item() for gamma in norm.gammas] == pytest.approx([0.02, 0.02])
        assert not rgb[0] and not depth[0]
    assert both > 100
    assert first_half > 100


def test_the_threshold_is_the_largest_number_below_the_official_one() -> None:
    official = torch.tensor(0.02)
    assert torch.tensor(THRESHOLD) < official
    assert torch.nextafter(torch.tensor(THRESHOLD), torch.tensor(1.0)) == official


def test_depth_enters_in_metres(imported: Run) -> None:
    _, depth = modalities(imported.config.network)
    metres = np.asarray([[0.0, 2.5], [5.0, 10.0]], np.float32)
    np.testing.assert_array_equal(depth.normalise(metres)[0], metres)


def test_an_imported_network_freezes(imported: Run) -> None:
    x = [torch.randn(1, 3, 64, 96), torch.rand(1, 1, 64, 96)]
    with torch.inference_mode():
        live = imported.network(*x).ensemble
        error = (freeze(imported.network)(*x) - live).abs().max() / live.abs().max()
    assert error < 1e-4


def test_an_imported_run_names_its_classes_and_says_that_it_was_not_scored(imported: Run) -> None:
    source = frames(imported.config.data, "test")
    assert len(source.classes) == len(set(source.palette)) == imported.config.network.classes == CLASSES
    assert read_metrics(imported.folder)["scores"] == {}
    with pytest.raises(ConfigError, match="no test frames"):
        evaluate(imported, progress=False)


def test_training_an_imported_run_anew_is_refused(imported: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (imported.folder / "weights.pt").read_bytes()
    assert main(["train", "--resume", str(imported.folder)]) == 2
    assert "trained elsewhere" in capsys.readouterr().err
    assert (imported.folder / "weights.pt").read_bytes() == before


def test_a_bare_state_dict_is_read_as_well_and_settings_can_be_given(state: State, save: Any, tmp_path: Path) -> None:
    run = import_cen(save(state), "refinenet50", tmp_path / "run", ["data.name=rooms"])
    assert run.config.data.name == "rooms"
    torch.testing.assert_close(run.network.ensemble.alpha, state["alpha"].softmax(0))
    torch.testing.assert_close(run.network.encoder.conv1.weight, state["conv1.module.weight"])


def test_missing_and_unknown_keys_are_named(state: State, save: Any, tmp_path: Path) -> None:
    keys = tiny_state(state)
    del keys["layer2.1.bn2.bn_1.running_var"], keys["clf_conv.module.bias"]
    keys["gate.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        import_cen(save({"segmenter": {f"module.{k}": v for k, v in keys.items()}}), "refinenet50", tmp_path / "run")
    message = str(caught.value)
    assert "2 missing keys: module.clf_conv.module.bias, module.layer2.1.bn2.bn_1.running_var" in message
    assert "1 unknown keys: module.gate.weight" in message
    assert not (tmp_path / "run").exists()


def test_of_many_missing_keys_ten_are_named_and_all_are_counted(state: State, save: Any, tmp_path: Path) -> None:
    keys = {key: value for key, value in tiny_state(state).items() if ".running_" not in key}
    with pytest.raises(CheckpointError) as caught:
        import_cen(save(keys), "refinenet50", tmp_path / "run")
    missing = [key for key in sorted(state) if ".running_" in key]
    shown = f"{len(missing)} missing keys: {', '.join(missing[:10])} and {len(missing) - 10} more"
    assert shown in str(caught.value)
    assert missing[10] not in str(caught.value)


def test_tensors_of_another_shape_or_not_finite_are_named(state: State, save: Any, tmp_path: Path) -> None:
    wrong = {**state, "conv1.module.weight": torch.zeros(64, 4, 7, 7), "alpha": torch.tensor([float("nan"), 1.0])}
    with pytest.raises(CheckpointError) as caught:
        import_cen(save(wrong), "refinenet50", tmp_path / "run")
    assert "conv1.module.weight (64, 4, 7, 7) instead of (64, 3, 7, 7)" in str(caught.value)
    assert "not finite numbers: alpha" in str(caught.value)


@pytest.mark.parametrize("network", ["refinenet101", "refinenet152"])
def test_another_depth_is_named(checkpoint: Path, tmp_path: Path, network: str) -> None:
    with pytest.raises(CheckpointError, match=f"is of refinenet50 .* not of {network}; .*--network refinenet50"):
        import_cen(checkpoint, network, tmp_path / "run")


def test_another_number_of_streams_is_named(state: State, save: Any, tmp_path: Path) -> None:
    keys = tiny_state(state) | {key.replace(".bn_1.", ".bn_2."): torch.zeros(1) for key in state if ".bn_1." in key}
    with pytest.raises(CheckpointError, match="has 3 streams; allowed are two: rgb, depth"):
        import_cen(save(keys), "refinenet50", tmp_path / "run")


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        """Return a call that makes a folder."""
        return os.mkdir, (str(self.target),)


def test_a_checkpoint_that_holds_code_is_refused_and_the_code_does_not_run(
    state: State, save: Any, tmp_path: Path
) -> None:
    trap = tmp_path / "sprung"
    with pytest.raises(CheckpointError, match=r"refused.*mkdir"):
        import_cen(save({"segmenter": tiny_state(state), "extra": Trap(trap)}), "refinenet50", tmp_path / "run")
    assert not trap.exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"model": 3, "epoch": 4}, "holds no state dict: a dict of model, epoch"),
        ([torch.zeros(1)], "holds no state dict: a list"),
        ({"segmenter": {"alpha": torch.ones(2), "note": "hello"}}, "1 entries that are no tensors: note"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(content: Any, expected: str, save: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=expected):
        import_cen(save(content), "refinenet50", tmp_path / "run")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.pth.tar"
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="refused"):
        import_cen(file, "refinenet50", tmp_path / "run")


def test_a_truncated_checkpoint_is_refused(save: Any, tmp_path: Path) -> None:
    file = save({"alpha": torch.ones(2), "conv1.module.weight": torch.zeros(64, 3, 7, 7)})
    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match="refused"):
        import_cen(file, "refinenet50", tmp_path / "run")


def test_a_folder_that_holds_a_run_is_left_alone(checkpoint: Path, imported: Run) -> None:
    before = (imported.folder / "weights.pt").stat()
    with pytest.raises(CheckpointError, match="already holds a run"):
        import_cen(checkpoint, "refinenet50", imported.folder)
    assert (imported.folder / "weights.pt").stat() == before


def test_a_key_that_the_official_code_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stack\.gain has no name"):
        official_key("stack.gain")
    with pytest.raises(ValueError, match=r"decoder\.level3\.attention has no name"):
        official_key("decoder.level3.attention.weight")


def test_the_command_says_what_it_imported(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["import-cen", str(checkpoint), "--network", "refinenet50", "--out", str(tmp_path / "run")]
    assert main(arguments) == 0
    assert f"refinenet50, {CLASSES} classes, streams rgb and depth, " in capsys.readouterr().out
    assert main(arguments) == 2
    assert "already holds a run" in capsys.readouterr().err
    arguments[3], arguments[5] = "refinenet14", str(tmp_path / "other")
    assert main(arguments) == 2
    assert "allowed are refinenet50, refinenet101, refinenet152" in capsys.readouterr().err
    assert main(["import-cen", str(tmp_path / "none.pth"), *arguments[2:3], "refinenet50", *arguments[4:]]) == 2
    assert "there is no file" in capsys.readouterr().err
