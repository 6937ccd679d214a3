"""What a description leaves out, asked of the graph: roles, layouts, sizes; what nobody can know is refused by name."""

from __future__ import annotations

import dataclasses

from crosswire.contract.wire_names import DEPTH, RGB
from crosswire.export.adopt.assign import REFUSED_ROLES, Roles, assigned
from crosswire.export.adopt.description import IMAGE_LAYOUTS, Description, InputDescription
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import FLOATS, WHOLE_NUMBERS, Source, Wire

Size = tuple[int, int]
#: Parts of names that tell depth, and those that tell colour.
_DEPTH_WORDS, _COLOUR_WORDS = ("depth", "disp"), ("rgb", "color", "colour", "image", "img", "pixel")


def fill_images(description: Description, source: Source, size: Size | None) -> Description:
    """Return the description of images with every field of its inputs that applies.

    Args:
        description: as far as it was said.
        source: the graph.
        size: height and width that were asked for; None leaves them to description and graph.

    Raises:
        AdoptError: an input is not described, described twice, or something of it cannot be known.
    """
    by_name = {wire.name: wire for wire in source.inputs}
    filled = []
    found = assigned(description.inputs, source, _ROLES)
    names = [one.graph_input for one in found]
    for one in found:
        shared = names.count(one.graph_input) > 1
        filled.append(_fill_image(one, by_name[str(one.graph_input)], size, shared=shared))
    sizes = {one.size for one in filled}
    if len(sizes) > 1:
        said = ", ".join(f"{one.role} {_text(one.size)}" for one in filled)
        raise AdoptError(f"inputs of one network have different sizes: {said}; say one size for all")
    return dataclasses.replace(description, inputs=tuple(filled))


def channels_of(one: InputDescription, wire: Wire, parts: int) -> int:
    """Return how many channels of an input a description makes.

    Args:
        one: the description, with its layout.
        wire: the graph's input.
        parts: how many descriptions make it.
    """
    if parts > 1:
        return (one.tile or 1) if one.role == DEPTH else 3
    if one.layout == "NHW" or one.layout is None:
        return 1
    found = None if wire.shape is None else wire.shape[one.layout.index("C")]
    return found if found is not None else ((one.tile or 1) if one.role == DEPTH else 3)


def _guess(wire: Wire) -> str | None:
    """Return the role that a graph's input seems to have."""
    low = wire.name.lower()
    if "hha" in low:
        return "hha"
    if any(word in low for word in _DEPTH_WORDS) or (wire.shape is not None and len(wire.shape) == 3):
        return DEPTH
    if any(word in low for word in _COLOUR_WORDS):
        return RGB
    if wire.shape is not None and len(wire.shape) == 4:
        if 3 in (wire.shape[1], wire.shape[3]):
            return RGB
        if 1 in (wire.shape[1], wire.shape[3]):
            return DEPTH
    return None


_ROLES = Roles(_guess, '"rgb" or "depth"', RGB)


def _fill_image(one: InputDescription, wire: Wire, size: Size | None, *, shared: bool) -> InputDescription:
    """Return the description of one image with every field that applies."""
    if wire.dtype not in (*FLOATS, *WHOLE_NUMBERS):
        raise AdoptError(f"input {wire} takes {wire.dtype}; images are floats or bytes: export the network with those")
    if wire.dtype == "INT8":
        raise AdoptError(f"input {wire} holds -128 to 127, and images are 0 to 255; export the network with UINT8")
    if wire.shape and wire.shape[0] not in (None, 1):
        raise AdoptError(f"input {wire} has a fixed batch of {wire.shape[0]}; export the network with 1, or any number")
    one = dataclasses.replace(one, layout=_layout(one, wire))
    one = dataclasses.replace(one, size=image_size(one, wire, size))
    return _fill_depth(one, wire, shared=shared) if one.role == DEPTH else _fill_pixels(one, wire, shared=shared)


def _layout(one: InputDescription, wire: Wire) -> str:
    """Return the order of an image's axes."""
    rank = None if wire.shape is None else len(wire.shape)
    if one.layout is not None:
        if one.layout not in IMAGE_LAYOUTS or rank not in (None, len(one.layout)):
            raise AdoptError(f"input {wire} cannot have layout {one.layout}; images have {', '.join(IMAGE_LAYOUTS)}")
        return one.layout
    if rank == 3:
        return "NHW"
    if wire.shape is not None and rank == 4:
        first, last = wire.shape[1], wire.shape[3]
        if first in (1, 3, 4, 6) and last not in (1, 3, 4, 6):
            return "NCHW"
        if last in (1, 3, 4, 6) and first not in (1, 3, 4, 6):
            return "NHWC"
    if rank not in (None, 4):
        raise AdoptError(f"input {wire} has {rank} axes; an image has 4, or 3 without channels")
    raise AdoptError(f'nothing says how input {wire} is laid out; add layout = "NCHW" or "NHWC" to its description')


def image_size(one: InputDescription, wire: Wire, asked: Size | None) -> Size:
    """Return height and width of images: the graph's own, else those that were asked for or described."""
    assert one.layout is not None
    place = one.layout.index("H")
    own = (None, None) if wire.shape is None else (wire.shape[place], wire.shape[place + 1])
    wanted = asked or one.size
    if wanted is None:
        if own[0] is None or own[1] is None:
            hint = f", multiples of {one.multiple}" if one.multiple else ""
            raise AdoptError(f"input {wire} takes several sizes; choose one with --size HxW{hint}: --size 480x640")
        wanted = (own[0], own[1])
    for found, want in zip(own, wanted, strict=True):
        if found is not None and found != want:
            raise AdoptError(f"input {wire} is fixed, and --size {_text(wanted)} was asked for; leave it out")
    if one.multiple and (wanted[0] % one.multiple or wanted[1] % one.multiple):
        near = tuple(max(round(side / one.multiple), 1) * one.multiple for side in wanted)
        raise AdoptError(
            f"size {_text(wanted)} is no multiple of {one.multiple}, which the network needs; try --size "
            f"{near[0]}x{near[1]}"
        )
    if min(wanted) < 8 or max(wanted) > 4096:
        raise AdoptError(f"size {_text(wanted)} is not allowed; height and width are 8 to 4096")
    return wanted


def _fill_pixels(one: InputDescription, wire: Wire, *, shared: bool) -> InputDescription:
    """Return the description of an image of bytes with every field that applies."""
    for key in ("unit", "clip", "invalid", "invalid_at", "tile"):
        if getattr(one, key) is not None:
            raise AdoptError(
                f"input {wire.name!r} of role {one.role!r} has {key}, which depth alone takes; leave it out"
            )
    channels = 0 if one.layout == "NHW" or wire.shape is None else wire.shape[str(one.layout).index("C")]
    if one.layout == "NHW" or (channels and channels not in ((3,) if one.role == RGB else (1, 3)) and not shared):
        raise AdoptError(
            f"input {wire} has {channels or 'no'} channels, and {one.role} has {'3' if one.role == RGB else '1 or 3'}; "
            f"describe what the others are, with graph_input = {wire.name!r} for each"
        )
    return fill_colours(one, wire, channels_of(one, wire, 2 if shared else 1))


def fill_colours(one: InputDescription, wire: Wire, channels: int) -> InputDescription:
    """Return the description of colours with their normalisation.

    Args:
        one: as far as it was said.
        wire: the graph's input.
        channels: how many it has.

    Raises:
        AdoptError: it was not said, or said where the graph normalises itself, or has another number of channels.
    """
    said = (one.scale, one.mean, one.std)
    if wire.dtype in WHOLE_NUMBERS:
        if any(value is not None for value in said):
            raise AdoptError(
                f"input {wire} takes whole numbers, so it normalises them itself; leave out scale, mean and std"
            )
        return dataclasses.replace(one, channel_order=one.channel_order or RGB.upper())
    if all(value is None for value in said):
        raise AdoptError(
            f"nothing says how the colours of input {wire.name!r} are normalised, and the graph cannot tell; say "
            f"scale, mean and std, for example --set {one.role}.scale=0.00392156862745098 where it takes 0 to 1"
        )
    check_channels(one, wire, channels)
    return dataclasses.replace(
        one,
        channel_order=one.channel_order or RGB.upper(),
        scale=1.0 if one.scale is None else one.scale,
        mean=one.mean or (0.0,),
        std=one.std or (1.0,),
    )


def _fill_depth(one: InputDescription, wire: Wire, *, shared: bool) -> InputDescription:
    """Return the description of depth with every field that applies."""
    if one.channel_order is not None:
        raise AdoptError(
            f"input {wire.name!r} of role 'depth' has channel_order, which colours alone take; leave it out"
        )
    if wire.dtype not in FLOATS:
        raise AdoptError(f"input {wire} takes depth as {wire.dtype}; export the network with floats")
    if one.unit is None:
        raise AdoptError(
            f"nothing says in which unit input {wire.name!r} takes depth, and the graph cannot tell; say "
            f"--set {one.role}.unit=m, mm or relative"
        )
    if one.unit == "relative" and one.clip is None:
        raise AdoptError(f"input {wire.name!r} has unit relative; say clip, the metres that are 0 and 1: [0.5, 10.0]")
    if one.tile is None and not shared and channels_of(one, wire, 1) == 3:
        raise AdoptError(
            f"input {wire} takes depth in three channels: say tile = 3 where they are alike; where they are HHA, "
            + REFUSED_ROLES["hha"]
        )
    tile = one.tile or 1
    if not shared and (there := channels_of(one, wire, 1)) != tile:
        raise AdoptError(f"input {wire} has {there} channels, and tile is {tile}; say tile = {there}")
    check_channels(one, wire, tile)
    return dataclasses.replace(
        one,
        scale=1.0 if one.scale is None else one.scale,
        mean=one.mean or (0.0,),
        std=one.std or (1.0,),
        invalid=one.invalid or 0.0,
        invalid_at=one.invalid_at or "raw",
        tile=tile,
    )


def check_channels(one: InputDescription, wire: Wire, wanted: int) -> None:
    """Refuse means and deviations of another number of channels."""
    for key in ("mean", "std"):
        if (given := getattr(one, key)) is not None and len(given) not in (1, wanted):
            raise AdoptError(
                f"input {wire.name!r} has {len(given)} values of {key}; give one, or one for each of {wanted}"
            )


def _text(size: Size | None) -> str:
    """Return a size as options have it."""
    return "none" if size is None else f"{size[0]}x{size[1]}"
