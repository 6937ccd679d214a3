"""Recordings of real devices, where somebody has them: `CROSSWIRE_REAL`, or `../shared/real` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.paths import ROOT

REAL = Path(os.environ.get("CROSSWIRE_REAL") or ROOT.parent / "shared" / "real")


def real(name: str) -> Path:
    """Return a file or folder below `recordings`; the test is skipped where it is not there."""
    path = REAL / "recordings" / name
    if not path.exists():
        pytest.skip(f"not run: {name} is not there; CROSSWIRE_REAL names the folder that holds recordings/{name}")
    return path
