"""What one unit of depth counts in whole numbers, and who says so.

The caller comes first, then the layout of the files, `manifest.json` beside them, and the data that the network was
trained on; where nobody says it, they are millimetres. Floats are in the unit itself unless the caller, the layout or
the manifest says another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import DEFAULT_UNITS_PER_METRE, DEPTH, DEPTH_UNITS

MANIFEST = "manifest.json"
#: Keys of a training folder's manifest that say it, of depth and of other geometry.
_KEYS = (DEPTH_UNITS, "geometry_scale")


@dataclass(frozen=True)
class Units:
    """The unit of the depth files of a batch.

    Attributes:
        sent: what one unit counts, or None where the server's default holds.
        origin: who says so.
    """

    sent: float | None
    origin: str

    def note(self, pipeline: PipelineDescription) -> str:
        """Return what holds for a pipeline, in words; empty where it takes no depth."""
        if DEPTH_UNITS not in {tensor.name for tensor in pipeline.inputs}:
            return ""
        geometry = pipeline.geometry
        unit = "metre" if geometry is None else geometry.unit
        default, says = (DEFAULT_UNITS_PER_METRE, "the usual unit, as nobody says another")
        if geometry is not None:
            default, says = geometry.scale, "as in the data that the network was trained on"
        count, who = (default, says) if self.sent is None else (self.sent, self.origin)
        return f"depth: whole numbers count {count:.10g} per {unit}, {who}; --depth-units-per-metre says another"


def units_of(given: float | None, layout: float | None = None, source: Path | None = None) -> Units:
    """Return the unit of the depth files of a source.

    Args:
        given: what the caller says, or None.
        layout: what the layout of the files says, or None.
        source: their folder, where they have one; that of a training set says it in its manifest.
    """
    if given is not None:
        return Units(given, "as given")
    if layout is not None:
        return Units(layout, "as the layout of the recording says")
    found = None if source is None else _manifest_units(source / MANIFEST)
    return Units(found, "" if found is None else f"as {source}/{MANIFEST} says")


def _manifest_units(path: Path) -> float | None:
    """Return what the manifest of a training folder says; None where there is none, or none that can be read."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict):
        return None
    said = [manifest[key] for key in _KEYS if key in manifest]
    if not said and manifest.get("geometry", DEPTH) != DEPTH:
        return 1.0  # as in training: other geometry counts in whole units where its manifest does not say more
    number = said[0] if said and isinstance(said[0], (int, float)) and not isinstance(said[0], bool) else 0
    return float(number) if 0 < number < float("inf") else None
