"""Looking after a server: doctor, status, and changing what it serves while clients send."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from crosswire.contract import sha256_of
from crosswire.serving.__main__ import main
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.running import running_servers
from crosswire.serving.supervisor.control import ControlSocket, Order, send
from tests.support.servers.load import DEPTH, RGB, Load
from tests.support.servers.real import (
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    configured,
    contract,
    processes_with,
    server_alone,
    stub_of,
    wait_until,
)

SECOND, SPARE = "rooms_second", "rooms_spare"


def add_network(source: Path, name: str) -> None:
    """Put the network into a repository under a name."""
    shutil.copytree(REPOSITORY / NETWORK, source / name)
    replace(contract(), name=name).save(source / name)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that tests may change."""
    folder = tmp_path_factory.mktemp("source")
    add_network(folder, NETWORK)
    return folder


@pytest.fixture(scope="module")
def own(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this file's own, alone in its run-state folder."""
    with server_alone(tmp_path_factory.mktemp("runtime"), source) as running:
        yield running


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command in this process and return what it printed."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_status_shows_a_server_and_its_canaries(own: EmbeddedServer, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "status")
    assert own.http_url in text and own.grpc_url in text and "ready" in text and PIPELINE in text
    (one,) = json.loads(said(capsys, "status", "--json"))
    assert (one["http_url"], one["ready"], one["pipelines"]) == (own.http_url, True, [PIPELINE])
    assert one["restarts"] == {"triton": 0, "front_door": 0}


def test_status_without_a_server_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert "start one: crosswire serve" in said(capsys, "status", code=1)
    assert "no server of yours runs" in said(capsys, "reload", NETWORK, code=2)


def test_a_reload_under_load_fails_no_request(own: EmbeddedServer, capsys: pytest.CaptureFixture[str]) -> None:
    before = stub_of(own)
    with Load(own) as load:
        assert f"reload {NETWORK}: done" in said(capsys, "reload", NETWORK)
    assert set(load.outcomes) == {"OK"} and len(load.answers) == 1, load.outcomes
    assert stub_of(own) != before
    assert json.loads(said(capsys, "status", "--json"))[0]["restarts"] == {"triton": 0, "front_door": 0}
    assert_answers(own)


def test_a_reload_serves_the_new_export(own: EmbeddedServer, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meant = contract()
    renamed = replace(meant, classes=("ceiling", *meant.classes[1:]))
    renamed.save(source / NETWORK)
    said(capsys, "reload", NETWORK)
    (pipeline,) = httpx.get(f"{own.http_url}/v1/pipelines", timeout=PATIENCE_SECONDS).json()["pipelines"]
    assert pipeline["classes"][0] == "ceiling"
    meant.save(source / NETWORK)
    said(capsys, "reload", NETWORK)


def test_an_export_that_does_not_load_is_taken_back(
    own: EmbeddedServer, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_network(source, "broken")
    graph = source / "broken" / contract().graph.file
    graph.write_bytes(b"no graph")
    replace(contract(), name="broken", graph=replace(contract().graph, sha256=sha256_of(graph))).save(source / "broken")
    with Load(own) as load:
        text = said(capsys, "load", "broken", code=2)
    assert "broken_fused was not loaded" in text and "everything is as it was" in text
    assert set(load.outcomes) == {"OK"}, load.outcomes
    shutil.rmtree(source / "broken")
    served = {
        model["name"]
        for model in httpx.post(
            f"{own.http_url}/v2/repository/index", json={"ready": True}, timeout=PATIENCE_SECONDS
        ).json()
    }
    assert served == {NETWORK, PIPELINE, f"{NETWORK}_fused"}


def test_a_second_network_comes_and_goes_under_load(
    own: EmbeddedServer, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_network(source, SECOND)
    with Load(own) as load:
        assert SECOND in said(capsys, "load", SECOND)
    assert set(load.outcomes) == {"OK"}, load.outcomes
    url = f"{own.http_url}/v1/pipelines/{SECOND}_image"
    answer = httpx.post(url, files={"rgb": RGB, "depth": DEPTH}, timeout=60)
    assert answer.status_code == 200 and answer.json()["summary"]["network"] == SECOND
    assert "is served already; reload it" in said(capsys, "load", SECOND, code=2)
    os.kill(own.facts["triton_pid"], 9)
    wait_for_restart(own)
    (folder,) = (one.folder for one in running_servers() if one.run.http_url == own.http_url)
    assert (folder / "triton.before.log").read_text(), "the words of the one that died"
    assert httpx.post(url, files={"rgb": RGB, "depth": DEPTH}, timeout=60).status_code == 200
    with Load(own) as load:
        said(capsys, "unload", SECOND)
    assert set(load.outcomes) == {"OK"}, load.outcomes
    assert httpx.post(url, files={"rgb": RGB, "depth": DEPTH}, timeout=PATIENCE_SECONDS).status_code == 404
    assert_answers(own)


def test_a_network_that_keeps_triton_from_starting_is_named_and_can_be_unloaded(
    own: EmbeddedServer, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_network(source, SPARE)
    said(capsys, "load", SPARE)
    (source / SPARE / contract().graph.file).write_bytes(b"no graph")
    os.kill(process_of(own, "tritonserver"), 9)

    def state() -> dict[str, Any]:
        main(("status", "--json"))  # 1 while it is not ready
        (one,) = json.loads(capsys.readouterr().out)
        return dict(one)

    wait_until(lambda: "Triton does not start" in state()["reason"] and state()["restarts"]["triton"] > 1)
    door = process_of(own, "crosswire.serving.gateway")
    os.kill(door, 9)
    wait_until(lambda: process_of(own, "crosswire.serving.gateway") not in (0, door))
    assert "Triton starts without it" in said(capsys, "unload", SPARE)
    wait_until(lambda: bool(state()["ready"]))
    gone = httpx.post(
        f"{own.http_url}/v1/pipelines/{SPARE}_image", files={"rgb": RGB, "depth": DEPTH}, timeout=PATIENCE_SECONDS
    )
    assert gone.status_code == 404
    assert_answers(own)
    assert "nv_inference_count" in httpx.get(f"{own.http_url}/metrics", timeout=PATIENCE_SECONDS).text
    shutil.rmtree(source / SPARE)


def process_of(server: EmbeddedServer, word: str) -> int:
    """Return the process of a server whose command line holds a word, 0 if there is none."""
    return next(iter(processes_with(server, word)), 0)


def wait_for_restart(server: EmbeddedServer) -> None:
    """Wait until Triton was started again and answers."""

    def restarted() -> bool:
        text = httpx.get(f"{server.http_url}/metrics", timeout=PATIENCE_SECONDS).text
        return 'crosswire_restarts{part="triton"} 0.0' not in text and "crosswire_ready 1.0" in text

    wait_until(restarted)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("unload", NETWORK), "is the only one that is served; stop the server instead"),
        (("unload", "nope"), f"'nope' is not served; served are {NETWORK}"),
        (("reload", "nope"), f"'nope' is not served; served are {NETWORK}"),
        (("load", "nope"), "holds no network nope"),
        (("reload", NETWORK, "--http-port", "9"), "no server of yours runs on port 9"),
    ],
)
def test_an_order_that_cannot_be_obeyed_says_why(
    arguments: tuple[str, ...], problem: str, own: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert problem in said(capsys, *arguments, code=2)
    assert_answers(own)


def test_the_doctor_finds_nothing_where_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "doctor", "--repository", str(REPOSITORY), "--http-port", "0", "--grpc-port", "0")
    assert "BROKEN" not in text and "nothing to put right" in text
    for subject in ("Triton", "numpy", "ONNX Runtime", "stack limit", "/dev/shm", NETWORK):
        assert f"ok      {subject}: " in text


def test_the_doctor_names_the_cure_for_a_taken_port_and_a_changed_graph(
    own: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_network(tmp_path, NETWORK)
    with (tmp_path / NETWORK / contract().graph.file).open("ab") as file:
        file.write(b"x")
    port = own.http_url.rpartition(":")[2]
    text = said(capsys, "doctor", "--repository", str(tmp_path), "--http-port", port, "--grpc-port", "0", code=1)
    assert f"BROKEN  port {port}: port {port} is taken by process {own.pid}" in text
    assert f"-> stop it with: kill {own.pid}" in text
    assert f"BROKEN  {tmp_path}: network '{NETWORK}' is refused" in text and "2 to put right" in text


def test_the_doctor_names_the_cure_for_a_wrong_numpy_and_two_onnx_runtimes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version
    wrong = {"numpy": "2.1.0", "onnxruntime-gpu": "1.20.0"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: wrong.get(name) or real(name))
    text = said(capsys, "doctor", "--repository", str(REPOSITORY), "--http-port", "0", "--grpc-port", "0", code=1)
    assert "BROKEN  numpy: 2.1.0" in text and "pip install 'numpy<2'" in text
    assert "overwrite each other" in text and "pip uninstall -y onnxruntime onnxruntime-gpu" in text


def test_the_doctor_asks_of_a_container_what_a_container_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.1.0" if name == "numpy" else real(name))
    real_spec = importlib.util.find_spec
    gone = ("pytriton", "onnxruntime")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in gone else real_spec(name))
    monkeypatch.setattr(
        "crosswire.serving.doctor.first_that_runs", lambda *_, **__: pytest.fail("it has no ONNX Runtime")
    )
    common = ("doctor", "--repository", str(REPOSITORY), "--http-port", "0", "--grpc-port", "0")
    for triton, code, found in (
        (sys.executable, 0, f"ok      Triton: {sys.executable}"),
        ("/nowhere/tritonserver", 1, "BROKEN  Triton: --triton /nowhere/tritonserver is no file"),
    ):
        options = configured(tmp_path, f'runtime = "container"\ntriton = "{triton}"\n')
        text = said(capsys, *common, *options, code=code)
        assert found in text and "numpy" not in text and "ONNX Runtime:" not in text
        assert f"ok      {NETWORK}: " in text and "ok      /dev/shm: " in text


def test_the_doctor_says_that_the_wheels_triton_cannot_be_a_containers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = configured(tmp_path, 'runtime = "container"\n')
    common = ("doctor", "--repository", str(REPOSITORY), "--http-port", "0", "--grpc-port", "0")
    text = said(capsys, *common, *options, code=1)
    assert "BROKEN  Triton: " in text and "has no native backends" in text
    assert "-> name one that has them: --triton" in text


def test_the_doctor_looks_at_keys_and_at_a_door_that_is_open_to_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.txt").write_text("short\n")
    common = ("doctor", "--repository", str(REPOSITORY), "--network", NETWORK, "--http-port", "0", "--grpc-port", "0")
    text = said(capsys, *common, "--api-keys", str(tmp_path / "keys.txt"), code=1)
    assert "BROKEN  gateway: --api-keys" in text and "-> take a longer one" in text
    text = said(capsys, *common, "--host", "0.0.0.0")
    assert "note    gateway: 0.0.0.0, no API keys, no TLS" in text and "-> give it keys" in text


def test_an_order_that_meets_files_of_no_use_ends_no_server(
    source: Path, own: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "folder" / "contract.json").mkdir(parents=True)
    assert "cannot be read" in said(capsys, "load", "folder", code=2)
    shutil.rmtree(source / "folder")
    assert_answers(own)


def test_an_order_that_fails_otherwise_is_answered_too(tmp_path: Path) -> None:
    def fail(_: Order) -> str:
        raise RuntimeError("no such luck")

    control, over = ControlSocket(tmp_path), threading.Event()

    def answer() -> None:
        while not over.wait(0.01):
            control.handle(fail)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with pytest.raises(ServingError, match="the server failed at this: RuntimeError: no such luck"):
            send(tmp_path, Order("load", "a"), 30)
    finally:
        over.set()
        thread.join()
        control.close()
