"""What a batch or a stream works on: a folder or a list file becomes items, in a fixed order.

Folder layouts, where DOMAIN is the name of a pipeline's input without its ending (`rgb` for `rgb_image`):

    SRC/DOMAIN/STEM.png     one folder per input; files with equal stems belong together
    SRC/STEM.mp4            clips, for a pipeline that takes a clip
    SRC/rgb.txt, depth.txt  a recording in TUM's layout, see `crosswire.clients.inputs.recordings`; the time stamps of
                            colour are the names

An input that the pipeline can do without is left out of the whole batch where its folder is missing; where the folder
is there, an item without its file in it is a mistake and is listed as a failure. Colour images of a recording without
depth close enough in time are no mistake; they are counted and left out.

A list file has one item per line: the files in the order of the pipeline's inputs with tabs (or, without any tab,
spaces) between them, relative to the list file's folder. Empty lines and lines that begin with `#` are skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.images import IMAGE_ENDINGS
from crosswire.clients.inputs.recordings import LONGEST_GAP_S, UNITS_PER_METRE, is_recording, read_recording
from crosswire.contract import PipelineDescription, TensorSpec
from crosswire.contract.wire_names import CLIP, DEPTH_IMAGE, IMAGE_SUFFIX, RGB_IMAGE
from crosswire.media.depth_files import DEPTH_ENDINGS

_PAIR = (RGB_IMAGE, DEPTH_IMAGE)
_CLIPS = (".mp4", ".webm", ".mkv", ".avi", ".mov")


@dataclass(frozen=True)
class Item:
    """One thing to ask about.

    Attributes:
        stem: its name, unique in the batch; outputs are named after it.
        files: a file per input tensor.
        problem: why it cannot be asked about, or an empty text.
        time_s: when it was taken, seconds, or None if the layout does not say.
    """

    stem: str
    files: Mapping[str, Path]
    problem: str = ""
    time_s: float | None = None

    def state(self) -> dict[str, list[Any]]:
        """Return path, size and time of change of every file: once they differ, a refusal is worth another try."""
        return {name: [str(path), *_size_and_time(path)] for name, path in self.files.items()}


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        items: sorted by stem, those of a recording by time.
        unmatched: colour images of a recording that have no depth image close enough in time.
        units_per_metre: what one metre counts in its depth files, or None if the layout does not say.
    """

    items: tuple[Item, ...]
    unmatched: int = 0
    units_per_metre: float | None = None


def find_items(source: Path, pipeline: PipelineDescription, longest_gap_s: float = LONGEST_GAP_S) -> Found:
    """Return the items of a folder or of a list file.

    Args:
        source: a folder, or a list file.
        pipeline: whom the items are for.
        longest_gap_s: how far the time stamps of a recording's pair may lie apart.

    Raises:
        InputError: the source is neither, holds nothing for this pipeline, or the pipeline takes no files.
    """
    inputs = tuple(tensor for tensor in pipeline.inputs if tensor.dtype == "BYTES")
    if not inputs:
        raise InputError(f"pipeline {pipeline.name!r} takes no files; name one that does: crosswire list")
    if is_recording(source):
        return _recorded(source, pipeline.name, inputs, longest_gap_s)
    if source.is_dir():
        items = _clips(source, inputs[0]) if inputs[0].name == CLIP else _folders(source, inputs)
        wanted = f"folders {' and '.join(domain(one) for one in inputs)}" if inputs[0].name != CLIP else "clips"
    elif source.is_file():
        items, wanted = _listed(source, inputs), "lines that name files"
    else:
        raise InputError(f"{source} is neither a folder nor a list file; check the path")
    if not items:
        raise InputError(f"{source} holds nothing for pipeline {pipeline.name!r}; it needs {wanted}")
    return Found(tuple(sorted(items, key=lambda item: item.stem)))


def domain(tensor: TensorSpec) -> str:
    """Return the name that people use for an input: `rgb` for `rgb_image`."""
    return tensor.name.removesuffix(IMAGE_SUFFIX)


def stem_of(path: Path, name: str) -> str:
    """Return a file's stem, without the domain's name at its end: `room_0` for `room_0.rgb.jpg`."""
    return path.stem.removesuffix(f".{name}")


def _files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Return the files with some endings, but no hidden ones: some systems put one beside every image."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.suffix.lower() in endings and not path.name.startswith(".")]


def _size_and_time(path: Path) -> list[int]:
    """Return size and time of change of a file, nothing if there is none."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _recorded(source: Path, pipeline: str, inputs: Sequence[TensorSpec], longest_gap_s: float) -> Found:
    """Return an item per pair of a recording."""
    needed = {tensor.name for tensor in inputs if not tensor.optional}
    if not needed <= set(_PAIR) <= {tensor.name for tensor in inputs}:
        raise InputError(
            f"{source} is a recording of colour and depth, pipeline {pipeline!r} takes "
            f"{', '.join(domain(one) for one in inputs)}; name one that takes rgb and depth: crosswire list"
        )
    pairs, unmatched = read_recording(source, longest_gap_s)
    items = [Item(rgb.text, {RGB_IMAGE: rgb.path, DEPTH_IMAGE: depth.path}, time_s=rgb.time_s) for rgb, depth in pairs]
    return Found(tuple(_unique(items)), unmatched, UNITS_PER_METRE)


def _clips(source: Path, tensor: TensorSpec) -> list[Item]:
    found = _files(source, _CLIPS)
    return _unique([Item(path.stem, {tensor.name: path}) for path in found])


def _folders(source: Path, inputs: Sequence[TensorSpec]) -> list[Item]:
    """Return an item per stem that is in any of the folders."""
    inputs = [tensor for tensor in inputs if not tensor.optional or (source / domain(tensor)).is_dir()]
    files: dict[str, dict[str, Path]] = {}
    double: dict[str, str] = {}
    for tensor in inputs:
        folder = source / domain(tensor)
        for path in _files(folder, _endings(tensor)):
            stem = stem_of(path, domain(tensor))
            if tensor.name in files.setdefault(stem, {}):
                double[stem] = f"{folder} holds several files named {stem}; keep one of them"
            files[stem][tensor.name] = path
    return [Item(stem, found, double.get(stem) or _lacking(stem, found, inputs)) for stem, found in files.items()]


def _lacking(stem: str, found: Mapping[str, Path], inputs: Sequence[TensorSpec]) -> str:
    """Say which input an item lacks."""
    for tensor in inputs:
        if tensor.name not in found:
            return f"no file {domain(tensor)}/{stem} with the ending {', '.join(_endings(tensor))}; add it"
    return ""


def _endings(tensor: TensorSpec) -> tuple[str, ...]:
    """Return the endings of files that are read for an input."""
    return DEPTH_ENDINGS if tensor.name == DEPTH_IMAGE else IMAGE_ENDINGS


def _listed(source: Path, inputs: Sequence[TensorSpec]) -> list[Item]:
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read as a list of files ({error}); write it as UTF-8 text") from error
    items = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = [word.strip() for word in line.split("\t")] if "\t" in line else line.split()
        if len(words) != len(inputs):
            raise InputError(
                f"{source}:{number} names {len(words)} files; each line needs {len(inputs)}: "
                f"{', '.join(domain(one) for one in inputs)}, with tabs between them"
            )
        files = {tensor.name: source.parent / word for tensor, word in zip(inputs, words, strict=True)}
        items.append(Item(stem_of(Path(words[0]), domain(inputs[0])), files))
    return _unique(items)


def _unique(items: Sequence[Item]) -> list[Item]:
    """Return the items, after checking that no two have one name.

    Raises:
        InputError: two have; their outputs would overwrite each other.
    """
    (stem, count), *_ = Counter(item.stem for item in items).most_common(1) or [("", 0)]
    if count > 1:
        raise InputError(f"{count} items are named {stem!r} and would overwrite each other; rename the files")
    return list(items)
