"""What a predictor says to its servers, step by step, without any: the test holds the clock and answers every call."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.clients import (
    DeadlineExceeded,
    PipelineNotFoundError,
    Retries,
    ServerOverloaded,
    ServerUnreachable,
    clip_request,
)
from crosswire.clients.session import Call, Pause, Session, SessionFlow
from crosswire.clients.transport.base import FetchConfig, FetchStatistics, ListModels
from tests.support.servers.pipelines import as_config, described
from tests.support.virtual_time import Clock

CONFIG = as_config(described("events_clip", "events", "classification", ("clip",)))
OUTCOMES: dict[type, Any] = {ListModels: ("events_clip",), FetchConfig: CONFIG}
ADDRESS = "grpc://127.0.0.1:1"


@pytest.mark.parametrize("name", [None, "events_clip", "another"])
def test_the_timeout_of_a_request_covers_finding_its_pipeline(name: str | None) -> None:
    """The pipeline is asked for within the request's seconds: each call has what the ones before have left."""
    clock = Clock()
    flow = Session(ADDRESS, 60.0, None, clock).ask(clip_request(b"clip", pipeline=name), timeout=9.0)
    left, step = [], next(flow)
    with pytest.raises(PipelineNotFoundError):  # it answers with nothing
        while True:
            assert isinstance(step, Call)
            left.append(step.timeout)
            clock.now += 1.5
            step = flow.send(OUTCOMES[type(step.operation)])
    assert left == [9.0, 7.5, 6.0][: 2 + (name == "another")]


def test_a_request_whose_pipeline_is_found_too_late_is_not_sent() -> None:
    clock = Clock()
    flow = Session(ADDRESS, 60.0, None, clock).ask(clip_request(b"clip"), timeout=0.5)
    assert isinstance(next(flow), Call)
    clock.now = 0.5
    with pytest.raises(DeadlineExceeded, match=r"no response within 0\.5 s"):
        flow.send(OUTCOMES[ListModels])


def refused(flow: SessionFlow[Any], clock: Clock, error: Exception, takes_s: float) -> tuple[list[float], list[float]]:
    """Refuse every call after so many seconds until the flow ends; returns the calls' deadlines and the pauses."""
    deadlines, pauses, step = [], [], next(flow)
    try:
        while True:
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                clock.now += step.seconds
                step = flow.send(None)
            else:
                assert isinstance(step, Call)
                deadlines.append(step.timeout)
                clock.now += takes_s
                step = flow.throw(error)
    except type(error):
        return deadlines, pauses


def test_a_full_server_is_asked_again_after_pauses_that_double() -> None:
    clock = Clock()
    retries = Retries(attempts=5, first_pause_s=0.5, longest_pause_s=2.0)
    flow = Session(ADDRESS, 60.0, retries, clock, chance=lambda: 1.0).statistics()
    deadlines, pauses = refused(flow, clock, ServerOverloaded("full"), 1.0)
    assert pauses == [0.5, 1.0, 2.0, 2.0] and deadlines == [60.0, 58.5, 56.5, 53.5, 50.5]


@pytest.mark.parametrize("error", [ServerOverloaded("full"), ServerUnreachable("gone")])
def test_retries_end_when_a_pause_would_outlast_the_deadline(error: Exception) -> None:
    clock = Clock()
    patient = Retries(attempts=10_000, first_pause_s=1.0, longest_pause_s=1.0)
    flow = Session(ADDRESS, 10.0, patient, clock, chance=lambda: 1.0).statistics()
    deadlines, pauses = refused(flow, clock, error, 0.5)
    assert deadlines == [10.0, 8.5, 7.0, 5.5, 4.0, 2.5, 1.0] and pauses == [1.0] * 6
    assert clock.now == 9.5, "another second of pause would have been for nothing"


def test_a_pause_that_outlasts_the_deadline_ends_with_what_the_server_said() -> None:
    """A busy machine wakes the client too late: that nobody listens is told, not that the time is over."""
    clock = Clock()
    flow = Session(ADDRESS, 10.0, Retries(first_pause_s=4.0), clock, chance=lambda: 1.0).statistics()
    next(flow)
    assert flow.throw(ServerUnreachable("nobody listens")) == Pause(4.0)
    clock.now = 11.0
    with pytest.raises(ServerUnreachable, match="nobody listens"):
        flow.send(None)


def test_a_last_attempt_that_runs_out_of_time_names_the_seconds_of_all() -> None:
    clock = Clock()
    flow = Session(ADDRESS, 10.0, Retries(first_pause_s=4.0), clock, chance=lambda: 1.0).statistics()
    next(flow)
    assert flow.throw(ServerOverloaded("full")) == Pause(4.0)
    clock.now = 4.0
    assert flow.send(None) == Call(0, FetchStatistics(), 6.0)
    with pytest.raises(DeadlineExceeded, match="no response within 10 s"):
        flow.throw(DeadlineExceeded("no response within 6 s"))


def test_a_second_server_is_asked_at_once_while_the_first_one_rests() -> None:
    clock = Clock()
    flow = Session(f"{ADDRESS},grpc://127.0.0.1:2", 10.0, Retries(), clock, chance=lambda: 1.0).statistics()
    first = next(flow)
    second = flow.throw(ServerUnreachable("gone"))
    assert isinstance(first, Call) and isinstance(second, Call) and {first.server, second.server} == {0, 1}
