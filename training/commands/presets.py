"""`presets`: list the presets, or print one."""

from __future__ import annotations

import argparse
import json

from crosswire.contract.command_line import Commands
from crosswire.contract.plain import to_plain
from crosswire.training.tasks.presets import PRESETS, preset


def add(commands: Commands) -> None:
    """Describe `presets`."""
    presets = commands.add_parser("presets", help="list the presets, or print one")
    presets.add_argument("name", nargs="?", help="print this one as JSON")
    presets.set_defaults(function=_presets)


def _presets(options: argparse.Namespace) -> None:
    """List the presets, or print one."""
    if options.name:
        print(json.dumps(to_plain(preset(options.name)), indent=1))
        return
    wide = max(map(len, PRESETS))
    for name, config in PRESETS.items():
        made = "+".join(getattr(config.network, "outputs", ()))
        inputs = "+".join(config.inputs) + (f" to {made}" if made else "")
        print(f"{name:{wide}}  {config.network.name:12} {inputs:28} {config.data.name:8} {config.steps:6} steps")
