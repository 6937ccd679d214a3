"""The wire around an audio-video network: raw frames and sound in, probabilities out, all of it in the graph.

Frozen, the norms are folded into the convolutions before them, and a fusion that is linear (GMF, concatenation) becomes
one matrix together with the classifier. An absent modality is what the network makes of zeros: a constant, so that its
extractor is not in the graph of a variant at all.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from crosswire.contract import TensorSpec, used_spec
from crosswire.contract.wire_names import FRAMES, PROBABILITIES, WAVEFORM
from crosswire.training.models.vector_fusion.concat import Concat
from crosswire.training.models.vector_fusion.gmf import GMF, GFront
from crosswire.training.tasks.audio_video.config import ClipShape
from crosswire.training.tasks.audio_video.network import AudioVideoNetwork

#: Wire names of the modalities.
INPUTS = {"video": FRAMES, "audio": WAVEFORM}


class ClipServable(nn.Module):
    """A live network with the wire around it; the reference of all proofs.

    Args:
        network: in evaluation mode.
        present: modalities that a request has, in the network's order; the others are zeros.
    """

    def __init__(self, network: AudioVideoNetwork, present: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.present = tuple(present)

    def forward(self, *raw: Tensor) -> tuple[Tensor]:
        """Map frames uint8 [N, T, H, W, 3] and sound float32 [N, S], those present, to probabilities [N, C]."""
        given = dict(zip(self.present, raw, strict=True))
        zeros = {
            name: raw[0].new_zeros((raw[0].shape[0], *branch.shape), dtype=torch.float32)  # type: ignore[misc]
            for name, branch in self.network.branches.items()
        }
        inputs = [given.get(name, zeros[name]) for name in self.network.modalities]
        return (self.network(*inputs).logits.softmax(1),)


class FrozenClipServable(nn.Module):
    """What is exported for requests with some modalities present.

    Args:
        network: in evaluation mode; it is left as it is.
        present: modalities that a request has, in the network's order.
    """

    def __init__(self, network: AudioVideoNetwork, present: Sequence[str]) -> None:
        super().__init__()
        frozen = copy.deepcopy(network).eval()
        absent = [name for name in frozen.modalities if name not in present]
        self.modalities = frozen.modalities
        with torch.no_grad():
            for name in absent:
                branch = frozen.branches[name]
                self.register_buffer(f"absent_{name}", branch(torch.zeros(1, *branch.shape)))  # type: ignore[misc]
            self.branches = nn.ModuleDict({name: frozen.branches[name] for name in present})
            for name, branch in self.branches.items():
                fold_norms(branch, torch.zeros(1, *frozen.branches[name].shape))  # type: ignore[misc]
            self.decide: nn.Module = _Decision(frozen)
            if is_linear(frozen.fusion):
                sizes = [branch.out_features for branch in frozen.branches.values()]
                self.decide = affine(self.decide, sizes)  # type: ignore[arg-type]

    def forward(self, *raw: Tensor) -> tuple[Tensor]:
        """Map the inputs that are present to probabilities [N, C]."""
        found = {name: branch(x) for (name, branch), x in zip(self.branches.items(), raw, strict=True)}
        count = raw[0].shape[0]
        features = [
            found[name] if name in found else self.get_buffer(f"absent_{name}").expand(count, -1)
            for name in self.modalities
        ]
        logits: Tensor = self.decide(*features)
        return (logits.softmax(1),)


class _Decision(nn.Module):
    """Fusion and classifier of a network."""

    def __init__(self, network: AudioVideoNetwork) -> None:
        super().__init__()
        self.fusion = network.fusion
        self.head = network.head

    def forward(self, *features: Tensor) -> Tensor:
        """Map features to logits."""
        logits: Tensor = self.head(self.fusion(features).joint)
        return logits


class Affine(nn.Module):
    """One linear layer over all features.

    Args:
        layer: the layer.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *raw: Tensor) -> Tensor:
        """Map one vector [N, F] per modality to what the layer makes of them side by side."""
        result: Tensor = self.layer(torch.cat(raw, 1))
        return result


def affine(module: nn.Module, sizes: Sequence[int]) -> Affine:
    """Return as one layer what an affine map writes in several.

    Args:
        module: takes one vector [N, sizes[j]] per modality; it is left as it is.
        sizes: features of each modality.
    """
    exact = copy.deepcopy(module).double()
    ones = torch.eye(sum(sizes), dtype=torch.float64)
    with torch.no_grad():
        bias = exact(*torch.split(ones.new_zeros(1, sum(sizes)), list(sizes), 1))[0]
        weight = (exact(*torch.split(ones, list(sizes), 1)) - bias).T
        layer = nn.Linear(sum(sizes), len(bias))
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return Affine(layer)


def is_linear(fusion: nn.Module) -> bool:
    """Return whether a fusion is an affine map of its features."""
    return isinstance(fusion, GMF | Concat) or (isinstance(fusion, GFront) and is_linear(fusion.back))


def fold_norms(module: nn.Module, sample: Tensor) -> None:
    """Fold every batch norm that reads a convolution's output directly into that convolution, in place.

    Args:
        module: in evaluation mode.
        sample: an input, run once to see what reads what.
    """
    made: list[tuple[Tensor, nn.Module]] = []  # the tensors are kept, so that none takes another one's place
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def after_conv(layer: nn.Module, _: object, output: Tensor) -> None:
        made.append((output, layer))

    def before_norm(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        pairs.extend((conv, layer) for output, conv in made if output is inputs[0])

    handles = [m.register_forward_hook(after_conv) for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
    handles += [norm.register_forward_pre_hook(before_norm) for norm in norms]
    with torch.no_grad():
        module(sample)
    for handle in handles:
        handle.remove()
    folded = {id(norm): conv for conv, norm in pairs}
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in folded:
                conv = folded[id(child)]
                fused = fuse_conv_bn_eval(conv, child)  # type: ignore[type-var, arg-type]
                conv.weight, conv.bias = fused.weight, fused.bias
                setattr(parent, name, nn.Identity())


def input_specs(shape: ClipShape, modalities: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Describe the inputs on the wire; each may be absent where there are two."""
    either = len(modalities) > 1
    specs = {
        "video": TensorSpec(
            INPUTS["video"],
            "UINT8",
            (shape.frames, shape.height, shape.width, 3),
            ("time", "height", "width", "channel"),
            "intensity 0..255",
            optional=either,
            rate=shape.fps or None,
        ),
        "audio": TensorSpec(
            INPUTS["audio"],
            "FP32",
            (shape.samples,),
            ("sample",),
            "amplitude -1..1",
            valid_range=(-1.0, 1.0),
            optional=either,
            rate=float(shape.sample_rate),
        ),
    }
    return tuple(specs[name] for name in modalities)


def output_specs(classes: int) -> tuple[TensorSpec, ...]:
    """Describe the outputs on the wire."""
    probabilities = TensorSpec(
        PROBABILITIES, "FP32", (classes,), ("class",), "probability 0..1", valid_range=(0.0, 1.0)
    )
    return probabilities, used_spec()
