"""The network: both features mapped to one size where asked, and GMF, whose invariant parts are the embedding.

Source: the GMF paper, section 5.3 (Table 3). The embedding is not specified there; the invariant parts,
which have the same size for both, are compared by their cosine.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.models.vector_fusion import build_fusion
from crosswire.training.models.vector_fusion.gmf import GMF
from crosswire.training.tasks.retrieval.config import NetworkConfig

NETWORKS = ("retrieval",)


class RetrievalNetwork(nn.Module):
    """Embeds videos and images.

    Args:
        config: sizes and fusion.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        sizes = (config.video, config.image)
        self.project = nn.ModuleList(
            nn.Linear(size, config.common) if config.common and size != config.common else nn.Identity()
            for size in sizes
        )
        gmf = build_fusion(config.fusion, [config.common or size for size in sizes])
        assert isinstance(gmf, GMF)
        self.gmf = gmf

    def embed(self, place: int, features: Tensor) -> Tensor:
        """Map features [N, F] of videos (place 0) or of images (1) to unit vectors [N, l*]."""
        return F.normalize(self.gmf.splits[place](self.project[place](features)).invariant, dim=1)

    def forward(self, video: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return unit vectors of videos and images that belong together, [N, l*] each, and the loss while training."""
        given = [project(x) for project, x in zip(self.project, (video, image), strict=True)]
        parts, _, loss = self.gmf.dissolved(given)
        return F.normalize(parts[0].invariant, dim=1), F.normalize(parts[1].invariant, dim=1), loss


build_network = RetrievalNetwork


def sample(name: str, streams: int, classes: int) -> NetworkConfig:
    """Return the network for 128 and 4096 features.

    Raises:
        ConfigError: other than two streams.
    """
    if streams != 2:
        raise ConfigError(f"{name} has videos and images, which are 2 streams, not {streams}")
    return NetworkConfig(name)


def shapes(network: NetworkConfig, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shape of every input for one pair; features have no height and width."""
    return [(1, network.video), (1, network.image)]
