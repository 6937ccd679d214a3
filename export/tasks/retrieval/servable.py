"""The wire around one embedder of a retrieval network: features in, a unit vector out.

Live, an embedder maps features to the common size where the network has one, and takes the invariant part of GMF. All
of that is linear, so frozen it is one matrix; what is left of the network, its specific parts and what rebuilds
features from them, serves training alone and is not in the graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import EMBEDDING, IMAGE_FEATURES, VIDEO_FEATURES
from crosswire.training.models.vector_fusion.gmf import ElementSplit
from crosswire.training.tasks.retrieval.network import RetrievalNetwork

#: The embedders in the network's order, and the wire names of what they take.
INPUTS = {"video": VIDEO_FEATURES, "image": IMAGE_FEATURES}
#: Length below which a vector is not made longer, as in `torch.nn.functional.normalize`.
_SHORTEST = 1e-12


class EmbedderServable(nn.Module):
    """A live embedder; the reference of all proofs.

    Args:
        network: in evaluation mode.
        embedder: a key of `INPUTS`.
    """

    def __init__(self, network: RetrievalNetwork, embedder: str) -> None:
        super().__init__()
        place = list(INPUTS).index(embedder)
        self.project = network.project[place]
        self.split = network.gmf.splits[place]

    def forward(self, *raw: Tensor) -> tuple[Tensor]:
        """Map features float32 [N, F] to unit vectors [N, l*], as `RetrievalNetwork.embed` does."""
        return (F.normalize(self.split(self.project(raw[0])).invariant, dim=1),)


class FrozenEmbedder(nn.Module):
    """What is exported: one linear layer, and the division by the length.

    Args:
        live: the embedder; it is left as it is.
    """

    def __init__(self, live: EmbedderServable) -> None:
        super().__init__()
        split = live.split
        assert isinstance(split, ElementSplit)
        layers = [] if isinstance(live.project, nn.Identity) else [live.project]
        self.layer = _one_layer([*layers, split.dissolve, split.invariant], split.boundary)

    def forward(self, *raw: Tensor) -> tuple[Tensor]:
        """Map features float32 [N, F] to unit vectors [N, l*]."""
        vectors = self.layer(raw[0])
        length = vectors.square().sum(1, keepdim=True).sqrt()
        return (vectors / length.clamp_min(_SHORTEST),)


def input_spec(embedder: str, features: int) -> TensorSpec:
    """Describe what an embedder takes: features that are extracted before, as those of the training data were."""
    of = "a video, averaged over its clips" if embedder == "video" else "an image"
    unit = f"feature of {of}, of the extractor of the training data"
    return TensorSpec(INPUTS[embedder], "FP32", (features,), ("feature",), unit)


def output_spec(size: int) -> TensorSpec:
    """Describe the answer; those of both embedders are compared by their product, which is the cosine."""
    unit = "part of a vector of length 1; the product of two is their cosine"
    return TensorSpec(EMBEDDING, "FP32", (size,), ("feature",), unit, valid_range=(-1.0, 1.0))


def embedder_of(tensor: str) -> str:
    """Return the embedder that takes a tensor, by its wire name."""
    return next(embedder for embedder, name in INPUTS.items() if name == tensor)


def _one_layer(layers: Sequence[nn.Module], boundary: int) -> nn.Linear:
    """Return as one layer what several linear ones do, the last of which reads the first `boundary` elements.

    The products begin at the last layer, which has the fewest rows.

    Args:
        layers: two or more linear layers.
        boundary: elements of the last but one that the last reads.
    """
    with torch.no_grad():
        weight, bias = _exact(layers[-1])
        for index, layer in enumerate(reversed(layers[:-1])):
            kept = boundary if index == 0 else None
            inner, offset = _exact(layer, kept)
            bias = bias + weight @ offset
            weight = weight @ inner
        one = nn.Linear(weight.shape[1], weight.shape[0])
        one.weight.copy_(weight)
        one.bias.copy_(bias)
    return one


def _exact(layer: nn.Module, kept: int | None = None) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the first outputs of a linear layer in double precision, zeros where it has no bias."""
    assert isinstance(layer, nn.Linear)
    weight = layer.weight[:kept].double()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias[:kept].double()
    return weight, bias
