"""Real servers on free loopback ports, and small ways to talk to them. `conftest.py` offers the fixture `server`."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from PIL import Image

from crosswire.contract import Contract
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import command_of, descendants_of
from tests.support.paths import REPOSITORY
from tests.support.servers.shared import shared

NETWORK = "rooms_cen"
PIPELINE = f"{NETWORK}_image"
PATIENCE_SECONDS = 120.0
STEPS = "[models]\nin_process = false\n"  # every step in a process of its own, as on a GPU
BRISK = "[pace]\nseconds = 0.5\npatience_seconds = 4\n"  # for tests that wait until something is noticed
CALM = "[pace]\nseconds = 3600\n"  # for tests that stop a part, which nobody is to notice


@pytest.fixture(scope="module")
def server() -> EmbeddedServer:
    """One server for all tests that leave it as they found it."""
    return shared("rooms", lambda: EmbeddedServer(REPOSITORY, networks=[NETWORK]))


def configured(folder: Path, text: str) -> list[str]:
    """Write a configuration file and return the options that name it."""
    path = folder / "serving.toml"
    path.write_text(text)
    return ["--config", str(path)]


@cache
def contract() -> Contract:
    """Return the contract of the network that is served."""
    return Contract.load(REPOSITORY / NETWORK)


def network_size() -> tuple[int, int]:
    """Return the network's height and width."""
    height, width = contract().inputs[1].shape
    return height, width


def jpeg(width: int = 64, height: int = 48, mode: str = "RGB") -> bytes:
    """Return a JPEG file of coloured blocks."""
    return _encoded(_blocks(width, height).convert(mode), "JPEG")


def png(width: int = 64, height: int = 48, mode: str = "RGB") -> bytes:
    """Return an 8-bit PNG file of coloured blocks."""
    return _encoded(_blocks(width, height).convert(mode), "PNG")


def depth_png(width: int = 64, height: int = 48, millimetres: int = 2000) -> bytes:
    """Return a 16-bit greyscale PNG file that slopes down from a distance."""
    slope = np.linspace(millimetres, millimetres / 2, width * height).reshape(height, width)
    return _encoded(Image.fromarray(slope.astype(np.uint16)), "PNG")


def infer_pictures(server: Any, rgb: list[bytes], depth: list[bytes], **options: Any) -> Any:
    """Send pictures through the pipeline by gRPC and return the client's result; `units` are optional."""
    units = options.pop("units", None)
    inputs = [bytes_input("rgb_image", rgb), bytes_input("depth_image", depth)]
    if units is not None:
        values = np.array(units, np.float32).reshape(-1, 1)
        tensor = tritonclient.grpc.InferInput("depth_units_per_metre", list(values.shape), "FP32")
        inputs.append(tensor.set_data_from_numpy(values))
    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        return client.infer(PIPELINE, inputs, **options)


def bytes_input(name: str, items: list[bytes]) -> Any:
    """Return a BYTES input of shape [N, 1]."""
    array = np.array(items, dtype=np.object_).reshape(-1, 1)
    return tritonclient.grpc.InferInput(name, list(array.shape), "BYTES").set_data_from_numpy(array)


def network_inputs(batch: int = 1, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Return random arrays for the network's own inputs."""
    height, width = network_size()
    generator = np.random.default_rng(seed)
    return {
        "rgb": generator.integers(0, 256, (batch, height, width, 3), dtype=np.uint8),
        "depth": generator.uniform(0.5, 6, (batch, height, width)).astype(np.float32),
    }


def call(
    server: EmbeddedServer, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Send one HTTP request; return status and body."""
    connection = http.client.HTTPConnection(server.http_url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def infer_body(**changes: Any) -> dict[str, Any]:
    """Return a correct JSON inference request for the network, with top-level entries changed."""
    inputs = [
        {
            "name": name,
            "datatype": "UINT8" if name == "rgb" else "FP32",
            "shape": list(array.shape),
            "data": array.ravel().tolist(),
        }
        for name, array in network_inputs().items()
    ]
    return {"inputs": inputs, "outputs": [{"name": "labels"}], **changes}


def assert_answers(server: EmbeddedServer) -> None:
    """Fail unless the server is ready and answers both protocols."""
    assert call(server, "GET", "/v2/health/ready") == (200, b'{"ready":true}')
    status, body = call(server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(infer_body()).encode())
    assert status == 200, body
    assert infer_pictures(server, [jpeg()], [depth_png()]).as_numpy("labels_png").shape == (1, 1)


def leftovers(pid: int, runtime: Path) -> list[str]:
    """Return what a server that has ended left in shared memory and in its run state."""
    regions = [path.name for path in Path("/dev/shm").glob(f"crosswire_{pid}_*")]
    return regions + [path.name for path in (runtime / "crosswire").glob("run-*")]


@contextmanager
def server_alone(runtime: Path, repository: Path, **choices: Any) -> Iterator[EmbeddedServer]:
    """Run a server whose run state lies in a folder of its own; in the end it has left nothing behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        with EmbeddedServer(repository, **choices) as running:
            yield running
        assert leftovers(running.pid, runtime) == []


def processes_with(server: EmbeddedServer, word: str) -> list[int]:
    """Return the processes of a server that have a text in a word of their command line."""
    return [pid for pid in descendants_of(server.pid) if any(word in one for one in command_of(pid))]


def stub_of(server: EmbeddedServer, model: str = f"{NETWORK}_fused") -> int:
    """Return the process that runs a python model: by default the one that runs all steps of `PIPELINE`."""
    (pid,) = processes_with(server, f"/{model}/1/model.py")
    return pid


def decoders_of(server: EmbeddedServer) -> list[int]:
    """Return the processes that decode for a server's stubs."""
    return processes_with(server, "sandbox_main")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fail after a patient while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def resident_bytes(server: EmbeddedServer) -> int:
    """Return the memory of the server's processes without mapped files, which psutil adds to shared memory."""
    total = 0
    for pid in (server.pid, *descendants_of(server.pid)):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "RssShmem")))
    return total


def _blocks(width: int, height: int) -> Image.Image:
    """Return a picture of random coloured blocks, the same every time."""
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.NEAREST)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    """Return an encoded picture."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()
