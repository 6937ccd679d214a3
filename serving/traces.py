"""OpenTelemetry where the server is asked for traces: what the gateway and the steps have in common."""

from __future__ import annotations

from typing import Any

#: Tells the steps where spans go; empty if they go nowhere.
TRACES_VARIABLE = "CROSSWIRE_TRACES"


def span_sender(url: str, service: str) -> Any:
    """Return a `TracerProvider` that sends spans to an OTLP/HTTP address, by a thread and in bundles.

    Args:
        url: for example `http://127.0.0.1:4318/v1/traces`.
        service: who sends them, as collectors group them.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider
