"""A server's life: start, vanishing clients, dying parts, recovery, and an end that leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import tritonclient.grpc
from tritonclient.grpc.service_pb2 import ServerReadyRequest
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import InferenceServerException

from crosswire.contract import sha256_of
from crosswire.serving.config.settings import Settings
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import descendants_of, is_running
from crosswire.serving.processes.run_state import ServerRun, read_run
from crosswire.serving.repository.assemble import assemble
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.steps.runtime.cores import granted_cores
from crosswire.serving.supervisor.announce import as_prose
from tests.support.servers.real import (
    BRISK,
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    call,
    configured,
    contract,
    decoders_of,
    depth_png,
    infer_pictures,
    jpeg,
    leftovers,
    processes_with,
    server_alone,
    stub_of,
    wait_until,
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this file's own, because its tests kill parts of it; its run state lies in a folder of its own."""
    runtime = tmp_path_factory.mktemp("runtime")
    with server_alone(runtime, REPOSITORY, networks=[NETWORK], options=configured(runtime, BRISK)) as running:
        yield running


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports that a process listens on."""
    sockets = psutil.Process(pid).net_connections("tcp")
    return {one.laddr.port for one in sockets if one.status == psutil.CONN_LISTEN}


def ready(server: EmbeddedServer) -> bool:
    return call(server, "GET", "/v2/health/ready")[0] == 200


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that servers started by this test keep their run state in."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("networks", "inputs"),
    [
        (["events_gmf", "rooms_cen"], {"rgb_image", "depth_image"}),
        (["events_gmf"], {"clip"}),
        (["rooms_translate"], {"texture_image", "shade_image"}),
    ],
)
def test_the_command_that_up_proposes_gives_the_pipeline_the_files_it_takes(
    networks: list[str], inputs: set[str], tmp_path: Path
) -> None:
    chosen = find_networks(REPOSITORY, networks)
    assembled = assemble(chosen, Runtime.EMBEDDED, tmp_path / "repository", copy_graphs=False)
    run = ServerRun("127.0.0.1", 1, 2, "unix:nowhere", "nowhere")
    proposed = as_prose(run, assembled, 1.0, "Triton", Settings()).rpartition("next: crosswire predict ")[2]
    words = proposed.split()
    pipeline = next(one for one in assembled.pipelines if one.name == words[words.index("--pipeline") + 1])
    assert {spec.name for spec in pipeline.inputs} - {"depth_units_per_metre", "camera"} == inputs
    files = [word.rpartition("=")[2] for word in words[: words.index("--pipeline")] if "demo/" in word]
    assert len(files) == len(inputs) and all(Path(file).is_file() for file in files)


@pytest.mark.parametrize("network", ["rooms_cen", "events_gmf", "rooms_translate"])
def test_the_command_that_up_proposes_is_answered(network: str, runtime: Path, tmp_path: Path) -> None:
    served = ["up", "--repository", str(REPOSITORY), "--network", network, "--http-port", "0", "--grpc-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "crosswire.serving", *served], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            proposed = next(line for line in process.stdout if line.startswith("next: "))
            words = shlex.split(proposed.removeprefix("next: "))
            words[words.index("--out") + 1] = str(tmp_path / "out")
            done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=60)
        finally:
            process.terminate()
    assert done.returncode == 0, done.stderr
    assert any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_says_where_it_is_and_stops_on_a_signal_leaving_nothing(number: int, runtime: Path) -> None:
    arguments = ["up", "--repository", str(REPOSITORY), "--network", NETWORK, "--http-port", "0", "--grpc-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "crosswire.serving", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(5)]
    assert said[0].startswith(f"{NETWORK} ready after")
    assert "http://127.0.0.1:" in said[1] and "grpc://127.0.0.1:" in said[2]
    assert said[3].startswith(f"  {NETWORK} (rgb+depth): the processor, graph ")
    assert said[4].startswith("next: crosswire predict") and PIPELINE in said[4]
    children = descendants_of(process.pid)
    decoders = 2 + (granted_cores() > 1)  # the two pictures of the probe were decoded side by side
    assert len(children) == 3 + decoders, "Triton, a python stub, decoders and the gateway"
    process.send_signal(number)
    assert process.wait(PATIENCE_SECONDS) == 0
    process.stdout.close()
    wait_until(lambda: not any(map(is_running, children)))
    assert leftovers(process.pid, runtime) == []


def test_the_run_state_is_private_while_the_server_runs(own: EmbeddedServer) -> None:
    (folder,) = (Path(os.environ["XDG_RUNTIME_DIR"]) / "crosswire").glob("run-*")
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "run.json").stat().st_mode & 0o077 == 0
    run = read_run(folder)
    assert run.http_url == own.http_url


def test_nobody_but_this_user_reaches_triton_itself(own: EmbeddedServer) -> None:
    (folder,) = (Path(os.environ["XDG_RUNTIME_DIR"]) / "crosswire").glob("run-*")
    run = read_run(folder)
    with grpc.insecure_channel(run.triton_target) as channel:
        assert GRPCInferenceServiceStub(channel).ServerReady(ServerReadyRequest(), timeout=PATIENCE_SECONDS).ready
    assert listening_ports(own.facts["triton_pid"]) == set()
    assert {entry.name for entry in folder.iterdir() if entry.is_socket()} == {"control", "metrics", "triton:1"}


def test_a_full_disk_below_the_access_log_and_headers_that_never_end_cost_no_answer(runtime: Path) -> None:
    options = [*configured(runtime, "[limits]\nheader_seconds = 3\n"), "--access-log", "/dev/full"]
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as server:
        address = server.http_url.removeprefix("http://").split(":")
        slows: list[socket.socket] = []
        with contextlib.ExitStack() as open_ones:
            for begun in (b"", b"GET / HTTP/1.1\r\nhost: a"):
                slow = open_ones.enter_context(socket.create_connection((address[0], int(address[1]))))
                slow.sendall(begun)
                slow.settimeout(PATIENCE_SECONDS)
                slows.append(slow)
            assert_answers(server)
            assert [slow.recv(1) for slow in slows] == [b"", b"H"], "what never asks is closed, what begins to is told"
        assert_answers(server)
        assert call(server, "GET", "/v2/health/live")[0] == 200


def test_calls_that_change_the_server_are_refused(own: EmbeddedServer) -> None:
    with tritonclient.grpc.InferenceServerClient(own.grpc_url.removeprefix("grpc://")) as client:
        for closed in (
            lambda: client.register_system_shared_memory("a", "/a", 4),
            lambda: client.unload_model(NETWORK),
            lambda: client.update_log_settings({"log_verbose_level": 9}),
            lambda: client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}),
        ):
            with pytest.raises(InferenceServerException, match="restricted"):
                closed()
        assert client.get_model_config(NETWORK) and client.get_inference_statistics(NETWORK)
    assert_answers(own)


@pytest.mark.parametrize("option", ["http_port", "grpc_port"])
def test_a_second_server_on_a_port_says_which_process_to_stop(option: str, own: EmbeddedServer) -> None:
    url = own.http_url if option == "http_port" else own.grpc_url
    port = int(url.rpartition(":")[2])
    ports = {option: port}
    with pytest.raises(
        ServingError, match=rf"port {port} is taken by process {own.pid} .*stop it with: kill {own.pid}"
    ):
        EmbeddedServer(REPOSITORY, networks=[NETWORK], **ports).start()
    assert_answers(own)


def test_a_port_taken_by_a_foreign_process_names_that_process(runtime: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        with pytest.raises(ServingError, match=rf"port {port} is taken by process {os.getpid()} "):
            EmbeddedServer(REPOSITORY, networks=[NETWORK], http_port=port).start()
    assert leftovers(0, runtime) == []


@pytest.mark.parametrize("sent", [b"", b"POST ", b'{"inputs": [{"na'], ids=["nothing", "half a line", "half a body"])
def test_a_client_that_vanishes_mid_request_leaves_the_server_answering(sent: bytes, own: EmbeddedServer) -> None:
    port = int(own.http_url.rpartition(":")[2])
    head = f"POST /v2/models/{NETWORK}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n".encode()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head + sent if sent.startswith(b"{") else sent)
            linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    assert_answers(own)


def test_a_client_that_does_not_wait_for_its_answer_leaves_the_server_answering(own: EmbeddedServer) -> None:
    port = int(own.http_url.rpartition(":")[2])
    pictures = [
        {"name": name, "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(data) + 4}}
        for name, data in (("rgb_image", jpeg(3000, 2000)), ("depth_image", depth_png(300, 200)))
    ]
    text = json.dumps({"inputs": pictures}).encode()
    blobs = b"".join(len(data).to_bytes(4, "little") + data for data in (jpeg(3000, 2000), depth_png(300, 200)))
    head = (
        f"POST /v2/models/{PIPELINE}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text) + len(blobs)}\r\n"
        f"Inference-Header-Content-Length: {len(text)}\r\n\r\n"
    )
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head.encode() + text + blobs)
    assert_answers(own)


STOPPED: dict[str, Callable[[EmbeddedServer], int]] = {
    "Triton": lambda server: int(server.facts["triton_pid"]),
    "stub": stub_of,
    "decoder": lambda server: decoders_of(server)[0],
    "gateway": lambda server: processes_with(server, "serving.gateway")[0],
}


@pytest.mark.parametrize("part", STOPPED)
def test_a_process_that_is_stopped_goes_on_and_answers_what_it_took(part: str, own: EmbeddedServer) -> None:
    assert_answers(own)
    victim = STOPPED[part](own)
    os.kill(victim, signal.SIGSTOP)
    assert infer_pictures(own, [jpeg()], [depth_png()]).as_numpy("labels_png").shape == (1, 1)
    wait_until(lambda: f"process {victim} was stopped; it goes on" in own.said)
    assert STOPPED[part](own) == victim
    assert_answers(own)


def test_a_stub_that_is_stopped_again_and_again_is_replaced(own: EmbeddedServer) -> None:
    stop_again(own, stub_of(own))
    wait_until(lambda: not ready(own))
    status, body = call(own, "GET", "/v2/health/ready")
    assert status == 503 and json.loads(body)["error"]
    wait_until(lambda: ready(own))
    assert_answers(own)


def test_a_gateway_that_is_stopped_again_and_again_is_replaced(own: EmbeddedServer) -> None:
    (before,) = processes_with(own, "serving.gateway")
    stop_again(own, before)
    wait_until(lambda: "starting it again" in own.said)
    assert_answers_soon(own)


def stop_again(server: EmbeddedServer, victim: int) -> None:
    """Stop a process, and again when it was continued, and wait for its end."""
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: f"process {victim} was stopped; it goes on" in server.said)
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: not is_running(victim))


def assert_answers_soon(server: EmbeddedServer) -> None:
    """Wait until the gateway listens again, then fail unless it answers."""

    def listens() -> bool:
        try:
            return ready(server)
        except OSError:
            return False

    wait_until(listens)
    assert_answers(server)


def test_a_server_with_a_stopped_triton_still_stops(runtime: Path) -> None:
    server = EmbeddedServer(REPOSITORY, networks=[NETWORK]).start()
    pids = descendants_of(server.pid)
    os.kill(server.facts["triton_pid"], signal.SIGSTOP)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait(PATIENCE_SECONDS) == 0
    assert leftovers(server.pid, runtime) == []
    assert not any(map(is_running, pids))


def test_what_a_killed_supervisor_leaves_is_swept_by_the_next_start(runtime: Path) -> None:
    server = EmbeddedServer(REPOSITORY, networks=[NETWORK]).start()
    children = descendants_of(server.pid)
    os.kill(server.pid, signal.SIGKILL)
    assert server.stop() == -signal.SIGKILL
    wait_until(lambda: not any(map(is_running, children)))
    assert leftovers(server.pid, runtime) != []
    with EmbeddedServer(REPOSITORY, networks=[NETWORK]) as second:
        assert [path for path in Path("/dev/shm").glob(f"crosswire_{server.pid}_*")] == []
        assert len(list((runtime / "crosswire").glob("run-*"))) == 1
        assert_answers(second)


def test_a_server_ends_with_the_process_that_started_it(runtime: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from crosswire.serving.processes.embedded import EmbeddedServer\n"
        "print(EmbeddedServer(Path(sys.argv[1]), networks=[sys.argv[2]]).start().pid, flush=True); os._exit(0)"
    )
    command = [sys.executable, "-c", script, str(REPOSITORY), NETWORK]
    pid = int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    wait_until(lambda: not is_running(pid))
    assert leftovers(pid, runtime) == []


def test_a_graph_that_cannot_be_loaded_ends_the_start_with_tritons_reason(runtime: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source" / NETWORK
    (folder / "1").mkdir(parents=True)
    graph = folder / "1" / "model.onnx"
    graph.write_bytes(b"no graph")
    meant = contract()
    replace(meant, graph=replace(meant.graph, file="1/model.onnx", sha256=sha256_of(graph))).save(folder)
    with pytest.raises(ServingError, match=r"(?s)Triton ended with status 1 while starting.*INVALID_PROTOBUF"):
        EmbeddedServer(tmp_path / "source").start()
    assert list((runtime / "crosswire").glob("run-*")) == []


def test_a_run_state_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "crosswire").mkdir(mode=0o755)
        (Path(folder) / "crosswire").chmod(0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        with pytest.raises(ServingError, match="is not a private folder of this user"):
            EmbeddedServer(REPOSITORY, networks=[NETWORK]).start()


def test_shared_memory_does_not_grow_with_requests(own: EmbeddedServer) -> None:
    def shared() -> int:
        return sum(path.stat().st_size for path in Path("/dev/shm").glob(f"crosswire_{own.pid}_*"))

    def ask() -> Any:
        return infer_pictures(own, [jpeg(400, 300)], [depth_png(400, 300)])

    for _ in range(5):
        ask()
    before = shared()
    for _ in range(30):
        ask()
    assert shared() == before > 0
