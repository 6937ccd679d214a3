"""What a server says of itself is so: methods of a path, extensions, and the id of a request that failed."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import tritonclient.grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import NETWORK, PIPELINE, call, network_inputs


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", f"/v1/pipelines/{PIPELINE}", "GET, HEAD, POST"),
        ("DELETE", f"/v1/pipelines/{PIPELINE}", "GET, HEAD, POST"),
        ("GET", f"/v2/models/{NETWORK}/infer", "POST"),
        ("POST", f"/v2/models/{NETWORK}", "GET, HEAD"),
        ("PATCH", "/v2", "GET, HEAD"),
        ("GET", "/v2/repository/index", "POST"),
        ("OPTIONS", f"/v2/models/{NETWORK}/versions/1/infer", "POST"),
    ],
)
def test_a_wrong_method_is_answered_with_every_right_one(
    method: str, path: str, allowed: str, server: EmbeddedServer
) -> None:
    connection = http.client.HTTPConnection(server.http_url.removeprefix("http://"), timeout=60)
    connection.request(method, path, b"body" if method == "PUT" else b"")
    answer = connection.getresponse()
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed
    assert json.loads(answer.read())["error"].endswith(f"; allowed is {allowed}")
    connection.close()


def extensions(server: EmbeddedServer) -> tuple[list[str], list[str]]:
    """Return the extensions that both protocols tell of."""
    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        over_grpc = list(client.get_server_metadata().extensions)
    return over_grpc, json.loads(call(server, "GET", "/v2")[1])["extensions"]


def test_both_protocols_promise_the_same_extensions(server: EmbeddedServer) -> None:
    over_grpc, over_http = extensions(server)
    assert over_grpc == over_http
    assert {"binary_tensor_data", "parameters", "model_configuration", "statistics"} <= set(over_grpc)


@pytest.mark.parametrize(
    ("extension", "ask"),
    [
        ("system_shared_memory", lambda client: client.get_system_shared_memory_status()),
        ("cuda_shared_memory", lambda client: client.get_cuda_shared_memory_status()),
        ("trace", lambda client: client.get_trace_settings()),
        ("logging", lambda client: client.get_log_settings()),
        ("model_repository", lambda client: client.load_model(NETWORK)),
        ("model_repository(unload_dependents)", lambda client: client.unload_model(NETWORK)),
    ],
)
def test_what_is_refused_is_not_promised(extension: str, ask: Any, server: EmbeddedServer) -> None:
    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        with pytest.raises(tritonclient.grpc.InferenceServerException, match="restricted"):
            ask(client)
        assert extension not in client.get_server_metadata().extensions


@pytest.fixture
def stub(server: EmbeddedServer) -> Iterator[service_pb2_grpc.GRPCInferenceServiceStub]:
    """Plain gRPC."""
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def inference(ident: str, **changes: Any) -> service_pb2.ModelInferRequest:
    """Return a correct request for the network with fields changed."""
    request = service_pb2.ModelInferRequest(model_name=NETWORK, id=ident)
    for name, array in network_inputs().items():
        request.inputs.add(name=name, datatype="UINT8" if name == "rgb" else "FP32", shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    for key, value in changes.items():
        if key == "data":
            del request.raw_input_contents[:]
        else:
            setattr(request, key, value)
    return request


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (inference("frame-17", model_name="nope"), "no model 'nope'"),
        (inference("frame-18", model_version="9"), "version 9"),
        (inference("frame-19", data=None), "needs 61440"),
        (inference("Bild 20", model_version="nine"), "no number"),
    ],
    ids=["model", "version", "data", "a version of text"],
)
def test_an_error_on_a_stream_carries_the_id_of_its_request(request_: Any, said: str, stub: Any) -> None:
    good = inference("good")
    answers = list(stub.ModelStreamInfer(iter([request_, good])))
    assert [one.infer_response.id for one in answers] == [request_.id, "good"]
    assert said in answers[0].error_message and not answers[1].error_message


def test_a_message_that_cannot_be_read_keeps_its_id(server: EmbeddedServer) -> None:
    torn = inference("torn-1").SerializeToString()[:-5]
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        stream = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            response_deserializer=service_pb2.ModelStreamInferResponse.FromString,
        )
        (answer,) = stream(iter([torn]))
    assert answer.infer_response.id == "torn-1" and "send the whole message" in answer.error_message


def test_a_stream_whose_request_has_no_id_gets_none(stub: Any) -> None:
    (answer,) = stub.ModelStreamInfer(iter([inference("", model_name="nope")]))
    assert answer.infer_response.id == "" and answer.error_message
