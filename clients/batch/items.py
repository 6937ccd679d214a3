"""What a batch works on: a folder or a list file becomes items, in a fixed order.

Folder layouts, where DOMAIN is the name of a pipeline's input without its ending (`rgb` for `rgb_image`):

    SRC/DOMAIN/STEM.png     one folder per input; files with equal stems belong together
    SRC/STEM.mp4            clips, for a pipeline that takes a clip

An input that the pipeline can do without is absent for the whole batch where its folder is missing; where the folder is
there, an item without its file in it is a mistake and is listed as a failure.

A list file has one item per line: the files in the order of the pipeline's inputs with tabs (or, without any tab,
spaces) between them, relative to the list file's folder. Empty lines and lines that begin with `#` are skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.errors import InputError
from clients.pipelines import Pipeline, Tensor

CLIP = "clip"
_PICTURE = "_image"
_PICTURES = (".jpg", ".jpeg", ".png")
_CLIPS = (".mp4", ".webm", ".mkv", ".avi", ".mov")


@dataclass(frozen=True)
class Item:
    """One thing to ask about.

    Attributes:
        stem: its name, unique in the batch; outputs are named after it.
        files: a file per input tensor.
        problem: why it cannot be asked about, or an empty text.
    """

    stem: str
    files: Mapping[str, Path]
    problem: str = ""


def find_items(source: Path, pipeline: Pipeline) -> tuple[Item, ...]:
    """Return the items of a folder or of a list file, sorted by stem.

    Raises:
        InputError: the source is neither, holds nothing for this pipeline, or the pipeline takes no files.
    """
    inputs = tuple(tensor for tensor in pipeline.inputs if tensor.dtype == "BYTES")
    if not inputs:
        raise InputError(f"pipeline {pipeline.name!r} takes no files; name one that does: python -m clients list")
    if source.is_dir():
        items = _clips(source, inputs[0]) if inputs[0].name == CLIP else _folders(source, inputs)
        wanted = f"folders {' and '.join(domain(one) for one in inputs)}" if inputs[0].name != CLIP else "clips"
    elif source.is_file():
        items, wanted = _listed(source, inputs), "lines that name files"
    else:
        raise InputError(f"{source} is neither a folder nor a list file; check the path")
    if not items:
        raise InputError(f"{source} holds nothing for pipeline {pipeline.name!r}; it needs {wanted}")
    return tuple(sorted(items, key=lambda item: item.stem))


def domain(tensor: Tensor) -> str:
    """Return the name that people use for an input: `rgb` for `rgb_image`."""
    return tensor.name.removesuffix(_PICTURE)


def stem_of(path: Path, name: str) -> str:
    """Return a file's stem, without the domain's name at its end: `room_0` for `room_0.rgb.jpg`."""
    return path.stem.removesuffix(f".{name}")


def _clips(source: Path, tensor: Tensor) -> list[Item]:
    found = [path for path in sorted(source.iterdir()) if path.suffix.lower() in _CLIPS]
    return _unique([Item(path.stem, {tensor.name: path}) for path in found])


def _folders(source: Path, inputs: Sequence[Tensor]) -> list[Item]:
    """Return an item per stem that is in any of the folders."""
    inputs = [tensor for tensor in inputs if not tensor.optional or (source / domain(tensor)).is_dir()]
    files: dict[str, dict[str, Path]] = {}
    double: dict[str, str] = {}
    for tensor in inputs:
        folder = source / domain(tensor)
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix.lower() in _PICTURES:
                stem = stem_of(path, domain(tensor))
                if tensor.name in files.setdefault(stem, {}):
                    double[stem] = f"{folder} holds several files named {stem}; keep one of them"
                files[stem][tensor.name] = path
    return [Item(stem, found, double.get(stem) or _lacking(stem, found, inputs)) for stem, found in files.items()]


def _lacking(stem: str, found: Mapping[str, Path], inputs: Sequence[Tensor]) -> str:
    """Say which input an item lacks."""
    for tensor in inputs:
        if tensor.name not in found:
            return f"no file {domain(tensor)}/{stem} with the ending {', '.join(_PICTURES)}; add it"
    return ""


def _listed(source: Path, inputs: Sequence[Tensor]) -> list[Item]:
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
