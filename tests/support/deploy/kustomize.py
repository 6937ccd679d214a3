"""What `kustomize build` makes of a folder, for the few fields that the manifests of `deploy/` use.

Written from the documentation of Kustomize and RFC 6902: resources, components, patches of operations with a target,
images, a namespace, and ConfigMaps of files. An unknown field, a file that is not there, a patch whose target is not
there, and an operation that does not apply are errors; Kustomize itself would pass over some of them.
"""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]
FILE = "kustomization.yaml"
KINDS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}
FIELDS = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "configMapGenerator",
    "generatorOptions",
    "images",
    "patches",
}


def build(folder: Path) -> list[Resource]:
    """Return the resources of a folder, patched.

    Raises:
        AssertionError: something of it does not fit together; says what.
    """
    plan = _plan(folder, "Kustomization")
    found = _gathered(folder, plan)
    _apply(folder, plan, found)
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(set(names)) == len(names), f"{folder}: two resources of one name in {names}"
    return found


def documents(path: Path) -> list[Any]:
    """Return the documents of a YAML file; a key that comes twice in one object is an error."""
    return list(yaml.load_all(path.read_text(encoding="utf-8"), _Strict))


def _plan(folder: Path, kind: str) -> dict[str, Any]:
    """Read a kustomization of a kind."""
    (plan,) = documents(folder / FILE)
    assert (plan["kind"], plan["apiVersion"]) == (kind, KINDS[kind]), folder
    assert set(plan) <= FIELDS, f"{folder}: {sorted(set(plan) - FIELDS)} is not written here"
    named = {one for one in (*plan.get("resources", []), *(patch["path"] for patch in plan.get("patches", [])))}
    there = {path.name for path in folder.iterdir()} - {FILE}
    files = {one for generator in plan.get("configMapGenerator", []) for one in generator["files"]}
    assert there <= named | files, f"{folder}: nothing names {sorted(there - named - files)}"
    return dict(plan)


def _gathered(folder: Path, plan: dict[str, Any]) -> list[Resource]:
    """Return what a kustomization names, and the ConfigMaps that it makes, before its components and patches."""
    found: list[Resource] = []
    for name in plan.get("resources", []):
        path = folder / name
        found += build(path) if path.is_dir() else documents(path)
    options = plan.get("generatorOptions", {})
    for generator in plan.get("configMapGenerator", []):
        data = {name: (folder / name).read_text(encoding="utf-8") for name in generator["files"]}
        name = generator["name"]
        if not options.get("disableNameSuffixHash"):
            name += "-" + hashlib.sha256(repr(data).encode()).hexdigest()[:10]
            _rename(found, generator["name"], name)
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    return found


def _apply(folder: Path, plan: dict[str, Any], found: list[Resource]) -> None:
    """Add the components of a kustomization, then change what there is by its patches, images and namespace."""
    for name in plan.get("components", []):
        component = _plan(folder / name, "Component")
        found += _gathered(folder / name, component)
        _apply(folder / name, component, found)
    for one in plan.get("patches", []):
        target = one["target"]
        matching = [one for one in found if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])]
        assert len(matching) == 1, f"{folder}: {one['path']} has no target {target}"
        (operations,) = documents(folder / one["path"])
        for operation in operations:
            change(matching[0], operation)
    for image in plan.get("images", []):
        used = [one for one in _containers(found) if one["image"] == image["name"]]
        assert used, f"{folder}: no container has the image {image['name']}"
        for container in used:
            container["image"] = f"{image['newName']}:{image['newTag']}"
    if "namespace" in plan:
        for resource in found:
            resource["metadata"]["namespace"] = plan["namespace"]


def change(resource: Any, operation: dict[str, Any]) -> None:
    """Apply one operation of RFC 6902 in place: `add`, `remove`, `replace` or `test`.

    Raises:
        AssertionError: it does not apply.
    """
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    place = resource
    for part in way:
        place = place[_key(place, part)]
    verb, value = operation["op"], copy.deepcopy(operation.get("value"))
    if verb == "add" and isinstance(place, list):
        place.insert(len(place) if last == "-" else int(last), value)
        return
    key = _key(place, last, new=verb == "add")
    if verb in ("add", "replace"):
        place[key] = value
    elif verb == "remove":
        del place[key]
    else:
        assert verb == "test" and place[key] == value, f"{operation} found {place[key]!r}"


def _key(place: Any, part: str, *, new: bool = False) -> Any:
    """Return the key of a part of a path in an object or a list; it is there, unless it may be new."""
    key = int(part) if isinstance(place, list) else part
    assert new or (key < len(place) if isinstance(place, list) else key in place), f"there is no {part!r} in {place}"
    return key


def _containers(found: list[Resource]) -> list[Any]:
    """Return the containers of every Deployment."""
    pods = [one["spec"]["template"]["spec"] for one in found if one["kind"] == "Deployment"]
    return [one for pod in pods for one in (*pod["containers"], *pod.get("initContainers", []))]


def _rename(found: list[Resource], old: str, new: str) -> None:
    """Put the name of a generated ConfigMap into the volumes that name it."""
    volumes = [
        one for pod in found if pod["kind"] == "Deployment" for one in pod["spec"]["template"]["spec"]["volumes"]
    ]
    users = [one["configMap"] for one in volumes if one.get("configMap", {}).get("name") == old]
    assert users, f"no volume names the ConfigMap {old}"
    for one in users:
        one["name"] = new


class _Strict(yaml.SafeLoader):
    """YAML as Kubernetes reads it, without keys that come twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return an object."""
        found = super().construct_mapping(node, deep)
        assert len(found) == len(node.value), f"a key comes twice: {node.start_mark}"
        return found
