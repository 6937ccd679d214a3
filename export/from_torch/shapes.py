"""What a module is called with: names and sizes of its inputs, by a description alone."""

from __future__ import annotations

from crosswire.contract import TensorSpec
from crosswire.export.adopt.description import SPECTROGRAM, Description, InputDescription
from crosswire.export.adopt.errors import AdoptError

_COLOURS = ("rgb", "frames")
_AXES = {"C": "channel", "H": "height", "W": "width", "T": "time", "1": "channel"}


def specs(description: Description) -> tuple[TensorSpec, ...]:
    """Return the inputs of a module in the order of its arguments, without the batch axis.

    Raises:
        AdoptError: role, size or length of an input is not said.
    """
    if not description.inputs:
        raise AdoptError(
            "nothing is said of the module's inputs; name a --preset, or a --describe file with one [[inputs]] per "
            "argument"
        )
    return tuple(_spec(one, place) for place, one in enumerate(description.inputs))


def _spec(one: InputDescription, place: int) -> TensorSpec:
    """Return one input of a module."""
    if one.role is None:
        raise AdoptError(f"inputs[{place}] has no role; give rgb, depth, frames, waveform or another domain")
    if one.role == SPECTROGRAM:
        raise AdoptError(
            "a module that takes a spectrogram is not exported; wrap it with its own filter banks and give the role "
            "waveform, or export it to ONNX and adopt that"
        )
    layout = one.layout or {"frames": "NTCHW", "waveform": "NT"}.get(one.role, "NCHW")
    sizes: dict[str, int] = {"C": _channels(one), "1": 1}
    if "H" in layout:
        if one.size is None:
            raise AdoptError(f"input {one.role} has no size, and a module has none either; give --size HxW: 480x640")
        sizes["H"], sizes["W"] = one.size
    if "T" in layout:
        if one.length is None:
            raise AdoptError(f"input {one.role} has no length; give its {_counted(one)} in a description: length = 16")
        sizes["T"] = one.length
    axes = layout[1:]
    names = tuple(_AXES[axis] for axis in axes)
    return TensorSpec(one.graph_input or one.role, "FP32", tuple(sizes[axis] for axis in axes), names, "normalised")


def _channels(one: InputDescription) -> int:
    """Return how many channels an image of an input has."""
    if one.tile is not None:
        return one.tile
    if one.role in _COLOURS:
        return 3
    return max(1, len(one.mean or ()))


def _counted(one: InputDescription) -> str:
    """Return what the time axis of an input counts."""
    return "frames" if one.role == "frames" else "samples"
