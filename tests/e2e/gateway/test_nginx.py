"""Two servers behind the nginx of `deploy/nginx`: one may die while clients send, and nobody loses an answer."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.guides import free_port
from tests.support.needs import PROGRAMS
from tests.support.paths import ROOT
from tests.support.servers.load import Load
from tests.support.servers.real import NETWORK, PATIENCE_SECONDS, REPOSITORY, assert_answers, wait_until

CONFIG = ROOT / "deploy" / "nginx" / "nginx.conf"
NGINX = PROGRAMS["nginx"].path
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

pytestmark = pytest.mark.needs("nginx")


@dataclass(frozen=True)
class Balanced:
    """Where clients find the servers behind nginx."""

    http_url: str
    grpc_url: str


@pytest.fixture
def two() -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    """Two equal servers."""
    with (
        EmbeddedServer(REPOSITORY, networks=[NETWORK]) as first,
        EmbeddedServer(REPOSITORY, networks=[NETWORK]) as second,
    ):
        yield first, second


@pytest.fixture
def balanced(two: tuple[EmbeddedServer, EmbeddedServer], tmp_path: Path) -> Iterator[Balanced]:
    """The example configuration, with ports that are free here and folders of this test's own."""
    http, grpc = free_port(), free_port()
    ports = {"8080": http, "8081": grpc}
    for server, (old_http, old_grpc) in zip(two, (("8000", "8001"), ("8010", "8011")), strict=True):
        ports |= {old_http: port_of(server.http_url), old_grpc: port_of(server.grpc_url)}
    text = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{ports[found[1]]}", CONFIG.read_text())
    folders = "".join(f"{name}_temp_path {tmp_path / name};" for name in TEMPORARY)
    (tmp_path / "nginx.conf").write_text(text.replace("http {", f"http {{ {folders}", 1))
    command = [str(NGINX), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-g", "daemon off;"]
    with (tmp_path / "said").open("wb") as said, subprocess.Popen(command, stderr=said) as process:
        try:
            wait_until(lambda: process.poll() is not None or listens(http))
            assert process.poll() is None, (tmp_path / "said").read_text()
            yield Balanced(f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}")
        finally:
            process.terminate()


def port_of(url: str) -> str:
    """Return the port of an address."""
    return url.rpartition(":")[2]


def listens(port: int) -> bool:
    """Say whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_of_two_servers_one_dies_under_load_and_nothing_is_lost(
    two: tuple[EmbeddedServer, EmbeddedServer], balanced: Balanced
) -> None:
    answer = httpx.get(
        f"{balanced.http_url}/v2/health/ready", headers={"X-Request-Id": "through-nginx"}, timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 200 and answer.headers["x-request-id"] == "through-nginx"
    assert f"{balanced.http_url}/v1/pipelines/" in httpx.get(f"{balanced.http_url}/docs", timeout=PATIENCE_SECONDS).text
    with Load(balanced) as load:
        wait_until(lambda: all(answered(server) for server in two))
        os.kill(two[0].pid, signal.SIGKILL)
        before = load.outcomes["OK"]
        wait_until(lambda: load.outcomes["OK"] >= before + 24)
    assert load.lost == 0 and len(load.answers) == 1, load.outcomes
    assert two[0].stop() == -signal.SIGKILL
    assert_answers(two[1])


def answered(server: EmbeddedServer) -> bool:
    """Say whether a server has answered inferences over both protocols."""
    text = httpx.get(f"{server.http_url}/metrics", timeout=PATIENCE_SECONDS).text
    forms = re.search(r'crosswire_requests_total\{protocol="http",route="/v1/pipelines/\{name\}",status="200"\} ', text)
    calls = re.search(r'crosswire_requests_total\{protocol="grpc",route="ModelInfer",status="OK"\} ', text)
    return bool(forms and calls)
