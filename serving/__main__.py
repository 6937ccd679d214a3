"""Commands: `crosswire serve`, `doctor`, `status`, `load`, `unload`, `reload`, `renew` and `assemble`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosswire.contract.command_line import OneLineParser, run_command

if TYPE_CHECKING:
    from crosswire.serving.config.settings import Settings

_ORDERS = {
    "load": "serve one more network of the repository, without a restart",
    "unload": "stop serving a network",
    "reload": "put a network's new export in the place of the old one; no request fails",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 done, 1 not well (`doctor`, `status`), 2 something to put right."""
    return run_command(_parser(), arguments)


def _up(options: argparse.Namespace) -> int:
    """Serve until a signal."""
    from crosswire.serving.supervisor.start import serve

    serve(_settings(options))
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    """Return what the configuration file and the options choose together."""
    from crosswire.serving.config.settings import Settings, choose

    given = vars(options)
    flags = {one.name: given[one.name] for one in dataclasses.fields(Settings) if one.name in given}
    if "network" in flags:
        flags["network"] = tuple(flags["network"])
    if "runtime" in flags:
        from crosswire.serving.repository.model_config import Runtime

        flags["runtime"] = Runtime(flags["runtime"])
    return choose(given.get("config"), flags)


def _doctor(options: argparse.Namespace) -> int:
    """Say what a start would find."""
    from crosswire.serving.doctor import Verdict, examine

    broken = 0
    for finding in examine(_settings(options)):
        broken += finding.verdict is Verdict.BROKEN
        print(f"{finding.verdict.value:<6}  {finding.subject}: {finding.text}", flush=True)
        if finding.cure:
            print(f"        -> {finding.cure}")
    print(f"{broken} to put right" if broken else "nothing to put right; next: crosswire serve")
    return 1 if broken else 0


def _status(options: argparse.Namespace) -> int:
    """Show the running servers of this user."""
    from crosswire.serving.processes.running import as_prose, describe, running_servers

    servers = [describe(one) for one in running_servers() if options.http_port in (None, one.run.http_port)]
    if options.json:
        print(json.dumps(servers))
    else:
        print("\n".join(map(as_prose, servers)) or "no server of yours runs; start one: crosswire serve")
    return 0 if servers and all(server["ready"] for server in servers) else 1


def _order(options: argparse.Namespace) -> int:
    """Give a running server an order."""
    from crosswire.serving.processes.running import order

    print(order(options.command, options.name, options.http_port))
    return 0


def _assemble(options: argparse.Namespace) -> int:
    """Write a Triton repository."""
    from crosswire.serving.repository.assemble import assemble
    from crosswire.serving.repository.networks import find_networks
    from crosswire.serving.repository.tuning import Tuning

    settings = _settings(options)
    networks, tuning = find_networks(settings.repository, settings.network), Tuning.of(settings)
    for warning in tuning.chosen.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    assembled = assemble(networks, settings.runtime, options.to, copy_graphs=True, tuning=tuning)
    print(f"{options.to}: {', '.join(assembled.configs)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = OneLineParser(prog="crosswire", description="Serve exported networks from Triton.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = _settings_parser(commands, "serve", "start the server and keep it answering until Ctrl-C or SIGTERM", "up")
    up.set_defaults(function=_up)
    _add_source(up)
    _add_runtime(up)
    _add_ports(up)
    _add_gateway(up)
    up.add_argument("--triton", type=Path, help="an installed tritonserver binary (default: the embedded one)")
    up.add_argument("--parent", type=int, metavar="PID", help="stop when this process ends")
    up.add_argument("--json", action="store_true", help="announce the server as one line of JSON")
    up.add_argument("--access-log", metavar="FILE", help="append one line of JSON per request to FILE, - for stderr")
    up.add_argument("--traces", metavar="URL", help="send OpenTelemetry traces to this OTLP/HTTP address")
    doctor = _settings_parser(commands, "doctor", "check everything that a start depends on, and name the cures")
    doctor.set_defaults(function=_doctor)
    _add_source(doctor)
    _add_ports(doctor)
    _add_gateway(doctor)
    status = commands.add_parser("status", help="show the running servers of this user")
    status.set_defaults(function=_status)
    status.add_argument("--http-port", type=_port, help="only the server on this HTTP port")
    status.add_argument("--json", action="store_true", help="print a JSON list")
    for verb, text in _ORDERS.items():
        _order_parser(commands, verb, text).add_argument(
            "name", metavar="NETWORK", help="name of a network in the server's repository"
        )
    renew = _order_parser(commands, "renew", "take API keys and certificate as their files are now; no request fails")
    renew.set_defaults(name="")
    assemble = _settings_parser(commands, "assemble", "write the Triton repository and stop")
    assemble.set_defaults(function=_assemble)
    _add_source(assemble)
    _add_runtime(assemble)
    assemble.add_argument("--to", type=Path, required=True, help="new or empty folder to write into")
    return parser


def _order_parser(commands: Any, verb: str, text: str) -> argparse.ArgumentParser:
    """Add a command that gives a running server an order."""
    parser: argparse.ArgumentParser = commands.add_parser(verb, help=text)
    parser.add_argument("--http-port", type=_port, help="the server on this HTTP port (default: the only one)")
    parser.set_defaults(function=_order)
    return parser


def _settings_parser(commands: Any, name: str, text: str, *aliases: str) -> argparse.ArgumentParser:
    """Add a command that settings belong to; what is not given is left to the file and the defaults."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, aliases=aliases, help=text, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with any of these settings and more")
    return parser


def _add_ports(parser: argparse.ArgumentParser) -> None:
    """Add the two ports."""
    parser.add_argument("--http-port", type=_port, help="HTTP port, 0 for a free one (default: 8000)")
    parser.add_argument("--grpc-port", type=_port, help="gRPC port, 0 for a free one (default: 8001)")


def _add_gateway(parser: argparse.ArgumentParser) -> None:
    """Add where the gateway is and who may come in."""
    parser.add_argument("--host", help="address to bind to (default: 127.0.0.1; others are for containers)")
    parser.add_argument("--api-keys", type=Path, metavar="FILE", help="ask every request for one of the keys in FILE")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="PEM certificate chain: HTTPS, and gRPC over TLS")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="PEM private key of the certificate")


def _add_source(parser: argparse.ArgumentParser) -> None:
    """Add where networks come from."""
    parser.add_argument("--repository", type=Path, help="folder of exported networks (default: model_repository)")
    parser.add_argument("--network", action="append", metavar="NAME", help="serve this network only; may be repeated")


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    """Add who runs the graphs."""
    parser.add_argument(
        "--runtime",
        choices=("embedded", "container"),
        help="who runs the graph: ONNX Runtime in a python model, or Triton's own backend (default: embedded)",
    )


def _port(text: str) -> int:
    """Parse a port number."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
