"""Description of a graph that somebody else made: what it wants of its inputs, and what its outputs are.

A field that is None was not said. Descriptions are laid over each other, what is said more closely on top: flags over
the user's file over a preset over what metadata tell; `crosswire.export.adopt.fill` asks the graph for the rest.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from crosswire.contract.fields import Choice, NonNegativeInt, PositiveFloat, PositiveInt, Probability
from crosswire.contract.plain import from_plain
from crosswire.export.adopt.errors import AdoptError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Those of `crosswire.contract.TASKS` that a graph can be adopted for.
TASKS = ("segmentation", "translation", "classification")
#: Axes of an input in the graph's order: batch, channel, height, width, time (frames, samples of sound, or windows of a
#: spectrogram), frequency.
IMAGE_LAYOUTS = ("NCHW", "NHWC", "NHW")
FRAMES_LAYOUTS = ("NTCHW", "NCTHW", "NTHWC")
WAVEFORM_LAYOUTS = ("NT", "N1T")
SPECTROGRAM_LAYOUTS = ("NTF", "N1TF", "NFT", "N1FT")
LAYOUTS = (*IMAGE_LAYOUTS, *FRAMES_LAYOUTS, *WAVEFORM_LAYOUTS, *SPECTROGRAM_LAYOUTS)
#: What of a spectrogram is sent as sound, and computed in the graph.
SPECTROGRAM = "spectrogram"
KINDS = ("logits", "probabilities", "labels", "depth", "image", "embeddings")
DEPTH_UNITS = ("m", "mm", "relative")

#: Bounds of what a 32-bit float holds exactly enough.
_SMALLEST, _LARGEST = 1e-30, 1e30

T = TypeVar("T", "InputDescription", "OutputDescription")


@dataclass(frozen=True)
class InputDescription:
    """What a graph wants of one input. Raw values are bytes 0..255, metres, or amplitudes -1..1.

    The order of what is done: `clip`, unit, `scale`, minus `mean`, divided by `std`, missing depth, `tile`.

    Attributes:
        graph_input: the graph's own name of the input. Several descriptions may name one: their channels are put
            behind each other.
        role: what is sent: `rgb`, `depth`, another domain of a translation, `frames`, `waveform`; or `spectrogram`,
            which is made of sound that is sent: Kaldi's logarithmic mel filter banks.
        layout: order of the axes, one of `LAYOUTS`.
        size: height and width, where the graph takes several.
        multiple: what height and width have to be multiples of.
        channel_order: `RGB`, or `BGR` where the graph takes blue first.
        scale: factor of a raw value, first.
        mean: what is subtracted then, one per channel or one for all.
        std: what it is divided by then, one per channel or one for all.
        unit: of depth, as the graph wants it: `m`, `mm`, or `relative`, 0..1 over `clip`.
        clip: nearest and farthest depth in metres, before everything else; what is missing stays missing.
        invalid: the value that missing depth has in the graph's input.
        invalid_at: whether `invalid` stands for a `raw` value, which is then normalised like all others, or for a
            `normalised` one.
        tile: over how many equal channels depth is repeated.
        rate: frames or samples a second, of `frames` and of sound.
        length: frames or samples of a clip, where the graph takes any number of them.
        standardise: whether the sound of each clip is brought to mean 0 and deviation 1, before everything else.
    """

    graph_input: str | None = None
    role: str | None = None
    layout: Annotated[str, Choice(LAYOUTS)] | None = None
    size: tuple[PositiveInt, PositiveInt] | None = None
    multiple: PositiveInt | None = None
    channel_order: Annotated[str, Choice(("RGB", "BGR"))] | None = None
    scale: PositiveFloat | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[PositiveFloat, ...] | None = None
    unit: Annotated[str, Choice(DEPTH_UNITS)] | None = None
    clip: tuple[float, float] | None = None
    invalid: float | None = None
    invalid_at: Annotated[str, Choice(("raw", "normalised"))] | None = None
    tile: PositiveInt | None = None
    rate: PositiveFloat | None = None
    length: PositiveInt | None = None
    standardise: bool | None = None


@dataclass(frozen=True)
class OutputDescription:
    """What one output of a graph is.

    Attributes:
        graph_output: the graph's own name of the output, or of a tensor inside it.
        kind: one of `KINDS`.
        sigmoid: whether classes are independent of each other: a logit is that of a sigmoid, not of a soft-max.
        layout: order of its axes, `NCHW` or `NHWC`, where its sizes do not tell.
        upsampling: how the output comes to the input's size: `bilinear`, or `nearest`.
        align_corners: whether the corners of both sizes lie on each other, rather than their edges.
        unit: of depth: `m`, `mm`, or `relative`.
        scale: factor that makes the output one of `mean` and `std`: see `mean`.
        mean: an image's values 0..255 are (output * std + mean) / scale, as those of an input were made.
        std: see `mean`.
        channel_order: of an image.
        domain: what a depth or an image shows: an output `predicted_<domain>`.
        first_class: number of the graph's class that is the answer's first; those before are no class of the answer.
        drop: further classes of the graph that are no class of the answer.
        threshold: of one channel of probabilities: from where on a pixel belongs to the second class.
        classes: names of the answer's classes.
        palette: one colour per class.
    """

    graph_output: str | None = None
    kind: Annotated[str, Choice(KINDS)] | None = None
    sigmoid: bool | None = None
    layout: Annotated[str, Choice(IMAGE_LAYOUTS[:2])] | None = None
    upsampling: Annotated[str, Choice(("bilinear", "nearest"))] | None = None
    align_corners: bool | None = None
    unit: Annotated[str, Choice(DEPTH_UNITS)] | None = None
    scale: PositiveFloat | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[PositiveFloat, ...] | None = None
    channel_order: Annotated[str, Choice(("RGB", "BGR"))] | None = None
    domain: str | None = None
    first_class: NonNegativeInt | None = None
    drop: tuple[NonNegativeInt, ...] | None = None
    threshold: Probability | None = None
    classes: tuple[str, ...] | None = None
    palette: tuple[tuple[int, int, int], ...] | None = None


@dataclass(frozen=True)
class Description:
    """A whole graph.

    Attributes:
        task: one of `TASKS`.
        inputs: what it wants.
        outputs: what it gives, of that which is wanted.
    """

    task: Annotated[str, Choice(TASKS)] | None = None
    inputs: tuple[InputDescription, ...] = ()
    outputs: tuple[OutputDescription, ...] = ()


def read_description(path: Path) -> Description:
    """Read a description from a TOML file.

    Args:
        path: of the file. A file of class names is relative to its folder.

    Raises:
        AdoptError: it cannot be read, is no TOML, or a key or value is unknown.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AdoptError(f"{path} cannot be read: {error}; name a TOML file") from error
    except ValueError as error:  # a TOMLDecodeError, or a number with thousands of digits
        raise AdoptError(f"{path} is no TOML: {error}; see docs/guides/adopt.md for an example") from error
    try:
        return description_of(table, path.parent)
    except AdoptError as error:
        raise AdoptError(f"{path}: {error}") from error


def description_of(table: Mapping[str, Any], folder: Path) -> Description:
    """Return the description that a parsed table is.

    Args:
        table: keys and values, plain types.
        folder: what files of class names are relative to.

    Raises:
        AdoptError: a key or a value is unknown, or a file of class names cannot be read.
    """
    outputs = table.get("outputs", [])
    if isinstance(outputs, list):
        outputs = [_with_classes(one, folder) for one in outputs]
    found = from_plain(Description, {**table, "outputs": outputs}, error=AdoptError)
    for place, output in enumerate(found.outputs):
        _check_numbers(output, f"outputs[{place}]")
    for place, one in enumerate(found.inputs):
        _check_numbers(one, f"inputs[{place}]")
        if one.clip is not None and not 0 <= one.clip[0] < one.clip[1]:
            raise AdoptError(f"inputs[{place}].clip is {list(one.clip)}; give nearest and farthest metres: [0.0, 10.0]")
    return found


def _check_numbers(part: InputDescription | OutputDescription, where: str) -> None:
    """Refuse numbers that no graph of 32-bit floats can hold, and colours and names that are none."""
    for one in dataclasses.fields(part):
        value = getattr(part, one.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not (number == 0 or _SMALLEST <= abs(number) <= _LARGEST):
                raise AdoptError(f"{where}.{one.name} is {number}; allowed are finite numbers of 32 bits, such as 0.5")
    if isinstance(part, InputDescription):
        return
    if part.threshold in (0, 1):
        raise AdoptError(f"{where}.threshold is {part.threshold:g}; give one between 0 and 1, such as 0.5")
    for colour in part.palette or ():
        if not all(0 <= channel <= 255 for channel in colour):
            raise AdoptError(f"{where}.palette has the colour {list(colour)}; red, green and blue are 0 to 255 each")
    if part.classes is not None and not all(name.strip() for name in part.classes):
        raise AdoptError(f"{where}.classes has an empty name; name every class, and drop those that are none")


def read_classes(path: Path) -> list[str]:
    """Return class names, one per line of a text file; empty lines are none.

    Raises:
        AdoptError: it cannot be read, or holds none.
    """
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise AdoptError(f"class names {path} cannot be read: {error}; name a text file, one per line") from error
    if not any(names):
        raise AdoptError(f"{path} holds no class names; write one per line")
    return [name for name in names if name]


def laid_over(upper: Description, lower: Description) -> Description:
    """Return a description with what it does not say taken from another one.

    Inputs and outputs belong together where both name the same tensor of the graph, or have the same role or domain,
    or else stand in the same place.

    Args:
        upper: what counts where both say something.
        lower: what counts where `upper` says nothing.
    """
    return Description(
        upper.task or lower.task,
        _paired(upper.inputs, lower.inputs, ("graph_input", "role")),
        _paired(upper.outputs, lower.outputs, ("graph_output", "domain")),
    )


def _paired(upper: Sequence[T], lower: Sequence[T], keys: Sequence[str]) -> tuple[T, ...]:
    """Return every part of an upper description over its counterpart of a lower one, then what is left of that."""
    left: list[T] = list(lower)
    found: list[T] = []
    for place, one in enumerate(upper):
        other = _counterpart(one, left, keys, lower[place] if place < len(lower) else None)
        if other is not None:
            left = [rest for rest in left if rest is not other]
        found.append(one if other is None else _over(one, other))
    return tuple(found + left)


def _counterpart(one: T, left: Sequence[T], keys: Sequence[str], same_place: T | None) -> T | None:
    """Return which of some lower parts belongs to an upper one, None where none does."""
    for key in keys:
        if (value := getattr(one, key)) is not None:
            for other in left:
                if getattr(other, key) == value:
                    return other
    for other in left:
        both = [(getattr(one, key), getattr(other, key)) for key in keys]
        if other is same_place and not any(a is not None and b is not None for a, b in both):
            return other
    return None


def _over(upper: T, lower: T) -> T:
    """Return one part with what it does not say taken from another."""
    said = {one.name: getattr(upper, one.name) for one in dataclasses.fields(upper)}
    return dataclasses.replace(lower, **{name: value for name, value in said.items() if value is not None})


def _with_classes(output: Any, folder: Path) -> Any:
    """Return the table of an output with class names in the place of the file that holds them."""
    if not isinstance(output, dict) or not isinstance(output.get("classes"), str):
        return output
    return {**output, "classes": read_classes(folder / output["classes"])}
