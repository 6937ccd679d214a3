"""gRPC's own services beside inference: health that is watched, and reflection."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2  # type: ignore[import-untyped]

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.paths import REPOSITORY
from tests.support.servers.real import CALM, NETWORK, call, configured

WATCH, CHECK = "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
SECONDS = 60


@pytest.fixture
def channel(server: EmbeddedServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as found:
        yield found


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with keys and few places, which nobody probes."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys.txt").write_text("0123456789abcdef0123")
    options = configured(folder, f'api_keys = "keys.txt"\n[limits]\nconcurrent = 2\n{CALM}')
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
        yield running


@pytest.mark.parametrize("service", [b"", b"\n\x09rooms_cen", b"\n\x1einference.GRPCInferenceService"])
def test_a_watch_begins_with_what_a_check_says(service: bytes, channel: grpc.Channel) -> None:
    watching = channel.unary_stream(WATCH)(service, timeout=SECONDS)
    assert next(watching) == channel.unary_unary(CHECK)(service, timeout=SECONDS) == SERVING
    watching.cancel()


def test_a_watch_is_silent_while_nothing_changes(server: EmbeddedServer, channel: grpc.Channel) -> None:
    watching = channel.unary_stream(WATCH)(b"", timeout=3)
    assert next(watching) == SERVING
    with pytest.raises(grpc.RpcError) as ended:
        next(watching)
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_watch_tells_that_triton_is_gone_and_back(tmp_path: Path) -> None:
    options = configured(tmp_path, CALM)
    with (
        EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as own,
        grpc.insecure_channel(own.grpc_url.removeprefix("grpc://")) as mine,
    ):
        watching = mine.unary_stream(WATCH)(b"", timeout=4 * SECONDS)
        assert next(watching) == SERVING
        os.kill(own.facts["triton_pid"], signal.SIGKILL)
        assert next(watching) == NOT_SERVING
        assert next(watching) == SERVING
        watching.cancel()


def test_health_is_watched_without_a_key_by_as_many_as_there_are_places(keyed: EmbeddedServer) -> None:
    with grpc.insecure_channel(keyed.grpc_url.removeprefix("grpc://")) as mine:
        watching = [mine.unary_stream(WATCH)(b"", timeout=SECONDS) for _ in range(2)]
        assert [next(one) for one in watching] == [SERVING] * 2
        with pytest.raises(grpc.RpcError) as refused:
            next(mine.unary_stream(WATCH)(b"", timeout=SECONDS))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for one in watching:
            one.cancel()


def ask(channel: grpc.Channel, version: str, requests: list[Any], **options: Any) -> list[Any]:
    """Return the answers to questions about the server."""
    from grpc_reflection.v1alpha import reflection_pb2

    stream = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda fields: reflection_pb2.ServerReflectionRequest(**fields).SerializeToString(),
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    return list(stream(iter(requests), timeout=SECONDS, **options))


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_a_tool_without_proto_files_learns_services_and_messages(version: str, channel: grpc.Channel) -> None:
    service = "inference.GRPCInferenceService"
    listed, described, message, unknown = ask(
        channel,
        version,
        [
            {"list_services": ""},
            {"file_containing_symbol": service},
            {"file_containing_symbol": "inference.ModelInferRequest"},
            {"file_containing_symbol": "inference.Nothing"},
        ],
    )
    assert service in [one.name for one in listed.list_services_response.service]
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for data in described.file_descriptor_response.file_descriptor_proto
    ]
    methods = {method.name for file in files for one in file.service if one.name in service for method in one.method}
    assert {"ModelInfer", "ModelStreamInfer", "ServerMetadata"} <= methods
    assert message.file_descriptor_response.file_descriptor_proto
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_a_question_that_is_no_message_is_refused(channel: grpc.Channel) -> None:
    stream = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    for data in (b"\xff\xff\xff", b"x" * (1 << 17)):
        with pytest.raises(grpc.RpcError) as refused:
            next(stream(iter([data]), timeout=SECONDS))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_reflection_asks_for_a_key_where_there_are_any(keyed: EmbeddedServer) -> None:
    with grpc.insecure_channel(keyed.grpc_url.removeprefix("grpc://")) as mine:
        with pytest.raises(grpc.RpcError) as refused:
            ask(mine, "v1alpha", [{"list_services": ""}])
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        key = (("x-api-key", "0123456789abcdef0123"),)
        assert ask(mine, "v1alpha", [{"list_services": ""}], metadata=key)


def test_what_is_asked_beside_inference_is_counted_by_its_name(server: EmbeddedServer, channel: grpc.Channel) -> None:
    ask(channel, "v1", [{"list_services": ""}])
    metrics = call(server, "GET", "/metrics")[1].decode()
    assert 'route="ServerReflectionInfo"' in metrics
