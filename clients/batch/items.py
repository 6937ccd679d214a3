"""What a batch or a stream works on: a folder or a list file becomes items, in a fixed order.

Folder layouts, where DOMAIN is the name of a pipeline's input without its ending (`rgb` for `rgb_image`):

    SRC/DOMAIN/STEM.png     one folder per input; files with equal stems belong together
    SRC/STEM.mp4            clips, for a pipeline that takes a clip
    SRC/rgb.txt, depth.txt  a recording in TUM's layout, see `crosswire.clients.inputs.recordings`; the time stamps of
                            colour are the names

All of these may lie in sub-folders, `SRC/PLACE/DOMAIN/STEM.png` or `SRC/DOMAIN/PLACE/STEM.png`: the item is then
PLACE/STEM, and so are its results. What systems and archives leave beside files is passed over, see
`crosswire.clients.inputs.folders`; so are files of other formats, which are told of.

An input that the pipeline can do without is left out of the whole batch where its folder is missing; where the folder
is there, an item without its file in it is a mistake and is listed as a failure. Colour images of a recording without
depth close enough in time are no mistake; they are counted and left out.

A list file has one item per line: the files in the order of the pipeline's inputs with tabs (or, without any tab,
spaces) between them, relative to the list file's folder; see `crosswire.clients.inputs.lists`. Items are named after
the first file, those whose names are equal with its folders before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.folders import composed, is_unfinished, walk_files
from crosswire.clients.inputs.images import IMAGE_ENDINGS
from crosswire.clients.inputs.lists import ListedFiles, read_lines, split_line
from crosswire.clients.inputs.recordings import UNITS_PER_METRE, Pairing, is_recording, read_recording
from crosswire.clients.recorded.open import check_takes_recordings, takes_recordings
from crosswire.contract import PipelineDescription, TensorSpec
from crosswire.contract.wire_names import CLIP, DEPTH_IMAGE, IMAGE_SUFFIX, RGB_IMAGE
from crosswire.media.clips.endings import CLIP_ENDINGS
from crosswire.media.depth_files import DEPTH_ENDINGS

_PAIR = (RGB_IMAGE, DEPTH_IMAGE)


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

    def sent(self) -> tuple[Mapping[str, Path | bytes], float | None]:
        """Return what is sent for every input tensor, and the unit of depth if the item itself says it.

        Raises:
            InputError: there is nothing that can be sent.
        """
        if self.problem:
            raise InputError(self.problem)
        return self.files, None

    def told(self) -> dict[str, Any]:
        """Return what else is said about the item beside its result."""
        return {}


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        items: sorted by stem, those of a recording by time.
        unmatched: colour images of a recording that have no depth image close enough in time.
        units_per_metre: what one metre counts in its depth files, or None if the layout does not say.
        recordings: how many recordings it holds.
        notes: what the user is to know of: units that were recognised, files that were passed over.
    """

    items: tuple[Item, ...]
    unmatched: int = 0
    units_per_metre: float | None = None
    recordings: int = 0
    notes: tuple[str, ...] = ()


def find_items(source: Path, pipeline: PipelineDescription, pairing: Pairing | None = None) -> Found:
    """Return the items of a folder or of a list file.

    Args:
        source: a folder, or a list file.
        pipeline: whom the items are for.
        pairing: how images of a recording become pairs; None for the usual way.

    Raises:
        InputError: the source is neither, holds nothing for this pipeline, or the pipeline takes no files; or an offset
            is asked for where no time stamps are.
    """
    inputs = pipeline.files
    pairing = pairing or Pairing()
    if not inputs:
        raise InputError(f"pipeline {pipeline.name!r} takes no files; name one that does: crosswire list")
    if is_recording(source):
        check_takes_recordings(source, pipeline)
        return _recorded(source, [PurePosixPath()], pairing)
    if source.is_dir():
        wanted = _needs(inputs)
        found = _in_folder(source, inputs, pairing)
    elif source.is_file():
        found, wanted = Found(tuple(_listed(source, inputs))), "lines that name files"
    else:
        raise InputError(f"{source} is neither a folder nor a list file; check the path")
    if not found.items:
        raise InputError(f"{source} holds nothing for pipeline {pipeline.name!r}; it needs {wanted}")
    if pairing.shifts and not found.recordings:
        raise InputError(
            f"{source} is no recording with time stamps (rgb.txt and depth.txt), an offset changes nothing; "
            "leave --offset out"
        )
    return found


def find_listed(source: Path, files: Sequence[PurePosixPath], pipeline: PipelineDescription) -> Found:
    """Return the items of a folder whose files are listed already, as those of an object store are.

    Args:
        source: the folder, as messages name it and the files of items begin with.
        files: its files, relative to it, without those that `is_left_over` names.
        pipeline: whom the items are for.

    Raises:
        InputError: they hold nothing for this pipeline, or the pipeline takes no files.
    """
    inputs = pipeline.files
    if not inputs:
        raise InputError(f"pipeline {pipeline.name!r} takes no files; name one that does: crosswire list")
    whole = _clips(source, files, inputs[0]) if inputs[0].name == CLIP else _folders(source, files, inputs)
    if not whole.items:
        raise InputError(f"{source} holds nothing for pipeline {pipeline.name!r}; it needs {_needs(inputs)}")
    return whole


def domain(tensor: TensorSpec) -> str:
    """Return the name that people use for an input: `rgb` for `rgb_image`."""
    return tensor.name.removesuffix(IMAGE_SUFFIX)


def stem_of(path: PurePosixPath, name: str) -> str:
    """Return a file's stem, without the domain's name at its end: `room_0` for `room_0.rgb.jpg`."""
    return path.stem.removesuffix(f".{name}")


def _needs(inputs: Sequence[TensorSpec]) -> str:
    """Say what a folder holds for some inputs."""
    return "clips" if inputs[0].name == CLIP else f"folders {' and '.join(domain(one) for one in inputs)}"


def _size_and_time(path: Path) -> list[int]:
    """Return size and time of change of a file, nothing if there is none."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _recorded(source: Path, places: Sequence[PurePosixPath], pairing: Pairing) -> Found:
    """Return an item per pair of the recordings in some places of a folder."""
    items: list[Item] = []
    notes: list[str] = []
    unmatched = 0
    for place in places:
        found = read_recording(source / place, pairing)
        unmatched += found.unmatched
        notes += found.notes if len(places) == 1 else [f"{place}: {note}" for note in found.notes]
        for rgb, depth in found.pairs:
            stem = composed((place / rgb.text).as_posix())
            items.append(Item(stem, {RGB_IMAGE: rgb.path, DEPTH_IMAGE: depth.path}, time_s=rgb.time_s))
    return Found(tuple(_unique(items)), unmatched, UNITS_PER_METRE, len(places), tuple(notes))


def _in_folder(source: Path, inputs: Sequence[TensorSpec], pairing: Pairing) -> Found:
    """Return the items of a folder that is no recording itself."""
    files = [PurePosixPath(path.as_posix()) for path in walk_files(source)]
    if inputs[0].name == CLIP:
        return _clips(source, files, inputs[0])
    parents = dict.fromkeys(path.parent for path in files if path.suffix == ".txt")
    recordings = [place for place in parents if place.parts and is_recording(source / place)]
    if not recordings or not takes_recordings(inputs):
        return _folders(source, files, inputs)
    other = next((path for path in files if not any(place in path.parents for place in recordings)), None)
    if other is not None and _split(other, {domain(one) for one in inputs}) is not None:
        raise InputError(f"{source} holds recordings ({recordings[0]}) and other images ({other}); name one of them")
    return _recorded(source, recordings, pairing)


def _clips(source: Path, files: Sequence[PurePosixPath], tensor: TensorSpec) -> Found:
    """Return an item per clip."""
    items, others = [], []
    for path in files:
        whole = PurePosixPath(path.with_suffix("")) if is_unfinished(path) else path
        if whole.suffix.lower() not in CLIP_ENDINGS:
            others.append(path)
            continue
        stem = composed(whole.with_suffix("").as_posix())
        items.append(Item(stem, {tensor.name: source / path}, "" if whole is path else _unfinished(path)))
    return Found(tuple(_unique(_by_stem(items))), notes=_passed_over(others, CLIP_ENDINGS))


@dataclass
class _Inputs:
    """What the folders of inputs hold for one stem.

    Attributes:
        files: a file per input tensor, relative to the source.
        problem: why they make no item, or an empty text.
        others: files of the stem with other endings.
    """

    files: dict[str, PurePosixPath] = field(default_factory=dict)
    problem: str = ""
    others: list[PurePosixPath] = field(default_factory=list)


def _folders(source: Path, files: Sequence[PurePosixPath], inputs: Sequence[TensorSpec]) -> Found:
    """Return an item per stem that is in any of the inputs' folders."""
    tensors = {domain(tensor): tensor for tensor in inputs}
    stems: dict[str, _Inputs] = {}
    others: dict[str, list[PurePosixPath]] = {}
    seen = {name for name in tensors if (source / name).is_dir()}
    for path in files:
        split = _split(path, tensors)
        if split is None:
            continue
        name, place = split
        seen.add(name)
        whole = PurePosixPath(path.with_suffix("")) if is_unfinished(path) else path
        stem = composed((place / stem_of(whole, name)).as_posix())
        if whole.suffix.lower() not in _endings(tensors[name]):
            others.setdefault(stem, []).append(path)
            continue
        found = stems.setdefault(stem, _Inputs())
        if whole is not path:
            found.problem = _unfinished(path)
        elif tensors[name].name in found.files:
            found.problem = f"{source / path.parent} holds several files named {stem}; keep one of them"
        found.files[tensors[name].name] = path
    wanted = [tensor for tensor in inputs if not tensor.optional or domain(tensor) in seen]
    for stem, found in stems.items():
        found.problem = found.problem or _lacking(found.files, wanted, others.get(stem, ()))
    _check_some_pair(source, stems, wanted)
    items = [
        Item(stem, {name: source / path for name, path in found.files.items()}, found.problem)
        for stem, found in stems.items()
    ]
    endings = tuple(dict.fromkeys(ending for tensor in inputs for ending in _endings(tensor)))
    passed = [path for one in others.values() for path in one]
    return Found(tuple(_by_stem(items)), notes=_passed_over(passed, endings))


def _split(path: PurePosixPath, names: Container[str]) -> tuple[str, PurePosixPath] | None:
    """Return the input's name among a file's folders, and the other folders; None where there is none."""
    for place, part in enumerate(path.parts[:-1]):
        if part.lower() in names:
            return part.lower(), PurePosixPath(*path.parts[:place], *path.parts[place + 1 : -1])
    return None


def _by_stem(items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=lambda item: item.stem)


def _unfinished(path: PurePosixPath) -> str:
    return f"{path} is an unfinished download; finish it, or remove it"


def _passed_over(paths: Sequence[PurePosixPath], endings: Sequence[str]) -> tuple[str, ...]:
    """Say which files were passed over, or nothing."""
    if not paths:
        return ()
    some = ", ".join(map(str, paths[:3])) + (", ..." if len(paths) > 3 else "")
    return (f"passed over {len(paths)} with other endings than {', '.join(endings)}: {some}",)


def _lacking(files: Mapping[str, PurePosixPath], inputs: Sequence[TensorSpec], others: Sequence[PurePosixPath]) -> str:
    """Say which input an item lacks."""
    for tensor in inputs:
        if tensor.name not in files:
            (name, path), *_ = files.items()
            here = name.removesuffix(IMAGE_SUFFIX)
            parts = [domain(tensor) if part.lower() == here else part for part in path.parts[:-1]]
            place = PurePosixPath(*parts, stem_of(path, here))
            instead = f" ({others[0]} is none)" if others else ""
            return f"no file {place} with the ending {', '.join(_endings(tensor))}{instead}; add it"
    return ""


def _check_some_pair(source: Path, stems: Mapping[str, _Inputs], inputs: Sequence[TensorSpec]) -> None:
    """Raise `InputError` where every folder holds files and no two belong together: one mistake, told once."""
    there = {name for found in stems.values() for name in found.files}
    alone = all(found.problem.startswith("no file") for found in stems.values())
    if len(inputs) > 1 and there >= {tensor.name for tensor in inputs} and alone:
        folders = " and ".join(f"{domain(one)}/" for one in inputs)
        raise InputError(
            f"{source} holds no pair of images with equal names in {folders}; "
            "rename the files, write a list of pairs, or rgb.txt and depth.txt if the names are time stamps"
        )


def _endings(tensor: TensorSpec) -> tuple[str, ...]:
    """Return the endings of files that are read for an input."""
    return DEPTH_ENDINGS if tensor.name == DEPTH_IMAGE else IMAGE_ENDINGS


def _listed(source: Path, inputs: Sequence[TensorSpec]) -> list[Item]:
    """Return an item per line of a list file."""
    files = ListedFiles(source.parent)
    items, places = [], []
    for number, line in read_lines(source):
        words = split_line(line, len(inputs))
        if len(words) != len(inputs):
            raise InputError(
                f"{source}:{number} names {len(words)} files; each line needs {len(inputs)}: "
                f"{', '.join(domain(one) for one in inputs)}, with tabs between them"
            )
        found = {tensor.name: files.find(word) for tensor, word in zip(inputs, words, strict=True)}
        name = domain(inputs[0])
        written = PurePosixPath(words[0].replace("\\", "/"))
        items.append(Item(composed(stem_of(written, name)), found))
        places.append(_folders_of(written, name))
    equal = Counter(item.stem for item in items)
    named = [
        replace(item, stem=composed((place / item.stem).as_posix())) if equal[item.stem] > 1 else item
        for item, place in zip(items, places, strict=True)
    ]
    return _by_stem(_unique(named))


def _folders_of(path: PurePosixPath, name: str) -> PurePosixPath:
    """Return the folders of a file as a place below another folder, without that of its input."""
    parts = [part for part in path.parts[:-1] if part not in ("/", "..") and not part.endswith(":")]
    index = next((index for index, part in enumerate(parts) if part.lower() == name), len(parts))
    return PurePosixPath(*parts[:index], *parts[index + 1 :])


def _unique(items: Sequence[Item]) -> list[Item]:
    """Return the items, after checking that no two have one name.

    Raises:
        InputError: two have; their outputs would overwrite each other.
    """
    (stem, count), *_ = Counter(item.stem for item in items).most_common(1) or [("", 0)]
    if count > 1:
        raise InputError(f"{count} items are named {stem!r} and would overwrite each other; rename the files")
    return list(items)
