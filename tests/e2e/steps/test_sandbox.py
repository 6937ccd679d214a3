"""Worker processes for decoders: what a hostile file can do to one, and that nobody else notices."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from crosswire.serving.config.limits import WorkerLimits
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import command_of, descendants_of, is_running
from crosswire.serving.steps.decode.sandbox import MediaError, WorkerError, Workers
from crosswire.serving.steps.decode.shm_message import MessageError, pack, unpack
from tests.support.servers.real import assert_answers, call, depth_png, infer_pictures, jpeg, stub_of, wait_until

LIMITS = WorkerLimits(cpu_seconds=1, wall_seconds=60.0, memory_bytes=256 << 20, arena_bytes=32 << 20)
PLACE = "tests.support.servers.sandbox_functions"


@pytest.fixture(scope="module")
def fragile() -> Iterator[Workers]:
    """One worker that does what it is told, however bad."""
    workers = Workers(f"{PLACE}:misbehave", LIMITS, 1)
    yield workers
    workers.close()


def test_every_kind_of_value_arrives_unchanged_there_and_back() -> None:
    array = np.arange(24.0).reshape(2, 3, 4)[:, ::2]
    values = [b"", b"\0\xff" * 999, "text", 1.5, None, [1, "a"], {"a": [None]}, math.inf, array]
    workers = Workers(f"{PLACE}:echo", LIMITS, 1)
    found = workers.call(*values)
    workers.close()
    *plain, echoed = found
    assert plain == values[:-1]
    np.testing.assert_array_equal(echoed, array)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("crash", "the decoder ended with SIGSEGV; send another file"),
        ("exit", "the decoder ended with status 3"),
        ("fill the memory", "need more than 256 MiB to decode"),
        ("never end", "still busy after 1 s of processor time"),
        ("answer too much", "the decoded media are too large"),
        ("refuse", "clip is no film; send a film"),
    ],
)
def test_a_file_that_is_too_much_for_its_decoder_is_refused_and_the_next_one_answered(
    how: str, said: str, fragile: Workers
) -> None:
    with pytest.raises(MediaError, match=said):
        fragile.call(how)
    (pid,) = fragile.call("behave")
    assert is_running(pid)


def test_a_decoder_that_dies_just_before_a_call_is_replaced(fragile: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = fragile.call("behave")
    process = fragile._idle.queue[-1]._process

    def die() -> None:
        monkeypatch.undo()
        process.kill()
        process.wait()
        process.returncode = None  # as it was a moment ago

    monkeypatch.setattr(process, "poll", die)
    (after,) = fragile.call("behave")
    assert after != before and is_running(after)


def test_a_decoder_that_waits_for_ever_is_killed_and_replaced() -> None:
    workers = Workers(f"{PLACE}:misbehave", dataclasses.replace(LIMITS, wall_seconds=0.5), 1)
    with pytest.raises(MediaError, match=r"did not end within 0\.5 s"):
        workers.call("wait for ever")
    workers.close()


def test_a_failure_of_our_own_is_no_fault_of_the_media(fragile: Workers) -> None:
    with pytest.raises(WorkerError, match="KeyError: 'nothing'"):
        fragile.call("fail")


def test_a_request_that_is_larger_than_the_memory_for_it_is_refused(fragile: Workers) -> None:
    with pytest.raises(MediaError, match="too large to decode"):
        fragile.call("behave", bytes(33 << 20))
    assert fragile.call("behave")


def test_a_function_that_is_not_there_fails_at_the_start() -> None:
    with pytest.raises(WorkerError, match=r"sandbox_functions:nothing does not start .*status 1"):
        Workers(f"{PLACE}:nothing", LIMITS, 1)


def test_threads_share_the_workers_and_mix_up_nothing() -> None:
    workers = Workers(f"{PLACE}:doubled", LIMITS, 2)
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(20):
            (array,) = workers.call(np.full((9, 9), number))
            if array.shape != (18, 9) or (array != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workers.close()
    assert wrong == []


def test_workers_are_at_work_at_the_same_time_and_end_with_their_owner(tmp_path: Path) -> None:
    workers = Workers(f"{PLACE}:meet", LIMITS, 2)
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(workers.call, str(tmp_path), 2) for _ in range(2)]
        pids = {one.result()[0] for one in asked}
    workers.close()
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_running, pids)))


def test_a_header_that_points_outside_of_the_shared_memory_is_refused() -> None:
    arena = memoryview(bytearray(64))
    for header in (
        b'[{"at": 60, "size": 9}]',
        b'[{"at": -4, "size": 9}]',
        b'[{"at": 60, "dtype": "<i4", "shape": [9]}]',
        b'[{"at": 0, "dtype": "|O", "shape": [1]}]',
        b'[{"at": 0}]',
        b"{",
    ):
        with pytest.raises(MessageError):
            unpack(header, arena)
    with pytest.raises(MessageError, match="65 bytes are needed, 64 are there"):
        pack([bytes(65)], arena)


def test_a_decoder_that_is_killed_takes_neither_its_stub_nor_a_later_request_along(server: EmbeddedServer) -> None:
    stub = stub_of(server)
    workers = descendants_of(stub)
    for worker in workers:
        assert "crosswire.serving.steps.decode.sandbox_main" in command_of(worker)
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, workers)))
    answer = infer_pictures(server, [jpeg()], [depth_png()])
    assert answer.as_numpy("labels_png").shape == (1, 1)
    assert stub_of(server) == stub
    new = {worker for worker in descendants_of(stub) if is_running(worker)}
    assert new
    assert not new & set(workers)
    wait_until(lambda: call(server, "GET", "/v2/health/ready")[0] == 200)  # a probe may have lost its decoder, too
    assert_answers(server)
