"""Where the checkout is, and what of it tests read."""

from __future__ import annotations

from pathlib import Path

import crosswire

ROOT = Path(crosswire.ROOT)
#: The committed networks, and the runs that they were exported from.
REPOSITORY = ROOT / "model_repository"
RUNS = ROOT / "tests" / "runs"
