"""Hours of mixed traffic, after which a server holds no more than before: `make soak`, or `make hours` for an hour.

`CROSSWIRE_SOAK_MINUTES=60` sends for an hour instead of ten minutes. The curves are left in `build/hours`, as numbers,
as a table and as a picture.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from crosswire.serving.processes.process_table import is_running
from tests.support.curves import MEBIBYTE, MOST_GROWTH, Sample, draw, faults, measure, read_csv, table, write_csv
from tests.support.paths import ROOT
from tests.support.servers.real import configured, server_alone
from tests.support.servers.traffic import Traffic

MINUTES = float(os.environ.get("CROSSWIRE_SOAK_MINUTES", "10"))
CLIENTS, SAMPLES = 4, 600
SHORT = "[limits]\nheader_seconds = 2\nread_seconds = 6\nstall_seconds = 2\n"  # so that slow clients come and go
OUT = ROOT / "build" / "hours"


@pytest.mark.timeout(int(MINUTES * 60) + 900)
def test_nothing_grows_while_a_server_answers_for_long(small_repository: Path, tmp_path: Path) -> None:
    samples: list[Sample] = []
    with server_alone(tmp_path, small_repository, options=configured(tmp_path, SHORT)) as server:
        triton = server.facts["triton_pid"]
        with Traffic(server, CLIENTS, seed=1) as traffic:
            began = time.monotonic()
            while (seconds := time.monotonic() - began) < MINUTES * 60:
                samples += measure(server.pid, tmp_path / "crosswire", seconds, traffic.sent)
                samples += latencies(traffic, seconds)
                time.sleep(max(1.0, MINUTES * 60 / SAMPLES))
        assert is_running(triton), "Triton was replaced"
    OUT.mkdir(parents=True, exist_ok=True)
    write_csv(samples, OUT / "hours.csv")
    draw(samples, OUT / "hours.png")
    (OUT / "hours.md").write_text(table(samples), encoding="utf-8")
    print(f"{traffic.sent} requests in {MINUTES:g} minutes", dict(traffic.outcomes))
    assert traffic.faults == [], traffic.faults[:20]
    assert faults(samples) == []


def latencies(traffic: Traffic, seconds: float) -> list[Sample]:
    """Take the times of good requests out of the traffic; returns their quantiles, which nothing is asked of."""
    taken = [traffic.seconds.popleft() for _ in range(len(traffic.seconds))]
    if len(taken) < 2:
        return []
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return [Sample(seconds, traffic.sent, "milliseconds", f"p{at}", 1000 * cuts[at - 1]) for at in (50, 99)]


@pytest.mark.parametrize("kind", MOST_GROWTH)
def test_a_planted_leak_is_found_and_noise_is_none(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 5 * MEBIBYTE if "memory" in kind else 3, 400)

    def curve(leak: float) -> list[Sample]:
        """A curve that fills caches first, and then grows by a share of what is allowed."""
        return [
            Sample(at, 25 * at, kind, "part", 1000 * min(at, 100) + noise[at] + leak * MOST_GROWTH[kind] * at / 40)
            for at in range(400)
        ]

    assert faults(curve(0.0)) == []
    (found,) = faults(curve(3.0))
    assert found.startswith(f"{kind} of part grows by ")
    write_csv(curve(3.0), tmp_path / "curve.csv")
    again = read_csv(tmp_path / "curve.csv")
    assert again == curve(3.0) and faults(again) == [found]
    assert f"| {kind}" in table(again) and table(again).count("\n") == 3
    draw(again, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
