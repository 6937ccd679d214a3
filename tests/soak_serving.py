"""Long or timed trials of a server, for a quiet machine: `make soak`. The ordinary tests leave this file out.

They hold bars in seconds and requests per second, which a busy machine misses for reasons of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest
from tritonclient.grpc.service_pb2 import ModelInferRequest
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from serving.embedded import EmbeddedServer
from serving.wire import SERVICE, RawTensor, infer_request, pack_bytes
from tests.load import DEPTH, RGB
from tests.servers import NETWORK, PIPELINE, REPOSITORY, assert_answers, resident_bytes
from tests.test_serving_kills import VICTIMS, kill_under_load

OVERLOAD = 5
OVERLOAD_SECONDS = 60
PATIENCE_SECONDS = 10


@pytest.fixture
def fresh() -> Iterator[EmbeddedServer]:
    """A server that was never restarted: after several restarts in a row the supervisor takes its time."""
    with EmbeddedServer(REPOSITORY, networks=[NETWORK]) as running:
        yield running


@pytest.mark.parametrize("part", VICTIMS)
def test_a_killed_part_is_noticed_in_five_seconds_and_replaced_in_fifteen(part: str, fresh: EmbeddedServer) -> None:
    _, readiness, killed = kill_under_load(fresh, part)
    if part != "front door":
        unready = next(at for at, ready in readiness.changes if at > killed and not ready)
        assert unready - killed < 5, unready - killed
    back = next(at for at, ready in readiness.changes[::-1] if ready)
    assert back - killed < 15, back - killed


def test_at_five_times_its_capacity_a_server_does_four_fifths_of_it_and_refuses_the_rest(fresh: EmbeddedServer) -> None:
    capacity = asyncio.run(saturate(fresh, 15))
    before = resident_bytes(fresh)
    outcomes = asyncio.run(offer(fresh, OVERLOAD * capacity, OVERLOAD_SECONDS))
    print(f"capacity {capacity:.1f} per second; at {OVERLOAD} times that: {dict(outcomes)}")
    assert set(outcomes) <= {"OK", "RESOURCE_EXHAUSTED"}, outcomes
    assert outcomes["OK"] / OVERLOAD_SECONDS >= 0.8 * capacity
    assert resident_bytes(fresh) - before < 256 << 20
    assert_answers(fresh)


def one_pair() -> ModelInferRequest:
    """Return the request that is sent."""
    pictures = (("rgb_image", RGB), ("depth_image", DEPTH))
    tensors = [RawTensor(name, "BYTES", (1, 1), pack_bytes([data])) for name, data in pictures]
    return infer_request(PIPELINE, tensors, ["labels_png"])


async def saturate(server: EmbeddedServer, seconds: float) -> float:
    """Return how many requests per second a server answers that always has enough to do."""
    request, done = one_pair(), 0

    async def work(stub: GRPCInferenceServiceStub, end: float) -> None:
        nonlocal done
        while time.monotonic() < end:
            await stub.ModelInfer(request)
            done += 1

    async with grpc.aio.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        stub = GRPCInferenceServiceStub(channel)
        await asyncio.gather(*(work(stub, time.monotonic() + seconds) for _ in range(24)))
    return done / seconds


async def offer(server: EmbeddedServer, rate: float, seconds: float) -> Counter[str]:
    """Send requests at a steady rate, whatever becomes of them, and count their statuses."""
    request = one_pair().SerializeToString()  # once: what packing takes would be taken from the server
    outcomes: Counter[str] = Counter()

    async def ask(infer: grpc.aio.UnaryUnaryMultiCallable) -> None:
        try:
            await infer(request, timeout=PATIENCE_SECONDS)
            outcomes["OK"] += 1
        except grpc.aio.AioRpcError as error:
            outcomes[error.code().name] += 1

    async with grpc.aio.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        began, asked = time.monotonic(), []
        for index in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + index / rate - time.monotonic()))
            asked.append(asyncio.create_task(ask(infer)))
        await asyncio.gather(*asked)
    return outcomes
