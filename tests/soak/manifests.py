"""The manifests and rules of `deploy/`, held against the programs and packages of others, where these are."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deploy.kustomize import build
from tests.support.deploy.manifests import COMPONENTS, FOLDERS, KSERVE, KUBERNETES, MONITORING, kustomization
from tests.support.environments import environment, run_module

KSERVE_PACKAGE = "kserve==0.21.0"  # it needs an older psutil than the server
KUBECTL, PROMTOOL = shutil.which("kubectl"), shutil.which("promtool")


@pytest.mark.timeout(1800)
def test_what_is_for_kserve_fits_the_models_of_its_package(tmp_path: Path) -> None:
    resources = [one for one in build(KSERVE) if one["kind"] != "ConfigMap"]
    assert [one["kind"] for one in resources] == ["ServingRuntime", "ServingRuntime", "InferenceService"]
    broken = copy.deepcopy(resources[-1])
    broken["spec"]["predictor"]["minReplica"] = broken["spec"]["predictor"].pop("minReplicas")
    broken["spec"]["predictor"]["maxReplicas"] = "many"
    python = environment(tmp_path / "venv", KSERVE_PACKAGE)
    told = []
    for index, some in enumerate((resources, [broken])):
        file = tmp_path / f"{index}.json"
        file.write_text(json.dumps(some))
        told.append(json.loads(run_module(python, "tests.support.deploy.kserve_trial", file).splitlines()[-1]))
    assert told[0]["wrong"] == [] and told[0]["fields"] > 200
    assert sorted(told[1]["wrong"]) == [
        "crosswire.spec.predictor.maxReplicas: 'many' is no int",
        "crosswire.spec.predictor.minReplica: V1beta1PredictorSpec has no such field",
    ]


def by_name(resources: Any) -> dict[tuple[str, str], Any]:
    """Return resources by kind and name, whatever hash Kustomize gives the settings."""
    plain = json.loads(re.sub(r"(crosswire-settings)-[a-z0-9]{10}", r"\1", json.dumps(list(resources))))
    return {(one["kind"], one["metadata"]["name"]): one for one in plain}


@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl, which holds Kustomize")
def test_kustomize_builds_what_the_tests_look_at(tmp_path: Path) -> None:
    folders = list(FOLDERS)
    for component in COMPONENTS:  # Kustomize takes relative paths alone
        folder = tmp_path / "deploy" / component.name
        shutil.copytree(KUBERNETES, tmp_path / "deploy" / "kubernetes", dirs_exist_ok=True)
        part = Path("..") / "kubernetes" / "components" / component.name
        folders.append(kustomization(folder, Path("../kubernetes/overlays/gpu"), part))
    for folder in folders:
        done = subprocess.run([str(KUBECTL), "kustomize", str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert by_name(yaml.safe_load_all(done.stdout)) == by_name(build(folder)), folder


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool, which comes with Prometheus")
@pytest.mark.parametrize("words", [("rules", "alerts.yaml"), ("config", "prometheus.yaml")])
def test_prometheus_takes_the_rules_and_the_example(words: tuple[str, str]) -> None:
    command = [str(PROMTOOL), "check", words[0], str(MONITORING / words[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr
