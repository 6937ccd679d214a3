"""One tensor on the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crosswire.contract.errors import ContractError
from crosswire.contract.wire_names import MODALITIES

DTYPES = ("UINT8", "INT32", "FP32", "BYTES")
#: What images of numbers may hold, and the unit of a value; `depth` is the distance along the viewing axis.
QUANTITIES = {
    "depth": "metre",
    "disparity": "unit of disparity",
    "inverse-depth": "1/metre",
    "height": "metre of height",
}


@dataclass(frozen=True)
class Geometry:
    """How 16-bit images hold a geometry, in the data that a network was trained on; requests are read the same way.

    Attributes:
        quantity: one of `QUANTITIES`. Of all but `depth` nothing is known but that values are above 0: no distance is
            too far, and no unit can be doubted.
        scale: stored difference that is one unit, for example 1000 for depth in millimetres.
        missing: stored value of pixels without a reading. Depth has two, 0 and 65535, whatever stands here.
    """

    quantity: str = "depth"
    scale: float = 1000.0
    missing: int = 0

    def __post_init__(self) -> None:
        """Refuse what no image could be read by."""
        if self.quantity not in QUANTITIES:
            raise ContractError(f"geometry has quantity {self.quantity!r}; allowed are {', '.join(QUANTITIES)}")
        if not 0 < self.scale < math.inf:
            raise ContractError(f"geometry has scale {self.scale}; give a number above 0, 1000 for millimetres")
        if not 0 <= self.missing <= 65535:
            raise ContractError(f"geometry has missing {self.missing}; allowed is 0 to 65535")

    @property
    def metric(self) -> bool:
        """Whether values are distances in metres, of which is known what is plausible."""
        return self.quantity == "depth"

    @property
    def unit(self) -> str:
        """What one unit is, in words."""
        return QUANTITIES[self.quantity]


@dataclass(frozen=True)
class TensorSpec:
    """One tensor on the wire, without its leading batch axis.

    Attributes:
        name: wire name.
        dtype: Triton's name of the element type.
        shape: fixed sizes, one per axis.
        axes: names of the axes, for example `("height", "width", "channel")`.
        unit: what one element means: `"intensity 0..255"`, `"metre"`, `"class index"`, ...
        missing: the value that says "no reading", or None if every value is a reading.
        valid_range: smallest and largest value the network was trained with, or None.
        optional: whether a request may leave this tensor out.
        rate: frames or samples per second along the first axis, or None where no axis is time.
        geometry: how images hold its values where the training data say so: of a network's tensor, and of the encoded
            image that becomes it; None stands for depth in millimetres.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    unit: str
    missing: float | None = None
    valid_range: tuple[float, float] | None = None
    optional: bool = False
    rate: float | None = None
    geometry: Geometry | None = None

    def __post_init__(self) -> None:
        """Refuse a specification that no server could honour."""
        if self.dtype not in DTYPES:
            raise ContractError(f"tensor {self.name!r} has dtype {self.dtype!r}; allowed are {', '.join(DTYPES)}")
        if len(self.shape) != len(self.axes) or any(size < 1 for size in self.shape):
            raise ContractError(
                f"tensor {self.name!r} has shape {self.shape} for axes {self.axes}; give one size >= 1 per axis"
            )
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise ContractError(f"tensor {self.name!r} has rate {self.rate}; give a positive number per second")

    @property
    def computed(self) -> bool:
        """Whether a graph makes it; no graph has strings, so the server itself adds those."""
        return self.dtype != "BYTES"


def used_spec() -> TensorSpec:
    """Describe the output that says per sample which inputs were used, joined by `+`."""
    return TensorSpec(MODALITIES, "BYTES", (1,), ("item",), "names of the inputs used, joined by +")
