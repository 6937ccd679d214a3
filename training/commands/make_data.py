"""`make-data`: a data set of a user's own files from three folders, or a procedural one as an example."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract import QUANTITIES
from crosswire.contract.command_line import Commands
from crosswire.contract.errors import UsageError
from crosswire.training.commands import make_data_recording as recording
from crosswire.training.commands.arguments import size

KINDS, LISTS = ("rgb", "depth", "labels"), ("train", "val", "test")


def add(commands: Commands) -> None:
    """Describe `make-data`."""
    make = commands.add_parser("make-data", help="gather frames from three folders, or write procedural ones")
    what = "your own folders of files with equal names, a recording, or what is drawn: rooms, tables, clips of events"
    make.add_argument("source", choices=["folders", "recording", "rooms", "tabletop", "events"], help=what)
    make.add_argument("path", nargs="?", metavar="SRC", help="of recording: file or folder, see docs/recordings.md")
    make.add_argument("--layout", metavar="NAME", help="how it is laid out (default folder; of events clips)")
    make.add_argument("--to", type=Path, required=True, metavar="DIR", help="new folder to write into")
    make.add_argument("--count", type=int, default=20, metavar="N", help="how many (default 20)")
    make.add_argument(
        "--size", type=size, metavar="HxW", help="of a picture (default 128x160; of tabletop 240x320, of events 48x64)"
    )
    make.add_argument("--seed", type=int, default=0, help="of what is drawn (default 0)")
    for kind in KINDS:
        make.add_argument(f"--{kind}", type=Path, metavar="DIR", help=f"of folders: that of the {kind} files")
    make.add_argument("--classes", default="", metavar="A,B", help="of own files: names in the order of their values")
    make.add_argument("--depth-units-per-metre", type=float, metavar="UNITS", help="of own files: instead of a guess")
    make.add_argument("--geometry", choices=QUANTITIES, help="of folders: what depth files hold (default depth)")
    make.add_argument("--split", type=_shares, metavar="T,V,E", help="of folders: shares (default 0.8,0.1,0.1)")
    for name in LISTS:
        make.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"of folders: list of the {name} frames")
    recording.add_options(make)
    make.set_defaults(function=_make)


def _shares(text: str) -> tuple[float, ...]:
    """Parse `0.8,0.1,0.1`."""
    try:
        shares = tuple(float(word) for word in text.split(","))
    except ValueError:
        shares = ()
    if len(shares) != 3 or not all(0 < share < 1 for share in shares) or abs(sum(shares) - 1) > 0.01:
        raise argparse.ArgumentTypeError(f"{text!r} are no shares; write those of train, val and test: 0.8,0.1,0.1")
    return shares


def _make(options: argparse.Namespace) -> None:
    """Write a data set."""
    from crosswire.training.config import ConfigError
    from crosswire.training.datasets.check import TASKONOMY
    from crosswire.training.datasets.clips.write import FEWEST, WRITERS
    from crosswire.training.datasets.layouts import LAYOUTS
    from crosswire.training.tasks.segmentation.data import SPLITS

    if options.to.exists() and (not options.to.is_dir() or any(options.to.iterdir())):
        raise ConfigError(f"{options.to} exists and is not an empty folder; choose another one")
    _check_given(options)
    if options.source in ("folders", "recording"):
        (_gather if options.source == "folders" else recording.extract_frames)(options)
        return
    layouts = {"rooms": (*LAYOUTS, TASKONOMY), "tabletop": ("folder",), "events": tuple(WRITERS)}[options.source]
    layout = options.layout or ("clips" if options.source == "events" else "folder")
    if layout not in layouts:
        raise ConfigError(f"layout {layout!r} is unknown for {options.source}; allowed are {', '.join(layouts)}")
    fewest = FEWEST.get(layout, len(SPLITS))
    if options.count < fewest:
        raise ConfigError(
            f"--count is {options.count}; allowed is {fewest} or more, so that every split of {layout} gets one"
        )
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


def _check_given(options: argparse.Namespace) -> None:
    """Refuse what belongs to another source."""
    own = [
        kind
        for kind in (*KINDS, "classes", "depth_units_per_metre", "geometry", "split", *LISTS)
        if getattr(options, kind) not in (None, "")
    ]
    recording.check_given(options)
    if options.source == "recording":
        own = [one for one in own if one not in ("classes", "depth_units_per_metre")]
    if options.source != "folders":
        if own:
            raise UsageError(f"--{own[0].replace('_', '-')} is for: make-data folders; leave it out")
        return
    if missing := [kind for kind in KINDS if getattr(options, kind) is None]:
        raise UsageError(f"folders lacks --{missing[0]} DIR; name a folder for each of {', '.join(KINDS)}")
    lists = [name for name in LISTS if getattr(options, name)]
    if lists and ("train" not in lists or "val" not in lists or options.split):
        raise UsageError("give --train and --val FILE, --test if there is one, and no --split; or --split alone")
    if options.layout not in (None, "folder"):
        raise UsageError(f"--layout is {options.layout}; folders become a plain folder, leave it out")


def _gather(options: argparse.Namespace) -> None:
    """Write a folder from three."""
    from crosswire.training.datasets.measured.gather import matched, split_by_lists, split_by_share, write_gathered
    from crosswire.training.datasets.measured.guess import guessed_manifest

    gathered = matched({kind: getattr(options, kind) for kind in KINDS})
    stems = [*gathered.frames]
    lists = {name: getattr(options, name) for name in LISTS if getattr(options, name)}
    if not lists and len(stems) < len(LISTS):
        raise UsageError(f"the folders hold {len(stems)} whole frames; 3 or more are needed, one for every split")
    splits = split_by_lists(stems, lists) if lists else split_by_share(stems, options.split or (0.8, 0.1, 0.1))
    said = {key: value for key in ("depth_units_per_metre", "geometry") if (value := getattr(options, key)) is not None}
    classes = [word.strip() for word in options.classes.split(",") if word.strip()]
    manifest = guessed_manifest([*gathered.frames.values()], classes, said)
    write_gathered(gathered, splits, manifest.plain(), options.to)
    if gathered.alone:
        print(f"left out: {len(gathered.alone)} files without the other two, as {gathered.alone[0]}")
    print(f"{len(stems)} frames: {', '.join(f'{len(some)} {name}' for name, some in splits.items())}")
    for key, why in manifest.guessed.items():
        print(f"guessed: {key} = {manifest.keys[key]}: {why}")
    print(f"written: {options.to}\nnext: crosswire check-data {options.to}")
