"""Options that several commands share: which server is asked and how long, named files, recorded images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from crosswire.clients.access import VARIABLE
from crosswire.clients.balance import Retries
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.cameras import read_camera
from crosswire.clients.inputs.clock import SECONDS_PER
from crosswire.clients.inputs.recordings import AUTO, LONGEST_GAP_S
from crosswire.clients.own_server import REPOSITORY
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.clients.sync_client import TIMEOUT_S, Predictor
from crosswire.contract.command_line import add_renamed
from crosswire.contract.wire_names import DEPTH_UNITS

DEFAULT_URL = "grpc://127.0.0.1:8001"
_URL = "grpc://HOST:PORT or http://HOST:PORT of the server"
_SEVERAL = "several with commas between them share the requests"


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--url` and `--timeout`."""
    parser.add_argument("--url", default=DEFAULT_URL, help=f"{_URL}; {_SEVERAL} (default: %(default)s)")
    add_request_options(parser)


def add_server_options(parser: argparse.ArgumentParser, *, several: bool = True) -> None:
    """Declare `--url`, `--repository` for a command that can also start a server of its own, and `--timeout`.

    Args:
        parser: where to.
        several: whether the command may be given several servers.
    """
    url = f"{_URL}; {_SEVERAL}" if several else _URL
    parser.add_argument("--url", help=f"{url} (default: a server is started for this command)")
    parser.add_argument(
        "--repository",
        type=Path,
        default=REPOSITORY,
        metavar="DIR",
        help="without --url: exported networks to serve (default: %(default)s)",
    )
    add_request_options(parser)


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--timeout`, and how to be let in."""
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help="longest time for one request, all attempts together (default: %(default)g)",
    )
    add_renamed(parser, "--deadline", "--timeout")
    parser.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help=f"file that holds an API key (default: ${VARIABLE})"
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM certificates to trust with grpcs:// and https://")


def connect(options: argparse.Namespace, url: str | None = None, retries: Retries | None = None) -> Predictor:
    """Return the predictor that the options describe, for another address if one is given."""
    return Predictor(url or options.url, timeout=options.timeout, retries=retries, **access_of(options))


def access_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return how the options let a predictor in: its arguments `api_key` and `ca`."""
    key = None
    if options.api_key_file is not None:
        try:
            key = options.api_key_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise InputError(f"{options.api_key_file} cannot be read ({error}); name a file with one key") from error
    return {"api_key": key, "ca": options.ca}


def call_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments by which functions like `predict_folder` find their server and ask it."""
    return {"repository": options.repository, "timeout": options.timeout, **access_of(options)}


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--longest-gap`, in milliseconds, `--offset`, `--stamp-unit` and `--depth-units-per-metre`."""
    parser.add_argument(
        "--longest-gap",
        type=float,
        default=1e3 * LONGEST_GAP_S,
        metavar="MS",
        help="recording: longest time between colour and depth of a pair (default: %(default)g)",
    )
    parser.add_argument(
        "--offset",
        type=_offset,
        default=0.0,
        metavar="SECONDS",
        help=f"TUM layout: added to the time stamps of depth; {AUTO} finds the shift that pairs best (default: 0)",
    )
    parser.add_argument(
        "--stamp-unit",
        choices=(AUTO, *SECONDS_PER),
        default=AUTO,
        help="TUM layout: what time stamps count (default: what they look like)",
    )
    parser.add_argument(
        "--depth-units-per-metre",
        type=float,
        metavar="UNITS",
        help="what one metre, or one unit of other geometry, counts (default: as the recording says, 5000 for the TUM "
        "layout, else as SRC's manifest.json, else as in the network's training data, else 1000)",
    )


def add_camera_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--camera`."""
    parser.add_argument(
        "--camera",
        type=Path,
        metavar="FILE",
        help="JSON of the colour and the depth camera's lenses, for depth that is not registered to colour (default: "
        "it is registered)",
    )


def recording_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the same options as arguments of `predict_folder` and `stream`."""
    return {
        "longest_gap_s": options.longest_gap / 1e3,
        "offset": options.offset,
        "stamp_unit": options.stamp_unit,
        DEPTH_UNITS: options.depth_units_per_metre,
    }


def add_recorded_options(parser: argparse.ArgumentParser) -> None:
    """Declare what is for recordings: `--colour-topic`, `--depth-topic`, `--no-register`; and `--camera`, for all."""
    parser.add_argument(
        "--colour-topic", metavar="NAME", help="recording: topic or track of colour (default: the one that looks so)"
    )
    parser.add_argument(
        "--depth-topic", metavar="NAME", help="recording: topic or track of depth (default: the one that looks so)"
    )
    parser.add_argument(
        "--camera",
        type=Path,
        metavar="FILE",
        help="calibration by which depth is registered to colour, JSON as `crosswire recording --camera-out` writes; "
        "it counts instead of a recording's own",
    )
    parser.add_argument(
        "--no-register", action="store_true", help="recording: leave depth as it is, even if it lies in another camera"
    )


def recorded_options(options: argparse.Namespace) -> RecordedOptions:
    """Return the same options as `predict_folder` and `stream` take them."""
    return RecordedOptions(
        options.colour_topic, options.depth_topic, read_camera(options.camera), not options.no_register
    )


def _offset(text: str) -> float | str:
    """Return seconds, or the word for those that are found."""
    try:
        return AUTO if text == AUTO else float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected seconds or {AUTO}") from error


def add_named_files(parser: argparse.ArgumentParser, metavar: str, help: str) -> None:
    """Declare `--input`, which gathers files by name in a `dict[str, Path]`, in the order of the command line.

    Args:
        parser: where to.
        metavar: how help and errors call a value, with the equals sign.
        help: what it is for.
    """
    parser.add_argument("--input", action=_NamedFiles, default={}, metavar=metavar, help=help)


class _NamedFiles(argparse.Action):
    """Parses one value and refuses a name that came before."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Add a file; leaves the program where the value names none or repeats a name."""
        name, equals, file = values.partition("=")
        if not (name and equals and file):
            raise argparse.ArgumentError(self, f"{values!r} is no {self.metavar}; write for example rgb=photo.jpg")
        files: dict[str, Path] = getattr(namespace, self.dest)
        if name in files:
            raise argparse.ArgumentError(self, f"{name!r} came twice, {files[name]} and {file}; name one file for it")
        setattr(namespace, self.dest, {**files, name: Path(file)})
