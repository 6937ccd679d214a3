"""`infer`: run a network on arrays."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract.command_line import Commands


def add(commands: Commands) -> None:
    """Describe `infer`."""
    infer = commands.add_parser("infer", help="run a network on arrays, as it takes them itself")
    infer.add_argument("run", type=Path, help="run folder")
    infer.add_argument(
        "--tensors", type=Path, required=True, metavar="IN.npz", help="one array per input, named after it"
    )
    infer.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT.npz",
        help="written: what the network answers, for segmentation the logits before up-sampling",
    )
    infer.set_defaults(function=_infer)


def _infer(options: argparse.Namespace) -> None:
    """Run a network on arrays."""
    from crosswire.training.engine.arrays import read_arrays, write_arrays
    from crosswire.training.engine.run_folder import read_run
    from crosswire.training.tasks.registry import task_of

    run = read_run(options.run)
    answers = task_of(run.config).infer(run, read_arrays(options.tensors))
    write_arrays(options.out, answers)
    print("\n".join(f"{name:10} float32 {list(array.shape)}" for name, array in answers.items()))
    print(f"written: {options.out}")
