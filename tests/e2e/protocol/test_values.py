"""What raw floating point tensors may hold: NaN, infinity and other units are refused by name, over every protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import NETWORK, call, infer_body, network_inputs

Arrays = dict[str, np.ndarray[Any, Any]]
Send = Callable[[EmbeddedServer, Arrays], np.ndarray[Any, Any]]


def over_grpc(server: EmbeddedServer, arrays: Arrays) -> np.ndarray[Any, Any]:
    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        return infer(tritonclient.grpc, client, arrays)


def over_http(server: EmbeddedServer, arrays: Arrays) -> np.ndarray[Any, Any]:
    with tritonclient.http.InferenceServerClient(server.http_url.removeprefix("http://")) as client:
        return infer(tritonclient.http, client, arrays)


def over_typed_contents(server: EmbeddedServer, arrays: Arrays) -> np.ndarray[Any, Any]:
    """Send numbers one by one in protobuf fields rather than as bytes."""
    request = service_pb2.ModelInferRequest(model_name=NETWORK, outputs=[{"name": "labels"}])
    for name, array in arrays.items():
        field = "uint_contents" if array.dtype == np.uint8 else "fp32_contents"
        tensor = request.inputs.add(name=name, datatype=kind(array), shape=array.shape)
        getattr(tensor.contents, field).extend(array.ravel().tolist())
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        try:
            answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
        except grpc.RpcError as error:
            raise InferenceServerException(error.details()) from error
    labels: np.ndarray[Any, Any] = np.frombuffer(answer.raw_output_contents[0], np.uint8)
    return labels.reshape(list(answer.outputs[0].shape))


def infer(library: Any, client: Any, arrays: Arrays) -> np.ndarray[Any, Any]:
    inputs = [
        library.InferInput(name, array.shape, kind(array)).set_data_from_numpy(array) for name, array in arrays.items()
    ]
    labels: np.ndarray[Any, Any] = client.infer(NETWORK, inputs).as_numpy("labels")
    return labels


def kind(array: np.ndarray[Any, Any]) -> str:
    return "UINT8" if array.dtype == np.uint8 else "FP32"


PROTOCOLS: dict[str, Send] = {"gRPC": over_grpc, "gRPC contents": over_typed_contents, "HTTP": over_http}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "4 NaN"), (np.inf, "4 infinite"), (-np.inf, "4 infinite")], ids=str
)
def test_four_values_that_are_no_numbers_are_refused_by_tensor_sample_and_count(
    value: float, said: str, protocol: str, server: EmbeddedServer
) -> None:
    arrays = network_inputs()
    arrays["depth"][0, 10:12, 10:12] = value
    with pytest.raises(InferenceServerException) as raised:
        PROTOCOLS[protocol](server, arrays)
    message = str(raised.value)
    assert f"input 'depth' of model '{NETWORK}': got {said} of 20480 values in sample 0" in message
    assert "expected 0 to 10 (metre)" in message and "and 0 where there is no reading" in message


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_sample_that_is_wrong_is_named(protocol: str, server: EmbeddedServer) -> None:
    arrays = network_inputs(batch=3)
    arrays["depth"][2, 0, 0], arrays["depth"][2, 127, 159] = np.nan, np.inf
    with pytest.raises(InferenceServerException, match="got 1 NaN and 1 infinite of 20480 values in sample 2"):
        PROTOCOLS[protocol](server, arrays)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda depth: depth * 1000, "20480 of 20480 values out of range"),
        (lambda depth: np.where(depth < 0.6, -1, depth), "values out of range, from -1 to"),
        (lambda depth: np.where(depth > 5.99, np.float32(1e30), depth), "to 1e\\+30"),
        (lambda depth: np.where(depth > 4, 11.5, depth), "values out of range"),
    ],
    ids=["millimetres", "holes of -1", "a few of 1e30", "a third beyond"],
)
def test_values_that_no_reading_has_are_refused(
    change: Callable[[Any], Any], said: str, protocol: str, server: EmbeddedServer
) -> None:
    arrays = network_inputs()
    arrays["depth"] = change(arrays["depth"]).astype(np.float32)
    with pytest.raises(InferenceServerException, match=said) as raised:
        PROTOCOLS[protocol](server, arrays)
    assert "expected 0 to 10 (metre)" in str(raised.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_holes_and_a_few_readings_past_the_range_are_taken(protocol: str, server: EmbeddedServer) -> None:
    arrays = network_inputs()
    arrays["depth"][0, :20] = 0
    arrays["depth"][0, 100:110] = 12.5
    assert PROTOCOLS[protocol](server, arrays).shape == (1, 128, 160)


def test_numbers_in_json_are_held_against_the_same_range(server: EmbeddedServer) -> None:
    body = infer_body()
    body["inputs"][1]["data"][7] = -3
    status, answer = call(server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(body).encode())
    assert status == 400
    assert "got 1 of 20480 values out of range, from -3 to" in json.loads(answer)["error"]


def test_numbers_in_the_contents_of_another_type_are_refused(server: EmbeddedServer) -> None:
    arrays = network_inputs()
    request = service_pb2.ModelInferRequest(model_name=NETWORK)
    for name, array in arrays.items():
        tensor = request.inputs.add(name=name, datatype=kind(array), shape=array.shape)
        tensor.contents.uint_contents.extend(array.astype(np.uint8).ravel().tolist())
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError, match="send them as fp32_contents"):
            stub.ModelInfer(request)
