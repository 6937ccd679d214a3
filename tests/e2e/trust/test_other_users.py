"""What another user of the machine gets of a server: not a byte of a request, a key, an inference or a log."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from crosswire.serving.__main__ import main
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.environments import environment_of
from crosswire.serving.processes.process_table import descendants_of
from tests.support.servers.real import NETWORK, PIPELINE, REPOSITORY, depth_png, jpeg

pytestmark = pytest.mark.rights("another user")

NOBODY = 65534
KEY = "a-key-that-nobody-else-may-see"

#: Becomes another user, who may not be able to start this Python, and says in JSON what of a list of things it can
#: read, connect to or list.
LOOK = """
import json, os, socket, sys

asked, found = json.load(sys.stdin), []
os.setgroups([])
os.setgid(asked["user"])
os.setuid(asked["user"])

def note(kind, what):
    found.append([kind, str(what)])

def read(path):
    try:
        with open(path, "rb") as file:
            if file.read(1) or os.path.isfile(path):
                note("file", path)
    except OSError:
        pass

for path in asked["files"]:
    read(path)
for top in asked["folders"]:
    for folder, folders, files in os.walk(top):
        note("folder", folder)
        for name in files:
            read(os.path.join(folder, name))
for path in asked["sockets"]:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(5)
        try:
            one.connect(path)
            note("socket", path)
        except OSError:
            pass
for port in asked["ports"]:
    with socket.socket() as one:
        one.settimeout(5)
        try:
            one.connect(("127.0.0.1", port))
            note("port", port)
        except OSError:
            pass
for pid in asked["processes"]:
    for name in ("environ", "mem", "maps", "syscall"):
        read(f"/proc/{pid}/{name}")
    try:
        note("descriptors", os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        pass
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        note("arguments", file.read().replace(bytes(1), b" ").decode(errors="replace"))
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that everybody can enter, as the temporary folder is; that of pytest belongs to its user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def own(place: Path) -> Iterator[EmbeddedServer]:
    """A server with keys and an access log that has answered a request."""
    keys = place / "keys.txt"
    keys.write_text(KEY)
    keys.chmod(0o600)
    options = ["--api-keys", str(keys), "--access-log", str(place / "access.jsonl")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(place))
        with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
            files = {"rgb": jpeg(400, 300), "depth": depth_png(400, 300)}
            url = f"{running.http_url}/v1/pipelines/{PIPELINE}"
            assert httpx.post(url, files=files, headers={"X-Api-Key": KEY}, timeout=60).status_code == 200
            yield running


def regions(server: EmbeddedServer) -> list[str]:
    """Return a server's shared memory."""
    return [str(path) for path in Path("/dev/shm").glob(f"crosswire_{server.pid}_*")]


def of(server: EmbeddedServer, place: Path) -> dict[str, list[Any]]:
    """Return all that there is of a server for somebody else to look at."""
    processes = [server.pid, *descendants_of(server.pid)]
    connections = [one for pid in processes for one in psutil.Process(pid).net_connections("all")]
    environment = environment_of(server.facts["triton_pid"])
    assert environment is not None
    return {
        "files": [*regions(server), str(place / "access.jsonl"), str(place / "keys.txt")],
        "folders": [str(place / "crosswire"), str(environment)],
        "sockets": sorted({one.laddr for one in connections if isinstance(one.laddr, str) and one.laddr}),
        "ports": sorted({one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}),
        "processes": processes,
    }


def look_as_nobody(asked: dict[str, list[Any]]) -> list[tuple[str, str]]:
    """Return what another user found."""
    words = [sys.executable, "-I", "-S", "-c", LOOK]
    text = json.dumps({**asked, "user": NOBODY})
    done = subprocess.run(words, input=text, stdout=subprocess.PIPE, text=True, check=True, cwd="/")
    return [(kind, what) for kind, what in json.loads(done.stdout)]


def test_another_user_finds_the_gateways_ports_and_arguments_without_a_secret(own: EmbeddedServer, place: Path) -> None:
    asked = of(own, place)
    assert asked["files"][0].startswith("/dev/shm/") and len(asked["sockets"]) >= 3, "there is something to look at"
    found = look_as_nobody(asked)
    gateway = {("port", url.rpartition(":")[2]) for url in (own.http_url, own.grpc_url)}
    assert {one for one in found if one[0] != "arguments"} == gateway
    arguments = [what for kind, what in found if kind == "arguments"]
    assert len(arguments) == len(asked["processes"]) and not [one for one in arguments if KEY in one]


def test_what_is_open_to_another_user_is_found(own: EmbeddedServer, place: Path) -> None:
    (region, *_) = regions(own)
    Path(region).chmod(0o644)
    try:
        assert ("file", region) in look_as_nobody(of(own, place))
    finally:
        Path(region).chmod(0o600)


def test_without_a_key_the_gateway_tells_neither_metrics_nor_an_inference(own: EmbeddedServer) -> None:
    assert httpx.get(f"{own.http_url}/metrics", timeout=60).status_code == 401
    tritons = httpx.get(f"{own.http_url}/metrics", headers={"X-Api-Key": KEY}, timeout=60).text
    assert "nv_inference_count" in tritons, "what Triton says of itself comes through the gateway"


def test_the_doctor_looks_at_what_other_users_can_read(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = place / "open.txt"
    keys.write_text(KEY)
    keys.chmod(0o644)
    words = ["doctor", "--repository", str(REPOSITORY), "--network", NETWORK, "--http-port", "0", "--grpc-port", "0"]
    assert main([*words, "--api-keys", str(keys)]) == 0
    said = capsys.readouterr().out
    assert "ok      other users: they can read nothing that the server makes" in said
    assert f"note    --api-keys: {keys} has the mode 0644" in said and f"-> chmod 600 {keys}" in said
