"""`count`: parameters and multiply-accumulates of a network."""

from __future__ import annotations

import argparse
import json

from training.commands.arguments import Commands, size
from training.config import NetworkConfig


def add(commands: Commands) -> None:
    """Describe `count`."""
    count = commands.add_parser("count", help="count parameters and multiply-accumulates of a network")
    count.add_argument("network", help="name of a network, for example refinenet101")
    count.add_argument("--streams", type=int, default=2, help="number of streams (default 2)")
    count.add_argument("--classes", type=int, default=40, help="number of classes (default 40)")
    count.add_argument("--size", type=size, metavar="HxW", help="count multiply-accumulates at this size too")
    count.add_argument("--json", action="store_true", help="one JSON line")
    count.set_defaults(function=_count)


def _count(options: argparse.Namespace) -> None:
    """Count a network."""
    from training.count import count_macs, count_parameters, with_streams

    if options.streams < 1 or options.classes < 1:
        raise ValueError("--streams and --classes are 1 or more")
    config = with_streams(NetworkConfig(name=options.network, classes=options.classes), options.streams)
    counts = {"network": options.network, "streams": options.streams, "classes": options.classes}
    counts["params"] = count_parameters(config)
    if options.size:
        counts["macs"] = count_macs(config, options.size)
    print(
        json.dumps(counts)
        if options.json
        else "\n".join(
            f"{key:8} {value:>15,}" if isinstance(value, int) else f"{key:8} {value:>15}"
            for key, value in counts.items()
        )
    )
