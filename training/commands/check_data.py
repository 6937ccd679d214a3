"""`check-data`: name every file of a data set that training could not use, with the cure."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract.command_line import Commands


def add(commands: Commands) -> None:
    """Describe `check-data`."""
    check = commands.add_parser("check-data", help="name every file of a data set that cannot be used, with the cure")
    check.add_argument("path", type=Path, metavar="DIR", help="folder of the data set, or its .mat file")
    check.add_argument("--layout", metavar="NAME", help="how it is laid out (default: what it looks like)")
    check.add_argument("--splits", default="", metavar="PATH", help="lists or splits.mat that lie elsewhere")
    check.add_argument("--mapping", default="", metavar="FILE", help="classMapping40.mat that lies elsewhere")
    check.add_argument("--depth-folder", default="depth_bfx", metavar="NAME", help="SUN RGB-D: depth_bfx or depth")
    check.add_argument("--disparity", action="store_true", help="Cityscapes: disparity alone, without camera files")
    check.add_argument("--quiet", action="store_true", help="no progress bar")
    check.set_defaults(function=_check)


def _check(options: argparse.Namespace) -> None:
    """Print every problem; raise where there is one."""
    from tqdm import tqdm

    from crosswire.training.config import ConfigError
    from crosswire.training.datasets.check import ACTIVITYNET, TASKONOMY, problems, recognised, survey_of
    from crosswire.training.datasets.clips.layouts import CLIP_LAYOUTS
    from crosswire.training.datasets.folder import open_split
    from crosswire.training.from_data import FOLDER, SELF_DESCRIBING, depth_words
    from crosswire.training.tasks.segmentation.config import DataConfig

    layout = options.layout or recognised(options.path)
    config = DataConfig(
        name=layout,
        path=str(options.path),
        splits=options.splits,
        mapping=options.mapping,
        depth_folder=options.depth_folder,
        disparity=options.disparity,
    )
    title, survey = survey_of(layout, config)
    what = {TASKONOMY: "views", ACTIVITYNET: "videos"}.get(layout, "clips" if layout in CLIP_LAYOUTS else "frames")
    frames = len(survey.frames)
    print(f"{options.path}: {title}, {frames} {what}")
    count = warnings = 0
    for problem in problems(survey, progress=not options.quiet):
        tqdm.write(str(problem))
        warnings += problem.warning
        count += not problem.warning
    if count:
        raise ConfigError(f"{count} {'problem' if count == 1 else 'problems'} in {frames} {what}")
    classes = "" if layout == TASKONOMY else f" --set network.classes={len(survey.frames.classes)}"
    use = f"train with --set data.name={layout} --set data.path={options.path}{classes}"
    if layout == FOLDER and not len(open_split(config, "train")):
        use = f"nothing to train on; score a run with: crosswire evaluate RUN --data {options.path}"
    elif layout == ACTIVITYNET:
        use = f"train with --data {options.path}"
    elif layout in SELF_DESCRIBING:
        print(depth_words(config))
        use = f"train with --data {options.path}{' --set data.disparity=true' if options.disparity else ''}"
    doubts = f", {warnings} {'warning' if warnings == 1 else 'warnings'}" if warnings else ""
    print(f"nothing wrong{doubts}; {use}")
