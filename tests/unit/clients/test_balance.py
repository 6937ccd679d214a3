"""Balancing and retries: which server is asked, what is sent again, and what never is."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from crosswire.clients import (
    AddressError,
    CrosswireError,
    InputError,
    InternalServerError,
    Predictor,
    RequestRejectedError,
    Retries,
    ServerOverloaded,
    ServerUnreachable,
)
from crosswire.clients.balance import Balance
from tests.support.virtual_time import Clock

STATISTICS = json.dumps({"model_stats": [{"name": "decode"}]}).encode()
QUICK = Retries(attempts=3, first_pause_s=0.01, longest_pause_s=0.02)


@contextlib.contextmanager
def peer(*statuses: int) -> Iterator[Any]:
    """Answer with the statuses in turn, the last one for ever; `asked` and `connections` count."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def do_GET(self) -> None:
            status = statuses[min(server.asked, len(statuses) - 1)]
            server.asked += 1
            body = STATISTICS if status == 200 else b'{"error": "the reason"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Stay silent."""

    class Server(http.server.ThreadingHTTPServer):
        asked = connections = 0

        @property
        def url(self) -> str:
            return f"http://127.0.0.1:{self.server_port}"

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_requests_go_to_the_server_with_the_fewest_in_flight() -> None:
    balance = Balance(3)
    with contextlib.ExitStack() as held:
        chosen = [held.enter_context(balance.request()) for _ in range(9)]
    assert sorted(chosen) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_failing_server_rests_ever_longer_and_one_good_answer_heals_it() -> None:
    clock = Clock()
    balance = Balance(2, Retries(first_pause_s=1.0, longest_pause_s=3.0), clock, lambda: 1.0)

    def fail_all() -> None:
        for _ in range(2):
            with contextlib.suppress(ServerUnreachable), balance.request():
                raise ServerUnreachable("gone")

    for rest in (1.0, 2.0, 3.0, 3.0):
        fail_all()
        assert balance.healthy() == 0
        clock.now += rest - 0.01
        assert balance.healthy() == 0
        clock.now += 0.01
        assert balance.healthy() == 2
    for _ in range(2):
        with balance.request(), balance.request():
            pass
    fail_all()
    clock.now += 1.0
    assert balance.healthy() == 2


def test_pauses_are_random_and_none_is_needed_while_another_server_is_well() -> None:
    clock = Clock()
    draws = iter([0.0, 0.25, 0.5, 0.75, 0.0, 0.0])
    balance = Balance(2, Retries(attempts=3, first_pause_s=1.0), clock, lambda: next(draws))
    with contextlib.suppress(ServerOverloaded), balance.request():  # two draws choose, the third is the rest
        raise ServerOverloaded("full")
    assert balance.pause_s(1) == 0.0
    lonely = Balance(1, Retries(attempts=3, first_pause_s=1.0), clock, lambda: 0.75)
    with contextlib.suppress(ServerOverloaded), lonely.request():
        raise ServerOverloaded("full")
    assert [lonely.pause_s(attempt) for attempt in (1, 2, 3)] == [0.75, 1.5, None]


@pytest.mark.parametrize("error", [RequestRejectedError, InternalServerError, KeyboardInterrupt])
def test_an_error_that_is_no_fault_of_the_server_leaves_it_healthy(error: type[BaseException]) -> None:
    balance = Balance(1)
    with pytest.raises(error), balance.request():
        raise error("no")
    assert balance.healthy() == 1


@pytest.mark.parametrize(
    ("statuses", "asked", "error"),
    [
        ((503, 429, 200), 3, None),
        ((503,), 3, ServerOverloaded),
        ((502, 200), 2, None),
        ((400, 200), 1, RequestRejectedError),
        ((500, 200), 1, InternalServerError),
    ],
)
def test_only_safe_errors_are_sent_again(
    statuses: tuple[int, ...], asked: int, error: type[CrosswireError] | None
) -> None:
    with peer(*statuses) as server, Predictor(server.url, retries=QUICK) as predictor:
        with pytest.raises(error) if error else contextlib.nullcontext():
            predictor.statistics()
        assert server.asked == asked


def test_a_server_that_is_gone_is_passed_over_and_health_names_it() -> None:
    with peer(200) as gone:
        pass
    with peer(200) as well, Predictor([gone.url, well.url], retries=QUICK) as predictor:
        for _ in range(10):
            assert predictor.statistics() == [{"name": "decode"}]
        assert predictor.health() == {gone.url: False, well.url: True}
    with peer(200) as first, peer(200) as second, Predictor(f"{first.url}, {second.url}") as predictor:
        for _ in range(40):
            predictor.statistics()
        assert min(first.asked, second.asked) > 0 and first.asked + second.asked == 40


def test_http_connections_are_kept_and_used_again() -> None:
    with peer(200) as server, Predictor(server.url) as predictor:
        for _ in range(10):
            predictor.statistics()
        assert (server.asked, server.connections) == (10, 1)


def test_a_connection_that_the_server_closed_meanwhile_is_no_error() -> None:
    with peer(200) as server:
        predictor = Predictor(server.url, retries=QUICK)
        predictor.statistics()
        port = server.server_port
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler), predictor:
        pass  # the port was free again: closing the predictor with dead connections is fine
    with pytest.raises(CrosswireError, match="was closed"):
        predictor.statistics()


def test_nonsense_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InputError, match="attempts is 0"):
        Retries(attempts=0)
    with pytest.raises(InputError, match="pauses are"):
        Retries(first_pause_s=float("nan"))
    with pytest.raises(InputError, match="no address came"):
        Predictor([])
    with pytest.raises(AddressError, match=r"address 2 of 2 in 'grpc://127.0.0.1:1,' is empty; take out its comma"):
        Predictor("grpc://127.0.0.1:1,")
    with pytest.raises(AddressError, match="'host:1' does not start with"):
        Predictor("grpc://127.0.0.1:1,host:1")
    with pytest.raises(ServerUnreachable):
        Predictor("grpc://127.0.0.1:9", retries=Retries(attempts=1)).statistics()
