"""What the results of all tasks have in common: their protocol, reading tensors, writing files.

A result can `save` itself as the files that `crosswire predict` leaves, and say what was found for people and as JSON;
the command knows no task by name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from crosswire.clients.errors import InternalServerError
from crosswire.clients.files import prepare_folder, write_json, write_whole
from crosswire.clients.session import Timings


class Result(Protocol):
    """What a pipeline made of a request, typed: one class per task."""

    @property
    def pipeline(self) -> str:
        """Name of the pipeline that gave the result."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the server found odd about the inputs; each begins with a name and a colon."""

    @property
    def timings(self) -> Timings:
        """Where the time went."""

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write the result as files, each whole or not at all.

        Args:
            folder: where to; made if it does not exist.
            stem: beginning of all file names.

        Returns:
            The files by what they hold.

        Raises:
            OutputError: the folder cannot be made or written to.
        """

    def figures(self) -> dict[str, Any]:
        """Return what was found as plain JSON types."""

    def as_lines(self) -> list[str]:
        """Return what was found in lines for people."""


def registered_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return how much of the image has depth that a camera registered, for people; nothing where none did."""
    share = summary.get("depth_registered")
    return [] if share is None else [f"depth was registered by the camera: {share:.0%} of the image has some"]


def save_files(folder: str | os.PathLike[str], stem: str, files: Mapping[str, tuple[str, Any]]) -> dict[str, Path]:
    """Write files of a result, each whole or not at all.

    Args:
        folder: where to; made if it does not exist.
        stem: beginning of all file names.
        files: ending and content of each by what it holds: the bytes of a file, or what is written as JSON.

    Returns:
        The files by what they hold.

    Raises:
        OutputError: the folder cannot be made or written to.
    """
    place = prepare_folder(folder)
    written = {}
    for kind, (ending, content) in files.items():
        write = write_whole if isinstance(content, bytes) else write_json
        written[kind] = write(place / f"{stem}.{ending}", content)
    return written


def share_lines(shares: Iterable[tuple[str, float]]) -> list[str]:
    """Return names with shares, 0..1, one a line."""
    return [f"{name:<20} {share:6.1%}" for name, share in shares]


def read_summary(data: bytes) -> dict[str, Any]:
    """Parse a summary.

    Raises:
        InternalServerError: it is no JSON object.
    """
    try:
        parsed = json.loads(data)
    except ValueError as error:
        raise InternalServerError(f"the server's summary is no JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise InternalServerError(f"the server's summary is a JSON {type(parsed).__name__}, not an object")
    return parsed


def single_value(tensor: NDArray[Any], name: str) -> bytes:
    """Return the one value of a BYTES tensor.

    Raises:
        InternalServerError: it holds another number of values, or something else.
    """
    if tensor.size != 1 or not isinstance(tensor.reshape(-1)[0], bytes):
        raise InternalServerError(f"the server's {name} is {tensor.dtype} {list(tensor.shape)}, not one BYTES value")
    value: bytes = tensor.reshape(-1)[0]
    return value
