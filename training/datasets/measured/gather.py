"""Three folders of files with equal names become one folder that can be trained on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from crosswire.contract.errors import UsageError
from crosswire.training.datasets.files.lists import read_lines
from crosswire.training.datasets.files.problems import refuse
from crosswire.training.datasets.folder import ENDINGS, LISTS, MANIFEST

#: What tools add to the names of the files of one kind: frame_7_depth.png beside frame_7_rgb.jpg.
_KIND = "rgb|colou?r|image|img|depth|disp|disparity|height|labels?|masks?|seg|gt|u16"
_ADDED = re.compile(rf"^(?:(?:{_KIND})[-_.])+|(?:[-_.](?:{_KIND}))+$", re.IGNORECASE)
_SHOWN = 5


@dataclass(frozen=True)
class Gathered:
    """Files that belong together.

    Attributes:
        frames: per stem the file of `rgb`, `depth` and `labels`.
        alone: names of files without both others.
    """

    frames: Mapping[str, Mapping[str, Path]]
    alone: Sequence[str]


def matched(folders: Mapping[str, Path]) -> Gathered:
    """Match the files of three folders by their stems, with and without what tools add to them.

    Args:
        folders: by `rgb`, `depth` and `labels`.

    Raises:
        UsageError: one is missing, holds two files of one stem, or no frame is whole.
    """
    found: dict[str, dict[str, Path]] = {}
    for kind, folder in folders.items():
        if not folder.is_dir():
            raise UsageError(f"--{kind} {folder} is not a folder; name the one that holds the {kind} files")
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.suffix.lower() not in ENDINGS[kind]:
                continue
            stem = _ADDED.sub("", path.stem) or path.stem
            if (other := found.setdefault(stem, {}).setdefault(kind, path)) != path:
                raise UsageError(f"{path} and {other.name} are both {kind} of {stem!r}; keep one of them")
    whole = {stem: files for stem, files in sorted(found.items()) if len(files) == len(folders)}
    alone = [str(path) for files in found.values() if len(files) < len(folders) for path in files.values()]
    if not whole:
        some = "; ".join(f"{kind}: {_first(folder)}" for kind, folder in folders.items())
        raise UsageError(f"no name is in all three folders ({some}); give the files of a frame one name")
    return Gathered(whole, alone)


def split_by_share(stems: Sequence[str], shares: Sequence[float]) -> dict[str, list[str]]:
    """Cut stems, in their order, so that neighbours in a film stay together; every split gets one at least.

    Args:
        stems: three or more.
        shares: of train, val and test, which add up to 1.
    """
    val = min(max(1, round(shares[1] * len(stems))), len(stems) - 2)
    train = max(1, len(stems) - val - max(1, round(shares[2] * len(stems))))
    cuts = (stems[:train], stems[train : train + val], stems[train + val :])
    return {name: list(cut) for name, cut in zip(LISTS, cuts, strict=True)}


def split_by_lists(stems: Sequence[str], lists: Mapping[str, Path]) -> dict[str, list[str]]:
    """Read which stem belongs to which split; lines may be file names, with folders and endings.

    Raises:
        DataError: a list cannot be used.
        UsageError: it names a frame that is not there.
    """
    splits = {}
    for name, path in lists.items():
        lines, problems = read_lines(path)
        refuse(problems)
        known = set(stems)
        splits[name] = [stem if stem in known else _ADDED.sub("", Path(stem).stem) for stem in lines]
        if unknown := [one for one in splits[name] if one not in known]:
            raise UsageError(f"{path} names {unknown[0]!r}, of which no whole frame is there; take it out")
    return splits


def write_gathered(
    gathered: Gathered, splits: Mapping[str, Sequence[str]], manifest: Mapping[str, Any], to: Path
) -> None:
    """Copy the files of all frames into the layout of `crosswire.training.datasets.folder`, with lists and manifest."""
    for stem, files in tqdm(gathered.frames.items(), desc="copying frames", unit="frame"):
        for kind, path in files.items():
            (to / kind).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to / kind / f"{stem}{path.suffix.lower()}")
    for name, stems in splits.items():
        (to / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    (to / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _first(folder: Path) -> str:
    """Return the first names of a folder."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    return ", ".join(names[:_SHOWN]) or "empty"
