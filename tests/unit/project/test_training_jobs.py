"""The jobs of `deploy/` that train on a cluster: what they name is there; `make soak` runs them."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

from crosswire.training.tasks.presets import preset
from tests.support.deploy.manifests import DEPLOY

JOB = yaml.safe_load((DEPLOY / "kuberay" / "ray-job.yaml").read_text(encoding="utf-8"))
CLUSTER = JOB["spec"]["rayClusterSpec"]
GROUPS = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.get("groupName", "head"))
def test_the_pods_of_the_ray_job_are_what_kubernetes_takes(group: dict[str, object]) -> None:
    kubernetes_validate = importlib.import_module("kubernetes_validate")  # later than collecting, for it takes a while
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **group["template"]}  # type: ignore[dict-item]
    kubernetes_validate.validate(pod, "1.37", strict=True)


def test_the_ray_job_asks_for_as_many_workers_as_it_trains_in_with_the_ray_that_is_tested() -> None:
    words = shlex.split(JOB["spec"]["entrypoint"])
    assert preset("nyuv2-refinenet101").preset in words
    assert words[words.index("--workers") + 1] == str(CLUSTER["workerGroupSpecs"][0]["replicas"])
    container = CLUSTER["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]
    assert "--gpus" in words and container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    tested = re.search(r"^ray==(.+)$", Path("constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert tested and CLUSTER["rayVersion"] == tested[1]
    assert f"rayproject/ray:{tested[1]}-" in (DEPLOY / "kuberay" / "ray-job.yaml").read_text(encoding="utf-8")
