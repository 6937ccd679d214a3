"""What the gateway must know beside where everything is: limits, keys, certificate, and where traces go."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.contract.plain import from_plain, to_plain
from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.config.settings import Settings
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.run_state import write_private

_FILE = "door.json"
_SHORTEST_KEY = 16


@dataclass(frozen=True)
class GatewayOptions:
    """The gateway's own settings, as the supervisor hands them over.

    Attributes:
        limits: on one request, and on all together.
        key_hashes: SHA-256 of every API key, hexadecimal; none means that no key is asked for.
        tls_cert: absolute path of the certificate chain, or None for no TLS.
        tls_key: absolute path of its private key.
        traces: OTLP/HTTP address for traces, or None.
        cors_origins: origins whose pages may read the answers.
    """

    limits: RequestLimits = field(default_factory=RequestLimits)
    key_hashes: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    traces: str | None = None
    cors_origins: tuple[str, ...] = ()


def gateway_options(settings: Settings) -> GatewayOptions:
    """Return the gateway's part of the settings, after reading every file that they name.

    Raises:
        ServingError: a key or a certificate cannot be used.
    """
    _check_traces(settings.traces)
    hashes = () if settings.api_keys is None else _key_hashes(settings.api_keys)
    if settings.tls_cert is None or settings.tls_key is None:
        return GatewayOptions(settings.limits, hashes, traces=settings.traces, cors_origins=settings.cors_origins)
    cert, key = settings.tls_cert.absolute(), settings.tls_key.absolute()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ServingError(
            f"--tls-cert {cert} and --tls-key {key} cannot be used: {error}; give a PEM certificate chain and its key"
        ) from error
    return GatewayOptions(settings.limits, hashes, str(cert), str(key), settings.traces, settings.cors_origins)


def _check_traces(url: str | None) -> None:
    """Raise `ServingError` if traces are asked for that cannot be sent."""
    if url is None:
        return
    if not url.startswith(("http://", "https://")):
        raise ServingError(f"--traces {url!r} is no address; give one like http://127.0.0.1:4318/v1/traces")
    if importlib.util.find_spec("opentelemetry") is None:
        raise ServingError("--traces needs OpenTelemetry; install it with: pip install -e '.[traces]'")


def hash_of(key: str) -> str:
    """Return what is kept of an API key."""
    return hashlib.sha256(key.encode()).hexdigest()


def write_options(folder: Path, options: GatewayOptions) -> None:
    """Write the settings into the run-state folder, readable by this user alone."""
    write_private(folder / _FILE, json.dumps(to_plain(options)))


def read_options(folder: Path) -> GatewayOptions:
    """Read what `write_options` wrote."""
    stored = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return from_plain(GatewayOptions, stored, _FILE, error=ServingError)


def _key_hashes(path: Path) -> tuple[str, ...]:
    """Return the hashes of the keys in a file: one per line; empty lines and lines after # are left out."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"--api-keys {path} cannot be read: {error}; name a file of ASCII keys") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ServingError(f"--api-keys {path} holds no key; write one per line, for example: openssl rand -hex 24")
    if short := [number for number, line in enumerate(lines, 1) if line in keys and len(line) < _SHORTEST_KEY]:
        raise ServingError(
            f"--api-keys {path}: the key in line {short[0]} has fewer than {_SHORTEST_KEY} characters; "
            "take a longer one, for example: openssl rand -hex 24"
        )
    return tuple(sorted({hash_of(key) for key in keys}))
