"""Parsing JSON that somebody else wrote, within limits."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.errors import WireError, bad


def parse_object(text: bytes, limits: RequestLimits) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        WireError: 413 too large, 400 not JSON, not an object, nested too deep or made of too many parts.
    """
    if len(text) > limits.json_bytes:
        raise WireError(
            413,
            f"the JSON part has {len(text)} bytes, allowed are {limits.json_bytes}; send tensors in the binary form",
        )
    containers = text.count(b"[") + text.count(b"{")
    if containers > limits.json_containers:
        raise bad(
            f"the JSON part has {containers} lists and objects, allowed are {limits.json_containers}; send flat lists"
        )
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise bad(f"the JSON part is nested too deep; allowed are {limits.json_depth} levels") from None
    except UnicodeDecodeError as error:
        raise bad(
            f"the JSON part is not UTF-8 ({error.reason} at byte {error.start}); if binary tensors follow it, "
            "say its length in Inference-Header-Content-Length"
        ) from None
    except ValueError as error:
        raise bad(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad(f"the JSON part is a {type(value).__name__}; send an object")
    if (depth := _depth(value, limits.json_depth)) > limits.json_depth:
        raise bad(f"the JSON part is nested {depth} levels deep or more; allowed are {limits.json_depth}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python would read though they are not JSON."""
    raise ValueError(f"{name} is not JSON; send such values in the binary form")


def _depth(value: Any, limit: int) -> int:
    """Return how deep a parsed value is nested, looking no deeper than one past `limit`."""
    depth, level = 0, [value]
    while level and depth <= limit:
        level = [item for item in level if isinstance(item, (dict, list))]
        depth += bool(level)
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def is_text(value: str) -> bool:
    """Say whether a string can be sent on: JSON may hold halves of characters."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
