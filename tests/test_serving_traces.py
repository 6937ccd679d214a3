"""OpenTelemetry traces: one per request, from the client's own trace down to every step in Triton."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from serving.embedded import EmbeddedServer
from serving.errors import ServingError
from tests.servers import NETWORK, PIPELINE, REPOSITORY, STEPS, bytes_input, configured, depth_png, jpeg, wait_until

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry") is None, reason="the extra `traces` is absent"
)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass(frozen=True)
class Span:
    """One span: its name, the ids of its trace, its parent and its own in hexadecimal, and its attributes."""

    name: str
    trace: str
    parent: str
    ident: str
    said: dict[str, str]


def from_protobuf(data: bytes) -> Iterator[Span]:
    """Yield the spans of the front door's exporter."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for one in (span for scope in resource.scope_spans for span in scope.spans):
            said = {pair.key: pair.value.string_value for pair in one.attributes}
            yield Span(one.name, one.trace_id.hex(), one.parent_span_id.hex(), one.span_id.hex(), said)


def from_json(data: bytes) -> Iterator[Span]:
    """Yield the spans of Triton's exporter."""
    for resource in json.loads(data)["resourceSpans"]:
        for one in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
            yield Span(one["name"], one["traceId"], one.get("parentSpanId", ""), one["spanId"], {})


class Collector:
    """Takes spans over OTLP/HTTP and keeps them."""

    def __init__(self) -> None:
        """Listen on a free port."""
        spans: list[Span] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                json_form = "json" in self.headers["Content-Type"]
                spans.extend(from_json(data) if json_form else from_protobuf(data))
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


@pytest.fixture(scope="module")
def own(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that sends traces."""
    options = ["--traces", collector.url, *configured(tmp_path_factory.mktemp("steps"), STEPS)]
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
        yield running


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_clients_trace_goes_on_through_the_front_door_and_every_step(
    protocol: str, own: EmbeddedServer, collector: Collector
) -> None:
    trace = TRACE[:-4] + protocol.encode().hex()[:4]
    headers = {"traceparent": f"00-{trace}-{SPAN}-01"}
    if protocol == "http":
        url = f"{own.http_url}/v1/pipelines/{PIPELINE}"
        assert httpx.post(url, files={"rgb": jpeg(), "depth": depth_png()}, headers=headers).status_code == 200
        name = "POST /v1/pipelines/{name}"
    else:
        import tritonclient.grpc

        inputs = [bytes_input("rgb_image", [jpeg()]), bytes_input("depth_image", [depth_png()])]
        with tritonclient.grpc.InferenceServerClient(own.grpc_url.removeprefix("grpc://")) as client:
            client.infer(PIPELINE, inputs, headers=headers)
        name = "grpc ModelInfer"
    wait_until(lambda: {name, NETWORK, f"{NETWORK}_decode", f"{NETWORK}_render"} <= set(collector.of(trace)))
    door = collector.of(trace)[name]
    assert door.parent == SPAN and door.said["status"] in ("200", "OK")
    assert door.ident in {span.parent for span in collector.of(trace).values()}, "Triton's spans lie below the door's"


def test_a_request_that_fails_says_why_in_its_trace(own: EmbeddedServer, collector: Collector) -> None:
    trace = TRACE[:-4] + "dead"
    url = f"{own.http_url}/v1/pipelines/{PIPELINE}"
    answer = httpx.post(
        url, files={"rgb": b"broken", "depth": depth_png()}, headers={"traceparent": f"00-{trace}-{SPAN}-01"}
    )
    assert answer.status_code == 400
    wait_until(lambda: "POST /v1/pipelines/{name}" in collector.of(trace))
    said = collector.of(trace)["POST /v1/pipelines/{name}"].said
    assert said["status"] == "400" and "rgb_image is no JPEG or PNG file" in said["problem"]


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ServingError, match="--traces 'localhost:4318' is no address"):
        EmbeddedServer(REPOSITORY, options=["--traces", "localhost:4318"]).start()
