"""Spans of steps, below the gateway's: each for as long as the step really took, also where steps share a process.

Triton's own spans are not sent: from 2.51 to 2.73 it reads the value of `traceparent` past its end, and one request in
eight got a trace of its own. A request's parameters come through whole.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from crosswire.serving.traces import TRACES_VARIABLE, span_sender

_SERVICE = "crosswire-steps"
_LAST_SECONDS = 1.0


@cache
def _sender() -> Any:
    """Return where this process's spans go, or None if the server is asked for no traces."""
    url = os.environ.get(TRACES_VARIABLE)
    return span_sender(url, _SERVICE) if url else None


def get_ready() -> None:
    """Do now what the first span would have to wait for."""
    _sender()


@contextmanager
def followed(step: str, carried: str | None, came: float) -> Iterator[None]:
    """Make what happens inside a span of the trace that a request carries; an exception makes it an error.

    Args:
        step: name of the span.
        carried: what came in the parameter `TRACE` of the request, or None.
        came: when the step was handed the request, monotonic seconds.
    """
    if not carried or _sender() is None:
        yield
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    above = TraceContextTextMapPropagator().extract(json.loads(carried))
    start = time.time_ns() - int((time.monotonic() - came) * 1e9)
    with _sender().get_tracer(_SERVICE).start_as_current_span(step, above, start_time=start):
        yield


@contextmanager
def inside(step: str) -> Iterator[None]:
    """Make what happens inside a span below the one that this thread is in, if it is in one."""
    if _sender() is None:
        yield
        return
    from opentelemetry import trace

    if not trace.get_current_span().get_span_context().is_valid:
        yield
        return
    with _sender().get_tracer(_SERVICE).start_as_current_span(step):
        yield


def send_rest() -> None:
    """Send what was not sent yet, unless its collector is slow."""
    if _sender() is not None:
        rest = threading.Thread(target=_sender().shutdown, daemon=True)
        rest.start()
        rest.join(_LAST_SECONDS)
