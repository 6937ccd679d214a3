"""`group`: find out which tasks of a multitask network should share an encoder."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract.command_line import Commands
from crosswire.training.commands.arguments import add_settings
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset


def add(commands: Commands) -> None:
    """Describe `group`."""
    group = commands.add_parser("group", help="find out which tasks should share an encoder, by validation")
    group.add_argument("preset", help="a network of several outputs; see: crosswire presets")
    group.add_argument("--encoders", type=int, default=2, metavar="N", help="how many there may be (default 2)")
    group.add_argument("--to", type=Path, metavar="DIR", help="where the runs are kept (default runs/groupings/PRESET)")
    add_settings(group)
    group.add_argument("--quiet", action="store_true", help="no progress bars")
    group.set_defaults(function=_group)


def _group(options: argparse.Namespace) -> None:
    """Train every grouping and print them, best first."""
    from crosswire.training.config import ConfigError
    from crosswire.training.tasks.translation.config import TranslationConfig
    from research.grouping import choose, table

    config = override(preset(options.preset), options.assignments)
    if not isinstance(config, TranslationConfig):
        raise ConfigError(f"preset {options.preset!r} has no several tasks; take one of a multitask network")
    folder = options.to or Path("runs") / "groupings" / options.preset
    found = choose(config, options.encoders, folder, progress=not options.quiet)
    print(table(found))
    print(f"\nbest: {found[0].name}; its run is {found[0].folder}")
