"""Errors of generated images, and the distances of their features, of every output and of every stream."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from crosswire.training.config import ConfigError
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.models.inception import Inception
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.evaluate import score
from crosswire.training.tasks.translation.metrics import FeatureDistances, ImageMetrics
from crosswire.training.tasks.translation.network import ImageMix
from tests.integration.training.tasks.test_translation_training import shrunk


def test_errors_are_mean_absolute_mean_square_and_its_root() -> None:
    network = TranslatorConfig(levels=4, width=4)
    metrics = ImageMetrics(network)
    truth = torch.zeros(2, 3, 4, 4)
    flows = torch.cat([truth + 0.5, truth - 0.1])
    metrics.update(ImageMix((truth + 0.2), flows), truth)
    scores = metrics.compute()
    assert scores["rgb"] == pytest.approx({"mae": 0.2, "mse": 0.04, "rmse": 0.2})
    assert scores["rgb from shade"]["mae"] == pytest.approx(0.5)
    assert scores["rgb from texture"]["rmse"] == pytest.approx(0.1)


class Colours(nn.Module):
    """Random features of a picture's colours."""

    num_features = 4

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map uint8 [N, 3, H, W] to [N, 4]."""
        generator = torch.Generator().manual_seed(0)
        return (images.float() / 255).mean((2, 3)) @ torch.randn(3, 4, generator=generator)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_fid_and_kid_of_the_truth_are_nothing_and_grow_with_the_distance() -> None:
    torch.manual_seed(0)
    truth = torch.rand(40, 3, 8, 8) * 2 - 1 + torch.randn(40, 3, 1, 1) * 0.2
    found = []
    for shift in (0.0, 0.2, 0.5):
        distances = FeatureDistances(TranslatorConfig(inputs=("shade",)), Colours(), 40)
        distances.update(ImageMix((truth + shift).clamp(-1, 1), truth), truth.clamp(-1, 1))
        assert list(distances.compute()) == ["rgb"]
        found.append(distances.compute()["rgb"])
    assert abs(found[0]["fid"]) < 1e-3
    assert found[0]["fid"] < found[1]["fid"] < found[2]["fid"]
    assert found[0]["kid"] < found[1]["kid"] < found[2]["kid"]


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_every_stream_has_the_fid_and_kid_of_its_own_images_beside_those_of_the_ensemble() -> None:
    """Each as a network of one stream would have them for the same images; labels have none."""
    torch.manual_seed(0)
    truth = torch.rand(80, 3, 8, 8) * 2 - 1 + torch.randn(80, 3, 1, 1) * 0.2
    names = ("rgb", "shade", "texture")
    network = TranslatorConfig(inputs=names, outputs=names, cycle=True)
    # Task by task: rgb from shade and texture, shade from rgb and texture, texture from rgb and shade.
    true, flows = truth[:20].repeat(3, 1, 1, 1), torch.cat([truth[:20] + 0.1 * flow for flow in range(6)])
    answers = torch.cat([truth[20:40], truth[40:60], truth[60:]])
    together = FeatureDistances(network, Colours(), 20)
    together.update(ImageMix(answers, flows), true)
    made = dict(zip(names, answers.chunk(3), strict=True))
    made |= dict(zip((f"{o} from {i}" for o in names for i in names if i != o), flows.chunk(6), strict=True))
    found = together.compute()
    assert list(found) == list(made)
    for name, images in made.items():
        alone = FeatureDistances(TranslatorConfig(inputs=("shade",)), Colours(), 20)
        alone.update(ImageMix(images, images), truth[:20])
        assert found[name] == pytest.approx(alone.compute()["rgb"], rel=1e-4, abs=1e-4), name
    labelled = FeatureDistances(TranslatorConfig(outputs=("labels",), classes=4, mix="pictures"), Colours(), 20)
    labelled.update(ImageMix(torch.rand(20, 4, 8, 8), torch.rand(40, 4, 8, 8)), truth[:20])
    assert labelled.compute() == {}


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
@pytest.mark.parametrize("more", [(), ("network.fusion=none", "network.norm_sharing=affine")])
def test_a_run_is_scored_by_fid_and_kid_of_every_stream(more: tuple[str, ...], tmp_path: Path) -> None:
    config = shrunk("rooms-translate", None, "steps=1", "val_every=1", *more)
    fit(config, tmp_path, progress=False)
    scores = score(read_run(tmp_path), features=Colours(), progress=False)["scores"]
    assert list(scores) == ["rgb", "rgb from texture", "rgb from shade"]
    assert all({"mae", "fid", "kid"} <= set(of) for of in scores.values())
    assert len({of["fid"] for of in scores.values()}) == 3


def test_the_inception_network_has_the_published_size_and_reads_its_weights_from_a_file(tmp_path: Path) -> None:
    with torch.device("meta"):
        network = Inception().eval()
        assert network(torch.empty(1, 3, 64, 64, dtype=torch.uint8)).shape == (1, 2048)
    assert sum(p.numel() for p in network.parameters()) == 21_785_568
    assert "Mixed_7c.branch3x3dbl_3b.conv.weight" in network.state_dict()
    (tmp_path / "other.pth").write_bytes(b"nothing")
    from crosswire.training.models.inception import load_inception

    with pytest.raises(ConfigError, match="no state dict of Inception v3"):
        load_inception(tmp_path / "other.pth")
