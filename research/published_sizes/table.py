"""Published sizes beside those of the networks built here, counted on the meta device.

Nothing of what is computed is written down: only the reported figures are, as the papers print them. Sources:
the CEN paper and the CEN journal paper, Table 2 (NYUv2, RefineNet-101, millions of parameters).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch

from crosswire.training.models import PrivateNorm2d, SegmentationNetwork, exchanging_norms
from crosswire.training.models.count import count_parameters, parameters
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.network import build_network, sample, shapes
from research.published_sizes import PublishedSize
from research.published_sizes.translation import translation_sizes

_STAGES = ("early", "middle", "late", "all")
#: Millions of parameters that the papers print, per fusion and place: the fusion alone, all in setting "common", and
#: all in setting "same".
_REPORTED_FUSIONS: dict[str, dict[str, tuple[float, ...]]] = {
    "concat": {
        "fusion": (0.6, 2.1, 8.4, 11.2),
        "common": (120.1, 147.7, 169.0, 171.7),
        "same": (118.8, 120.3, 126.6, 129.4),
    },
    "align": {
        "fusion": (2.6, 10.5, 41.9, 55.7),
        "common": (238.8, 246.7, 278.1, 291.9),
        "same": (120.8, 128.7, 160.1, 173.9),
    },
    "attention": {
        "fusion": (5.4, 21.2, 84.9, 112.8),
        "common": (124.9, 166.9, 245.5, 272.3),
        "same": (123.6, 139.4, 203.2, 231.0),
    },
}


def published_sizes() -> Iterator[PublishedSize]:
    """Build the published networks, one after another, and count them."""
    for depth in (50, 101, 152):
        yield from _exchange_rows(depth)
    yield PublishedSize("RefineNet decoder, 40 classes", _decoder(40))
    yield PublishedSize("RefineNet decoder, 37 classes", _decoder(37))
    for depth, streams, reported in (
        (101, 1, 118.1),
        (101, 2, 118.2),
        (101, 3, None),
        (50, 1, None),
        (50, 2, None),
        (152, 1, None),
        (152, 2, None),
    ):
        yield PublishedSize(f"RefineNet{depth}, {streams} streams", _count(f"refinenet{depth}", streams), reported)
    for depth in (101, 152):
        yield PublishedSize(f"PSPNet{depth}, 2 streams", _count(f"pspnet{depth}", 2))
    for size in ((500, 500), (468, 625)):
        yield PublishedSize(f"RefineNet output, {size[0]}x{size[1]} input", _output(size))
    yield from _fusion_rows()
    yield from translation_sizes()


def _build(name: str, streams: int = 2, classes: int = 40) -> SegmentationNetwork:
    """Build a network of published width without allocating it."""
    with torch.device("meta"):
        return build_network(sample(name, streams, classes))


def _count(name: str, streams: int) -> int:
    """Count the parameters of a network with 40 classes."""
    return parameters(_build(name, streams))


def _decoder(classes: int) -> int:
    """Count the RefineNet decoder alone."""
    return parameters(_build("refinenet101", classes=classes).decoder)


def _exchange_rows(depth: int) -> Iterator[PublishedSize]:
    """Count exchange layers, their γ and the norms of one stream, for a ResNet of a depth."""
    network = _build(f"refinenet{depth}")
    norms = exchanging_norms(network).values()
    yield PublishedSize(f"exchange layers, ResNet{depth}", len(norms))
    yield PublishedSize(f"γ per stream, ResNet{depth}", sum(norm.channels for norm in norms))
    penalised = sum(gamma.numel() for norm in norms for gamma in norm.penalised()) // 2
    yield PublishedSize(f"penalised γ per stream, ResNet{depth}", penalised)
    private = [module for module in network.modules() if isinstance(module, PrivateNorm2d)]
    yield PublishedSize(
        f"norm parameters per stream, ResNet{depth}", sum(parameters(norm.norms[0]) for norm in private)
    )


def _output(size: tuple[int, int]) -> str:
    """Return the size of the logits for a size (H, W) of the input."""
    config = sample("refinenet101", 2, 40)
    with torch.device("meta"):
        decisions = build_network(config).eval()(*map(torch.empty, shapes(config, size)))
    return "x".join(str(length) for length in decisions.ensemble.shape[2:])


def _fusion_rows() -> Iterator[PublishedSize]:
    """Count the fusion baselines on RefineNet101 with two streams."""
    base = NetworkConfig(name="refinenet101", fusion="none")
    without = count_parameters(base, build_network)
    for fusion, reported in _REPORTED_FUSIONS.items():
        for index, where in enumerate(_STAGES):
            counts = {
                setting: count_parameters(
                    dataclasses.replace(base, fusion=fusion, where=where, setting=setting), build_network
                )
                for setting in ("common", "same")
            }
            counts["fusion"] = counts["same"] - without
            for kind in ("fusion", "common", "same"):
                title = "alone" if kind == "fusion" else f"in setting {kind}"
                yield PublishedSize(f"{fusion} {where}, {title}", counts[kind], reported[kind][index])


def to_plain(row: PublishedSize) -> dict[str, Any]:
    """Return a row as JSON types, with its verdict."""
    return {**dataclasses.asdict(row), "verdict": row.verdict}


def text(table: list[PublishedSize]) -> str:
    """Return a table as text."""
    lines = [f"{'item':50} {'computed':>12} {'reported':>9}  verdict"]
    for row in table:
        computed = f"{row.computed:,}" if isinstance(row.computed, int) else row.computed
        reported = "-" if row.reported is None else f"{row.reported:.1f}M"
        lines.append(f"{row.item:50} {computed:>12} {reported:>9}  {row.verdict}")
    return "\n".join(lines)
