"""What a description of clips leaves out, asked of the graph: frames and sound, their layouts, rates and lengths."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import FRAMES, WAVEFORM
from crosswire.export.adopt.assign import Roles, assigned
from crosswire.export.adopt.description import (
    FRAMES_LAYOUTS,
    SPECTROGRAM,
    SPECTROGRAM_LAYOUTS,
    WAVEFORM_LAYOUTS,
    Description,
    InputDescription,
)
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.fill import Size, fill_colours, image_size
from crosswire.export.adopt.graphs.mel import Banks
from crosswire.export.adopt.graphs.source import FLOATS, WHOLE_NUMBERS, Source, Wire

#: What sound a clip of a server may have, samples a second.
RATES = (1000, 192_000)
#: Most seconds of a clip that a network may look at.
LONGEST = 300.0
_LAYOUTS = {FRAMES: FRAMES_LAYOUTS, WAVEFORM: WAVEFORM_LAYOUTS, SPECTROGRAM: SPECTROGRAM_LAYOUTS}
_COMMON = ("graph_input", "role", "layout", "scale", "mean", "std", "rate", "length")
_FIELDS = {
    FRAMES: (*_COMMON, "size", "multiple", "channel_order"),
    WAVEFORM: (*_COMMON, "standardise"),
    SPECTROGRAM: (*_COMMON, "standardise"),
}
_USUAL_MELS = (40, 64, 80, 96, 128)


def fill_clips(description: Description, source: Source, size: Size | None, seconds: float | None) -> Description:
    """Return the description of clips with every field of its inputs that applies.

    Args:
        description: as far as it was said.
        source: the graph.
        size: height and width of frames that were asked for, or None.
        seconds: of a clip that were asked for, or None.

    Raises:
        AdoptError: an input is not described, described twice, or something of it cannot be known.
    """
    by_name = {wire.name: wire for wire in source.inputs}
    found = assigned(description.inputs, source, _ROLES)
    for one in found:
        if one.role not in _FIELDS:
            raise AdoptError(
                f"input {one.graph_input!r} has the role {one.role!r}; a classification takes frames, waveform or "
                "spectrogram"
            )
        said = [field.name for field in dataclasses.fields(one) if getattr(one, field.name) is not None]
        if wrong := [name for name in said if name not in _FIELDS[one.role]]:
            raise AdoptError(
                f"input {one.graph_input!r} of role {one.role!r} has {wrong[0]}, which it does not take; leave it out"
            )
    for names in ([str(one.graph_input) for one in found], [wire_name(one) for one in found]):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise AdoptError(f"two inputs are made of {twice[0]!r}; a clip has frames and sound, each for one input")
    filled = tuple(_filled(one, by_name[str(one.graph_input)], size, seconds) for one in found)
    return dataclasses.replace(description, inputs=filled)


def wire_name(one: InputDescription) -> str:
    """Return the name of what is sent for an input of clips."""
    return FRAMES if one.role == FRAMES else WAVEFORM


def clip_spec(one: InputDescription) -> TensorSpec:
    """Describe what is sent for an input of clips."""
    assert one.length is not None
    if one.role == FRAMES:
        assert one.size is not None
        axes = ("time", "height", "width", "channel")
        shape = (one.length, *one.size, 3)
        return TensorSpec(FRAMES, "UINT8", shape, axes, "intensity 0..255", valid_range=(0.0, 255.0), rate=one.rate)
    return TensorSpec(
        WAVEFORM, "FP32", (one.length,), ("sample",), "amplitude -1..1", valid_range=(-1.0, 1.0), rate=one.rate
    )


def clip_shape(one: InputDescription, wire: Wire) -> tuple[int, ...]:
    """Return the sizes of an input of the graph, without its batch axis.

    Raises:
        AdoptError: they are not those of the graph.
    """
    assert one.layout is not None and one.length is not None
    sizes = {"C": 3, "1": 1, "T": one.length}
    if one.size is not None:
        sizes |= {"H": one.size[0], "W": one.size[1]}
    if one.role == SPECTROGRAM:
        sizes |= {"T": _axis(one, wire, "T") or banks_of(one, wire).windows(one.length), "F": banks_of(one, wire).mels}
    found = tuple(sizes[axis] for axis in one.layout[1:])
    own = wire.shape[1:] if wire.shape is not None else found
    if any(mine is not None and mine != size for mine, size in zip(own, found, strict=True)):
        raise AdoptError(
            f"input {wire} does not fit {one.role} of layout {one.layout}, which makes "
            f"[?, {', '.join(map(str, found))}]; check layout, size and length"
        )
    return found


def banks_of(one: InputDescription, wire: Wire) -> Banks:
    """Return the filter banks of a spectrogram."""
    assert one.rate is not None
    return Banks(round(one.rate), _axis(one, wire, "F") or _USUAL_MELS[-1])


def _guess(wire: Wire) -> str | None:
    """Return the role that a graph's input seems to have."""
    low, shape = wire.name.lower(), wire.shape
    if "mask" in low:
        return "mask"
    if shape is None:
        words = {
            FRAMES: ("frame", "video", "pixel"),
            WAVEFORM: ("wav", "audio", "sound"),
            SPECTROGRAM: ("mel", "fbank"),
        }
        return next((role for role, parts in words.items() if any(part in low for part in parts)), None)
    if len(shape) == 5:
        return FRAMES
    if len(shape) == 2 or (len(shape) == 3 and shape[1] == 1):
        return WAVEFORM
    if len(shape) == 3 and (shape[1] in _USUAL_MELS or shape[2] in _USUAL_MELS):
        return SPECTROGRAM
    return SPECTROGRAM if len(shape) == 4 and shape[1] == 1 else None


_ROLES = Roles(_guess, '"frames", "waveform" or "spectrogram"')


def _filled(one: InputDescription, wire: Wire, size: Size | None, seconds: float | None) -> InputDescription:
    """Return the description of one input with every field that applies."""
    one = dataclasses.replace(one, layout=_layout(one, wire))
    if one.rate is None:
        raise AdoptError(
            f"nothing says how many {_counted(one)} a second input {wire.name!r} takes, and the graph cannot tell; say "
            f"--set {one.role}.rate={'7.5' if one.role == FRAMES else '16000'}"
        )
    if one.role == FRAMES:
        if wire.dtype not in (*FLOATS, *WHOLE_NUMBERS):
            raise AdoptError(f"input {wire} takes {wire.dtype}; frames are floats or bytes: export the network so")
        if _axis(one, wire, "C") not in (None, 3):
            raise AdoptError(f"input {wire} has {_axis(one, wire, 'C')} channels, and frames have 3; see layout")
        one = dataclasses.replace(one, size=image_size(one, wire, size))
        one = fill_colours(one, wire, 3)
    else:
        one = _fill_sound(one, wire)
    return dataclasses.replace(one, length=_length(one, wire, seconds))


def _fill_sound(one: InputDescription, wire: Wire) -> InputDescription:
    """Return the description of sound, or of its spectrogram, with every field but its length."""
    assert one.rate is not None
    if wire.dtype not in FLOATS:
        raise AdoptError(f"input {wire} takes sound as {wire.dtype}; export the network with floats")
    if one.rate != round(one.rate) or not RATES[0] <= one.rate <= RATES[1]:
        raise AdoptError(
            f"input {wire.name!r} has {one.rate:g} samples a second; allowed are whole numbers, {RATES[0]} to "
            f"{RATES[1]}"
        )
    for key in ("mean", "std"):
        if (given := getattr(one, key)) is not None and len(given) != 1:
            raise AdoptError(f"input {wire.name!r} has {len(given)} values of {key}; sound has one channel: give one")
    return dataclasses.replace(
        one,
        scale=1.0 if one.scale is None else one.scale,
        mean=one.mean or (0.0,),
        std=one.std or (1.0,),
        standardise=bool(one.standardise),
    )


def _layout(one: InputDescription, wire: Wire) -> str:
    """Return the order of an input's axes."""
    assert one.role is not None
    known, shape = _LAYOUTS[one.role], wire.shape
    if one.layout is not None:
        if one.layout not in known or (shape is not None and len(shape) != len(one.layout)):
            raise AdoptError(f"input {wire} cannot have layout {one.layout}; {one.role} have {', '.join(known)}")
        return one.layout
    if shape is not None:
        fitting = [layout for layout in known if len(layout) == len(shape) and _may_be(layout, shape)]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            raise AdoptError(f"input {wire} is no {one.role}, which have {', '.join(known)}; check its role")
    raise AdoptError(
        f"nothing says how input {wire} is laid out; add layout = {' or '.join(repr(one) for one in known)}"
    )


def _may_be(layout: str, shape: tuple[int | None, ...]) -> bool:
    """Say whether an input of some sizes can have a layout: three channels, one channel, the usual bands."""
    sizes: Mapping[str, tuple[int | None, ...]] = {"C": (3, None), "1": (1, None), "F": _USUAL_MELS}
    return all(axis not in sizes or size in sizes[axis] for axis, size in zip(layout, shape, strict=True))


def _length(one: InputDescription, wire: Wire, seconds: float | None) -> int:
    """Return how many frames or samples of a clip a network takes."""
    assert one.rate is not None
    own = _axis(one, wire, "T")
    asked = None if seconds is None else max(1, round(seconds * one.rate))
    if one.role == SPECTROGRAM:
        banks = banks_of(one, wire)
        wanted = asked or one.length or (None if own is None else banks.samples(own))
        if wanted is not None and (wanted < banks.window or (own is not None and banks.windows(wanted) > own)):
            raise AdoptError(
                f"{wanted} samples make {banks.windows(wanted)} windows of a spectrogram, and input {wire} takes "
                f"{own or 'one at least'}; give {banks.samples(own or 1)} samples at most"
            )
    else:
        wanted = asked or one.length or own
        if own is not None and wanted != own:
            raise AdoptError(
                f"input {wire} takes {own} {_counted(one)}, {own / one.rate:g} s, and {wanted} are asked for; leave "
                "out --seconds and length, or check the rate"
            )
    if wanted is None:
        raise AdoptError(
            f"input {wire} takes any number of {_counted(one)}; say how much of a clip counts: --seconds 10"
        )
    if wanted / one.rate > LONGEST:
        raise AdoptError(
            f"input {wire} would look at {wanted / one.rate:.0f} s of a clip; allowed are {LONGEST:g} s: see --seconds"
        )
    return wanted


def _axis(one: InputDescription, wire: Wire, axis: str) -> int | None:
    """Return what size the graph gives an axis, None where it leaves it open."""
    return None if wire.shape is None or axis not in (one.layout or "") else wire.shape[(one.layout or "").index(axis)]


def _counted(one: InputDescription) -> str:
    """Return what the time axis of an input counts."""
    return "frames" if one.role == FRAMES else "samples"
