"""What a decoder says of the images of a sample, for the steps after the network, which see no image again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.orientation import UPRIGHT


@dataclass(frozen=True)
class ImageFacts:
    """What is known of one encoded image.

    Attributes:
        size: width and height as it is meant to be seen.
        orientation: EXIF orientation that it was turned by, 1 if it was not.
        warnings: what is odd about it, see `crosswire.serving.steps.media.depth_warnings`.
        registered: of a depth image that a camera registered: share of the colour image that has depth, 0..1.
    """

    size: tuple[int, int]
    orientation: int = UPRIGHT
    warnings: tuple[str, ...] = ()
    registered: float | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        plain = {"size": list(self.size), "orientation": self.orientation, "warnings": list(self.warnings)}
        return plain if self.registered is None else {**plain, "registered": self.registered}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ImageFacts:
        """Return what `to_plain` wrote; by hand, since it is part of every request."""
        width, height = plain["size"]
        return cls((width, height), plain["orientation"], tuple(plain["warnings"]), plain.get("registered"))


Facts = Mapping[str, ImageFacts]
"""By stream: `rgb`, `depth`, ..."""


def facts_text(facts: Mapping[str, Any]) -> bytes:
    """Return what is known of the images of a sample, `ImageFacts` as plain JSON types by stream, as JSON text."""
    return json.dumps(facts, ensure_ascii=False).encode()


def read_facts(texts: npt.NDArray[np.object_]) -> list[Facts]:
    """Return what is known of the images of every sample, from BYTES [N, 1]; the inverse of `facts_text`."""
    plain: list[dict[str, Any]] = [json.loads(text) for text in texts[:, 0]]
    return [{name: ImageFacts.from_plain(one) for name, one in sample.items()} for sample in plain]


def turns_of(facts: Facts) -> dict[str, Any]:
    """Return `exif_orientation`, the tag by stream of the images that were turned by it, or nothing where none was."""
    turned = {name: one.orientation for name, one in facts.items() if one.orientation != UPRIGHT}
    return {"exif_orientation": turned} if turned else {}


def registered_of(facts: Facts) -> dict[str, Any]:
    """Return `depth_registered`, the share of the colour image that has depth, or nothing where no camera came."""
    shares = [one.registered for one in facts.values() if one.registered is not None]
    return {"depth_registered": shares[0]} if shares else {}


def warnings_of(facts: Facts, streams: Iterable[str]) -> list[str]:
    """Return the warnings about the images of the streams that a network used."""
    return [warning for name in streams if name in facts for warning in facts[name].warnings]
