"""`make-data`: write a procedural data set in the layout of a real one, as an example and for trying out."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.arguments import Commands, size


def add(commands: Commands) -> None:
    """Describe `make-data`."""
    make = commands.add_parser("make-data", help="write procedural frames in the layout of a real data set")
    make.add_argument("source", choices=["rooms"], help="what is drawn")
    make.add_argument("--layout", default="folder", metavar="NAME", help="how it is laid out (default folder)")
    make.add_argument("--to", type=Path, required=True, metavar="DIR", help="new folder to write into")
    make.add_argument("--count", type=int, default=20, metavar="N", help="number of frames, 3 or more (default 20)")
    make.add_argument("--size", type=size, default=(128, 160), metavar="HxW", help="of a picture (default 128x160)")
    make.add_argument("--seed", type=int, default=0, help="of what is drawn (default 0)")
    make.set_defaults(function=_make)


def _make(options: argparse.Namespace) -> None:
    """Write a data set."""
    from training.config import ConfigError
    from training.datasets.layouts import LAYOUTS
    from training.datasets.rooms_frames import RoomsFrames
    from training.datasets.write import split_evenly

    if options.layout not in LAYOUTS:
        raise ConfigError(f"layout {options.layout!r} is unknown; allowed are {', '.join(LAYOUTS)}")
    if options.count < 3:
        raise ConfigError(f"--count is {options.count}; allowed is 3 or more, one for each split")
    if options.to.exists() and (not options.to.is_dir() or any(options.to.iterdir())):
        raise ConfigError(f"{options.to} exists and is not an empty folder; choose another one")
    source = RoomsFrames(options.seed, options.count, *options.size)
    LAYOUTS[options.layout].write(source, options.to, split_evenly(options.count))
    print(f"written: {options.to}\nnext: python -m training check-data {options.to}")
