"""Deciding that a part is broken, and how soon it is started again: with a clock and a link that the test holds."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc.service_pb2 import ModelInferRequest

from crosswire.serving.config.settings import Pace
from crosswire.serving.processes.child import Child, Program
from crosswire.serving.processes.ports import LOOPBACK
from crosswire.serving.processes.process_table import is_running
from crosswire.serving.processes.run_state import ServerRun
from crosswire.serving.supervisor.gateway_watch import GatewayWatch
from crosswire.serving.supervisor.probe import Probe, ProbeInference
from crosswire.serving.supervisor.restart_pace import RestartPace
from crosswire.serving.supervisor.watch import Watch, stubs_of
from tests.support.servers.real import wait_until
from tests.support.virtual_time import Clock

PACE = Pace(seconds=2.0, share=0.02, patience_seconds=10.0, patience_factor=20.0, failures=2)
ONE, OTHER = "rooms_image", "events_clip"


class Refused(grpc.RpcError):
    """What gRPC raises."""

    def code(self) -> grpc.StatusCode:
        """Return the status."""
        return grpc.StatusCode.INTERNAL

    def details(self) -> str:
        """Return the reason."""
        return "the stub is gone"


class Triton:
    """A link to a Triton that answers when the test says so.

    Attributes:
        asked: the models that probes came for, in order.
        others: inferences that succeeded so far beside probes, or -1 if nobody says.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked, self.others = clock, list[str](), 0
        self._call: Future[None] = Future()

    def probe(self, probe: ProbeInference) -> Probe:
        """Take a probe."""
        self.asked.append(probe.model)
        self._call = Future()
        return Probe(probe, self._call, self.clock)

    def successes(self, model: str) -> int:
        """Return the same for every model."""
        return self.others

    def answers(self, error: Exception | None = None) -> None:
        """Answer the last probe."""
        self._call.set_exception(error) if error else self._call.set_result(None)


@pytest.fixture
def clock() -> Clock:
    """Time, which stands still."""
    return Clock()


@pytest.fixture
def link(clock: Clock) -> Triton:
    """The way to Triton."""
    return Triton(clock)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Child]:
    """A process that stands for Triton, with another one below it that stands for a python stub."""
    stub = tmp_path / "triton_python_backend_stub"
    os.mkfifo(tmp_path / "never")
    # It waits within itself: a shell that forks shows up twice for a moment.
    stub.write_text(f"#!/bin/sh\nread line < {tmp_path / 'never'}\n")
    stub.chmod(0o755)
    script = f"{stub} /models/{ONE}/1/model.py & sleep 3600"
    child = Child(Program("Triton", ["/bin/sh", "-c", script], tmp_path / "log", {"PATH": "/usr/bin:/bin"}))
    wait_until(lambda: list(stubs_of(child).values()) == [ONE])
    yield child
    child.kill()


def watch_of(process: Child, link: Triton, models: tuple[str, ...] = (ONE,), slowest: float = 0.1) -> Watch:
    inferences = [ProbeInference(model, ModelInferRequest(model_name=model)) for model in models]
    return Watch(process, link, inferences, slowest, PACE, link.clock)


def look_after(watch: Watch, clock: Clock, seconds: float) -> None:
    """Look when so many seconds have passed."""
    clock.now += seconds
    watch.check()


def test_canaries_go_one_after_the_other_and_rounds_begin_in_their_time(
    process: Child, link: Triton, clock: Clock
) -> None:
    watch = watch_of(process, link, (ONE, OTHER))
    look_after(watch, clock, 1.9)
    assert link.asked == []
    look_after(watch, clock, 0.1)
    for _ in range(3):
        look_after(watch, clock, 0.0)
    assert link.asked == [ONE], "there is one on its way at a time"
    clock.now += 0.01
    link.answers()
    watch.check()
    watch.check()
    assert link.asked == [ONE, OTHER], "the rest of a round does not wait"
    clock.now += 0.02
    link.answers()
    watch.check()
    assert watch.ready and watch.probe_seconds == {ONE: 0.01, OTHER: 0.02}
    look_after(watch, clock, 1.99)
    assert len(link.asked) == 2
    look_after(watch, clock, 0.02)
    assert link.asked == [ONE, OTHER, ONE]


def test_a_slow_canary_comes_so_seldom_that_it_takes_no_more_than_its_share(
    process: Child, link: Triton, clock: Clock
) -> None:
    watch = watch_of(process, link)
    clock.now = 1.99
    for sent, (took, next_in) in enumerate(((0.5, 25.0), (0.1, 5.0), (3.0, 5.0)), 1):
        look_after(watch, clock, 0.02)
        clock.now += took
        link.answers()
        watch.check()
        look_after(watch, clock, next_in - 0.01)
        assert len(link.asked) == sent, "its own cost is the quickest answer, not what it waited for others"


def test_failures_in_a_row_mean_broken_and_one_answer_begins_anew(process: Child, link: Triton, clock: Clock) -> None:
    watch = watch_of(process, link, (ONE, OTHER))
    look_after(watch, clock, 2.0)
    link.answers(Refused())
    watch.check()
    assert not watch.ready and not watch.broken and watch.probe_seconds == {ONE: None}
    assert watch.reason == f"probe {ONE}: INTERNAL: the stub is gone"
    look_after(watch, clock, 0.1)
    assert link.asked == [ONE]
    look_after(watch, clock, 0.1)
    assert link.asked == [ONE, ONE], "the same once more, soon"
    link.answers()
    watch.check()
    assert watch.ready and not watch.broken
    watch.check()
    for _ in range(2):
        link.answers(Refused())
        watch.check()
        look_after(watch, clock, 0.2)
    assert watch.broken and link.asked == [ONE, ONE, OTHER, OTHER, OTHER]


def test_a_late_canary_counts_only_if_its_model_answers_nobody_else(process: Child, link: Triton, clock: Clock) -> None:
    watch = watch_of(process, link)
    look_after(watch, clock, 2.0)
    look_after(watch, clock, 10.0)
    assert watch.ready, "its time is just over"
    for _ in range(5):
        link.others += 1
        look_after(watch, clock, 10.1)
        assert watch.ready, "others are answered: it stands in a queue"
    look_after(watch, clock, 10.1)
    assert not watch.ready and not watch.broken and watch.reason == f"probe {ONE}: no answer within 71 s"
    link.answers()
    watch.check()
    assert watch.ready and watch.probe_seconds == {ONE: pytest.approx(70.6)} and link.asked == [ONE]


@pytest.mark.parametrize("others", [0, -1])
def test_a_server_that_answers_nobody_is_broken_after_that_many_times_its_patience(
    others: int, process: Child, link: Triton, clock: Clock
) -> None:
    watch = watch_of(process, link)
    link.others = others
    look_after(watch, clock, 2.0)
    for broken in (False, True):
        look_after(watch, clock, 9.9)
        assert watch.broken is False
        look_after(watch, clock, 0.2)
        assert watch.broken is broken and not watch.ready


def test_patience_is_a_multiple_of_what_the_slowest_canary_took_at_the_start(
    process: Child, link: Triton, clock: Clock
) -> None:
    watch = watch_of(process, link, slowest=3.0)
    for one in (watch, watch.renewed([ProbeInference(OTHER, ModelInferRequest())])):
        look_after(one, clock, 2.0)
        look_after(one, clock, 59.9)
        assert one.ready
        look_after(one, clock, 0.2)
        assert not one.ready and not one.broken
    assert link.asked == [ONE, OTHER]


def test_a_dead_stub_and_a_dead_triton_are_noticed_at_once(process: Child, link: Triton) -> None:
    watch = watch_of(process, link)
    watch.check()
    assert watch.ready
    (stub,) = stubs_of(process)
    stub.kill()
    wait_until(lambda: not is_running(stub))
    watch.check()
    assert watch.broken and watch.reason == f"the python stub of {ONE} died"
    process.kill()
    watch.check()
    assert watch.broken and watch.reason == "Triton ended with status -9" and link.asked == []


def test_pauses_between_restarts_double_up_to_half_a_minute_and_a_quiet_minute_ends_them(clock: Clock) -> None:
    pace = RestartPace(clock)
    pauses = []
    for _ in range(8):  # one start that fails after the other
        pauses.append(pace.pause)
        clock.now += pace.pause
        pace.starts()
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    for answered, pause in ((0.5, 30.0), (60.0, 30.0), (60.1, 0.0), (5.0, 1.0), (0.0, 2.0)):
        pace.answers()
        clock.now += answered
        pace.failed()
        assert pace.pause == pause
        pace.starts()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A gateway that takes questions and hangs up."""
    with socket.create_server((LOOPBACK, 0)) as made:
        made.settimeout(60)
        yield made


def hang_up(listener: socket.socket, times: int) -> None:
    """Leave so many questions without an answer."""
    for _ in range(times):
        listener.accept()[0].close()


def answer(listener: socket.socket) -> None:
    """Answer a question."""
    with listener.accept()[0] as connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_gateway_that_starts_again_has_its_time_and_no_more(listener: socket.socket, clock: Clock) -> None:
    run = ServerRun(LOOPBACK, listener.getsockname()[1], 1, "unix:none:1", "none")
    watch = GatewayWatch(run, Pace(seconds=0.01, patience_seconds=5.0), 10.0, clock)
    try:
        hang_up(listener, 2)
        wait_until(lambda: watch.hung)
        watch.renew()
        hang_up(listener, 5)
        clock.now = 10.0
        assert not watch.hung, "it has not answered yet, and its time is not over"
        clock.now = 10.1
        assert watch.hung
        answer(listener)
        wait_until(lambda: not watch.hung)
        hang_up(listener, 2)
        wait_until(lambda: watch.hung)
    finally:
        watch.close()
