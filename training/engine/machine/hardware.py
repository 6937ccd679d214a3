"""What a figure was measured on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def hardware() -> dict[str, Any]:
    """Return the model name of the processor, or the architecture where the system does not tell, and its cores."""
    names = [line.split(":", 1)[1].strip() for line in cpuinfo().splitlines() if line.startswith("model name")]
    return {"cpu": names[0] if names else os.uname().machine, "cores": os.cpu_count()}


def cpuinfo() -> str:
    """Return what Linux says of the processors, or nothing elsewhere."""
    listing = Path("/proc/cpuinfo")
    return listing.read_text() if listing.exists() else ""
