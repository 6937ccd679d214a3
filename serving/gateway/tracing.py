"""OpenTelemetry traces of requests, where the server is asked for them; the context travels on to the steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crosswire.serving.traces import span_sender

_SERVICE = "crosswire"


@dataclass(frozen=True)
class Traced:
    """One request's span, and how to leave its context."""

    span: Any
    token: Any


class NoTracing:
    """Traces nothing."""

    def start(self, protocol: str, headers: Mapping[str, str]) -> Traced | None:
        """Note that a request came."""
        return None

    def end(self, traced: Traced | None, name: str, status: str, more: Mapping[str, Any]) -> None:
        """Note that it was answered."""

    def carried(self) -> str:
        """Return what tells the steps which trace they work for, or nothing: the parameter `TRACE` of a request."""
        return ""

    def close(self) -> None:
        """Send what was not sent yet."""


class Tracing(NoTracing):
    """Sends a span per request to an OTLP/HTTP address, by threads and in bundles."""

    def __init__(self, url: str) -> None:
        """Take where spans go, for example `http://127.0.0.1:4318/v1/traces`."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._sender = span_sender(url, _SERVICE)
        self._tracer = self._sender.get_tracer(_SERVICE)
        self._propagator = TraceContextTextMapPropagator()

    def start(self, protocol: str, headers: Mapping[str, str]) -> Traced | None:
        """Start a span, below the one that the client's `traceparent` header names."""
        from opentelemetry import context, trace

        above = self._propagator.extract(headers)
        span = self._tracer.start_span(protocol, above, trace.SpanKind.SERVER)
        return Traced(span, context.attach(trace.set_span_in_context(span, above)))

    def end(self, traced: Traced | None, name: str, status: str, more: Mapping[str, Any]) -> None:
        """End the span; an answer of 5xx, or another gRPC status than OK, makes it an error."""
        from opentelemetry import context
        from opentelemetry.trace import StatusCode

        assert traced is not None
        traced.span.update_name(name)
        traced.span.set_attributes(
            {"status": status, **{key: value for key, value in more.items() if value is not None}}
        )
        failed = status.startswith("5") if status.isdecimal() else status != "OK"
        traced.span.set_status(StatusCode.ERROR if failed else StatusCode.OK)
        traced.span.end()
        context.detach(traced.token)

    def carried(self) -> str:
        """Return the headers of W3C Trace Context that name the current span, as a JSON object."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return json.dumps(carrier)

    def close(self) -> None:
        """Send what was not sent yet."""
        self._sender.shutdown()
