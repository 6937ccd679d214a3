"""Run in an environment that has KServe's Python package: holds resources against its models.

`tests/soak/manifests.py` makes that environment; called with a JSON file of a list of resources. Prints as JSON what
does not fit, and how many fields were looked at.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import kserve
from kubernetes.client import models

PLAIN: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (float, int)}


def model_of(name: str) -> Any:
    """Return a model of KServe's or of Kubernetes', or None for a type that has none."""
    return getattr(kserve, name, None) or getattr(models, name, None)


def wrong_with(value: Any, kind: str, where: str, seen: list[str]) -> list[str]:
    """Return what of a value does not fit a type of the models; adds the fields that were looked at to `seen`."""
    seen.append(where)
    if kind in PLAIN:
        fits = isinstance(value, PLAIN[kind]) and (kind == "bool") == isinstance(value, bool)
        return [] if fits else [f"{where}: {value!r} is no {kind}"]
    if inside := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        parts = enumerate(value) if isinstance(value, list) else None
    elif inside := re.fullmatch(r"[Dd]ict[\[(]str, (.*)[\])]", kind):
        parts = value.items() if isinstance(value, dict) else None
    if inside:
        if parts is None:
            return [f"{where}: {value!r} is no {kind}"]
        return [found for key, one in parts for found in wrong_with(one, inside[1], f"{where}.{key}", seen)]
    model = model_of(kind)
    if model is None or not isinstance(value, dict):  # amounts, and numbers that may be texts
        return [] if isinstance(value, str | int) else [f"{where}: {value!r} is no {kind}"]
    names = {wire: name for name, wire in model.attribute_map.items()}
    found = [f"{where}.{key}: {kind} has no such field" for key in value if key not in names]
    for key, one in value.items():
        if key in names:
            found += wrong_with(one, model.openapi_types[names[key]], f"{where}.{key}", seen)
    return found


def main() -> None:
    """Look at every resource."""
    wrong: list[str] = []
    seen: list[str] = []
    for resource in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        version = resource["apiVersion"].rpartition("/")[2].replace("v", "V", 1)
        wrong += wrong_with(resource, f"{version}{resource['kind']}", resource["metadata"]["name"], seen)
    print(json.dumps({"wrong": wrong, "fields": len(seen)}))


if __name__ == "__main__":
    main()
