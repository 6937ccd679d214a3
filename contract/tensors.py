"""One tensor on the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crosswire.contract.errors import ContractError
from crosswire.contract.wire_names import MODALITIES

DTYPES = ("UINT8", "INT32", "FP32", "BYTES")


@dataclass(frozen=True)
class TensorSpec:
    """One tensor on the wire, without its leading batch axis.

    Attributes:
        name: wire name.
        dtype: Triton's name of the element type.
        shape: fixed sizes, one per axis.
        axes: names of the axes, for example `("height", "width", "channel")`.
        unit: what one element means: `"intensity 0..255"`, `"metre"`, `"class index"`.
        missing: the value that says "no reading", or None if every value is a reading.
        valid_range: smallest and largest value the network was trained with, or None.
        optional: whether a request may leave this tensor out.
        rate: frames or samples per second along the first axis, or None where no axis is time.
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
