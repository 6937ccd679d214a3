"""What every source of an offline batch says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crosswire.media.cameras.camera import RgbdCamera
from crosswire.offline.sources.references import Reference


@dataclass(frozen=True)
class Source:
    """The items of a batch, found beforehand.

    Attributes:
        place: where the pieces of its references lie, as `open_store` takes it.
        references: the items, in their order.
        units: what one metre counts in depth images, or None for what the network's contract says.
        camera: by which depth is registered to colour, or None.
        unmatched: images without a partner; they are left out.
        notes: what the user is to know before the first item.
        identity: what makes a batch of these items the same as an earlier one, as plain JSON types.
    """

    place: str
    references: tuple[Reference, ...]
    units: float | None = None
    camera: RgbdCamera | None = None
    unmatched: int = 0
    notes: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
