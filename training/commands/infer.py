"""`infer`: run a network on arrays, or label a folder of frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract.command_line import Commands
from crosswire.contract.errors import UsageError


def add(commands: Commands) -> None:
    """Describe `infer`."""
    infer = commands.add_parser("infer", help="run a network on arrays, or label a folder of frames, without a server")
    infer.add_argument("run", type=Path, help="run folder")
    given = infer.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--tensors", type=Path, metavar="IN.npz", help="one array per input, named after it, as the network takes it"
    )
    given.add_argument(
        "--folder", type=Path, metavar="DIR", help="segmentation: frames in DIR/rgb and DIR/depth, as in a data set"
    )
    infer.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help="written: of arrays the .npz file with what the network answers, for segmentation the logits before "
        "up-sampling; of frames a folder with one PNG of labels each, in the numbering of the manifest",
    )
    infer.add_argument("--quiet", action="store_true", help="no progress bar")
    infer.set_defaults(function=_infer)


def _infer(options: argparse.Namespace) -> None:
    """Run a network."""
    from crosswire.training.engine.arrays import read_arrays, write_arrays
    from crosswire.training.engine.run_folder import read_run
    from crosswire.training.tasks.registry import SEGMENTATION, task_name, task_of

    run = read_run(options.run)
    if options.folder:
        from crosswire.training.tasks.segmentation.label_folder import label_folder

        if task_name(run.config) != SEGMENTATION:
            raise UsageError(f"--folder belongs to segmentation, {options.run} is {task_name(run.config)}")
        done = label_folder(run, options.folder, options.out, progress=not options.quiet)
        print(f"labels: {', '.join(f'{name} {value}' for name, value in done.values.items())}")
        print(f"written: {done.written} of {done.written + done.kept} frames, {options.out}; {done.kept} were there")
        return
    answers = task_of(run.config).infer(run, read_arrays(options.tensors))
    write_arrays(options.out, answers)
    print("\n".join(f"{name:10} float32 {list(array.shape)}" for name, array in answers.items()))
    print(f"written: {options.out}")
