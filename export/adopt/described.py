"""The description that options, a file and a preset give together, what is said more closely on top."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from crosswire.export.adopt.description import Description, description_of, laid_over, read_classes, read_description
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import Source
from crosswire.export.adopt.metadata import metadata_of
from crosswire.export.adopt.presets import preset

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OUTPUT = "output"


def described_by(options: argparse.Namespace, source: Source, report: Callable[[str], None]) -> Description:
    """Return what is said of a graph: flags over the user's file over a preset over metadata.

    Args:
        options: of the command.
        source: the graph.
        report: is told what was read.

    Raises:
        AdoptError: something is said wrongly, or nothing says the task.
    """
    found = laid_over(_layers(options), metadata_of(source, report))
    if found.task is None:
        raise AdoptError("nothing says what the network does; add --task segmentation, translation or classification")
    return found


def said_by(options: argparse.Namespace) -> Description:
    """Return what is said of a network whose graph is not written yet, with the size of the flags in its images."""
    found = _layers(options)
    if options.size is None:
        return found
    inputs = [one if one.role == "waveform" else dataclasses.replace(one, size=options.size) for one in found.inputs]
    return dataclasses.replace(found, inputs=tuple(inputs))


def _layers(options: argparse.Namespace) -> Description:
    """Return what flags, the user's file and a preset say."""
    found = _flags(options)
    if options.describe is not None:
        found = laid_over(found, read_description(options.describe))
    if options.preset is not None:
        found = laid_over(found, preset(options.preset))
    return found


def assigned(assignments: Iterable[str]) -> Description:
    """Return the description that `ROLE.FIELD=VALUE` and `output.FIELD=VALUE` are.

    Args:
        assignments: texts; a value is TOML, or a bare word.

    Raises:
        AdoptError: one has another form, or names no field.
    """
    tables: dict[str, dict[str, Any]] = {}
    for text in assignments:
        key, found, value = text.partition("=")
        part, dot, field = key.strip().partition(".")
        if not found or not dot or not part or not field:
            raise AdoptError(f"--set {text!r} has another form than rgb.scale=0.0039 or output.kind=logits")
        tables.setdefault(part, {})[field] = _parsed(value.strip())
    outputs = [tables.pop(OUTPUT)] if OUTPUT in tables else []
    inputs = [{"role": role, **table} for role, table in tables.items()]
    try:
        return description_of({"inputs": inputs, "outputs": outputs}, Path())
    except AdoptError as error:
        raise AdoptError(f"--set: {error}") from error


def _flags(options: argparse.Namespace) -> Description:
    """Return what the options say."""
    found = dataclasses.replace(assigned(options.assignments), task=options.task)
    said: dict[str, Any] = {}
    if options.output is not None:
        said["graph_output"] = options.output
    if options.classes is not None:
        said["classes"] = tuple(read_classes(options.classes))
    if not said:
        return found
    return laid_over(found, description_of({"outputs": [_plain(said)]}, Path()))


def _plain(said: dict[str, Any]) -> dict[str, Any]:
    """Return fields as parsed TOML has them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in said.items()}


def _parsed(text: str) -> Any:
    """Return a value of TOML; a bare word is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
