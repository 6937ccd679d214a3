"""`import-cen`: turn a checkpoint of the official CEN code into a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from crosswire.contract.command_line import Commands
from crosswire.training.commands.arguments import add_settings


def add(commands: Commands) -> None:
    """Describe `import-cen`."""
    importer = commands.add_parser(
        "import", aliases=["import-cen"], help="turn a checkpoint of the official CEN code into a run"
    )
    importer.add_argument("file", type=Path, help="official checkpoint: segmentation (.pth.tar) or generator (.pkl)")
    importer.add_argument("--network", required=True, help="refinenet50, refinenet101, refinenet152 or unet256")
    importer.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder to write")
    add_settings(importer, "change a setting, for example data.name=nyuv2 and data.path=DIR to score the run there")
    importer.set_defaults(function=_import_cen)


def _import_cen(options: argparse.Namespace) -> None:
    """Import a checkpoint and say what it was."""
    from crosswire.training.engine.run_folder import RunOf
    from crosswire.training.importers.cen_segmentation import import_cen
    from crosswire.training.importers.cen_translation import NETWORK, import_translation
    from crosswire.training.models import exchanged_share

    if options.network == NETWORK:
        run: RunOf[Any, Any] = import_translation(options.file, options.out, options.assignments)
        network = run.config.network
        what, size = f"{' + '.join(network.inputs)} to {' + '.join(network.outputs)}", "256x256"
        hint = "; name other domains with --set network.inputs=A,B --set network.outputs=C"
    else:
        run = import_cen(options.file, options.network, options.out, options.assignments)
        network = run.config.network
        what, size, hint = f"{network.classes} classes, streams {' and '.join(network.streams)}", "480x640", ""
    print(f"{network.name}, {what}, {exchanged_share(run.network):.1%} of the channels exchanged{hint}")
    print(f"written: {options.out}")
    print(f"next: crosswire export {options.out} --name my_network --size {size} --to my_repository")
