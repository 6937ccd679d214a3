"""The manifests of `deploy/`: what each folder builds, and the pods in it, those of KServe's runtimes too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from crosswire.serving.config.settings import Settings, read
from tests.support.deploy.kustomize import Resource, build, documents
from tests.support.paths import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES, KSERVE, MONITORING = DEPLOY / "kubernetes", DEPLOY / "kserve", DEPLOY / "monitoring"
OVERLAYS = sorted(path.parent for path in (KUBERNETES / "overlays").glob("*/kustomization.yaml"))
COMPONENTS = sorted(path.parent for path in (KUBERNETES / "components").glob("*/kustomization.yaml"))
FOLDERS = (KUBERNETES / "base", *OVERLAYS, KSERVE)
RUNTIMES = sorted(KSERVE.glob("serving-runtime-*.yaml"))
POD_NAMES = [one.name for one in OVERLAYS] + [f"kserve {one.stem}" for one in RUNTIMES]
SETTINGS = "/etc/crosswire/settings/serving.toml"
_BYTES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


@dataclass(frozen=True)
class Pod:
    """A pod that a folder makes, and all that stands around it.

    Attributes:
        name: the folder's and the resource's.
        spec: its specification.
        settings: text of the settings that it is started with.
    """

    name: str
    spec: dict[str, Any]
    settings: str

    @property
    def container(self) -> dict[str, Any]:
        """The container that serves."""
        (found,) = self.spec["containers"]
        return dict(found)

    @property
    def mounts(self) -> dict[str, dict[str, Any]]:
        """The volumes of the container that serves, by where they are mounted."""
        volumes = {one["name"]: one for one in self.spec["volumes"]}
        return {one["mountPath"]: volumes[one["name"]] for one in self.container["volumeMounts"]}

    @property
    def secret_files(self) -> set[str]:
        """The files that it gets of secrets, as far as their names are said; else the folder."""
        return {
            f"{folder}/{item['path']}" if item else folder
            for folder, volume in self.mounts.items()
            if "secret" in volume
            for item in volume["secret"].get("items", [{}])
        }

    def chosen(self, folder: Path) -> Settings:
        """Return what the server reads of its settings, which are written into a folder for that."""
        path = folder / "serving.toml"
        path.write_text(self.settings, encoding="utf-8")
        return read(path)


def kustomization(folder: Path, base: Path, *components: Path) -> Path:
    """Write a kustomization of one folder with some components, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", f"resources: [{base}]"]
    (folder / "kustomization.yaml").write_text("\n".join([*lines, f"components: [{', '.join(map(str, components))}]"]))
    return folder


@cache
def pods() -> dict[str, Pod]:
    """Return the pods of every overlay, and those that KServe makes of its runtimes, by the names in `POD_NAMES`."""
    found = [pod for overlay in OVERLAYS for pod in pods_of(overlay)]
    resources = build(KSERVE)
    (service,) = (one for one in resources if one["kind"] == "InferenceService")
    (settings,) = (one for one in resources if one["kind"] == "ConfigMap")
    whole = {key: value for key, value in service["spec"]["predictor"].items() if key in _OF_A_POD}
    for path in RUNTIMES:
        (runtime,) = documents(path)
        parts = {key: value for key, value in runtime["spec"].items() if key in ("containers", "volumes")}
        found.append(Pod(f"kserve {path.stem}", {**whole, **parts}, settings["data"]["serving.toml"]))
    return {pod.name: pod for pod in found}


_OF_A_POD = (
    "automountServiceAccountToken",
    "enableServiceLinks",
    "securityContext",
    "shareProcessNamespace",
    "terminationGracePeriodSeconds",
)


def pods_of(folder: Path) -> list[Pod]:
    """Return the pods of the Deployments that a folder builds."""
    resources = build(folder)
    maps = {one["metadata"]["name"]: one["data"] for one in resources if one["kind"] == "ConfigMap"}
    return [
        Pod(folder.name, spec := one["spec"]["template"]["spec"], _settings_of(spec, maps))
        for one in resources
        if one["kind"] == "Deployment"
    ]


def _settings_of(spec: dict[str, Any], maps: dict[str, dict[str, str]]) -> str:
    """Return the text of the settings of a pod, from the ConfigMap that one of its volumes names."""
    (name,) = (one["configMap"]["name"] for one in spec["volumes"] if "configMap" in one)
    return maps[name]["serving.toml"]


def custom(resource: Resource) -> bool:
    """Say whether a resource is of a kind that a cluster knows only with an operator installed."""
    return "." in resource["apiVersion"].partition("/")[0] and not resource["apiVersion"].startswith(
        ("networking.k8s.io/", "rbac.authorization.k8s.io/")
    )


def in_bytes(amount: str) -> int:
    """Return the bytes of an amount such as `8Gi`."""
    return int(amount[:-2]) * _BYTES[amount[-2:]]
