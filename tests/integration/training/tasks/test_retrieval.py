"""Retrieval of videos by images: features on disk, the loss, and that the invariant parts come to agree."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.features.activitynet import ANNOTATIONS, VIDEOS
from crosswire.training.datasets.files.problems import DataError
from crosswire.training.engine.run_folder import read_run
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import PRESETS
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.retrieval.data import features
from crosswire.training.tasks.retrieval.module import contrast, score_retrieval
from crosswire.training.tasks.retrieval.network import RetrievalNetwork
from tests.support.training.feature_files import ACTIVITIES, IMAGE, VIDEO, write_features

RUNS = {name: config for name, config in PRESETS.items() if isinstance(config, RetrievalConfig)}


@pytest.fixture(scope="module")
def activitynet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write features of 90 videos."""
    folder = tmp_path_factory.mktemp("activitynet")
    write_features(folder)
    return folder


def small(name: str, folder: Path, *more: str) -> RetrievalConfig:
    """Return a preset at the size of those features."""
    common = {"activitynet-gmf-128": 10, "activitynet-gmf-4096": 24, "activitynet-gmf-128-4096": 0}[name]
    sizes = [f"network.video={VIDEO}", f"network.image={IMAGE}", f"network.common={common}"]
    return override(RUNS[name], [*sizes, f"data.path={folder}", "data.batch=20", *more])


@pytest.mark.parametrize("name", RUNS)
def test_a_preset_learns_to_find_videos_of_the_same_activity(
    name: str, activitynet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small(name, activitynet)
    torch.manual_seed(config.seed)
    source = features(config, "test")
    before = score_retrieval(RetrievalNetwork(config.network), source)["mAP@10"]
    settings = [f"network.common={config.network.common}", "data.batch=20", "steps=40", "val_every=20"]
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", name, "--data", str(activitynet), "--to", str(tmp_path / "run"), "--quiet", *words]) == 0
    printed = capsys.readouterr().out
    assert "mAP@100" in printed and f"network.video={VIDEO} network.image={IMAGE}" in printed
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())["scores"]
    assert scores["mAP@10"] > max(0.8, before + 0.1)
    run = read_run(tmp_path / "run")
    np.savez(tmp_path / "in.npz", image=np.concatenate(source.images))
    arrays = ["--tensors", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz")]
    assert main(["infer", str(tmp_path / "run"), *arrays]) == 0
    vectors = np.load(tmp_path / "out.npz")["image_embedding"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors.shape == (60, config.network.common or IMAGE) and run.config.preset == name


def test_presets_have_the_sizes_of_table_3() -> None:
    counts = {"128": 329_472, "4096": 335_601_664, "128-4096": 119_202_816}
    for suffix, params in counts.items():
        config = RUNS[f"activitynet-gmf-{suffix}"]
        with torch.device("meta"):
            network = RetrievalNetwork(config.network)
        assert sum(p.numel() for p in network.gmf.parameters()) == params
        assert (config.optimiser.lr, config.data.batch, config.steps // config.val_every) == (0.01, 64, 20)


def test_the_splits_are_activitynets_and_clips_of_a_video_are_averaged(activitynet: Path) -> None:
    config = small("activitynet-gmf-128", activitynet)
    train, test = features(config, "train"), features(config, "test")
    assert (len(train), len(test)) == (60, 30)
    assert test.classes == tuple(f"activity {index}" for index in range(ACTIVITIES))
    with h5py.File(activitynet / VIDEOS) as file:
        np.testing.assert_allclose(test.videos[0], file["v_060"][()].mean(0), rtol=1e-6)


def test_pairs_of_the_same_activity_belong_together() -> None:
    labels = torch.tensor([0, 0, 1])
    together = torch.tensor([[9.0, 9, 0], [9, 9, 0], [0, 0, 9]])
    apart = torch.tensor([[9.0, 0, 9], [0, 9, 9], [9, 9, 0]])
    assert contrast(together, labels) < contrast(apart, labels)
    assert contrast(torch.zeros(3, 3), labels).item() == pytest.approx(np.log(3))


@pytest.mark.parametrize(
    "video",
    [
        {"subset": "training"},
        {"annotations": [{"label": "activity 0"}]},
        {"subset": "training", "annotations": [{}]},
        {"subset": "training", "annotations": ["activity 0"]},
        ["training"],
    ],
)
def test_an_incomplete_video_is_refused_by_name(video: object, tmp_path: Path) -> None:
    (tmp_path / ANNOTATIONS).write_text(json.dumps({"database": {"v_bad": video}}))
    with pytest.raises(DataError, match=r"v1-3.min.json: video 'v_bad' lacks .*; give ActivityNet's own file"):
        features(small("activitynet-gmf-128", tmp_path), "train")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.path=/nowhere", "cannot be read as the annotations"),
        ("network.video=7", r"set network.video=24, network.image=12"),
        ("network.fusion.name=mbt", "invariant parts of gmf"),
        ("data.batch=1", "2 or more"),
        ("temperature=0.0", "more than 0"),
    ],
)
def test_what_does_not_fit_is_refused(setting: str, message: str, activitynet: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        features(small("activitynet-gmf-128-4096", activitynet, setting), "train")
