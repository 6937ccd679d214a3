"""What the supervisor keeps for its children, and how long it waits for a front door: without a server."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from serving.door_watch import DoorWatch
from serving.ports import LOOPBACK, keep_free_port
from serving.run_state import Run
from serving.settings import Pace
from tests.servers import wait_until

PACE = Pace(seconds=0.01, patience_seconds=5.0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A front door that takes questions and hangs up."""
    with socket.create_server((LOOPBACK, 0)) as made:
        made.settimeout(60)
        yield made


def hang_up(listener: socket.socket, times: int) -> None:
    """Leave so many questions without an answer."""
    for _ in range(times):
        listener.accept()[0].close()


def test_a_kept_port_is_for_who_asks_for_it_by_number() -> None:
    with keep_free_port() as kept:
        address = kept.getsockname()
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(address)
        with socket.create_server(address) as child, socket.create_connection(address) as client:
            taken, peer = child.accept()
            taken.close()
            assert peer == client.getsockname(), "connections go to the child alone"


def test_a_front_door_that_starts_again_has_its_time_and_no_more(listener: socket.socket) -> None:
    run = Run(LOOPBACK, listener.getsockname()[1], 1, "unix:none:1", 1)
    watch = DoorWatch(run, PACE, start_seconds=3600)
    try:
        hang_up(listener, 2)
        wait_until(lambda: watch.hung)
        watch.renew()
        hang_up(listener, 5)
        assert not watch.hung, "it has not answered yet, and its time is not over"
    finally:
        watch.close()
    watch = DoorWatch(run, PACE, start_seconds=0)
    watch.renew()
    try:
        wait_until(lambda: watch.hung)
    finally:
        watch.close()
