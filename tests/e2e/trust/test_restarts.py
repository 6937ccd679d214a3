"""A server that is stopped and started again in the middle of a batch and of a stream."""

from __future__ import annotations

import json
import queue
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc.service_pb2 import ModelInferRequest, ModelStreamInferResponse

from crosswire.clients import predict_folder
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.wire import RawTensor, infer_request, pack_bytes
from tests.support.servers.real import (
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    depth_png,
    jpeg,
    wait_until,
)

PAIRS, BEFORE = 240, 20
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


def ports_of(server: EmbeddedServer) -> dict[str, int]:
    """Return the options that start another server where this one is."""
    return {
        "http_port": int(server.http_url.rpartition(":")[2]),
        "grpc_port": int(server.grpc_url.rpartition(":")[2]),
    }


def message() -> bytes:
    """Return an inference."""
    tensors = [
        RawTensor(name, "BYTES", (1, 1), pack_bytes([data]))
        for name, data in (("rgb_image", jpeg()), ("depth_image", depth_png()))
    ]
    request: ModelInferRequest = infer_request(PIPELINE, tensors)
    return bytes(request.SerializeToString())


def done(folder: Path) -> list[str]:
    """Return the items of a batch that are done, as often as its log says so."""
    log = folder / "journal.jsonl"
    found = [json.loads(line) for line in log.read_text().splitlines()[:-1]] if log.exists() else []
    return [line["done"] for line in found if "done" in line]


def test_a_batch_goes_on_with_the_next_server_and_a_stream_is_told_that_its_server_went(tmp_path: Path) -> None:
    for kind, data in (("rgb", jpeg()), ("depth", depth_png())):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        for index in range(PAIRS):
            (tmp_path / "pairs" / kind / f"{index:04}.{'jpg' if kind == 'rgb' else 'png'}").write_bytes(data)
    asked: queue.Queue[bytes | None] = queue.Queue()
    first = EmbeddedServer(REPOSITORY, networks=[NETWORK]).start()
    target = first.grpc_url.removeprefix("grpc://")
    with ThreadPoolExecutor(1) as pool, grpc.insecure_channel(target) as channel:
        stream = channel.stream_stream(STREAM)
        opened: Iterator[bytes] = stream(iter(asked.get, None))
        asked.put(message())
        assert not ModelStreamInferResponse.FromString(next(opened)).error_message
        batch = pool.submit(
            predict_folder, tmp_path / "pairs", tmp_path / "out", first.grpc_url, timeout=PATIENCE_SECONDS
        )
        wait_until(lambda: len(done(tmp_path / "out")) >= BEFORE)
        first.stop()
        assert len(done(tmp_path / "out")) < PAIRS, "the batch goes on"
        with EmbeddedServer(REPOSITORY, networks=[NETWORK], **ports_of(first)):
            with pytest.raises(grpc.RpcError) as ended:
                next(opened)
            error: Any = ended.value
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            asked.put(None)
            outcome = batch.result(PATIENCE_SECONDS)
            again = list(stream(iter([message()]), wait_for_ready=True, timeout=PATIENCE_SECONDS))
    assert (outcome.done, outcome.failed) == (PAIRS, 0)
    assert len(again) == 1 and not ModelStreamInferResponse.FromString(again[0]).error_message
    assert max(Counter(done(tmp_path / "out")).values()) == 1
