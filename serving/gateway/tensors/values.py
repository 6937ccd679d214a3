"""Values of a floating point input: NaN, infinity and what no reading can be are refused before a network sees them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosswire.contract import TensorSpec
from crosswire.serving.gateway.errors import WireError, bad
from crosswire.serving.wire import RawTensor

_LARGEST = float(np.finfo(np.float32).max)
_SCALAR = ("item",)  # one number per sample, as a scale: the step that reads it says what it may be
_MOST_OUTSIDE = 0.25  # of a sample; the steps doubt the unit of a depth image at the same share


def check_values(tensor: RawTensor, spec: TensorSpec | None, model: str) -> None:
    """Raise `WireError` unless an FP32 tensor holds what its network can make something of.

    One value that is not finite spreads through a whole sample, and comes out as a label like any other. A few finite
    values past the contract's range are let through: a reading of 12 m and a peak of 1.1 mean what they say.

    Args:
        tensor: name, shape [N, ...] and N x ... raw elements.
        spec: what the contract says of it, or None where the model has none.
        model: whose input it is, for messages.
    """
    if spec is not None and spec.axes == _SCALAR:
        return
    values = np.frombuffer(tensor.data, "<f4")
    low, high = _range(spec)
    if values.min() >= low and values.max() <= high:  # false, too, where NaN is
        return
    for index, sample in enumerate(values.reshape(tensor.shape[0], -1)):
        if problem := _problem(sample, spec):
            raise _error(tensor.name, model, index, problem, spec)


def _range(spec: TensorSpec | None) -> tuple[float, float]:
    """Return the smallest and the largest ordinary value."""
    return (-_LARGEST, _LARGEST) if spec is None or spec.valid_range is None else spec.valid_range


def _problem(sample: npt.NDArray[np.float32], spec: TensorSpec | None) -> str:
    """Return what is wrong with one sample, an empty text if nothing is."""
    nan, infinite = int(np.isnan(sample).sum()), int(np.isinf(sample).sum())
    if nan or infinite:
        found = [f"{count} {what}" for count, what in ((nan, "NaN"), (infinite, "infinite")) if count]
        return f"{' and '.join(found)} of {sample.size} values"
    low, high = _range(spec)
    outside = int(((sample < low) | (sample > high)).sum())
    if not outside:
        return ""
    assert spec is not None  # without a contract every finite value is in range
    reach = high - low
    floor = low if spec.missing is not None else low - reach  # nothing is nearer than no reading at all
    impossible = bool(((sample < floor) | (sample > high + reach)).any())
    if not impossible and outside <= _MOST_OUTSIDE * sample.size:
        return ""
    return f"{outside} of {sample.size} values out of range, from {sample.min():g} to {sample.max():g}"


def _error(name: str, model: str, index: int, problem: str, spec: TensorSpec | None) -> WireError:
    """Return the error of one sample."""
    expected, cure = "finite numbers", "numbers in their place"
    if spec is not None and spec.valid_range is not None:
        expected = f"{spec.valid_range[0]:g} to {spec.valid_range[1]:g} ({spec.unit})"
        cure = f"values in that unit, clipped to that range{_hole(spec)}"
    return bad(f"input {name!r} of model {model!r}: got {problem} in sample {index}, expected {expected}, try {cure}")


def _hole(spec: TensorSpec) -> str:
    """Return what to send where there is no reading."""
    return "" if spec.missing is None else f", and {spec.missing:g} where there is no reading"
