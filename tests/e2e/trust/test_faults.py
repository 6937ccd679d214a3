"""Faults around a server: it says so or goes on, loses nobody's answer, and is as before when they are over."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from PIL import Image

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.hostile import bombs
from tests.support.paths import ROOT
from tests.support.rights import own_mounts
from tests.support.servers.real import (
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    call,
    depth_png,
    infer_pictures,
    jpeg,
    png,
    resident_bytes,
    wait_until,
)

FORM = f"/v1/pipelines/{PIPELINE}"
STREAMS = 400


def test_an_access_log_that_nobody_reads_costs_no_answer(tmp_path: Path) -> None:
    log = tmp_path / "access"
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    filler = os.open(log, os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(filler, bytes(4096))
    try:
        with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=["--access-log", str(log)]) as server:
            assert_answers(server)
            assert not taken(reader).strip(b"\0"), "there was no room for a line"
            call(server, "GET", "/v2")
            lines = taken(reader).splitlines()
            assert len(lines) >= 4 and b'"route": "/v2"' in lines[-1], "what had to wait comes with the next line"
    finally:
        os.close(filler)
        os.close(reader)


def taken(reader: int) -> bytes:
    """Take everything out of a pipe."""
    came = b""
    with contextlib.suppress(BlockingIOError):
        while part := os.read(reader, 1 << 16):
            came += part
    return came


def test_streams_that_are_reset_as_soon_as_they_begin_cost_nobody_anything(server: EmbeddedServer) -> None:
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for _ in range(STREAMS):
            stream(iter([])).cancel()
            infer.future(b"").cancel()
        assert infer_pictures(server, [jpeg()], [depth_png()]).as_numpy("labels_png").shape == (1, 1)

    def in_flight() -> float:
        lines = call(server, "GET", "/metrics")[1].decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("crosswire_requests_in_flight"))

    wait_until(lambda: in_flight() <= 1)
    assert_answers(server)


@pytest.mark.parametrize("kind", [*bombs.PICTURES, "readings of a depth PNG"])
def test_a_picture_that_swells_takes_no_memory(kind: str, server: EmbeddedServer) -> None:
    swelling = bombs.PICTURES[kind]() if kind in bombs.PICTURES else bombs.png("I;16", pixels=bombs.zeros())
    files = {"rgb": swelling, "depth": depth_png()} if kind in bombs.PICTURES else {"rgb": jpeg(), "depth": swelling}
    infer_pictures(server, [png()], [depth_png()])
    before = resident_bytes(server)
    answer = httpx.post(f"{server.http_url}{FORM}", files=files, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 200 or (answer.status_code == 400 and "rgb" in answer.json()["error"]), answer.text
    assert resident_bytes(server) - before < 64 * bombs.MEBIBYTE


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[tuple[EmbeddedServer, Any, Path]]:
    """A server whose shared memory and disk are small, how to call a function that sees them, and the disk's folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    server = EmbeddedServer(REPOSITORY, networks=[NETWORK], options=["--access-log", str(disk / "access.jsonl")])
    with (
        own_mounts(("/dev/shm", 16 * bombs.MEBIBYTE), (str(disk), 4 * bombs.MEBIBYTE)) as there,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("XDG_RUNTIME_DIR", str(disk))
        there(server.start)
        try:
            yield server, there, disk
        finally:
            server.stop()


def fill(path: Path) -> None:
    """Fill the file system that a file lies in."""
    with path.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        except OSError:
            return


@pytest.mark.rights("mount")
def test_full_shared_memory_and_a_full_disk_cost_the_requests_that_need_them_and_nothing_later(crowded: Any) -> None:
    server, there, disk = crowded
    assert_answers(server)
    there(lambda: fill(disk / "filler"))
    there(lambda: fill(Path("/dev/shm/filler")))
    noise = Image.frombytes("RGB", (1200, 900), np.random.default_rng(0).bytes(1200 * 900 * 3))
    file = io.BytesIO()
    noise.save(file, "PNG", compress_level=0)
    large = {"rgb": file.getvalue(), "depth": depth_png(1200, 900)}
    answers = [httpx.post(f"{server.http_url}{FORM}", files=large, timeout=PATIENCE_SECONDS) for _ in range(3)]
    assert {answer.status_code for answer in answers} <= {500, 503}, [answer.text for answer in answers]
    there(Path("/dev/shm/filler").unlink)
    there((disk / "filler").unlink)
    wait_until(lambda: call(server, "GET", "/v2/health/ready")[0] == 200)
    assert_answers(server)

    def told() -> bool:
        """Say whether a refusal is told, now that there is room again, and an answer by gRPC after it."""
        there(lambda: shutil.copy(disk / "access.jsonl", disk.parent / "seen.jsonl"))
        lines = [json.loads(line) for line in (disk.parent / "seen.jsonl").read_text().split("\n")[:-1]]
        refused = str(answers[-1].status_code)
        places = [at for at, line in enumerate(lines) if (line.get("method"), line["status"]) == ("POST", refused)]
        return bool(places) and any(line["status"] == "OK" for line in lines[places[-1] :])

    wait_until(told)


def test_no_part_of_the_server_decides_by_a_clock_that_can_be_set() -> None:
    """Steps of the wall clock change nothing but the times in logs."""
    found = set()
    for path in sorted((ROOT / "serving").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(
                ("time.time", "time.time_ns", "time.now")
            ):
                found.add(path.name)
    assert found == {"access_log.py", "spans.py"}, "times of lines and of traces"
