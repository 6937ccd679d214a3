"""Layers of a network whose streams are the same, which one figure shows together."""

from __future__ import annotations

from dataclasses import dataclass

from crosswire.training.models.exchange import PrivateNorm2d


@dataclass(frozen=True)
class StreamLayers:
    """Norms that stand behind the same streams.

    Attributes:
        streams: names of the M streams.
        norms: those that exchange or are under the L1 term, by name, in the network's order.
        threshold: θ.
        restrict: whether a stream exchanges in its own sub-part alone.
        where: in which part of the network they are, in words; empty where there is but one.
    """

    streams: tuple[str, ...]
    norms: dict[str, PrivateNorm2d]
    threshold: float
    restrict: bool
    where: str = ""

    @property
    def exchanging(self) -> dict[str, PrivateNorm2d]:
        """Those behind which channels can be replaced."""
        return {name: norm for name, norm in self.norms.items() if norm.exchanges}

    def file(self, stem: str) -> str:
        """Return the name of a figure's file: `gamma_proportions_encoder_rgb.png`."""
        return "_".join([stem, *self.where.replace(",", "").split()]) + ".png"

    def title(self, text: str) -> str:
        """Return the title of a figure, with the part of the network."""
        return f"{text}: {self.where}" if self.where else text
