"""Parts of the gateway that need no server: admission, slow bodies, JSON that cannot be written, plain messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from starlette.requests import ClientDisconnect, Request
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.grpc.service_pb2 import ModelInferResponse

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.admission import Admission
from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.errors import WireError, error_response
from crosswire.serving.gateway.http.bodies import read_body
from crosswire.serving.gateway.http.infer_response import infer_response
from crosswire.serving.gateway.plain import to_plain
from crosswire.serving.gateway.tensors.elements import DTYPES, from_list, to_list
from crosswire.serving.wire import RawTensor, pack_bytes, unpack_bytes


def read(parts: Callable[[], AsyncIterator[dict[str, Any]]], limits: RequestLimits) -> bytes:
    """Read a body that arrives in parts."""

    async def run() -> bytes:
        messages = parts()
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        return await read_body(Request(scope, messages.__anext__), limits, Arrivals(limits))  # type: ignore[arg-type]

    return asyncio.run(run())


def part(body: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_that_does_not_arrive_in_time_is_refused() -> None:
    async def slow() -> AsyncIterator[dict[str, Any]]:
        yield part(b"a", True)
        await asyncio.sleep(60)

    with pytest.raises(WireError, match=r"within 0\.05 s") as refused:
        read(slow, RequestLimits(read_seconds=0.05))
    assert refused.value.status == 408


def test_a_body_over_the_limit_is_read_on_for_a_while_and_refused() -> None:
    sent = []

    async def endless() -> AsyncIterator[dict[str, Any]]:
        while True:
            sent.append(1)
            yield part(b"12345", True)

    with pytest.raises(WireError, match="more than 10 bytes") as refused:
        read(endless, RequestLimits(body_bytes=10))
    assert refused.value.status == 413 and len(sent) == 9


def test_a_client_that_vanishes_ends_the_reading() -> None:
    async def vanish() -> AsyncIterator[dict[str, Any]]:
        yield part(b"a", True)
        yield {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        read(vanish, RequestLimits())


def test_no_more_than_the_allowed_requests_and_bytes_are_held() -> None:
    admission = Admission(RequestLimits(concurrent=2, held_bytes=10))
    with admission.slot() as first, admission.slot() as second:
        first.grow(6)
        with pytest.raises(WireError, match="fill the memory"):
            second.grow(5)
        with pytest.raises(WireError, match="2 requests are being answered") as refused, admission.slot():
            pass
        assert refused.value.status == 503
    with admission.slot() as third:
        third.grow(10)


def test_a_client_that_is_turned_away_is_told_when_to_come_back() -> None:
    assert error_response(503, "busy").headers["retry-after"] == "1"
    assert "retry-after" not in error_response(400, "bad").headers


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_datatype_survives_json(dtype: str) -> None:
    values: dict[str, list[Any]] = {"BYTES": ["", "Fünf ☃", "b"], "BOOL": [True, False, True]}
    data = values.get(dtype, [0.5, 0.25, 3.0] if dtype.startswith("FP") else [0, 1, 127])
    assert to_list(from_list(data, "x", dtype, (1, 3))) == data
    assert to_list(from_list([data], "x", dtype, (1, 3))) == data


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_json_cannot_hold_are_refused(value: float) -> None:
    with pytest.raises(WireError, match="ask for it in the binary form"):
        to_list(RawTensor("x", "FP32", (1,), np.float32(value).tobytes()))


def test_bytes_elements_survive_their_raw_form() -> None:
    items = [b"", b"a", bytes(range(256)) * 3]
    assert unpack_bytes(pack_bytes(items)) == items


def test_an_answer_may_mix_json_and_binary_outputs() -> None:
    answer = ModelInferResponse(model_name="m", model_version="1", raw_output_contents=[b"\1\2", pack_bytes([b"hi"])])
    answer.outputs.add(name="a", datatype="UINT8", shape=[1, 2])
    answer.outputs.add(name="b", datatype="BYTES", shape=[1])
    response = infer_response(answer, frozenset({"a"}))
    length = int(response.headers["inference-header-content-length"])
    head, tail = json.loads(response.body[:length]), bytes(response.body[length:])
    assert head["outputs"][0] == {
        "name": "a", "datatype": "UINT8", "shape": [1, 2], "parameters": {"binary_data_size": 2},
    }  # fmt: skip
    assert head["outputs"][1]["data"] == ["hi"] and tail == b"\1\2"


def test_a_message_becomes_plain_values_with_numbers_as_numbers() -> None:
    config = ModelConfig(name="m", max_batch_size=4)
    config.input.add(name="x", data_type="TYPE_FP32", dims=[3, 5])
    config.parameters["key"].string_value = "text"
    plain = to_plain(config)
    assert (plain["name"], plain["max_batch_size"]) == ("m", 4)
    assert plain["input"][0]["dims"] == [3, 5] and plain["input"][0]["data_type"] == "TYPE_FP32"
    assert plain["parameters"] == {"key": {"string_value": "text"}}
    assert "ensemble_scheduling" not in plain
    json.dumps(plain)
