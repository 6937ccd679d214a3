"""Descriptions of well-known exports: one TOML file each, with what the graph itself tells left out."""

from __future__ import annotations

from pathlib import Path

from crosswire.export.adopt.description import Description, read_description
from crosswire.export.adopt.errors import AdoptError

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the words that name a preset."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def preset(name: str) -> Description:
    """Return the description that a preset is.

    Raises:
        AdoptError: there is none of that name.
    """
    if name not in names():
        known = ", ".join(names())
        raise AdoptError(
            f"preset {name!r} is unknown; known are {known}: or write a description, see docs/guides/adopt.md"
        )
    return read_description(_FOLDER / f"{name}.toml")
