"""What dashboards, alerts, autoscalers and manifests ask of a server, a running one tells: metrics, labels, paths."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.deploy.kustomize import build, documents
from tests.support.deploy.manifests import FOLDERS, KSERVE, KUBERNETES, MONITORING, kustomization, pods
from tests.support.deploy.queries import UP, queries_of, selected, told, wrong_with
from tests.support.servers.real import (
    NETWORK,
    call,
    depth_png,
    infer_body,
    infer_pictures,
    jpeg,
    wait_until,
)


@pytest.fixture(scope="module")
def metrics(server: EmbeddedServer) -> dict[str, list[dict[str, str]]]:
    """What a server tells after it has answered and refused requests over both protocols."""
    infer_pictures(server, [jpeg()], [depth_png()])
    with suppress(InferenceServerException):
        infer_pictures(server, [b"broken"], [depth_png()])
    assert call(server, "POST", f"/v2/models/{NETWORK}/infer", json.dumps(infer_body()).encode())[0] == 200
    assert call(server, "POST", f"/v1/pipelines/{NETWORK}_image", b"x", {"Content-Type": "text/plain"})[0] >= 400
    late = (b"crosswire_step_failures_total{", b"crosswire_canary_seconds{")  # told when it is quiet, and after a round
    wait_until(lambda: all(name in call(server, "GET", "/metrics")[1] for name in late))
    return told(call(server, "GET", "/metrics")[1].decode())


def alerts() -> list[str]:
    """Return the query of every alert."""
    (rules,) = documents(MONITORING / "alerts.yaml")
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def autoscalers(folder: Path) -> list[str]:
    """Return the queries by which pods are counted out."""
    (service,) = (one for one in build(KSERVE) if one["kind"] == "InferenceService")
    found = [one["external"]["metric"]["query"] for one in service["spec"]["predictor"]["autoScaling"]["metrics"]]
    for component in ("keda", "hpa"):
        mine = kustomization(folder / component, KUBERNETES / "overlays" / "cpu", KUBERNETES / "components" / component)
        for one in build(mine):
            if one["kind"] == "ScaledObject":
                found += [trigger["metadata"]["query"] for trigger in one["spec"]["triggers"]]
            if one["kind"] == "HorizontalPodAutoscaler":
                found += [metric["pods"]["metric"]["name"] + "{}" for metric in one["spec"]["metrics"]]
    return found


def test_a_running_server_tells_every_metric_of_the_dashboard(metrics: dict[str, list[dict[str, str]]]) -> None:
    queries = queries_of(json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8")))
    assert len(queries) >= 15
    assert {query: wrong for query in queries if (wrong := wrong_with(query, metrics))} == {}


def test_a_running_server_tells_every_metric_of_the_alerts(metrics: dict[str, list[dict[str, str]]]) -> None:
    assert {query: wrong for query in alerts() if (wrong := wrong_with(query, metrics))} == {}


def test_a_running_server_tells_what_autoscalers_count(
    metrics: dict[str, list[dict[str, str]]], tmp_path: Path
) -> None:
    queries = autoscalers(tmp_path)
    assert len(queries) == 3
    assert {query: wrong for query in queries if (wrong := wrong_with(query, metrics))} == {}


def test_a_scrape_counts_itself_once(server: EmbeddedServer) -> None:
    """Which is why autoscalers take off one for each pod."""
    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        assert client.is_server_live()

    def in_flight() -> float:
        lines = call(server, "GET", "/metrics")[1].decode().splitlines()
        return sum(float(one.split()[-1]) for one in lines if one.startswith("crosswire_requests_in_flight{"))

    wait_until(lambda: in_flight() == 1)


def test_what_a_server_does_not_tell_is_found(metrics: dict[str, list[dict[str, str]]]) -> None:
    for query, complaint in (
        ("sum(crosswire_waiting{})", "there is no crosswire_waiting"),
        ('crosswire_ready{part="x"}', "crosswire_ready has no label part"),
        ("sum by (pipeline) (crosswire_ready{})", "crosswire_ready has no label pipeline"),
        ('rate(crosswire_requests_total{route=~"/v1/.*|/v9"}[5m])', "crosswire_requests_total has no route /v9"),
    ):
        assert wrong_with(query, metrics) == [complaint]
    with pytest.raises(AssertionError, match="waiting"):
        selected('sum(waiting) + sum(crosswire_ready{job="x"})')
    assert [one.name for one in selected('up{job="x"} == 0')] == [UP]


def test_a_running_server_answers_what_the_cluster_asks(server: EmbeddedServer) -> None:
    paths = set()
    for pod in pods().values():
        paths |= {pod.container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    for folder in FOLDERS:
        for one in build(folder):
            if one["kind"] == "ServiceMonitor":
                paths |= {endpoint["path"] for endpoint in one["spec"]["endpoints"]}
            if one["kind"] == "ServingRuntime":
                annotations = one["spec"]["annotations"]
                paths.add(annotations["prometheus.kserve.io/path"])
                ports = {one["containerPort"] for one in one["spec"]["containers"][0]["ports"]}
                assert int(annotations["prometheus.kserve.io/port"]) in ports
    (scrape,) = next(iter(documents(MONITORING / "prometheus.yaml")))["scrape_configs"]
    paths.add(scrape["metrics_path"])
    assert paths == {"/v2/health/ready", "/v2/health/live", "/metrics"}
    assert {path: call(server, "GET", path)[0] for path in paths} == dict.fromkeys(paths, 200)
