"""Published sizes of generators and discriminators beside those built here.

Source: the CEN journal paper, Tables 6 to 9, in millions; "enc2 dec3" has two encoders and three decoders. Cycles and
"papers" have the decoder norms that the text shares; "official" has those of every stream, as the official code, which
also makes norms that it never uses. With one flow per decoder both are one. Of what encoder norms share (Tables 10 and
11) the papers print no sizes. AdaShare has one encoder, with a residual block behind every level that has norms, where
Table 8 prints a budget of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from crosswire.training.models import PrivateNorm2d
from crosswire.training.models.count import parameters
from crosswire.training.models.translation import PatchDiscriminator
from crosswire.training.tasks.translation.config import NORM_SHARING, USUAL_INPUTS, TranslatorConfig
from crosswire.training.tasks.translation.network import TranslationNetwork, build_network
from research.published_sizes import PublishedSize

_SIDE = 256
_CYCLE: dict[str, Any] = {
    "inputs": ("rgb", "shade", "texture"),
    "outputs": ("rgb", "shade", "texture"),
    "cycle": True,
    "decoder_norms": "shared",
}
_TWO: dict[str, Any] = {"inputs": ("rgb",), "outputs": ("depth", "normal"), "decoders": (0, 1)}
_THREE: dict[str, Any] = {"inputs": ("rgb",), "outputs": ("depth", "normal", "shade"), "decoders": (0, 1, 2)}
#: What the papers print, by what is built.
_PRINTED: tuple[tuple[str, dict[str, Any], float | None], ...] = (
    ("U-Net-256, 1 stream", {"inputs": ("shade",)}, None),
    ("U-Net-256, 2 streams, papers", {"decoder_norms": "shared"}, None),
    ("U-Net-256, 2 streams, official", {"decoder_norms": "private"}, None),
    ("U-Net-256, 1 stream, with unused norms", {"inputs": ("shade",), "unused_norms": True}, None),
    ("U-Net-256, 2 streams, official, with unused norms", {"decoder_norms": "private", "unused_norms": True}, None),
    ("cycle enc1 dec1, 6 norms", _CYCLE, 54.5),
    ("cycle enc1 dec1, 6 norms, with unused", {**_CYCLE, "unused_norms": True}, 54.5),
    ("cycle enc1 dec3 (Table 6)", {**_CYCLE, "decoders": (0, 1, 2)}, 124.2),
    ("cycle enc3 dec3 (Table 6)", {**_CYCLE, "encoders": (0, 1, 2), "decoders": (0, 1, 2)}, 163.3),
    ("multitask enc1 dec2 (Table 7)", _TWO, 89.3),
    ("multitask enc2 dec2 (Table 7)", {**_TWO, "encoders": (0, 1)}, 108.7),
    ("multitask enc1 dec3 (Table 8)", _THREE, 124.3),
    ("multitask enc2 dec3 (Table 8)", {**_THREE, "encoders": (0, 0, 1)}, 143.7),
    ("AdaShare, as IN x1, enc x2, dec x3 (Table 8)", {**_THREE, "blocks": 1, "fusion": "none"}, 143.7),
    ("multitask enc3 dec3 (Table 8)", {**_THREE, "encoders": (0, 1, 2)}, 163.1),
)
#: Discriminators that the papers print, by the number of tasks.
_JUDGES = (("cycle of 3 (Table 6)", 3, 8.3), ("2 tasks (Tables 7 and 9)", 2, 8.3), ("3 tasks (Table 8)", 3, 12.5))


def translation_sizes() -> Iterator[PublishedSize]:
    """Build the generators and discriminators and count them."""
    yield from _parts()
    for title, changes, reported in _PRINTED:
        yield PublishedSize(title, parameters(_build(**changes)), reported)
    for streams in (2, 3, 4):
        for sharing in NORM_SHARING:
            network = _build(inputs=USUAL_INPUTS[:streams], fusion="none", norm_sharing=sharing, decoder_norms="shared")
            title = f"U-Net-256, {streams} streams, encoder norms {sharing}"
            yield PublishedSize(title, parameters(network))
    for domains in (3, 4):
        names = ("rgb", "shade", "texture", "depth")[:domains]
        network = _build(inputs=names, outputs=names, cycle=True)
        private = [m for m in network.encoder.stages[1].modules() if isinstance(m, PrivateNorm2d)]
        yield PublishedSize(f"norm sets of a cycle, {domains - 1} inputs", sum(len(norm.norms) for norm in private))
    yield from _judges()


def _parts() -> Iterator[PublishedSize]:
    """Count the parts of a generator of one stream."""
    network = _build(inputs=("shade",))
    unused = _build(inputs=("shade",), unused_norms=True).unused
    *idle, last = (parameters(norm) for norm in unused)
    for name, part, more in (("encoder", network.encoder, sum(idle)), ("decoder", network.decoder, last)):
        norms = sum(parameters(m) for m in part.modules() if isinstance(m, PrivateNorm2d))
        yield PublishedSize(f"U-Net-256 {name}, convolutions", parameters(part) - norms)
        yield PublishedSize(f"U-Net-256 {name}, one set of norms", norms)
        yield PublishedSize(f"U-Net-256 {name}, one set with unused", norms + more)


def _judges() -> Iterator[PublishedSize]:
    """Count the discriminators."""
    with torch.device("meta"):
        judge, official = PatchDiscriminator(), PatchDiscriminator(unused_norms=True)
        image = torch.empty(1, 3, _SIDE, _SIDE)
        patches = judge(image, image).shape[2:]
    yield PublishedSize("discriminator", parameters(judge))
    yield PublishedSize("discriminator, with unused norms", parameters(official))
    for title, count, reported in _JUDGES:
        yield PublishedSize(f"discriminators, {title}", count * parameters(judge), reported)
    yield PublishedSize(f"discriminator output, {_SIDE}x{_SIDE} input", "x".join(map(str, patches)))


def _build(**changes: Any) -> TranslationNetwork:
    """Build a generator of published width without allocating it."""
    with torch.device("meta"):
        return build_network(TranslatorConfig(**changes))
