"""API keys and TLS: whoever has no key gets in nowhere but to the health questions, over HTTP and over gRPC."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import tritonclient.grpc
from tritonclient.grpc.service_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
    ServerReadyResponse,
)
from tritonclient.utils import InferenceServerException

from crosswire.clients import AsyncPredictor, InputError, Predictor, RequestRejectedError, Retries, ServerUnreachable
from crosswire.clients.__main__ import main as clients_main
from crosswire.serving.__main__ import main
from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.errors import ServingError
from crosswire.serving.gateway.admission import Admission
from crosswire.serving.gateway.tracing import NoTracing
from crosswire.serving.gateway.upstream import Upstream
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.running import running_servers
from crosswire.serving.wire import RawTensor, infer_request, pack_bytes
from tests.support.servers.real import NETWORK, PIPELINE, REPOSITORY, bytes_input, depth_png, jpeg, wait_until

KEY, OTHER = "first-key-0123456789", "second-key-0123456789"
FORM = {"rgb": jpeg(), "depth": depth_png()}
FORM_TENSORS = {"rgb_image": jpeg(96, 72), "depth_image": depth_png(96, 72)}
SERVICE = "/inference.GRPCInferenceService"
PATHS = (
    "/v2",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/v1/pipelines",
    f"/v1/pipelines/{PIPELINE}",
    f"/v2/models/{NETWORK}",
    f"/v2/models/{NETWORK}/config",
    f"/v2/models/{NETWORK}/ready",
    "/v2/models/stats",
    "/nothing",
)

pytestmark = pytest.mark.needs("openssl")


def make_certificate(folder: Path, *kind: str) -> None:
    """Write `cert.pem` and `key.pem` for this machine, of the kind that OpenSSL's words describe."""
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    words = ["-x509", "-nodes", "-days", "2", "-newkey", *(kind or ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"))]
    subprocess.run(["openssl", "req", *words, *names, *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for this machine, its key, and two API keys."""
    made = tmp_path_factory.mktemp("secrets")
    make_certificate(made)
    (made / "keys.txt").write_text(f"# of the tests\n{KEY}\n\n{OTHER}\n")
    return made


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[EmbeddedServer]:
    """A server with both, chosen by a configuration file; it has a response cache, too."""
    (folder / "serving.toml").write_text(
        'access_log = "access.jsonl"\napi_keys = "keys.txt"\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n'
        "[limits]\nbody_bytes = 1_000_000\n[images]\npixels = 20_000\n"
        "[models]\ncache_bytes = 33_554_432\npriority_levels = 3\nwarm_up = [1, 2]\n"
    )
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=["--config", str(folder / "serving.toml")]) as running:
        yield running


@pytest.fixture
def web(own: EmbeddedServer, folder: Path) -> Iterator[httpx.Client]:
    """An HTTPS client that trusts the certificate."""
    trusted = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with httpx.Client(base_url=own.http_url, verify=trusted, timeout=60) as client:
        yield client


@pytest.fixture
def channel(own: EmbeddedServer, folder: Path) -> Iterator[grpc.Channel]:
    """A gRPC channel over TLS that trusts the certificate."""
    trust = grpc.ssl_channel_credentials((folder / "cert.pem").read_bytes())
    with grpc.secure_channel(own.grpc_url.removeprefix("grpcs://"), trust) as opened:
        yield opened


def test_the_server_says_that_it_speaks_tls(own: EmbeddedServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.http_url.startswith("https://") and own.grpc_url.startswith("grpcs://")
    main(["status"])
    assert f"{own.http_url}  {own.grpc_url}  ready" in capsys.readouterr().out


@pytest.mark.parametrize(
    "headers", [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer"}, {"authorization": f"Basic {KEY}"}]
)
def test_without_a_key_every_path_but_health_and_the_page_is_closed(headers: dict[str, str], web: httpx.Client) -> None:
    for path in PATHS:
        answer = web.get(path, headers=headers)
        assert answer.status_code == 401 and "API key" in answer.json()["error"], path
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert web.post(f"/v1/pipelines/{PIPELINE}", files=FORM, headers=headers).status_code == 401
    assert web.post(f"/v2/models/{NETWORK}/infer", content=bytes(900_000), headers=headers).status_code == 401
    for path in ("/v2/health/live", "/v2/health/ready", "/", "/page/main.js"):
        assert web.get(path, headers=headers).status_code == 200, path


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": KEY},
        {"Authorization": f"Bearer {OTHER}"},
    ],
)
def test_a_key_opens_every_path(headers: dict[str, str], web: httpx.Client) -> None:
    assert {web.get(path, headers=headers).status_code for path in PATHS[:-1]} == {200}
    answer = web.post(f"/v1/pipelines/{PIPELINE}", files=FORM, headers=headers)
    assert answer.status_code == 200 and answer.json()["summary"]["classes"]


def test_the_openapi_document_says_that_a_key_is_asked_for(web: httpx.Client) -> None:
    document = web.get("/openapi.json", headers={"x-api-key": KEY}).json()
    (scheme,) = document["security"]
    assert document["components"]["securitySchemes"][next(iter(scheme))] == {"type": "http", "scheme": "bearer"}
    assert document["paths"]["/v2/health/ready"]["get"]["security"] == []


def test_without_a_key_every_grpc_call_but_health_is_closed(channel: grpc.Channel) -> None:
    for method in ("ModelInfer", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex", "ModelReady"):
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(f"{SERVICE}/{method}")(b"")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED and "API key" in refused.value.details()
    with pytest.raises(grpc.RpcError) as refused:
        list(channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(iter([b""])))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert ServerReadyResponse.FromString(channel.unary_unary(f"{SERVICE}/ServerReady")(b"")).ready
    assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"") == b"\x08\x01"


def test_a_key_opens_grpc_and_its_streams(own: EmbeddedServer, channel: grpc.Channel, folder: Path) -> None:
    with secure_client(own, folder) as client:
        inputs = [bytes_input("rgb_image", [jpeg()]), bytes_input("depth_image", [depth_png()])]
        with pytest.raises(InferenceServerException, match="API key"):
            client.infer(PIPELINE, inputs)
        for priority in (0, 1, 3):
            answer = client.infer(PIPELINE, inputs, headers={"x-api-key": KEY}, priority=priority)
            assert answer.as_numpy("labels_png").shape == (1, 1)
    stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")
    (reply,) = stream(iter([b""]), metadata=(("authorization", f"Bearer {KEY}"),))
    assert "no model" in ModelStreamInferResponse.FromString(reply).error_message


def test_an_error_in_a_stream_tells_whose_it_is_and_the_log_which_model(channel: grpc.Channel, folder: Path) -> None:
    request = ModelInferRequest(model_name=PIPELINE, id="frame-7")
    stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")
    (data,) = stream(iter([request.SerializeToString()]), metadata=(("x-api-key", KEY),))
    reply = ModelStreamInferResponse.FromString(data)
    assert reply.error_message and reply.infer_response.id == "frame-7"
    lines = map(json.loads, (folder / "access.jsonl").read_text().splitlines())
    (line,) = [line for line in lines if line.get("id") == "frame-7"]
    assert (line["model"], line["status"], line["problem"]) == (PIPELINE, "INVALID_ARGUMENT", reply.error_message)


def secure_client(server: EmbeddedServer, folder: Path) -> Any:
    """Return tritonclient's own client over TLS."""
    return tritonclient.grpc.InferenceServerClient(
        server.grpc_url.removeprefix("grpcs://"), ssl=True, root_certificates=str(folder / "cert.pem")
    )


def test_the_same_bytes_are_answered_from_the_cache_and_canaries_are_not(
    own: EmbeddedServer, web: httpx.Client
) -> None:
    headers = {"x-api-key": KEY}
    form = {"rgb": jpeg(80, 60), "depth": depth_png(80, 60)}
    answers = [web.post(f"/v1/pipelines/{PIPELINE}", files=form, headers=headers).json()["summary"] for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    png = web.post(f"/v1/pipelines/{PIPELINE}", files=form, headers={**headers, "Accept": "image/png"})
    assert png.status_code == 200, "an output that nobody asked for before"
    lines = web.get("/metrics", headers=headers).text.splitlines()
    hits = [line for line in lines if line.startswith(f'nv_cache_num_hits_per_model{{model="{PIPELINE}"')]
    assert float(hits[0].split()[-1]) >= 2
    assert main(["reload", NETWORK, "--http-port", own.http_url.rpartition(":")[2]]) == 2


def test_what_a_gateway_asks_before_it_knows_a_model_spoils_no_cache(own: EmbeddedServer) -> None:
    (found,) = (one for one in running_servers() if one.run.http_url == own.http_url)
    tensors = [RawTensor(name, "BYTES", (1, 1), pack_bytes([data])) for name, data in FORM_TENSORS.items()]

    async def ask(output: str) -> list[str]:
        upstream, admission = Upstream(found.run, NoTracing()), Admission(RequestLimits())
        answer = await upstream.infer(infer_request(PIPELINE, tensors, [output]), 60.0, admission.take())
        return [one.name for one in ModelInferResponse.FromString(answer).outputs]

    assert asyncio.run(ask("labels_png")) == ["labels_png"]
    assert asyncio.run(ask("summary")) == ["summary"]


def test_the_limits_of_the_configuration_file_hold(web: httpx.Client) -> None:
    form = {"rgb": bytes(1_000_001), "depth": depth_png()}
    answer = web.post(f"/v1/pipelines/{PIPELINE}", files=form, headers={"x-api-key": KEY})
    assert answer.status_code == 413 and "1000000" in answer.json()["error"]
    form = {"rgb": jpeg(200, 150), "depth": depth_png(200, 150)}
    answer = web.post(f"/v1/pipelines/{PIPELINE}", files=form, headers={"x-api-key": KEY})
    assert answer.status_code == 400 and "allowed are 20000 pixels" in answer.json()["error"]
    described = web.get(f"/v1/pipelines/{PIPELINE}", headers={"x-api-key": KEY}).json()
    assert described["limits"]["pixels"] == 20_000


def test_plain_http_gets_nowhere_on_a_port_with_tls(own: EmbeddedServer) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(own.http_url.replace("https", "http") + "/v2/health/live")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--api-keys", "nothing.txt"], "--api-keys nothing.txt cannot be read"),
        (["--api-keys", "empty.txt"], "holds no key; write one per line"),
        (["--api-keys", "short.txt"], "the key in line 2 has fewer than 16 characters"),
        (["--tls-cert", "cert.pem"], "TLS needs both"),
        (["--tls-cert", "cert.pem", "--tls-key", "short.txt"], "cannot be used: .*give a PEM certificate chain"),
    ],
)
def test_keys_and_certificates_that_cannot_be_used_are_named(
    options: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("empty.txt").write_text("# nothing\n")
    Path("short.txt").write_text("# short\nabc\n")
    with pytest.raises(ServingError, match=said):
        EmbeddedServer(REPOSITORY, options=options).start()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_our_clients_show_a_key_and_trust_a_certificate(
    protocol: str, own: EmbeddedServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own.grpc_url if protocol == "grpc" else own.http_url
    trust = folder / "cert.pem"

    async def ask() -> tuple[int, ...]:
        async with AsyncPredictor(url, api_key=OTHER, ca=trust) as predictor:
            return (await predictor.segment(FORM["rgb"], FORM["depth"])).labels.shape

    with Predictor(url, api_key=KEY, ca=trust) as predictor:
        assert predictor.segment(FORM["rgb"], FORM["depth"]).labels.shape == asyncio.run(ask())
        assert predictor.health() == {url: True}
    with Predictor(url, ca=trust) as predictor, pytest.raises(RequestRejectedError, match="asks for an API key"):
        predictor.pipelines()
    with Predictor(url, api_key=KEY, retries=Retries(attempts=1)) as predictor, pytest.raises(ServerUnreachable):
        predictor.pipelines()
    monkeypatch.setenv("CROSSWIRE_API_KEY", KEY)
    with Predictor(url, ca=trust) as predictor:
        assert predictor.pipelines()
    with pytest.raises(InputError, match="cannot be used as certificates"):
        Predictor(url, ca=folder / "keys.txt")
    with pytest.raises(InputError, match="holds more than printable ASCII"):
        Predictor(url, api_key="two\nlines")


def test_the_commands_read_a_key_from_a_file(
    own: EmbeddedServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one-key.txt").write_text(f"{KEY}\n")
    words = ["list", "--url", own.grpc_url, "--ca", str(folder / "cert.pem")]
    assert clients_main([*words, "--api-key-file", str(folder / "one-key.txt")]) == 0
    assert PIPELINE in capsys.readouterr().out
    assert clients_main(words) == 2
    assert "asks for an API key" in capsys.readouterr().err
    assert clients_main([*words, "--api-key-file", str(folder / "none.txt")]) == 2
    assert "none.txt cannot be read" in capsys.readouterr().err


def test_keys_and_certificate_are_renewed_while_connections_stay_open(
    own: EmbeddedServer, web: httpx.Client, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = own.http_url.rpartition(":")[2]
    before = {name: (folder / name).read_bytes() for name in ("keys.txt", "cert.pem", "key.pem")}
    new = "third-key-0123456789"

    def status(key: str) -> int:
        return web.get("/v2", headers={"x-api-key": key}).status_code

    assert (status(KEY), status(new)) == (200, 401)
    (folder / "key.pem").write_text("half a key")
    assert main(["renew", "--http-port", port]) == 2
    assert "give a PEM certificate chain and its key" in capsys.readouterr().err
    make_certificate(folder, "rsa:2048")
    (folder / "keys.txt").write_text(new)
    assert main(["renew", "--http-port", port]) == 0
    wait_until(lambda: (status(KEY), status(new)) == (401, 200))
    for url in (own.http_url, own.grpc_url):
        with Predictor(url, api_key=new, ca=folder / "cert.pem") as predictor:
            assert predictor.pipelines()
        (folder / "old.pem").write_bytes(before["cert.pem"])
        with (
            Predictor(url, api_key=new, ca=folder / "old.pem", retries=Retries(attempts=1)) as predictor,
            pytest.raises(ServerUnreachable),
        ):
            predictor.pipelines()
    for name, data in before.items():
        (folder / name).write_bytes(data)
    assert main(["renew", "--http-port", port]) == 0
