"""Times what a predictor adds to a request of about a millisecond: blocking, asynchronous, and blocking over a loop.

A server in a process of its own answers at once over gRPC and HTTP on the loopback. It is asked in turns, each round in
another order, by 1 and by 16 callers:

* *direct*: the library below, without ours: ``tritonclient.grpc``, or ``http.client`` with a connection per caller;
* *blocking*: ``Predictor``, whose flows are generators that every caller drives in its own thread;
* *async*: ``AsyncPredictor``, all callers in one event loop;
* *facade*: a blocking client made of an event loop in a thread and ``AsyncPredictor`` in it, the usual other way to
  write a client once for both worlds.

Figures are medians over the rounds of each round's p50 and p99, and of their ratios to *direct* in the same round, as
the machine is never quiet. Run it with ``python -m benchmarks.client_engine``; the last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from aiohttp import web
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from benchmarks._record import keep, processor
from crosswire.clients import AsyncPredictor, Predictor, Request, Timings
from crosswire.clients.session import ResultT
from crosswire.contract import PipelineDescription, TensorSpec
from crosswire.serving.repository.published import describe

PIPELINE, IN, OUT = "echo_image", "x", "y"
SENT = np.zeros((1, 64), np.float32)
CALLERS = (1, 16)
_WARM_UP = 20
Call = Callable[[], object]
Round = dict[str, dict[str, float]]
CallOf = Callable[[], contextlib.AbstractContextManager[Call]]


def pipeline_config() -> Any:
    """Return the configuration by which the server describes its pipeline, a protobuf message."""
    x = TensorSpec(IN, "FP32", (64,), ("item",), "number")
    y = TensorSpec(OUT, "FP32", (1,), ("item",), "number")
    config = model_config_pb2.ModelConfig(name=PIPELINE, platform="ensemble")
    describe(config, PipelineDescription(PIPELINE, "echo", "echo", (), (), (x,), (y,)))
    return config


def echo_request() -> Request[Timings]:
    """Return the request that is sent again and again."""
    return Request("echo", PIPELINE, {IN: SENT}, (OUT,), (), lambda _, __, timings: timings(), 0.0)


class Echo(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The gRPC half of the server."""

    async def ModelInfer(self, request: Any, _: Any) -> Any:
        """Answer at once."""
        response = service_pb2.ModelInferResponse(model_name=PIPELINE, raw_output_contents=[bytes(4)])
        response.outputs.add(name=OUT, datatype="FP32", shape=[1, 1])
        return response

    async def ModelConfig(self, request: Any, _: Any) -> Any:
        """Describe the pipeline."""
        return service_pb2.ModelConfigResponse(config=pipeline_config())

    async def ModelStatistics(self, request: Any, _: Any) -> Any:
        """Name the pipeline."""
        return service_pb2.ModelStatisticsResponse(model_stats=[service_pb2.ModelStatistics(name=PIPELINE)])


def http_half() -> web.Application:
    """Return the HTTP half of the server."""
    output = {"name": OUT, "datatype": "FP32", "shape": [1, 1], "data": [0.0]}
    answers = {
        "infer": {"model_name": PIPELINE, "outputs": [output]},
        "config": MessageToDict(pipeline_config(), preserving_proto_field_name=True),
        "stats": {"model_stats": [{"name": PIPELINE}]},
    }

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(answers[request.path.rpartition("/")[2]])

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    return application


async def serve() -> None:
    """Serve on free ports, print both addresses, and end with standard input."""
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    runner = web.AppRunner(http_half())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"grpc": f"grpc://127.0.0.1:{port}", "http": f"http://127.0.0.1:{runner.addresses[0][1]}"}))
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)
    await runner.cleanup()


@contextlib.contextmanager
def own_server() -> Iterator[dict[str, str]]:
    """Run the server in a process of its own; yields its address per protocol."""
    command = [sys.executable, "-m", "benchmarks.client_engine", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


def in_threads(call_of: CallOf, callers: int, each: int) -> list[float]:
    """Call from so many threads, so often each; returns milliseconds per call."""
    together = threading.Barrier(callers)

    def calling() -> list[float]:
        with call_of() as call:
            for _ in range(_WARM_UP):
                call()
            together.wait()
            return [_milliseconds(call) for _ in range(each)]

    with ThreadPoolExecutor(callers) as pool:
        parts = [pool.submit(calling) for _ in range(callers)]
        return [value for part in parts for value in part.result()]


def _milliseconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def direct(url: str, callers: int, each: int) -> list[float]:
    """Time the library below."""
    if url.startswith("grpc"):
        with triton_grpc.InferenceServerClient(urlsplit(url).netloc) as client:

            def call() -> None:
                tensor = triton_grpc.InferInput(IN, list(SENT.shape), "FP32").set_data_from_numpy(SENT)
                wanted = [triton_grpc.InferRequestedOutput(OUT)]
                client.infer(PIPELINE, [tensor], outputs=wanted, client_timeout=60.0).as_numpy(OUT)

            return in_threads(lambda: contextlib.nullcontext(call), callers, each)
    return in_threads(lambda: _http_call(urlsplit(url).netloc), callers, each)


@contextlib.contextmanager
def _http_call(place: str) -> Iterator[Call]:
    """Yield a call over a connection of its own."""
    line = http.client.HTTPConnection(place)

    def call() -> None:
        tensor = triton_http.InferInput(IN, list(SENT.shape), "FP32").set_data_from_numpy(SENT)
        wanted = [triton_http.InferRequestedOutput(OUT)]
        body, length = triton_http.InferenceServerClient.generate_request_body([tensor], outputs=wanted)
        line.request("POST", f"/v2/models/{PIPELINE}/infer", body, {"Inference-Header-Content-Length": str(length)})
        data = line.getresponse().read()
        triton_http.InferenceServerClient.parse_response_body(data).as_numpy(OUT)

    with contextlib.closing(line):
        yield call


def blocking(url: str, callers: int, each: int) -> list[float]:
    """Time `Predictor`."""
    request = echo_request()
    with Predictor(url) as predictor:
        return in_threads(lambda: contextlib.nullcontext(lambda: predictor.ask(request)), callers, each)


def asynchronous(url: str, callers: int, each: int) -> list[float]:
    """Time `AsyncPredictor`."""

    async def calling(predictor: AsyncPredictor, request: Request[Timings], count: int) -> list[float]:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            await predictor.ask(request)
            times.append(1e3 * (time.perf_counter() - start))
        return times

    async def together() -> list[float]:
        request = echo_request()
        async with AsyncPredictor(url) as predictor:
            await asyncio.gather(*(calling(predictor, request, _WARM_UP) for _ in range(callers)))
            parts = await asyncio.gather(*(calling(predictor, request, each) for _ in range(callers)))
        return [value for part in parts for value in part]

    return asyncio.run(together())


class Facade:
    """A blocking client made of an event loop in a thread; a context manager."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._predictor = AsyncPredictor(url)

    def __enter__(self) -> Facade:
        """Start the loop."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections and end the loop."""
        self._wait(self._predictor.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, request: Request[Timings]) -> Timings:
        """Send a request and wait for its result."""
        return self._wait(self._predictor.ask(request))

    def _wait(self, call: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


def facade(url: str, callers: int, each: int) -> list[float]:
    """Time `Facade`."""
    request = echo_request()
    with Facade(url) as client:
        return in_threads(lambda: contextlib.nullcontext(lambda: client.ask(request)), callers, each)


WAYS = {"direct": direct, "blocking": blocking, "async": asynchronous, "facade": facade}


def one_round(url: str, callers: int, each: int, turn: int) -> Round:
    """Time every way once, in an order that changes from round to round; returns p50 and p99 in milliseconds."""
    names = list(WAYS)
    order = names[turn % len(names) :] + names[: turn % len(names)]
    found = {}
    for name in order if turn % 2 == 0 else reversed(order):
        times = sorted(WAYS[name](url, callers, each))
        found[name] = {"p50": statistics.median(times), "p99": times[int(0.99 * (len(times) - 1))]}
    return found


def summary(rounds: list[Round]) -> Round:
    """Return medians over the rounds: milliseconds of every way, and its multiple of `direct` in the same round.

    Under `facade_over_blocking` the multiples that the decision between both is about.
    """
    figures: Round = {}
    for name in WAYS:
        figures[name] = {}
        for key in ("p50", "p99"):
            figures[name][f"{key}_ms"] = round(statistics.median(one[name][key] for one in rounds), 3)
            figures[name][f"{key}_over_direct"] = _ratio(rounds, key, name, "direct")
    figures["facade_over_blocking"] = {key: _ratio(rounds, key, "facade", "blocking") for key in ("p50", "p99")}
    return figures


def _ratio(rounds: list[Round], key: str, name: str, base: str) -> float:
    """Return the median of the ratios of two ways within a round."""
    return round(statistics.median(one[name][key] / one[base][key] for one in rounds), 2)


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="what a predictor adds to a request")
    parser.add_argument("--rounds", type=int, default=20, help="counted rounds (default 20)")
    parser.add_argument("--requests", type=int, default=400, help="requests of a way in a round (default 400)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        asyncio.run(serve())
        return
    print(f"{processor()}, median of {wanted.rounds} rounds of {wanted.requests} requests")
    print(f"{'':26} {'p50 ms':>9} {'x direct':>9} {'p99 ms':>9} {'x direct':>9}")
    figures: dict[str, Any] = {}
    with own_server() as urls:
        for protocol, url in urls.items():
            for callers in CALLERS:
                each = wanted.requests // callers
                found = summary([one_round(url, callers, each, turn) for turn in range(wanted.rounds)])
                figures.setdefault(protocol, {})[f"callers_{callers}"] = found
                for name in WAYS:
                    one = found[name]
                    cells = (one["p50_ms"], one["p50_over_direct"], one["p99_ms"], one["p99_over_direct"])
                    print(f"{protocol}, {callers:2} callers, {name:9} " + " ".join(f"{cell:9.3f}" for cell in cells))
                over = found["facade_over_blocking"]
                print(f"facade over blocking: p50 x {over['p50']}, p99 x {over['p99']}", flush=True)
    keep("client_engine", {"rounds": wanted.rounds, "requests": wanted.requests, **figures})


if __name__ == "__main__":
    main()
