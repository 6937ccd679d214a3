"""The load generator in virtual time: an open loop shows a stall that a closed loop hides, to the millisecond."""

from __future__ import annotations

import statistics

import pytest

from crosswire.clients.bench.figures import figures, latencies_ms, percentiles
from crosswire.clients.bench.load import Target, arrivals, closed_loop, open_loop
from crosswire.clients.bench.session import Plan, measure
from tests.support.servers.scripted_server import PIPELINE, STEP, ScriptedServer, scripted_target
from tests.support.virtual_time import run_virtually, virtual_loop

SERVICE_S = 0.01
STALL = (2.003, 2.203)
STALL_MS = 200.0


def stalled() -> Target:
    return scripted_target(ScriptedServer(SERVICE_S, STALL))


def test_a_closed_loop_of_one_client_meets_a_stall_once_and_its_p99_hides_it() -> None:
    run = run_virtually(closed_loop(stalled(), 1, 9.995))
    times = latencies_ms([run])
    assert len(times) == 980, "what was not asked during the stall is missing"
    assert times[-2:] == pytest.approx([10.0, 10.0 + STALL_MS])
    assert percentiles(times)["p99"] == pytest.approx(10.0) and run.per_second == pytest.approx(98.0, abs=0.1)


def test_an_open_loop_shows_the_same_stall_because_latency_counts_from_when_a_request_was_due() -> None:
    run = run_virtually(open_loop(stalled(), 60.0, 12.0, seed=1))
    times = latencies_ms([run])
    p99 = percentiles(times)["p99"]
    assert p99 is not None and p99 > STALL_MS
    assert statistics.median(times) < 20
    during = [shot for shot in run.shots if STALL[0] < shot.due < STALL[1]]
    assert len(during) == sum(STALL[0] < moment < STALL[1] for moment in arrivals(60.0, 12.0, seed=1)) > 4
    assert all(shot.sent == pytest.approx(shot.due) and shot.ended > STALL[1] for shot in during)


def test_an_open_loop_sends_at_the_moments_that_were_drawn_whatever_the_server_does() -> None:
    for server in (ScriptedServer(0.001), ScriptedServer(1.0)):
        run = run_virtually(open_loop(scripted_target(server), 20.0, 5.0, seed=3))
        assert [shot.due for shot in run.shots] == list(arrivals(20.0, 5.0, seed=3))
        assert [shot.sent for shot in run.shots] == pytest.approx([shot.due for shot in run.shots])


def test_a_client_that_is_late_itself_counts_that_time_and_says_so() -> None:
    """Others had the processor for 300 ms: what was due then is sent at once afterwards, and is that much later."""

    async def interrupted() -> dict[str, float]:
        virtual_loop().call_at(1.0, virtual_loop().lose, 0.3)
        run = await open_loop(scripted_target(ScriptedServer(0.0)), 40.0, 5.0, seed=2)
        late = [shot for shot in run.shots if 1.0 < shot.due < 1.3]
        assert len(late) > 5 and all(shot.sent == shot.ended == pytest.approx(1.3) for shot in late)
        assert latencies_ms([run])[-1] == pytest.approx(1e3 * (1.3 - late[0].due))
        return figures([run], 1)

    assert run_virtually(interrupted())["late_p99_ms"] > 200


def test_a_whole_session_finds_what_the_servers_were_told_to_do() -> None:
    """One server has twice the speed of the other; more clients than one fill neither."""
    slow, quick = ScriptedServer(2 * SERVICE_S), ScriptedServer(SERVICE_S)
    targets = [scripted_target(slow, "slow"), scripted_target(quick, "quick")]
    told: list[str] = []
    found = run_virtually(measure(targets, Plan(5.0, 2, 0.5, (1, 2)), told.append))
    for entry, rate in zip(found["targets"], (50.0, 100.0), strict=True):
        closed = entry["capacity"]
        assert entry["clients"] == 1 and closed["turns"] == 2
        assert closed["per_second"] == pytest.approx(rate, rel=0.01) and closed["latency_ms"]["p50"] == 1e3 / rate
        assert [one["offered"] for one in entry["open"]] == pytest.approx(
            [0.5 * rate, 0.7 * rate, 0.9 * rate], rel=0.01
        )
        assert all(one["errors"] == {} for one in (closed, *entry["open"], *entry["sweep"]))
        steps = {step["model"]: step for step in entry["steps"]}
        assert set(steps) == {PIPELINE, STEP} and steps[STEP]["compute_ms"] == 1e3 / rate
        assert steps[STEP]["requests"] == pytest.approx(10 * rate, abs=2)
    assert found["compare"]["throughput_b_over_a"] == pytest.approx(2.0, rel=0.01)
    assert found["compare"]["spread"] == pytest.approx([2.0, 2.0], rel=0.01)
    assert len(told) == 6


def test_what_a_full_server_refuses_is_counted_by_name_and_has_no_latency() -> None:
    run = run_virtually(open_loop(scripted_target(ScriptedServer(1.0, places=2)), 10.0, 10.0, seed=0))
    said = figures([run], 1)
    assert said["samples"] + said["errors"]["ServerOverloaded"] == len(run.shots) and said["samples"] < 14
    assert max(latencies_ms([run])) <= 2000.001
