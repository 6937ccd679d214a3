"""Pages of other origins read the answers where the settings name their origin, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from crosswire.serving.config.settings import Settings, choose
from crosswire.serving.errors import ServingError
from crosswire.serving.gateway.options import GatewayOptions, gateway_options, read_options, write_options
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.paths import REPOSITORY
from tests.support.servers.real import NETWORK, PIPELINE, configured, depth_png, jpeg

OURS, THEIRS = "https://rooms.example.org", "https://elsewhere.example.org"
KEY = "0123456789abcdef0123"
FORM = f"/v1/pipelines/{PIPELINE}"


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with keys that lets one origin read its answers."""
    folder = tmp_path_factory.mktemp("cors")
    (folder / "keys.txt").write_text(KEY)
    options = configured(folder, f'cors_origins = ["{OURS}", "http://localhost:5173"]\napi_keys = "keys.txt"\n')
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options) as running:
        yield running


def preflight(server: EmbeddedServer, origin: str, method: str = "POST", headers: str = "x-api-key") -> httpx.Response:
    asks = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return httpx.options(server.http_url + FORM, headers=asks, timeout=60)


@pytest.mark.parametrize("origin", [OURS, "http://localhost:5173"])
@pytest.mark.parametrize(
    "headers", ["x-api-key", "authorization, content-type", "inference-header-content-length,content-encoding"]
)
def test_a_browser_is_told_beforehand_that_an_origin_may_ask(
    origin: str, headers: str, open_server: EmbeddedServer
) -> None:
    answer = preflight(open_server, origin, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [(THEIRS, "POST", "x-api-key"), (OURS, "DELETE", "x-api-key"), (OURS, "POST", "x-other"), ("null", "POST", "")],
)
def test_a_browser_is_told_beforehand_what_may_not_be_asked(
    origin: str, method: str, headers: str, open_server: EmbeddedServer
) -> None:
    assert preflight(open_server, origin, method, headers).status_code == 400


def test_a_page_reads_the_answer_and_the_error_of_its_request(open_server: EmbeddedServer) -> None:
    files = {"rgb": ("rgb.jpg", jpeg()), "depth": ("depth.png", depth_png())}
    url = open_server.http_url + FORM
    good = httpx.post(url, files=files, headers={"Origin": OURS, "X-API-Key": KEY}, timeout=60)
    assert (good.status_code, good.headers["Access-Control-Allow-Origin"]) == (200, OURS)
    assert "X-Request-Id" in good.headers["Access-Control-Expose-Headers"]
    shut = httpx.post(url, files=files, headers={"Origin": OURS}, timeout=60)
    assert (shut.status_code, shut.headers["Access-Control-Allow-Origin"]) == (401, OURS)
    wrong = httpx.post(url, headers={"Origin": OURS, "X-API-Key": KEY}, timeout=60)
    assert (wrong.status_code, wrong.headers["Access-Control-Allow-Origin"]) == (415, OURS)
    other = httpx.post(url, files=files, headers={"Origin": THEIRS, "X-API-Key": KEY}, timeout=60)
    assert other.status_code == 200 and "Access-Control-Allow-Origin" not in other.headers


def test_by_default_no_origin_is_let_in(server: EmbeddedServer) -> None:
    answer = preflight(server, OURS)
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD, POST"
    plain = httpx.get(f"{server.http_url}/v1/pipelines", headers={"Origin": OURS}, timeout=60)
    assert plain.status_code == 200
    assert not [name for name in plain.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://example.org/page", "", "HTTPS://A"])
def test_an_origin_that_no_browser_would_send_is_refused(origin: str, tmp_path: Path) -> None:
    path = tmp_path / "serving.toml"
    path.write_text(f'cors_origins = ["*", "{origin}"]\n')
    with pytest.raises(ServingError, match=r"cors_origins: got .*, expected \* or a scheme and a host"):
        choose(path, {})


def test_origins_reach_the_gateway(tmp_path: Path) -> None:
    write_options(tmp_path, gateway_options(Settings(cors_origins=("*",))))
    assert read_options(tmp_path) == GatewayOptions(cors_origins=("*",))
