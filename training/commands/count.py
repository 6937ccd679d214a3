"""`count`: parameters and multiply-accumulates of a network."""

from __future__ import annotations

import argparse
import json
from typing import Any

from crosswire.contract.command_line import Commands
from crosswire.contract.errors import UsageError
from crosswire.training.commands.arguments import add_settings, size
from crosswire.training.overrides import override


def add(commands: Commands) -> None:
    """Describe `count`."""
    count = commands.add_parser("count", help="count parameters and multiply-accumulates of a network or a fusion")
    count.add_argument("network", help="name of a network, for example refinenet101, or of a fusion, for example gmf")
    count.add_argument("--streams", type=int, default=2, help="number of streams (default 2)")
    count.add_argument("--classes", type=int, default=40, help="number of classes (default 40)")
    add_settings(count, "change a setting of the network or fusion, for example fusion=none")
    count.add_argument("--size", type=size, metavar="HxW", help="count multiply-accumulates at this size too")
    count.add_argument("--dims", type=_dims, metavar="L,L", help="of a fusion: features of every modality, 512,512")
    count.add_argument("--expansion", type=int, default=4, metavar="N", help="of gmf: magnification (default 4)")
    count.add_argument("--boundary", type=float, default=0.5, metavar="B", help="of gmf: share (default 0.5)")
    count.add_argument("--json", action="store_true", help="one JSON line")
    count.set_defaults(function=_count)


def _dims(text: str) -> tuple[int, ...]:
    """Parse `512,512`."""
    words = text.split(",")
    if not all(word.strip().isdigit() and int(word) for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} are no feature sizes; write whole numbers, for example 512,512")
    return tuple(int(word) for word in words)


def _count(options: argparse.Namespace) -> None:
    """Count a network or a fusion."""
    from crosswire.training.models.vector_fusion import FUSIONS

    counts = _count_fusion(options) if options.network in FUSIONS else _count_network(options)
    print(
        json.dumps(counts)
        if options.json
        else "\n".join(
            f"{key:8} {value:>15,}" if isinstance(value, int) else f"{key:8} {value!s:>15}"
            for key, value in counts.items()
        )
    )


def _count_fusion(options: argparse.Namespace) -> dict[str, Any]:
    """Count a fusion of feature vectors."""
    from crosswire.training.models.vector_fusion import FusionConfig, count_fusion

    if not options.dims:
        raise UsageError(f"{options.network} fuses feature vectors; say how large they are, for example --dims 512,512")
    fusion = FusionConfig(options.network, expansion=options.expansion, boundary=options.boundary)
    config = override(fusion, options.assignments)
    params, macs = count_fusion(config, options.dims)
    return {"network": config.name, "dims": list(options.dims), "params": params, "macs": macs}


def _count_network(options: argparse.Namespace) -> dict[str, Any]:
    """Count a network of pictures."""
    from crosswire.training.models.count import count_macs, count_parameters
    from crosswire.training.tasks.registry import network_family_with

    if options.dims:
        raise UsageError(f"--dims belongs to the fusions, not to {options.network}; use --streams and --size")
    if options.streams < 1 or options.classes < 1:
        raise UsageError("--streams and --classes are 1 or more")
    family = network_family_with(options.network)
    config = override(family.sample(options.network, options.streams, options.classes), options.assignments)
    counts: dict[str, Any] = {"network": options.network, "streams": options.streams}
    if hasattr(config, "classes"):
        counts["classes"] = config.classes
    counts["params"] = count_parameters(config, family.build_network)
    if options.size:
        counts["macs"] = count_macs(config, options.size, family.build_network, family.shapes)
    return counts
