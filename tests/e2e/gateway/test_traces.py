"""OpenTelemetry traces: one per request, from the client's own trace down to every step in Triton."""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.grpc

from crosswire.serving.errors import ServingError
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.steps.runtime import spans
from crosswire.serving.traces import TRACES_VARIABLE
from tests.support.servers.native_backend import native_triton
from tests.support.servers.real import (
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    STEPS,
    bytes_input,
    configured,
    depth_png,
    jpeg,
    wait_until,
)
from tests.support.small_clips import clip

SPAN = "b7ad6b7169203331"
INNER = (f"{NETWORK}_decode", NETWORK, f"{NETWORK}_render")
REQUESTS = 12


@dataclass(frozen=True)
class Own:
    """A server, and whether its steps share a process."""

    server: EmbeddedServer
    in_process: bool

    @property
    def process(self) -> set[str]:
        """The step that all others are steps of, if there is one."""
        return {f"{NETWORK}_fused"} if self.in_process else set()


@dataclass(frozen=True)
class Span:
    """One span: its name, the ids of its trace, its parent and its own in hexadecimal, and what is told of it."""

    name: str
    trace: str
    parent: str
    ident: str
    seconds: float
    failure: str
    said: dict[str, str]


def spans_of(data: bytes) -> Iterator[Span]:
    """Yield the spans of one export."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for one in (span for scope in resource.scope_spans for span in scope.spans):
            said = {pair.key: pair.value.string_value for pair in one.attributes}
            seconds = (one.end_time_unix_nano - one.start_time_unix_nano) / 1e9
            yield Span(
                one.name,
                one.trace_id.hex(),
                one.parent_span_id.hex(),
                one.span_id.hex(),
                seconds,
                one.status.message,
                said,
            )


class Collector:
    """Takes spans over OTLP/HTTP and keeps them."""

    def __init__(self) -> None:
        """Listen on a free port."""
        spans: list[Span] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                spans.extend(spans_of(data))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.spans = spans
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where spans go."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def of(self, trace: str) -> dict[str, Span]:
        """Return the spans of one trace by name."""
        return {span.name: span for span in self.spans if span.trace == trace}

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector on loopback."""
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module", params=["apart", "fused"])
def own(
    request: pytest.FixtureRequest, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Own]:
    """A server that sends traces, with every step in a process of its own and with all in one."""
    options = ["--traces", collector.url]
    if request.param == "apart":
        options += configured(tmp_path_factory.mktemp("steps"), STEPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")  # milliseconds from a span to its sending
        with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
            yield Own(running, request.param == "fused")


def new_trace() -> tuple[str, dict[str, str]]:
    """Return the id of a new trace, and the header by which a client says that it has begun it."""
    trace = secrets.token_hex(16)
    return trace, {"traceparent": f"00-{trace}-{SPAN}-01"}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_every_trace_of_a_client_goes_on_through_the_gateway_and_every_step(
    protocol: str, own: Own, collector: Collector
) -> None:
    sent = [new_trace() for _ in range(REQUESTS)]
    if protocol == "http":
        url = f"{own.server.http_url}/v1/pipelines/{PIPELINE}"
        for _, headers in sent:
            files = {"rgb": jpeg(), "depth": depth_png()}
            assert httpx.post(url, files=files, headers=headers, timeout=PATIENCE_SECONDS).status_code == 200
        name = "POST /v1/pipelines/{name}"
    else:
        inputs = [bytes_input("rgb_image", [jpeg()]), bytes_input("depth_image", [depth_png()])]
        with tritonclient.grpc.InferenceServerClient(own.server.grpc_url.removeprefix("grpc://")) as client:
            for _, headers in sent:
                client.infer(PIPELINE, inputs, headers=headers)
        name = "grpc ModelInfer"
    wait_until(lambda: all({name, *INNER, *own.process} == set(collector.of(trace)) for trace, _ in sent))
    for trace, _ in sent:
        told = collector.of(trace)
        door = told[name]
        assert door.parent == SPAN and door.said["status"] in ("200", "OK")
        above = told[f"{NETWORK}_fused"] if own.in_process else door
        assert above is door or above.parent == door.ident
        assert {told[step].parent for step in INNER} == {above.ident}
        assert 0 < sum(told[step].seconds for step in INNER) <= door.seconds


def test_every_inference_of_a_stream_lies_in_the_trace_of_its_client(own: Own, collector: Collector) -> None:
    trace, headers = new_trace()
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    inputs = [bytes_input("rgb_image", [jpeg()]), bytes_input("depth_image", [depth_png()])]
    with tritonclient.grpc.InferenceServerClient(own.server.grpc_url.removeprefix("grpc://")) as client:
        client.start_stream(lambda result, error: answers.put(error), headers=headers)
        for _ in range(2):
            client.async_stream_infer(PIPELINE, inputs)
        assert [answers.get(timeout=PATIENCE_SECONDS) for _ in range(2)] == [None, None]
    wanted = Counter({name: 2 for name in ("grpc ModelStreamInfer", *INNER, *own.process)})
    wait_until(lambda: Counter(span.name for span in collector.spans if span.trace == trace) == wanted)


def test_a_request_that_fails_says_why_in_its_trace(own: Own, collector: Collector) -> None:
    trace, headers = new_trace()
    url = f"{own.server.http_url}/v1/pipelines/{PIPELINE}"
    answer = httpx.post(url, files={"rgb": b"broken", "depth": depth_png()}, headers=headers, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 400
    door, step = "POST /v1/pipelines/{name}", f"{NETWORK}_decode"
    wait_until(lambda: {door, step} <= set(collector.of(trace)))
    said = collector.of(trace)[door].said
    assert said["status"] == "400" and ", rgb is no JPEG or PNG file" in said["problem"]
    assert "rgb_image is no JPEG or PNG file" in collector.of(trace)[step].failure


def test_a_request_whose_client_wants_no_trace_is_in_none(own: Own, collector: Collector) -> None:
    unwanted, wanted = new_trace(), new_trace()
    unwanted[1]["traceparent"] = unwanted[1]["traceparent"][:-2] + "00"
    for _, headers in (unwanted, wanted):
        files = {"rgb": jpeg(), "depth": depth_png()}
        assert httpx.post(
            f"{own.server.http_url}/v1/pipelines/{PIPELINE}", files=files, headers=headers, timeout=PATIENCE_SECONDS
        ).is_success
    wait_until(lambda: {"POST /v1/pipelines/{name}", *INNER} <= set(collector.of(wanted[0])))
    assert collector.of(unwanted[0]) == {}


def test_the_facade_of_the_container_tells_of_requests_that_it_answers_together(
    small_repository: Path, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--traces", collector.url, "--runtime", "container", "--triton", str(native_triton(tmp_path))]
    decode, network = "events_small_decode", "events_small"
    expected: dict[str, set[str]] = {}
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    with EmbeddedServer(small_repository, networks=[network], options=options) as server:
        for sent, status, steps in (
            (clip(), 200, {decode, network}), (clip(sounds=0), 200, {decode, network}), (b"broken", 400, {decode}),
        ):  # fmt: skip
            trace, headers = new_trace()
            url = f"{server.http_url}/v1/pipelines/events_small_clip"
            assert (
                httpx.post(url, files={"clip": sent}, headers=headers, timeout=PATIENCE_SECONDS).status_code == status
            )
            expected[trace] = steps
        url = f"{server.http_url}/v2/models/{network}/infer"
        trace, headers = new_trace()
        nothing = {"name": "present", "datatype": "BYTES", "shape": [1, 1], "data": [""]}
        assert httpx.post(url, json={"inputs": [nothing]}, headers=headers, timeout=PATIENCE_SECONDS).status_code == 400
        expected[trace] = {network}
        wait_until(lambda: all(steps <= set(collector.of(trace)) for trace, steps in expected.items()))
    assert all({decode, network} & set(collector.of(trace)) == steps for trace, steps in expected.items())
    assert "got no" in collector.of(trace)[network].failure


def test_what_steps_have_not_sent_when_they_end_is_sent_then(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    monkeypatch.setenv(TRACES_VARIABLE, collector.url)
    trace, headers = new_trace()
    spans._sender.cache_clear()
    try:
        with spans.followed("outer", json.dumps(headers), time.monotonic() - 2.0), spans.inside("inner"):
            pass
        assert collector.of(trace) == {}
        spans.send_rest()
        wait_until(lambda: set(collector.of(trace)) == {"outer", "inner"})
    finally:
        spans._sender.cache_clear()
    outer, inner = (collector.of(trace)[name] for name in ("outer", "inner"))
    assert (outer.parent, inner.parent) == (SPAN, outer.ident)
    assert inner.seconds + 2.0 <= outer.seconds


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ServingError, match="--traces 'localhost:4318' is no address"):
        EmbeddedServer(REPOSITORY, options=["--traces", "localhost:4318"]).start()
