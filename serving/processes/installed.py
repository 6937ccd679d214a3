"""Which Python packages are installed."""

from __future__ import annotations

import importlib.metadata


def version_of(package: str) -> str | None:
    """Return the version of an installed package, by the name that pip knows it by, or None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
