"""Malformed HTTP: every request gets a 4xx with a reason, and the server still answers."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import NETWORK, PIPELINE, assert_answers, call, contract, infer_body, network_inputs

INFER = f"/v2/models/{NETWORK}/infer"
HEADER = "Inference-Header-Content-Length"
HEIGHT, WIDTH = contract().inputs[1].shape


def with_input(index: int, **changes: Any) -> bytes:
    """Return a correct request with entries of one input changed; None removes an entry."""
    body = infer_body()
    body["inputs"][index].update(changes)
    body["inputs"][index] = {key: value for key, value in body["inputs"][index].items() if value is not None}
    return json.dumps(body).encode()


def tiny(**changes: Any) -> bytes:
    """Return a small request whose first input is changed."""
    entry = {"name": "rgb", "datatype": "UINT8", "shape": [1], "data": [1], **changes}
    return json.dumps({"inputs": [entry]}).encode()


def binary(
    sizes: tuple[Any, Any] | None = None, cut: int = 0, extra: bytes = b"", header: str | None = None
) -> tuple[bytes, Mapping[str, str]]:
    """Return a binary request, its data cut or extended, its sizes or header length lied about."""
    arrays = network_inputs()
    blobs = [array.tobytes() for array in arrays.values()]
    inputs = [
        {
            "name": name,
            "datatype": "UINT8" if name == "rgb" else "FP32",
            "shape": list(array.shape),
            "parameters": {"binary_data_size": size},
        }
        for (name, array), size in zip(arrays.items(), sizes or tuple(map(len, blobs)), strict=True)
    ]
    text = json.dumps({"inputs": inputs}).encode()
    data = b"".join(blobs)
    return text + data[: len(data) - cut] + extra, {HEADER: header if header is not None else str(len(text))}


RGB_BYTES, DEPTH_BYTES = HEIGHT * WIDTH * 3, HEIGHT * WIDTH * 4

BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "not JSON"),
    "text": (b"hello", 400, "not JSON"),
    "half JSON": (with_input(0)[:-40], 400, "not JSON"),
    "not UTF-8": (b'{"inputs": "\xff\xfe"}', 400, "not UTF-8"),
    "a list": (b"[]", 400, "send an object"),
    "a number of 5000 digits": (b'{"id": ' + b"9" * 5000 + b"}", 400, "not JSON"),
    "NaN": (b'{"inputs": [NaN]}', 400, "NaN is not JSON"),
    "300,000 nested lists": (b"[" * 300_000, 400, "nested too deep"),
    "nested lists that close": (b'{"inputs": ' + b"[" * 200 + b"]" * 200 + b"}", 400, "nested"),
    "nested objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "nested too deep"),
    "three million lists": (b'{"inputs": [' + b"[]," * 3_000_000 + b"[]]}", 400, "lists and objects"),
    "JSON over the limit": (b" " * (RequestLimits().json_bytes + 1), 413, "binary form"),
    "no inputs": (b"{}", 400, "'inputs' must be a list"),
    "inputs is text": (b'{"inputs": "rgb"}', 400, "'inputs' must be a list"),
    "inputs is empty": (b'{"inputs": []}', 400, "allowed are 1 to"),
    "inputs of numbers": (b'{"inputs": [1]}', 400, "list of objects"),
    "1000 inputs": (json.dumps({"inputs": [{}] * 1000}).encode(), 400, "has 1000 entries"),
    "an input without a name": (tiny(name=None), 400, "has the name"),
    "a name of 300 characters": (tiny(name="r" * 300), 400, "1 to 256 characters"),
    "an unknown input": (tiny(name="nope"), 400, "no input 'nope'; it has 'rgb', 'depth'"),
    "an input twice": (json.dumps({"inputs": infer_body()["inputs"] * 2}).encode(), 400, "got an input twice"),
    "an input missing": (json.dumps({"inputs": infer_body()["inputs"][:1]}).encode(), 400, "needs the input 'depth'"),
    "an unknown datatype": (tiny(datatype="UINT12"), 400, "allowed are BOOL, UINT8"),
    "a datatype that is a list": (tiny(datatype=["UINT8"]), 400, "allowed are BOOL, UINT8"),
    "another datatype": (with_input(0, datatype="INT32"), 400, "it takes UINT8"),
    "no shape": (tiny(shape=None), 400, "whole numbers"),
    "a shape of text": (tiny(shape=["1"]), 400, "whole numbers"),
    "a shape of fractions": (tiny(shape=[1.5]), 400, "whole numbers"),
    "a shape of 1000 sizes": (tiny(shape=[1] * 1000), 400, "at most 16"),
    "a negative size": (tiny(shape=[-1, 4]), 400, "allowed sizes are 1"),
    "a size of zero": (tiny(shape=[0]), 400, "allowed sizes are 1"),
    "the largest 64-bit size": (tiny(shape=[9223372036854775807]), 400, "allowed sizes are 1"),
    "a size of 8 Gi": (tiny(shape=[8589934592]), 400, "allowed sizes are 1"),
    "a size of 60 digits": (tiny(shape=[10**60]), 400, "allowed sizes are 1"),
    "sizes whose product overflows": (tiny(shape=[2**31] * 4), 400, "needs 21267647932558653966460912964485513216"),
    "another shape": (with_input(0, shape=[1, WIDTH, HEIGHT, 3]), 400, "it takes ['N', "),
    "no batch axis": (with_input(0, shape=[HEIGHT, WIDTH, 3]), 400, "it takes ['N', "),
    "data missing": (tiny(data=None), 400, "has no data; send 'data'"),
    "data is a number": (tiny(data=7), 400, "send a list"),
    "too few elements": (with_input(0, data=[1, 2, 3]), 400, "has data of shape [3]"),
    "ragged data": (tiny(shape=[3], data=[[1, 2], [3]]), 400, "ragged"),
    "half-nested data": (tiny(shape=[3], data=[[1], 2, 3]), 400, "ragged"),
    "text for numbers": (tiny(data=["1"]), 400, "elements of type str"),
    "null for numbers": (tiny(data=[None]), 400, "elements of type null"),
    "true for numbers": (tiny(data=[True]), 400, "elements of type bool"),
    "fractions for whole numbers": (tiny(data=[1.5]), 400, "elements of type float"),
    "a number over the range": (tiny(data=[256]), 400, "UINT8 holds 0 to 255"),
    "a number below the range": (tiny(data=[-1]), 400, "UINT8 holds 0 to 255"),
    "a float that overflows": (tiny(datatype="FP32", data=[1e300]), 400, "FP32 cannot hold"),
    "a whole number of 400 digits": (tiny(datatype="FP32", data=[10**400]), 400, "FP32 cannot hold"),
    "an unknown output": (json.dumps(infer_body(outputs=[{"name": "nope"}])).encode(), 400, "no output 'nope'"),
    "an output twice": (json.dumps(infer_body(outputs=[{"name": "labels"}] * 2)).encode(), 400, "asked for twice"),
    "a classification": (
        json.dumps(infer_body(outputs=[{"name": "labels", "parameters": {"classification": "3"}}])).encode(),
        400,
        "'classification'",
    ),
    "shared memory": (tiny(parameters={"shared_memory_region": "a"}), 400, "shared memory"),
    "parameters is a list": (json.dumps(infer_body(parameters=[1])).encode(), 400, "must be an object"),
    "a parameter of 30 digits": (json.dumps(infer_body(parameters={"p": 10**30})).encode(), 400, "cannot be handed on"),
    "an id that is a number": (json.dumps(infer_body(id=7)).encode(), 400, "'id' must be a text"),
    "a timeout that is a text": (
        json.dumps(infer_body(parameters={"timeout": "5"})).encode(),
        400,
        "'timeout' must be",
    ),
    "a timeout below 0": (json.dumps(infer_body(parameters={"timeout": -1})).encode(), 400, "'timeout' must be"),
    "an id of half a character": (json.dumps(infer_body(id="\ud800")).encode(), 400, "'id' must be a text"),
    "a parameter named by half a character": (
        json.dumps(infer_body(parameters={"\ud800": 1})).encode(),
        400,
        "must be a string, a number",
    ),
    "both data and binary size": (tiny(parameters={"binary_data_size": 1}), 400, "send one of them"),
}

BINARIES: dict[str, tuple[tuple[bytes, Mapping[str, str]], str]] = {
    "data cut short": (binary(cut=1), "binary bytes are left"),
    "data left over": (binary(extra=b"x"), "left over"),
    "sizes exchanged": (binary(sizes=(DEPTH_BYTES, RGB_BYTES)), "needs"),
    "a negative size": (binary(sizes=(-1, DEPTH_BYTES)), "binary_data_size -1"),
    "a size of 2**63": (binary(sizes=(2**63, DEPTH_BYTES)), "binary_data_size"),
    "a size that is text": (binary(sizes=("9", DEPTH_BYTES)), "binary_data_size 9"),
    "a header length over the body": (binary(header="999999999"), "send the byte count"),
    "a header length of zero": (binary(header="0"), "the inputs rgb, depth, expected one with one input"),
    "a negative header length": (binary(header="-5"), "send the byte count"),
    "a header length of text": (binary(header="ten"), "send the byte count"),
    "a header length of 40 digits": (binary(header="1" * 40), "send the byte count"),
    "a header length inside the JSON": (binary(header="20"), "not JSON"),
    "no header length": ((binary()[0], {}), "not JSON|not UTF-8"),
}


def assert_refused(answer: tuple[int, bytes], status: int, said: str) -> None:
    assert answer[0] == status, answer
    message = json.loads(answer[1])["error"]
    assert any(part in message for part in said.split("|")), message
    assert len(message) < 1000


@pytest.mark.parametrize("case", BODIES)
def test_a_malformed_body_is_refused_with_its_reason(case: str, server: EmbeddedServer) -> None:
    body, status, said = BODIES[case]
    assert_refused(call(server, "POST", INFER, body), status, said)


@pytest.mark.parametrize("case", BINARIES)
def test_a_malformed_binary_body_is_refused_with_its_reason(case: str, server: EmbeddedServer) -> None:
    (body, headers), said = BINARIES[case]
    assert_refused(call(server, "POST", INFER, body, headers), 400, said)


@pytest.mark.parametrize("data", [b"\x05\0\0\0abc", b"\xff\xff\xff\xff", b"\0", b"", b"\0\0\0\0" * 2])
def test_lying_lengths_in_a_binary_bytes_tensor_are_refused(data: bytes, server: EmbeddedServer) -> None:
    entry = {"name": "rgb_image", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(data)}}
    text = json.dumps({"inputs": [entry]}).encode()
    answer = call(server, "POST", f"/v2/models/{PIPELINE}/infer", text + data, {HEADER: str(len(text))})
    assert_refused(answer, 400, "no BYTES tensor|elements")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_a_body_in_another_encoding_is_refused(encoding: str, server: EmbeddedServer) -> None:
    body = gzip.compress(bytes(1 << 20))
    assert_refused(call(server, "POST", INFER, body, {"Content-Encoding": encoding}), 415, encoding)


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/v2/models/nope/infer", 404, f"no model 'nope'; served are '{NETWORK}'"),
        ("POST", f"/v2/models/{'n' * 3000}/infer", 404, "no model"),
        ("POST", "/v2/models/..%2f..%2fetc/infer", 404, "there is no"),
        ("POST", f"/v2/models/{NETWORK}/versions/9/infer", 404, "version 9"),
        ("POST", f"/v2/models/{NETWORK}/versions/x/infer", 404, "no number"),
        ("GET", "/v2/models/nope/config", 404, "no model 'nope'"),
        ("GET", "/v2/models/nope/ready", 404, "no model 'nope'"),
        ("GET", "/nothing", 404, "served are /, /docs"),
        ("GET", INFER, 405, "GET is not allowed"),
        ("DELETE", "/v2", 405, "DELETE is not allowed"),
        ("POST", f"/v2/repository/models/{NETWORK}/unload", 404, "there is no"),
        ("POST", "/v2/systemsharedmemory/region/a/register", 404, "there is no"),
        ("GET", "/v2/logging", 404, "there is no"),
        ("POST", "/v2/repository/index", 413, "more than"),
    ],
)  # fmt: skip
def test_a_wrong_path_is_refused_with_what_there_is(
    method: str, path: str, status: int, said: str, server: EmbeddedServer
) -> None:
    body = b"x" * 100_000 if status == 413 else infer_body_bytes(method)
    assert_refused(call(server, method, path, body), status, said)


def infer_body_bytes(method: str) -> bytes:
    return json.dumps(infer_body()).encode() if method == "POST" else b""


def raw(server: EmbeddedServer, request: bytes) -> bytes:
    """Send bytes and return the first that come back."""
    port = int(server.http_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(request)
        return connection.recv(4096)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(64),
        b"GET /nothing HTTP/9.9\r\n\r\n",
        b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=["TLS", "version", "negative length", "two lengths", "bad chunk", "huge header"],
)
def test_bytes_that_are_no_http_are_refused(request_bytes: bytes, server: EmbeddedServer) -> None:
    assert raw(server, request_bytes).startswith(b"HTTP/1.1 4")
    assert_answers(server)


CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n"
SMUGGLING: dict[str, tuple[bytes, bytes, bytes]] = {
    "a length before chunks": (b"1.1", b"Content-Length: 6\r\n" + CHUNKED, b"0\r\n\r\n"),
    "a length after chunks": (b"1.1", CHUNKED + b"Content-Length: 6\r\n", b"0\r\n\r\n"),
    "chunks in HTTP/1.0": (b"1.0", CHUNKED, b"0\r\n\r\n"),
    "two codings": (b"1.1", CHUNKED + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    "another coding": (b"1.1", b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "two lengths in one": (b"1.1", b"Content-Length: 2, 30\r\n", b"{}"),
    "two lengths": (b"1.1", b"Content-Length: 2\r\nContent-Length: 30\r\n", b"{}"),
    "a length with a sign": (b"1.1", b"Content-Length: +2\r\n", b"{}"),
    "a hexadecimal length": (b"1.1", b"Content-Length: 0x2\r\n", b"{}"),
    "a space before the colon": (b"1.1", b"Content-Length : 2\r\n", b"{}"),
    "a length of 24 digits": (b"1.1", b"Content-Length: 999999999999999999999999\r\n", b"{}"),
    "a chunk that goes on": (b"1.1", CHUNKED, b"2\r\n{}XX0\r\n\r\n"),
    "a negative chunk": (b"1.1", CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("case", SMUGGLING)
def test_a_request_whose_end_is_in_doubt_is_the_last_of_its_connection(case: str, server: EmbeddedServer) -> None:
    version, headers, body = SMUGGLING[case]
    request = b"POST /v2/repository/index HTTP/" + version + b"\r\nHost: a\r\n" + headers + b"\r\n" + body + SMUGGLED
    port = int(server.http_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(request)
        came = b"".join(iter(lambda: connection.recv(4096), b""))
    assert came.startswith(b"HTTP/1.1 400") and came.count(b"HTTP/1.1 ") == 1


def test_a_length_that_no_body_may_have_is_refused_before_it_comes(server: EmbeddedServer) -> None:
    request = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"
    assert raw(server, request.encode()).startswith(b"HTTP/1.1 413")


def test_many_tiny_chunks_are_one_body(server: EmbeddedServer) -> None:
    body = json.dumps({"inputs": [], "pad": "x" * 20_000}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert raw(server, head + chunks + b"0\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_body_over_the_limit_is_refused(server: EmbeddedServer) -> None:
    body = bytes(RequestLimits().body_bytes + 1)
    assert_refused(call(server, "POST", INFER, body), 413, "smaller batches")


def test_after_all_of_that_the_server_still_answers(server: EmbeddedServer) -> None:
    assert_answers(server)
