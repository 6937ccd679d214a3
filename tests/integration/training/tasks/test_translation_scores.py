"""Errors of generated images, and the distances of their features, of every output and of every stream."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from crosswire.training.config import ConfigError
from crosswire.training.models.inception import Inception
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.metrics import FeatureDistances, ImageMetrics
from crosswire.training.tasks.translation.network import ImageMix


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
        distances = FeatureDistances(("rgb",), Colours(), 40)
        distances.update(ImageMix((truth + shift).clamp(-1, 1), truth), truth.clamp(-1, 1))
        found.append(distances.compute()["rgb"])
    assert abs(found[0]["fid"]) < 1e-3
    assert found[0]["fid"] < found[1]["fid"] < found[2]["fid"]
    assert found[0]["kid"] < found[1]["kid"] < found[2]["kid"]


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
