"""Commands: `python -m serving up`, `doctor`, `status`, `load`, `unload`, `reload` and `assemble`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from serving.errors import ServingError

_ORDERS = {
    "load": "serve one more network of the repository, without a restart",
    "unload": "stop serving a network",
    "reload": "put a network's new export in the place of the old one; no request fails",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 done, 1 not well (`doctor`, `status`), 2 something to put right."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _up(options: argparse.Namespace) -> int:
    """Serve until a signal."""
    from serving.model_config import Runtime
    from serving.supervisor import Settings, serve

    serve(
        Settings(
            repository=options.repository,
            networks=tuple(options.network),
            http_port=options.http_port,
            grpc_port=options.grpc_port,
            host=options.host,
            runtime=Runtime(options.runtime),
            triton=options.triton,
            parent=options.parent,
            json_line=options.json,
            access_log=options.access_log,
        )
    )
    return 0


def _doctor(options: argparse.Namespace) -> int:
    """Say what a start would find."""
    from serving.doctor import Plan, Verdict, examine

    broken = 0
    plan = Plan(options.repository, tuple(options.network), options.http_port, options.grpc_port)
    for finding in examine(plan):
        broken += finding.verdict is Verdict.BROKEN
        print(f"{finding.verdict.value:<6}  {finding.subject}: {finding.text}", flush=True)
        if finding.cure:
            print(f"        -> {finding.cure}")
    print(f"{broken} to put right" if broken else "nothing to put right; next: python -m serving up")
    return 1 if broken else 0


def _status(options: argparse.Namespace) -> int:
    """Show the running servers of this user."""
    from serving.running import as_prose, describe, running_servers

    servers = [describe(one) for one in running_servers() if options.http_port in (None, one.run.http_port)]
    if options.json:
        print(json.dumps(servers))
    else:
        print("\n".join(map(as_prose, servers)) or "no server of yours runs; start one: python -m serving up")
    return 0 if servers and all(server["ready"] for server in servers) else 1


def _order(options: argparse.Namespace) -> int:
    """Tell a running server what to serve."""
    from serving.running import order

    print(order(options.command, options.name, options.http_port))
    return 0


def _assemble(options: argparse.Namespace) -> int:
    """Write a Triton repository."""
    from serving.assemble import assemble
    from serving.model_config import Runtime
    from serving.repository import find_networks

    networks = find_networks(options.repository, options.network)
    assembled = assemble(networks, Runtime(options.runtime), options.to, copy_graphs=True)
    print(f"{options.to}: {', '.join(assembled.configs)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve exported networks from Triton.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the server and keep it answering until Ctrl-C or SIGTERM")
    up.set_defaults(run=_up)
    _add_source(up)
    _add_runtime(up)
    _add_ports(up)
    up.add_argument(
        "--host", default="127.0.0.1", help="address to bind to (default: 127.0.0.1; others are for containers)"
    )
    up.add_argument("--triton", type=Path, help="an installed tritonserver binary (default: the embedded one)")
    up.add_argument("--parent", type=int, metavar="PID", help="stop when this process ends")
    up.add_argument("--json", action="store_true", help="announce the server as one line of JSON")
    up.add_argument("--access-log", metavar="FILE", help="append one line of JSON per request to FILE, - for stderr")
    doctor = commands.add_parser("doctor", help="check everything that a start depends on, and name the cures")
    doctor.set_defaults(run=_doctor)
    _add_source(doctor)
    _add_ports(doctor)
    status = commands.add_parser("status", help="show the running servers of this user")
    status.set_defaults(run=_status)
    status.add_argument("--http-port", type=_port, help="only the server on this HTTP port")
    status.add_argument("--json", action="store_true", help="print a JSON list")
    for verb, text in _ORDERS.items():
        parsed = commands.add_parser(verb, help=text)
        parsed.set_defaults(run=_order)
        parsed.add_argument("name", metavar="NETWORK", help="name of a network in the server's repository")
        parsed.add_argument("--http-port", type=_port, help="the server on this HTTP port (default: the only one)")
    assemble = commands.add_parser("assemble", help="write the Triton repository and stop")
    assemble.set_defaults(run=_assemble)
    _add_source(assemble)
    _add_runtime(assemble)
    assemble.add_argument("--to", type=Path, required=True, help="new or empty folder to write into")
    return parser


def _add_ports(parser: argparse.ArgumentParser) -> None:
    """Add the two ports."""
    parser.add_argument("--http-port", type=_port, default=8000, help="HTTP port, 0 for a free one (default: 8000)")
    parser.add_argument("--grpc-port", type=_port, default=8001, help="gRPC port, 0 for a free one (default: 8001)")


def _add_source(parser: argparse.ArgumentParser) -> None:
    """Add where networks come from."""
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repository"),
        help="folder of exported networks (default: model_repository)",
    )
    parser.add_argument(
        "--network", action="append", default=[], metavar="NAME", help="serve this network only; may be repeated"
    )


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    """Add who runs the graphs."""
    parser.add_argument(
        "--runtime",
        choices=("embedded", "container"),
        default="embedded",
        help="who runs the graph: ONNX Runtime in a python model, or Triton's own backend (default: embedded)",
    )


def _port(text: str) -> int:
    """Parse a port number."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
