"""The options that say which server is asked and how long."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from clients.own_server import REPOSITORY, own_server
from clients.predictor import DEADLINE_S, Predictor

DEFAULT_URL = "grpc://127.0.0.1:8001"
_URL = "grpc://HOST:PORT or http://HOST:PORT of the server; several with commas between them share the requests"


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--url` and `--deadline`."""
    parser.add_argument("--url", default=DEFAULT_URL, help=f"{_URL} (default: %(default)s)")
    add_deadline_option(parser)


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--url` for a command that can also start a server of its own, and `--repository` for that one."""
    parser.add_argument("--url", help=f"{_URL} (default: a server is started for this command)")
    parser.add_argument(
        "--repository",
        type=Path,
        default=REPOSITORY,
        metavar="DIR",
        help="without --url: exported networks to serve (default: %(default)s)",
    )


def add_deadline_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--deadline`."""
    parser.add_argument(
        "--deadline",
        type=float,
        default=DEADLINE_S,
        metavar="SECONDS",
        help="longest time for one request (default: %(default)g)",
    )


def connect(options: argparse.Namespace) -> Predictor:
    """Return the predictor that the options describe."""
    return Predictor(options.url, deadline_s=options.deadline)


def server_of(options: argparse.Namespace) -> contextlib.AbstractContextManager[str]:
    """Return the address that the options name, or a server of one's own for as long as it is needed."""
    return contextlib.nullcontext(options.url) if options.url else own_server(options.repository)
