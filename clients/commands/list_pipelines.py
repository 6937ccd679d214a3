"""`list`: what a server offers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from crosswire.clients.commands.options import add_connection_options, connect
from crosswire.contract import PipelineDescription, TensorSpec
from crosswire.contract.command_line import Commands


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("list", help="list the pipelines of a server")
    add_connection_options(parser)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> None:
    """Print every pipeline with its task, inputs and outputs."""
    with connect(options) as predictor:
        offered = predictor.pipelines()
    print("\n".join(as_text(pipeline) for pipeline in offered) or f"{options.url} offers no pipeline")


def as_text(pipeline: PipelineDescription) -> str:
    """Return one pipeline as a few lines."""
    count = len(pipeline.classes)
    classes = f", {count} classes: {', '.join(pipeline.classes)}" if count else ""
    return "\n".join(
        (
            pipeline.name,
            f"  task     {pipeline.task}{classes}",
            f"  inputs   {_tensors(pipeline.inputs)}",
            f"  outputs  {_tensors(pipeline.outputs)}",
        )
    )


def _tensors(tensors: Sequence[TensorSpec]) -> str:
    described = (
        f"{tensor.name} {tensor.dtype} {list(tensor.shape)}{' (optional)' if tensor.optional else ''}"
        for tensor in tensors
    )
    return ", ".join(described)
