"""Stopping under load, overload and deadlines: what is taken is answered, the rest is refused at once and in words."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import descendants_of, is_running
from tests.support.servers.real import (
    CALM,
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    bytes_input,
    configured,
    decoders_of,
    depth_png,
    infer_body,
    infer_pictures,
    jpeg,
    leftovers,
    wait_until,
)

URL = f"/v1/pipelines/{PIPELINE}"
RGB, DEPTH = jpeg(640, 480), depth_png(640, 480)
CONCURRENT = 12


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that servers started by this test keep their run state in."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def http_outcome(server: EmbeddedServer) -> str:
    """Send one form on a connection of its own and say what became of it."""
    try:
        with httpx.Client(timeout=PATIENCE_SECONDS) as client:
            answer = client.post(server.http_url + URL, files={"rgb": RGB, "depth": DEPTH})
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        return "closed"
    if answer.status_code == 503:
        assert answer.headers["retry-after"] and "stopping" in answer.json()["error"]
    elif answer.status_code == 200:
        assert answer.json()["summary"]["classes"]
    return str(answer.status_code)


def grpc_outcome(server: EmbeddedServer) -> str:
    """Send one pair by gRPC and say what became of it."""
    try:
        infer_pictures(server, [RGB], [DEPTH])
    except InferenceServerException as error:
        return str(error.status())
    return "OK"


def test_a_stop_under_load_answers_what_was_taken_and_leaves_nothing(runtime: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    options = [*configured(runtime, "[limits]\ndrain_seconds = 120\n"), "--access-log", str(log)]
    server = EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options).start()
    outcomes: Counter[str] = Counter()
    over = threading.Event()

    def ask(outcome: Any) -> None:
        while not over.is_set():
            outcomes[outcome(server)] += 1

    threads = [threading.Thread(target=ask, args=(one,)) for one in [http_outcome] * 3 + [grpc_outcome] * 3]
    for thread in threads:
        thread.start()
    while outcomes["200"] < 5 or outcomes["OK"] < 5:
        time.sleep(0.01)
    os.kill(server.pid, signal.SIGTERM)
    code = server.wait(PATIENCE_SECONDS)
    over.set()
    for thread in threads:
        thread.join(60)
    assert code == 0
    assert set(outcomes) <= {"200", "OK", "503", "closed", "StatusCode.UNAVAILABLE"}, outcomes
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    answered = Counter(line["status"] for line in lines if line["route"] in ("/v1/pipelines/{name}", "ModelInfer"))
    assert (answered["200"], answered["OK"]) == (outcomes["200"], outcomes["OK"]), "as many as the clients got"
    assert set(answered) <= {"200", "OK", "503", "UNAVAILABLE"}, answered
    assert leftovers(server.pid, runtime) == []


def test_while_it_stops_new_requests_are_told_to_come_back(runtime: Path) -> None:
    options = configured(runtime, f"{CALM}[limits]\ndrain_seconds = 120\n")
    server = EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options).start()
    answers: list[str] = []
    outcomes = (http_outcome, grpc_outcome)
    threads = [threading.Thread(target=lambda one=one: answers.append(one(server))) for one in outcomes]
    with stopped_decoders(server):
        for thread in threads:
            thread.start()
        wait_until(lambda: in_flight(server) == 2)
        os.kill(server.pid, signal.SIGTERM)
        with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
            while client.is_server_ready():
                time.sleep(0.01)
            assert client.is_server_live()
        assert httpx.get(server.http_url + "/v2/health/ready", timeout=PATIENCE_SECONDS).status_code == 503
        assert (http_outcome(server), grpc_outcome(server)) == ("503", "StatusCode.UNAVAILABLE")
        assert answers == []
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(answers) == ["200", "OK"]
    assert server.wait(PATIENCE_SECONDS) == 0 and leftovers(server.pid, runtime) == []


@contextmanager
def stopped_decoders(server: EmbeddedServer) -> Iterator[None]:
    """Stop what decodes while a block runs, also what starts meanwhile: what comes waits.

    A stub that stopped would be given up after a second.
    """
    stopped: set[int] = set()
    over = threading.Event()

    def stop_all() -> None:
        for pid in set(decoders_of(server)) - stopped:
            os.kill(pid, signal.SIGSTOP)
            stopped.add(pid)

    def keep_stopping() -> None:
        while not over.wait(0.02):
            with suppress(ProcessLookupError):
                stop_all()

    stop_all()
    thread = threading.Thread(target=keep_stopping)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def in_flight(server: EmbeddedServer) -> float:
    """Return how many requests are being answered, without the question itself."""
    text = httpx.get(server.http_url + "/metrics", timeout=PATIENCE_SECONDS).text
    lines = [line for line in text.splitlines() if line.startswith("crosswire_requests_in_flight")]
    return sum(float(line.split()[-1]) for line in lines) - 1


def test_a_stop_does_not_wait_for_ever_for_a_request_that_hangs(runtime: Path) -> None:
    options = configured(runtime, f"{CALM}[limits]\ndrain_seconds = 1.5\ninfer_seconds = 3600\n")
    server = EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options).start()
    thread = threading.Thread(target=grpc_outcome, args=(server,))
    with stopped_decoders(server):
        thread.start()
        wait_until(lambda: in_flight(server) == 1)
        children = descendants_of(server.pid)
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait(PATIENCE_SECONDS) == 0
    thread.join(PATIENCE_SECONDS)
    assert leftovers(server.pid, runtime) == [] and not any(map(is_running, children))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this file's own that holds few requests at a time."""
    options = configured(tmp_path_factory.mktemp("own"), f"{CALM}[limits]\nconcurrent = {CONCURRENT}\n")
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
        yield running


async def flood(server: EmbeddedServer, count: int) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Send so many forms while nothing is decoded; return what came meanwhile, and the rest."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits, base_url=server.http_url) as client:
        with stopped_decoders(server):
            forms = (client.post(URL, files={"rgb": RGB, "depth": DEPTH}) for _ in range(count))
            waiting = set(map(asyncio.ensure_future, forms))
            early: list[httpx.Response] = []
            while len(early) < count - CONCURRENT:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                early += [one.result() for one in done]
        return early, await asyncio.gather(*waiting)


def test_more_requests_than_are_held_are_refused_at_once_over_http(own: EmbeddedServer) -> None:
    wait_until(lambda: in_flight(own) == 0)
    early, late = asyncio.run(flood(own, 3 * CONCURRENT))
    assert Counter(answer.status_code for answer in late) == {200: CONCURRENT}
    for answer in early:
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert "requests are being answered" in answer.json()["error"]
    assert_answers(own)


def test_more_requests_than_are_held_are_refused_at_once_over_grpc(own: EmbeddedServer) -> None:
    answers: list[Any] = []
    finished = threading.Semaphore(0)
    count = 3 * CONCURRENT

    def take(result: Any, error: Any) -> None:
        answers.append(error)
        finished.release()

    wait_until(lambda: in_flight(own) == 0)
    inputs = [bytes_input("rgb_image", [RGB]), bytes_input("depth_image", [DEPTH])]
    with tritonclient.grpc.InferenceServerClient(own.grpc_url.removeprefix("grpc://")) as client:
        with stopped_decoders(own):
            for _ in range(count):
                client.async_infer(PIPELINE, inputs, take)
            assert all(finished.acquire(timeout=PATIENCE_SECONDS) for _ in range(count - CONCURRENT))
            assert {error.status() for error in answers} == {"StatusCode.RESOURCE_EXHAUSTED"}
        assert all(finished.acquire(timeout=PATIENCE_SECONDS) for _ in range(CONCURRENT))
    assert answers[-CONCURRENT:] == [None] * CONCURRENT
    assert_answers(own)


@contextmanager
def stopped_triton(server: EmbeddedServer) -> Iterator[None]:
    """Stop Triton while a block runs: what comes waits. A stub that stopped would be given up after a second."""
    os.kill(server.facts["triton_pid"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.facts["triton_pid"], signal.SIGCONT)


def test_cancelled_calls_give_their_places_back_when_triton_has_answered_them(own: EmbeddedServer) -> None:
    inputs = [bytes_input("rgb_image", [RGB]), bytes_input("depth_image", [DEPTH])]

    def full() -> bool:
        with pytest.raises(InferenceServerException) as refused:
            infer_pictures(own, [RGB], [DEPTH], client_timeout=5)
        return bool(refused.value.status() == "StatusCode.RESOURCE_EXHAUSTED")

    assert_answers(own)
    with tritonclient.grpc.InferenceServerClient(own.grpc_url.removeprefix("grpc://")) as client, stopped_triton(own):
        calls = [client.async_infer(PIPELINE, inputs, lambda result, error: None) for _ in range(CONCURRENT + 2)]
        wait_until(full)
        for one in calls:
            one.cancel()
    wait_until(lambda: in_flight(own) == 0)
    wait_until(lambda: grpc_outcome(own) == "OK")
    assert_answers(own)


def test_a_deadline_is_kept_and_what_is_late_leaves_the_queues(own: EmbeddedServer) -> None:
    outcomes: list[str] = []
    patient = [threading.Thread(target=lambda: outcomes.append(grpc_outcome(own))) for _ in range(3)]
    assert_answers(own)
    with stopped_triton(own):
        for thread in patient:
            thread.start()
        for _ in range(3):
            with pytest.raises(InferenceServerException, match="DEADLINE_EXCEEDED"):
                infer_pictures(own, [RGB], [DEPTH], client_timeout=0.1)
            with pytest.raises(InferenceServerException, match="DEADLINE_EXCEEDED"):
                infer_pictures(own, [RGB], [DEPTH], timeout=100_000)
        tight = infer_body(parameters={"timeout": 1})
        assert (
            httpx.post(f"{own.http_url}/v2/models/{NETWORK}/infer", json=tight, timeout=PATIENCE_SECONDS).status_code
            == 504
        )
    for thread in patient:
        thread.join(PATIENCE_SECONDS)
    assert outcomes == ["OK"] * 3
    assert_answers(own)
    text = httpx.get(own.http_url + "/metrics", timeout=PATIENCE_SECONDS).text
    assert 'crosswire_restarts{part="triton"} 0.0' in text and in_flight(own) == 0


def test_a_stream_answers_every_inference_and_names_the_bad_one(own: EmbeddedServer) -> None:
    answers: list[Any] = []
    finished = threading.Semaphore(0)

    def take(result: Any, error: Any) -> None:
        answers.append(error or result.as_numpy("labels_png"))
        finished.release()

    with tritonclient.grpc.InferenceServerClient(own.grpc_url.removeprefix("grpc://")) as client:
        client.start_stream(take)
        for rgb in (RGB, b"broken", RGB):
            client.async_stream_infer(PIPELINE, [bytes_input("rgb_image", [rgb]), bytes_input("depth_image", [DEPTH])])
        assert all(finished.acquire(timeout=PATIENCE_SECONDS) for _ in range(3))
        client.stop_stream()
    assert isinstance(answers[0], np.ndarray) and (answers[0] == answers[2]).all()
    assert "rgb_image is no JPEG or PNG file" in answers[1].message()


def test_grpc_calls_carry_an_id_both_ways(own: EmbeddedServer) -> None:
    with grpc.insecure_channel(own.grpc_url.removeprefix("grpc://")) as channel:
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        _, call = live.with_call(b"", metadata=(("x-request-id", "mine-8"),))
        assert dict(call.trailing_metadata())["x-request-id"] == "mine-8"
        health = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert health(b"") == b"\x08\x01"
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/other.Service/Method")(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
