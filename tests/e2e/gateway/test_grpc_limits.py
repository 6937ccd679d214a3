"""gRPC's own ways to ask for too much: messages that swell, streams that stay silent, methods that there are not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc.service_pb2 import ModelInferRequest, ServerReadyResponse

from crosswire.serving.gateway.errors import WireError
from crosswire.serving.gateway.grpc.message_size import decoded_size
from crosswire.serving.gateway.step_statistics import step_times
from crosswire.serving.gateway.tensors.elements import from_binary
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import (
    NETWORK,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    call,
    depth_png,
    infer_pictures,
    jpeg,
    network_inputs,
    wait_until,
)

SERVICE = "/inference.GRPCInferenceService"
CONCURRENT, MEBIBYTE = 3, 1 << 20
SILENCE = 6.0  # seconds until a silent stream ends: all of them open sooner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's settings and its access log lie."""
    return tmp_path_factory.mktemp("settings")


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[EmbeddedServer]:
    """A server that takes few requests at a time and ends silent streams soon."""
    config = folder / "serving.toml"
    config.write_text(f"[limits]\nconcurrent = {CONCURRENT}\nstream_seconds = {SILENCE:g}\n")
    options = ["--config", str(config), "--access-log", str(folder / "access.jsonl")]
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
        yield running


@pytest.fixture
def channel(own: EmbeddedServer) -> Iterator[grpc.Channel]:
    """A channel without tritonclient in between."""
    with grpc.insecure_channel(own.grpc_url.removeprefix("grpc://")) as opened:
        yield opened


def refused(channel: grpc.Channel, method: str, message: bytes) -> tuple[str, str]:
    """Return status and words of a call that must be refused within seconds."""
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(f"{SERVICE}/{method}")(message, timeout=60)
    return error.value.code().name, error.value.details()


def of_zeros(size: int) -> bytes:
    """Return a request whose first tensor is so many bytes of empty elements."""
    rgb = ModelInferRequest.InferInputTensor(name="rgb_image", datatype="BYTES", shape=[1, 1])
    depth = ModelInferRequest.InferInputTensor(name="depth_image", datatype="BYTES", shape=[1, 1])
    request = ModelInferRequest(model_name=PIPELINE, inputs=[rgb, depth], raw_input_contents=[bytes(size), b""])
    return bytes(request.SerializeToString())


def field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message whose content has a length."""
    length, size = bytearray(), len(content)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


BOMBS = {
    "inputs": (lambda: b"\x2a\x00" * (8 * MEBIBYTE), "has more than 20000 fields"),
    "shape": (lambda: field(5, field(3, b"\1" * (20 * MEBIBYTE))), "a ModelInferRequest of more than 134217728 bytes"),
    "elements": (lambda: of_zeros(64 * MEBIBYTE), "has more than 1 elements, its shape [1, 1] needs 1"),
    "torn": (lambda: b"\x2a\x7f\x00", "3 bytes are no ModelInferRequest"),
    "no end": (lambda: b"\xff" * 11, "11 bytes are no ModelInferRequest"),
    "group": (lambda: b"\x0b" * 30, "30 bytes are no ModelInferRequest"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_message_that_swells_is_refused_and_others_are_answered(
    kind: str, own: EmbeddedServer, channel: grpc.Channel
) -> None:
    message, words = BOMBS[kind]
    code, text = refused(channel, "ModelInfer", message())
    assert code == "INVALID_ARGUMENT" and words in text
    assert_answers(own)
    lines = call(own, "GET", "/metrics")[1].decode().splitlines()
    assert 'crosswire_restarts{part="front_door"} 0.0' in lines


def test_a_question_is_short(channel: grpc.Channel) -> None:
    for method in ("ModelMetadata", "ModelStatistics"):
        code, text = refused(channel, method, b"\x0a\x80\x80\x40" + b"a" * MEBIBYTE)
        assert code == "INVALID_ARGUMENT" and ("65536" in text), text


def test_silent_streams_leave_room_for_others_and_end(own: EmbeddedServer, channel: grpc.Channel, folder: Path) -> None:
    stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")

    def silent() -> Iterator[bytes]:
        yield b""
        wait_until(lambda: len(streams) == CONCURRENT and all(one.code() is not None for one in streams))

    streams: list[Any] = []
    for _ in range(CONCURRENT):
        streams.append(stream(silent()))
        next(streams[-1])  # an answer shows that it is open
    with pytest.raises(grpc.RpcError) as error:
        next(stream(iter([b""])))
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "3 streams are open" in error.value.details()
    assert ServerReadyResponse.FromString(channel.unary_unary(f"{SERVICE}/ServerReady")(b"")).ready
    assert infer_pictures(own, [jpeg()], [depth_png()]).as_numpy("labels_png").shape == (1, 1)
    for one in streams:
        with pytest.raises(grpc.RpcError) as error:
            next(one)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "brought no request for 6 s; open another one" in error.value.details()
    assert len(list(stream(iter([b"", b""])))) == 2
    lines = [json.loads(line) for line in (folder / "access.jsonl").read_text().splitlines()]
    ends = Counter(line["status"] for line in lines if line["route"] == "ModelStreamInfer")
    assert ends == {"NOT_FOUND": CONCURRENT + 2, "RESOURCE_EXHAUSTED": 1, "DEADLINE_EXCEEDED": CONCURRENT}


def test_every_line_names_the_model_that_its_message_names(
    own: EmbeddedServer, channel: grpc.Channel, folder: Path
) -> None:
    log = folder / "access.jsonl"
    before = len(log.read_text().splitlines())
    named, torn = field(1, b"nothing"), b"\x2a\x7f\x00"
    for method in ("ModelInfer", "ModelMetadata", "ModelConfig", "ModelReady", "ModelStatistics"):
        if method == "ModelReady":
            channel.unary_unary(f"{SERVICE}/{method}")(named)
        else:
            refused(channel, method, named)
    refused(channel, "ModelInfer", named + torn)
    refused(channel, "ModelMetadata", field(1, b"a" * MEBIBYTE))
    refused(channel, "ModelInfer", torn)
    list(channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(iter([named])))
    channel.unary_unary(f"{SERVICE}/ServerMetadata")(b"")
    for path in ("/v2/models/nothing/ready", "/v1/pipelines/nothing", f"/v2/models/{'b' * 999}", "/page/page.js"):
        call(own, "GET", path)
    lines = [json.loads(line) for line in log.read_text().splitlines()[before:]]
    http = ["nothing", "nothing", "b" * 256, None]
    asked = [line for line in lines if line.get("path") != "/v2/health/live"]  # the supervisor asks in between
    assert [line.get("model") for line in asked] == ["nothing"] * 6 + ["a" * 256, None, "nothing", None, *http]


def test_a_stream_that_ends_between_two_inferences_names_the_last_one(channel: grpc.Channel, folder: Path) -> None:
    over: list[Any] = []

    def one() -> Iterator[bytes]:
        yield field(1, b"nothing")
        wait_until(lambda: bool(over))

    answers = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(one())
    answers.add_callback(lambda: over.append(True))
    with pytest.raises(grpc.RpcError, match="brought no request"):
        list(answers)
    last = json.loads((folder / "access.jsonl").read_text().splitlines()[-1])
    assert (last["status"], last["model"]) == ("DEADLINE_EXCEEDED", "nothing")


def test_methods_that_there_are_not_make_no_new_meters(own: EmbeddedServer, channel: grpc.Channel) -> None:
    for index in range(5):
        assert refused(channel, f"Invented{index}", b"")[0] == "PERMISSION_DENIED"
    text = call(own, "GET", "/metrics")[1].decode()
    assert "Invented" not in text and 'crosswire_requests_total{protocol="grpc",route="none"' in text


def test_an_honest_message_is_about_as_large_decoded() -> None:
    arrays = network_inputs(2)
    request = ModelInferRequest(
        model_name=NETWORK,
        parameters={"timeout": {"int64_param": 5}},
        inputs=[{"name": name, "datatype": "FP32", "shape": array.shape} for name, array in arrays.items()],
        raw_input_contents=[array.tobytes() for array in arrays.values()],
    )
    data = request.SerializeToString()
    assert len(data) < decoded_size(data, ModelInferRequest, 1 << 30) < len(data) + 4096
    with pytest.raises(WireError, match="send smaller batches"):
        decoded_size(data, ModelInferRequest, len(data))
    wide = ModelInferRequest(inputs=[{"contents": {"fp32_contents": np.ones(1000)}}]).SerializeToString()
    assert decoded_size(wide, ModelInferRequest, 1 << 30) < 5000


def test_elements_are_counted_no_further_than_they_may_go() -> None:
    with pytest.raises(WireError, match="has more than 2 elements"):
        from_binary(bytes(400 * MEBIBYTE), "x", "BYTES", (2,))
    with pytest.raises(WireError, match=r"has 1 elements, its shape \[2\] needs 2"):
        from_binary(bytes(4), "x", "BYTES", (2,))


def test_a_step_that_has_only_begun_to_tell_is_left_out() -> None:
    kinds = ("requests", "samples", "executions", "seconds", "failures", "failed_seconds")
    lines = [f'crosswire_step_{kind}_total{{model="a"}} 0\n'.encode() for kind in kinds]
    assert step_times(b"".join(lines[:-1])) == {}
    assert set(step_times(b"".join(lines))) == {"a"}


def test_who_has_no_key_is_refused_before_the_message_is_read(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("first-key-0123456789")
    options = ["--api-keys", str(tmp_path / "keys.txt")]
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as server:
        sent = []

        def endless() -> Iterator[bytes]:
            while len(sent) < 10_000:
                sent.append(1)
                yield bytes(MEBIBYTE)

        with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
            with pytest.raises(grpc.RpcError) as error:
                channel.stream_unary(f"{SERVICE}/ModelInfer")(endless(), timeout=60)
            assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
            with pytest.raises(grpc.RpcError) as error:
                list(channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(endless(), timeout=60))
            assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert len(sent) < 100, "little was read"
