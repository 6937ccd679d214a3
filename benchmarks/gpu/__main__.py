"""`python -m benchmarks.gpu`: measure the parts one after the other, each in a process of its own and in bounded time.

Every part writes its own dated file as soon as it is done: one that fails, hangs or is killed loses nothing of the
others. Without a GPU nothing is measured and nothing is written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks._record import RESULTS
from benchmarks.gpu import PARTS

#: Seconds that a part may take beyond its minutes, to end what it has begun.
_GRACE_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 0 if all parts were measured whole, else 2."""
    options = _parser().parse_args(arguments)
    if refusal := _refusal(options):
        print(f"error: {refusal}", file=sys.stderr)
        return 2
    if len(options.parts) == 1:
        return _measure(options.parts[0], options)
    common = ["--device", options.device, "--minutes", str(options.minutes), "--results", str(options.results)]
    common += ["--tiny"] if options.tiny else []
    commands = {part: [sys.executable, "-m", "benchmarks.gpu", "--parts", part, *common] for part in options.parts}
    failed = one_by_one(commands, 60 * options.minutes + _GRACE_S)
    for part, reason in failed.items():
        print(f"error: {part}: {reason}", file=sys.stderr)
    return 2 if failed else 0


def one_by_one(commands: Mapping[str, Sequence[str]], seconds: float) -> dict[str, str]:
    """Run commands one after the other, each for so many seconds at most; return which failed, and how."""
    failed = {}
    for name, command in commands.items():
        try:
            if code := subprocess.run(command, timeout=seconds, check=False).returncode:
                failed[name] = f"ended with code {code}"
        except subprocess.TimeoutExpired:
            failed[name] = f"was stopped after {seconds:g} s"
    return failed


def _parser() -> argparse.ArgumentParser:
    """Describe the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="Measure a GPU.")
    parser.add_argument(
        "--parts", type=_parts, default=list(PARTS), help=f"of {','.join(PARTS)}, with commas between (default: all)"
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: with --tiny, to try the code")
    parser.add_argument("--tiny", action="store_true", help="networks of a few channels: all the code, no real figures")
    parser.add_argument("--minutes", type=float, default=6.5, help="begin nothing new in a part after so many")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where figures are written (benchmarks/results)")
    return parser


def _parts(text: str) -> list[str]:
    """Parse names of parts."""
    parts = text.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {', '.join(map(repr, unknown))}; there are: {', '.join(PARTS)}")
    return parts


def _refusal(options: argparse.Namespace) -> str:
    """Return why nothing can be measured, or nothing; fill in the folder for the results."""
    import torch

    if options.tiny and options.results is None:
        return "figures of --tiny mean nothing beside others; say where to write them: --results DIR"
    if options.device == "cpu" and not options.tiny:
        return "a processor takes hours for the papers' networks; --device cpu goes with --tiny, to try the code"
    if options.device == "cuda" and not torch.cuda.is_available():
        return (
            f"no CUDA device (PyTorch here is {torch.__version__}). This needs an NVIDIA GPU, PyTorch built for CUDA, "
            "and onnxruntime-gpu in place of onnxruntime; nothing was measured or written"
        )
    options.results = options.results or RESULTS
    return ""


def _measure(part: str, options: argparse.Namespace) -> int:
    """Measure one part in this process."""
    import importlib

    import torch

    from benchmarks.gpu.machine import Machine, one_line

    torch.manual_seed(0)
    if options.device == "cuda":
        torch.backends.cudnn.benchmark = True
    deadline = time.monotonic() + 60 * options.minutes
    rounds, calls = (1, 1) if options.tiny else (5, 4)
    machine = Machine(torch.device(options.device), options.tiny, deadline, options.results, rounds, calls)
    print(f"\n== {part}: {PARTS[part]}", flush=True)
    try:
        return 0 if importlib.import_module(f"benchmarks.gpu.{part}").measure(machine) else 2
    except Exception as error:  # whatever a driver or a runtime raises
        print(f"error: {part}: {one_line(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
