"""Compressed bodies are taken within the limits, and answers are compressed for who asks, as Triton does both."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http
import tritonclient.http.aio
from starlette.responses import Response

from crosswire.serving.gateway.http.compression import compress
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.paths import REPOSITORY
from tests.support.servers.real import (
    NETWORK,
    PIPELINE,
    assert_answers,
    call,
    configured,
    depth_png,
    infer_body,
    jpeg,
    network_inputs,
    resident_bytes,
)

INFER = f"/v2/models/{NETWORK}/infer"
LIMIT = 8 << 20


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that takes small bodies only."""
    folder = tmp_path_factory.mktemp("limits")
    options = configured(folder, f"[limits]\nbody_bytes = {LIMIT}\nheld_bytes = {2 * LIMIT}\n")
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
        yield running


def expanded(answer: http.client.HTTPResponse) -> bytes:
    data = answer.read()
    assert int(answer.headers["Content-Length"]) == len(data)
    encoding = answer.headers.get("Content-Encoding")
    return {"gzip": gzip.decompress, "deflate": zlib.decompress}[encoding](data) if encoding else data


@pytest.mark.parametrize("request_encoding", ["gzip", "deflate", None])
@pytest.mark.parametrize("response_encoding", ["gzip", "deflate", None])
def test_nvidias_client_compresses_either_way(
    request_encoding: str | None, response_encoding: str | None, server: EmbeddedServer
) -> None:
    inputs = [
        tritonclient.http.InferInput(name, array.shape, "UINT8" if name == "rgb" else "FP32").set_data_from_numpy(array)
        for name, array in network_inputs(batch=2).items()
    ]
    with tritonclient.http.InferenceServerClient(server.http_url.removeprefix("http://")) as client:
        plain = client.infer(NETWORK, inputs)
        packed = client.infer(
            NETWORK,
            inputs,
            request_compression_algorithm=request_encoding,
            response_compression_algorithm=response_encoding,
        )
    for name in ("labels", "confidence"):
        np.testing.assert_array_equal(packed.as_numpy(name), plain.as_numpy(name))


def test_nvidias_asynchronous_client_reads_what_it_asks_for_by_default(server: EmbeddedServer) -> None:
    """Its HTTP library accepts gzip unless it is told otherwise."""

    async def ask() -> np.ndarray[Any, Any]:
        async with tritonclient.http.aio.InferenceServerClient(server.http_url.removeprefix("http://")) as client:
            inputs = [
                tritonclient.http.aio.InferInput(name, array.shape, kind).set_data_from_numpy(array)
                for (name, array), kind in zip(network_inputs().items(), ("UINT8", "FP32"), strict=True)
            ]
            labels: np.ndarray[Any, Any] = (await client.infer(NETWORK, inputs)).as_numpy("labels")
            return labels

    assert asyncio.run(ask()).shape == (1, 128, 160)


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip;q=0.5", "deflate"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip"),
        ("gzip;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("br", None),
        ("*", None),
        ("gzip;q=much", None),
    ],
)
def test_an_answer_comes_in_the_encoding_that_triton_would_choose(
    accept: str, encoding: str | None, server: EmbeddedServer
) -> None:
    connection = http.client.HTTPConnection(server.http_url.removeprefix("http://"), timeout=60)
    connection.request("POST", INFER, json.dumps(infer_body()).encode(), {"Accept-Encoding": accept})
    answer = connection.getresponse()
    assert (answer.status, answer.headers.get("Content-Encoding")) == (200, encoding)
    assert len(json.loads(expanded(answer))["outputs"][0]["data"]) == 128 * 160
    connection.close()


def test_an_answer_that_would_not_get_shorter_stays_as_it_is() -> None:
    noise = np.random.default_rng(0).bytes(1000)
    answer = compress(Response(noise), "gzip")
    assert answer.body == noise and "content-encoding" not in answer.headers
    assert compress(Response(bytes(1000)), "gzip").headers["content-encoding"] == "gzip"


def deflate_without_frame(data: bytes) -> bytes:
    """Return what some programs call deflate: without the frame of zlib."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("make", "status", "said"),
    [
        (lambda body: body, 400, "cannot be expanded"),
        (deflate_without_frame, 400, "cannot be expanded"),
        (lambda body: gzip.compress(body)[:-9], 400, "ends too early"),
        (lambda body: gzip.compress(body) + b"more", 400, "goes on behind the end"),
        (lambda body: gzip.compress(body) * 2, 400, "goes on behind the end"),
        (lambda body: gzip.compress(body)[:200] + bytes(50) + gzip.compress(body)[250:], 400, "cannot be expanded"),
        (lambda body: gzip.compress(b"hello"), 400, "not JSON"),
        (lambda body: gzip.compress(b""), 400, "not JSON"),
        (lambda body: b"", 400, "ends too early"),
    ],
    ids=["plain", "no frame", "cut", "trailing bytes", "two members", "damaged", "text", "nothing", "no bytes"],
)
def test_a_damaged_body_is_refused_with_its_reason(
    make: Callable[[bytes], bytes], status: int, said: str, server: EmbeddedServer
) -> None:
    body = make(json.dumps(infer_body()).encode())
    answer = call(server, "POST", INFER, body, {"Content-Encoding": "gzip"})
    assert answer[0] == status and said in json.loads(answer[1])["error"], answer


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_expands_past_the_limit_is_refused_on_its_way(encoding: str, small_server: EmbeddedServer) -> None:
    bomb = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](bytes(300 << 20), 9)
    assert len(bomb) < 1 << 20
    before = resident_bytes(small_server)
    for _ in range(3):
        status, answer = call(small_server, "POST", INFER, bomb, {"Content-Encoding": encoding})
        assert status == 413 and f"expands to more than {LIMIT} bytes" in json.loads(answer)["error"]
    assert resident_bytes(small_server) - before < 64 << 20
    assert_answers(small_server)


def test_a_compressed_body_longer_than_the_limit_is_refused_whatever_it_becomes(small_server: EmbeddedServer) -> None:
    empty_block = b"\0\0\0\xff\xff"
    body = gzip.compress(b"")[:10] + empty_block * (LIMIT // len(empty_block) + 10)
    assert call(small_server, "POST", INFER, body, {"Content-Encoding": "gzip"})[0] == 413
    assert_answers(small_server)


def test_a_body_at_the_limit_is_read(small_server: EmbeddedServer) -> None:
    body = json.dumps(infer_body()).encode()
    padded = gzip.compress(body + b" " * (LIMIT - len(body)))
    assert call(small_server, "POST", INFER, padded, {"Content-Encoding": "gzip"})[0] == 200
    over = gzip.compress(body + b" " * (LIMIT - len(body) + 1))
    assert call(small_server, "POST", INFER, over, {"Content-Encoding": "gzip"})[0] == 413


def test_a_compressed_form_is_a_form(server: EmbeddedServer, tmp_path: Path) -> None:
    files: Any = {"rgb": ("rgb.jpg", jpeg()), "depth": ("depth.png", depth_png())}
    request = httpx.Request("POST", f"{server.http_url}/v1/pipelines/{PIPELINE}", files=files)
    headers = {"Content-Type": request.headers["content-type"], "Content-Encoding": "gzip"}
    answer = httpx.post(request.url, content=gzip.compress(request.read()), headers=headers, timeout=60)
    assert answer.status_code == 200 and answer.json()["summary"]["network"] == NETWORK
