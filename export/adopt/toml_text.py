"""A description as TOML text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from crosswire.export.adopt.description import Description


def to_toml(description: Description) -> str:
    """Return the text that `read_description` reads back; what was not said is left out."""
    lines = [] if description.task is None else [f"task = {_value(description.task)}"]
    for heading, parts in (("inputs", description.inputs), ("outputs", description.outputs)):
        for part in parts:
            lines += ["", f"[[{heading}]]", *_fields(part)]
    return "\n".join(lines) + "\n"


def _fields(part: Any) -> Iterator[str]:
    """Yield a line per field that was said."""
    for one in dataclasses.fields(part):
        if (value := getattr(part, one.name)) is not None:
            yield f"{one.name} = {_value(value)}"


def _value(value: Any) -> str:
    """Return a value as TOML writes it; for texts, numbers and lists that is as JSON does."""
    if isinstance(value, tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
