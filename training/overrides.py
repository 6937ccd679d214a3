"""Dotted overrides of a configuration, as `--set` takes them.

Example:
    >>> override(SegmentationConfig(), ["network.width=24", "steps=200"]).network.width
    24
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from crosswire.contract.plain import from_plain, to_plain
from crosswire.training.config import Config, ConfigError


def override(config: Config, assignments: Sequence[str]) -> Config:
    """Apply `dotted.key=value` assignments, for example `network.width=24`.

    Raises:
        ConfigError: not an assignment, an unknown key (with those that exist), `kind`, or a value of the wrong type.
    """
    plain = to_plain(config)
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set {assignment!r} is not an assignment; write key=value, for example steps=200")
        if key.strip() == "kind":
            raise ConfigError(f"--set {assignment!r}: the task comes with the preset; choose a preset of another task")
        *path, last = key.strip().split(".")
        node: Any = plain
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node or isinstance(node[last], dict):
            raise ConfigError(f"--set {key!r} names no setting; there are: {', '.join(_keys(plain))}")
        node[last] = _parse(key, text.strip(), node[last])
    return from_plain(type(config), plain, error=ConfigError)


def _parse(key: str, text: str, current: Any) -> Any:
    """Read a value that replaces `current`: a Python literal, true/false, or a bare word.

    Raises:
        ConfigError: one value where there are several.
    """
    try:
        value = ast.literal_eval({"true": "True", "false": "False"}.get(text.lower(), text))
    except (ValueError, SyntaxError):
        value = text
    if isinstance(current, float) and type(value) is int:
        return float(value)
    if isinstance(current, list) and isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    if isinstance(current, list) and not isinstance(value, list | tuple):
        raise ConfigError(f"--set {key}={text} is one value; several are meant: {key}={','.join(map(str, current))}")
    return list(value) if isinstance(value, tuple) else value


def _keys(plain: dict[str, Any], prefix: str = "") -> list[str]:
    """List the dotted names of all settings."""
    keys: list[str] = []
    for name, value in plain.items():
        keys += _keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
    return [key for key in keys if key != "kind"]
