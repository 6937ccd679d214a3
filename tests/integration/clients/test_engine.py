"""The benchmark of the clients' engine: every way sends its requests to a server in a process of its own."""

from __future__ import annotations

import pytest

from benchmarks.client_engine import WAYS, one_round, own_server, summary


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_every_way_is_timed_for_one_caller_and_for_several(protocol: str) -> None:
    with own_server() as urls:
        for callers in (1, 4):
            rounds = [one_round(urls[protocol], callers, 5, turn) for turn in range(2)]
            found = summary(rounds)
            assert found["direct"]["p50_over_direct"] == 1.0 and found["facade_over_blocking"]["p50"] > 0
            assert all(0 < found[name]["p50_ms"] <= found[name]["p99_ms"] for name in WAYS)


def test_ratios_are_those_within_a_round_and_medians_over_rounds() -> None:
    base = {name: {"p50": 1.0, "p99": 2.0} for name in WAYS}
    slow = {name: {"p50": 10.0, "p99": 20.0} for name in WAYS}
    twice = {**base, "facade": {"p50": 2.0, "p99": 8.0}}
    slow_twice = {**slow, "facade": {"p50": 20.0, "p99": 80.0}}
    found = summary([twice, slow_twice, slow_twice])
    assert found["facade"] == {"p50_ms": 20.0, "p50_over_direct": 2.0, "p99_ms": 80.0, "p99_over_direct": 4.0}
    assert found["facade_over_blocking"] == {"p50": 2.0, "p99": 4.0}
