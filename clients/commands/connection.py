"""The options that say which server is asked and how long."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from crosswire.clients.access import VARIABLE
from crosswire.clients.balance import Retries
from crosswire.clients.errors import InputError
from crosswire.clients.own_server import REPOSITORY
from crosswire.clients.sync_client import TIMEOUT_S, Predictor
from crosswire.contract.command_line import add_renamed

DEFAULT_URL = "grpc://127.0.0.1:8001"
_URL = "grpc://HOST:PORT or http://HOST:PORT of the server"
_SEVERAL = "several with commas between them share the requests"


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--url` and `--timeout`."""
    parser.add_argument("--url", default=DEFAULT_URL, help=f"{_URL}; {_SEVERAL} (default: %(default)s)")
    add_timeout_option(parser)


def add_server_options(parser: argparse.ArgumentParser, *, several: bool = True) -> None:
    """Declare `--url` for a command that can also start a server of its own, and `--repository` for that one.

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


def add_timeout_option(parser: argparse.ArgumentParser) -> None:
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
