"""The manifests of `deploy/`: they build, are what Kubernetes takes, and say what the server's own settings say.

Paths and metrics are compared with a running server in `tests/e2e/project/test_monitoring.py`, KServe's objects with
the models of its package by `make soak`.
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

import crosswire
from crosswire.serving.config.limits import WorkerLimits
from crosswire.serving.supervisor import supervisor
from tests.support.deploy.kustomize import build, change, documents
from tests.support.deploy.manifests import (
    COMPONENTS,
    FOLDERS,
    KUBERNETES,
    MONITORING,
    OVERLAYS,
    POD_NAMES,
    SETTINGS,
    Pod,
    custom,
    in_bytes,
    kustomization,
    pods,
    pods_of,
)
from tests.support.deploy.queries import queries_of, selected

VERSIONS = ("1.30", "1.37")
USER = 65532
LARGEST_IMAGE = 1 << 30  # memory of a request whose image is as large as images.pixels allows: docs/guides/operate.md


@pytest.fixture(scope="module", params=POD_NAMES)
def pod(request: pytest.FixtureRequest) -> Pod:
    """A pod that the manifests make."""
    return pods()[request.param]


def argument(pod: Pod, option: str) -> str | None:
    """Return the value of an option of the command that a pod starts."""
    words = [part for word in pod.container["args"] for part in word.split("=", 1)]
    return words[words.index(option) + 1] if option in words else None


def check(resource: dict[str, Any], version: str) -> None:
    """Raise unless a resource is what a version of Kubernetes takes, without a field that it does not know."""
    kubernetes_validate = importlib.import_module("kubernetes_validate")  # later than collecting, for it takes a while
    kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_builds_what_kubernetes_takes(folder: Path, version: str) -> None:
    plain = [one for one in build(folder) if not custom(one)]
    assert plain
    for resource in plain:
        check(resource, version)


def test_a_pod_is_what_kubernetes_takes(pod: Pod) -> None:
    check({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": pod.spec}, VERSIONS[0])


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    (deployment,) = documents(KUBERNETES / "base" / "deployment.yaml")
    check(deployment, VERSIONS[0])
    deployment["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(Exception, match="volumeMount"):
        check(deployment, VERSIONS[0])


@pytest.mark.parametrize(
    "overlay", [one for one in OVERLAYS if one.name != "example"], ids=lambda overlay: overlay.name
)
@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_every_component_fits_every_overlay(component: Path, overlay: Path, tmp_path: Path) -> None:
    folder = kustomization(tmp_path / "mine", overlay, component)
    for resource in build(folder):
        if resource["kind"] in ("Deployment", "NetworkPolicy", "HorizontalPodAutoscaler"):
            check(resource, VERSIONS[-1])
    (pod,) = pods_of(folder)
    assert {one["name"] for one in pod.spec["volumes"]} >= {"models", "settings", "keys", "tmp", "shm"}


def test_what_does_not_fit_together_is_named(tmp_path: Path) -> None:
    folder = kustomization(tmp_path, KUBERNETES / "base")
    plan = folder / "kustomization.yaml"
    written = plan.read_text()
    (folder / "patch.yaml").write_text("- {op: remove, path: /spec/nothing}\n")
    with pytest.raises(AssertionError, match="nothing names"):
        build(folder)
    for target, complaint in (("Gone", "has no target"), ("Deployment", "there is no 'nothing'")):
        plan.write_text(f"{written}\npatches: [{{path: patch.yaml, target: {{kind: {target}, name: crosswire}}}}]\n")
        with pytest.raises(AssertionError, match=complaint):
            build(folder)
    plan.write_text(f"{written}\nnamePrefix: my-\n")
    with pytest.raises(AssertionError, match="namePrefix"):
        build(folder)
    with pytest.raises(AssertionError, match="found 'a'"):
        change({"name": "a"}, {"op": "test", "path": "/name", "value": "b"})
    plan.write_text("kind: Kustomization\nkind: Component\n")
    with pytest.raises(AssertionError, match="comes twice"):
        build(folder)


def test_a_pod_is_started_with_settings_that_the_server_takes(pod: Pod, tmp_path: Path) -> None:
    settings = pod.chosen(tmp_path)
    assert argument(pod, "--config") == SETTINGS and str(Path(SETTINGS).parent) in pod.mounts
    assert settings.host == "0.0.0.0" and settings.access_log == "-"
    ports = {one["name"]: one["containerPort"] for one in pod.container["ports"]}
    assert ports == {"http": settings.http_port, "grpc": settings.grpc_port}
    assert str(settings.api_keys) in pod.secret_files
    if "kserve" in pod.name:
        assert str(settings.repository) == "/mnt/models", "where KServe mounts what storageUri names"
    else:
        assert str(settings.repository) in pod.mounts
    certificate, key = argument(pod, "--tls-cert"), argument(pod, "--tls-key")
    if certificate is not None:
        names = (Path(certificate).name, Path(str(key)).name)
        assert names == ("tls.crt", "tls.key"), "as a secret of type kubernetes.io/tls names them"
        assert {str(Path(one).parent) for one in (certificate, str(key))} <= pod.secret_files
    assert pod.container["image"].endswith(f":{crosswire.__version__}")


def test_probes_and_pauses_fit_the_settings(pod: Pod, tmp_path: Path) -> None:
    settings, container = pod.chosen(tmp_path), pod.container
    scheme = "HTTP" if argument(pod, "--tls-cert") is None else "HTTPS"
    paths = {"startupProbe": "ready", "readinessProbe": "ready", "livenessProbe": "live"}
    for name, path in paths.items():
        get = container[name]["httpGet"]
        assert get["path"] == f"/v2/health/{path}" and get.get("scheme", "HTTP") == scheme
        assert get["port"] in ("http", settings.http_port)
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] > settings.start_seconds
    (_, pause) = container["lifecycle"]["preStop"]["exec"]["command"]
    limits = settings.limits
    closing = supervisor._CLOSE_SECONDS + supervisor._STOP_SECONDS
    assert limits.drain_seconds > limits.infer_seconds, "what was taken is answered, however long it takes"
    grace = pod.spec["terminationGracePeriodSeconds"]
    assert grace > int(pause) + limits.drain_seconds + limits.infer_seconds + closing


def test_a_pod_has_no_rights_that_it_does_not_need(pod: Pod) -> None:
    whole = pod.spec["securityContext"]
    assert whole["runAsNonRoot"] and {whole["runAsUser"], whole["runAsGroup"], whole["fsGroup"]} == {USER}
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.spec["automountServiceAccountToken"] is False and pod.spec["enableServiceLinks"] is False
    for container in (pod.container, *pod.spec.get("initContainers", [])):
        assert container["securityContext"] == {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec)
    assert not any("hostPath" in volume for volume in pod.spec["volumes"])
    written = {folder for folder, volume in pod.mounts.items() if "emptyDir" in volume and folder != "/models"}
    assert written == {"/tmp", "/dev/shm"}, "what the server writes to, and nothing else"
    assert {"name": "HOME", "value": "/tmp"} in pod.container["env"]
    for volume in pod.spec["volumes"]:
        assert volume.get("secret", {"defaultMode": 0o440})["defaultMode"] == 0o440


def test_the_memory_of_a_pod_is_what_its_limits_come_to(pod: Pod, tmp_path: Path) -> None:
    limits = pod.chosen(tmp_path).limits
    shm = pod.mounts["/dev/shm"]["emptyDir"]
    assert shm["medium"] == "Memory"
    granted = pod.container["resources"]["limits"]
    cores = int(granted["cpu"])  # the server takes whole cores
    worst = cores * (LARGEST_IMAGE + WorkerLimits().memory_bytes) + limits.held_bytes + limits.arriving_bytes
    assert in_bytes(granted["memory"]) >= worst + in_bytes(shm["sizeLimit"])


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_what_belongs_to_the_pods_selects_them(folder: Path) -> None:
    found = {one["kind"]: one for one in build(folder)}
    deployment, service = found["Deployment"], found["Service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        deployment["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(one and one.items() <= labels.items() for one in selectors)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert {one["targetPort"]: one["port"] for one in service["spec"]["ports"]} == ports
    allowed = {port["port"] for rule in found["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]}
    assert allowed == set(ports)
    if "ServiceMonitor" in found:
        monitor = found["ServiceMonitor"]["spec"]
        (endpoint,) = monitor["endpoints"]
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert endpoint["port"] in ports and service["metadata"]["labels"][monitor["jobLabel"]] == "crosswire"
        assert endpoint["scheme"] == ("https" if "--tls-cert" in " ".join(container["args"]) else "http")
        (keys,) = (one["secret"] for one in deployment["spec"]["template"]["spec"]["volumes"] if one["name"] == "keys")
        assert endpoint["authorization"]["credentials"]["name"] == keys["secretName"]
        assert endpoint["authorization"]["credentials"]["key"] not in {one["key"] for one in keys["items"]}


@pytest.mark.parametrize("component", ["hpa", "keda"])
def test_an_autoscaler_counts_the_pods_alone_and_asks_for_more_before_requests_are_refused(
    component: str, tmp_path: Path
) -> None:
    folder = kustomization(tmp_path / "mine", KUBERNETES / "overlays" / "cpu", KUBERNETES / "components" / component)
    found = {one["kind"]: one for one in build(folder)}
    assert "replicas" not in found["Deployment"]["spec"]
    spec = found["HorizontalPodAutoscaler" if component == "hpa" else "ScaledObject"]["spec"]
    (pod,) = pods_of(folder)
    concurrent = pod.chosen(tmp_path).limits.concurrent
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "crosswire"}
    if component == "keda":
        (trigger,) = spec["triggers"]
        assert trigger["type"] == "prometheus" and 0 < int(trigger["metadata"]["threshold"]) < concurrent
    else:
        (metric,) = spec["metrics"]
        assert 0 < int(metric["pods"]["target"]["averageValue"]) < concurrent
        (adapter,) = documents(MONITORING / "prometheus-adapter.yaml")
        (rule,) = adapter["rules"]["custom"]
        assert rule["seriesQuery"].startswith(metric["pods"]["metric"]["name"] + "{")


def test_every_alert_says_what_is_wrong_and_every_panel_what_it_shows() -> None:
    (rules,) = documents(MONITORING / "alerts.yaml")
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len({one["alert"] for one in alerts}) == len(alerts) >= 8
    for one in alerts:
        assert set(one["annotations"]) == {"summary", "description"} and one["labels"]["severity"] in (
            "critical",
            "warning",
        )
        assert selected(one["expr"])
    board = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    panels = [one for one in board["panels"] if one["type"] != "row"]
    assert len({one["id"] for one in board["panels"]}) == len(board["panels"]) and all(panels)
    for one in panels:
        assert one["description"] and one["targets"]
    for query in queries_of(board):
        assert selected(query)


def test_no_manifest_holds_a_secret() -> None:
    for path in sorted((KUBERNETES.parent).rglob("*.yaml")):
        for document in documents(path):
            assert document["kind"] != "Secret" if isinstance(document, dict) and "kind" in document else True
    text = "".join(path.read_text() for path in sorted(KUBERNETES.parent.rglob("*.yaml")))
    assert not re.search(r"BEGIN [A-Z ]*PRIVATE KEY|stringData", text)
