"""`make-data`: write a procedural data set in the layout of a real one, as an example and for trying out."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract.command_line import Commands
from crosswire.contract.errors import UsageError
from crosswire.training.commands.arguments import size


def add(commands: Commands) -> None:
    """Describe `make-data`."""
    make = commands.add_parser("make-data", help="write procedural frames or clips in the layout of a real data set")
    make.add_argument(
        "source", choices=["rooms", "tabletop", "events"], help="frames of rooms or tables, or clips of events"
    )
    make.add_argument("--layout", metavar="NAME", help="how it is laid out (default folder; of events clips)")
    make.add_argument("--to", type=Path, required=True, metavar="DIR", help="new folder to write into")
    make.add_argument("--count", type=int, default=20, metavar="N", help="how many (default 20)")
    make.add_argument(
        "--size", type=size, metavar="HxW", help="of a picture (default 128x160; of tabletop 240x320, of events 48x64)"
    )
    make.add_argument("--seed", type=int, default=0, help="of what is drawn (default 0)")
    make.set_defaults(function=_make)


def _make(options: argparse.Namespace) -> None:
    """Write a data set."""
    from crosswire.training.config import ConfigError
    from crosswire.training.datasets.check import TASKONOMY
    from crosswire.training.datasets.clips.write import FEWEST, WRITERS
    from crosswire.training.datasets.layouts import LAYOUTS
    from crosswire.training.tasks.segmentation.data import SPLITS

    layouts = {"rooms": (*LAYOUTS, TASKONOMY), "tabletop": ("folder",), "events": tuple(WRITERS)}[options.source]
    layout = options.layout or ("clips" if options.source == "events" else "folder")
    if layout not in layouts:
        raise ConfigError(f"layout {layout!r} is unknown for {options.source}; allowed are {', '.join(layouts)}")
    fewest = FEWEST.get(layout, len(SPLITS))
    if options.count < fewest:
        raise ConfigError(
            f"--count is {options.count}; allowed is {fewest} or more, so that every split of {layout} gets one"
        )
    if options.to.exists() and (not options.to.is_dir() or any(options.to.iterdir())):
        raise ConfigError(f"{options.to} exists and is not an empty folder; choose another one")
    {"rooms": _make_rooms, "tabletop": _make_tabletops, "events": _make_events}[options.source](options, layout)
    print(f"written: {options.to}\nnext: crosswire check-data {options.to}")


def _make_rooms(options: argparse.Namespace, layout: str) -> None:
    """Write frames of procedural rooms."""
    from crosswire.training.datasets.layouts import LAYOUTS
    from crosswire.training.datasets.rooms_frames import RoomsFrames
    from crosswire.training.datasets.taskonomy.write import write_taskonomy
    from crosswire.training.datasets.write import split_evenly

    size = options.size or (128, 160)
    if layout not in LAYOUTS:
        write_taskonomy(options.seed, options.count, size, options.to)
        return
    source = RoomsFrames(options.seed, options.count, *size)
    LAYOUTS[layout].write(source, options.to, split_evenly(options.count))


def _make_tabletops(options: argparse.Namespace, layout: str) -> None:
    """Write frames of procedural tables."""
    from crosswire.training.datasets.layouts import LAYOUTS
    from crosswire.training.datasets.tabletops.tabletop_frames import TabletopFrames
    from crosswire.training.datasets.write import split_evenly

    source = TabletopFrames(options.seed, options.count, *(options.size or (240, 320)))
    LAYOUTS[layout].write(source, options.to, split_evenly(options.count))


def _make_events(options: argparse.Namespace, layout: str) -> None:
    """Write procedural clips."""
    from crosswire.training.datasets.clips.events_clips import EventClips
    from crosswire.training.datasets.clips.write import WRITERS
    from crosswire.training.tasks.audio_video.config import ClipShape

    height, width = options.size or (48, 64)
    if height % 2 or width % 2:
        raise UsageError(f"--size is {height}x{width}; clips have even numbers of rows and columns, for example 48x64")
    shape = ClipShape(height=height, width=width)
    WRITERS[layout](EventClips(options.seed, options.count, shape), options.to, shape)
