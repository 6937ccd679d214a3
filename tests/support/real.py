"""Real recordings, which are no part of the project: where they lie, and what is said where they do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def real(name: str) -> Path:
    """Return a real recording below the folder that the environment names, or beside the checkout; skip without it.

    Args:
        name: of the file below that folder.
    """
    folder = Path(os.environ.get("CROSSWIRE_REAL", ROOT.parent / "shared" / "real")) / "recordings"
    path = folder / name
    if not path.exists():
        pytest.skip(f"not run: {path} is not there; CROSSWIRE_REAL names the folder of real recordings")
    return path
