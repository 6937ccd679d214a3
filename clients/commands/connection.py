"""The options that say which server is asked and how long."""

from __future__ import annotations

import argparse

from clients.predictor import DEADLINE_S, Predictor

DEFAULT_URL = "grpc://127.0.0.1:8001"


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--url` and `--deadline`."""
    parser.add_argument(
        "--url", default=DEFAULT_URL, help="grpc://HOST:PORT or http://HOST:PORT of the server (default: %(default)s)"
    )
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
