"""The layouts of clips on disk: VGGSound, FakeAVCeleb, and one folder per class."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crosswire.media.clips.endings import CLIP_ENDINGS
from crosswire.training.config import ConfigError
from crosswire.training.datasets.clips.clip_files import ClipFiles, clips_in
from crosswire.training.tasks.audio_video.config import ClipShape

SPLITS = ("train", "val", "test")
VGGSOUND_LIST = "vggsound.csv"
#: The four folders of FakeAVCeleb; a clip is real where both of its parts are.
FAKEAVCELEB_FOLDERS = ("RealVideo-RealAudio", "FakeVideo-RealAudio", "RealVideo-FakeAudio", "FakeVideo-FakeAudio")
FAKEAVCELEB_CLASSES = ("real", "fake")
TRAIN_SHARE = 0.7


@dataclass(frozen=True)
class ClipLayout:
    """One layout.

    Attributes:
        title: in words.
        recognise: says whether a folder looks like it.
        open: returns the clips of a split.
    """

    title: str
    recognise: Callable[[Path], bool]
    open: Callable[[Path, str, ClipShape], ClipFiles]


def open_folder(root: Path, split: str, shape: ClipShape) -> ClipFiles:
    """Open `SPLIT/CLASS/*.mp4`; the classes are the folders of `train`, and a missing `val` is `test`.

    Raises:
        ConfigError: a folder is missing or empty, or a split has a class that `train` has not.
    """
    place = root / split
    if split == "val" and not place.is_dir():
        place = root / "test"
    for folder in (root / "train", place):
        if not folder.is_dir():
            raise ConfigError(f"{folder} is missing; put clips into SPLIT/CLASS/NAME.mp4, SPLIT being train and test")
    classes = tuple(sorted(path.name for path in (root / "train").iterdir() if path.is_dir()))
    found = sorted(path.name for path in place.iterdir() if path.is_dir())
    if strangers := sorted(set(found) - set(classes)):
        raise ConfigError(f"{place} has the classes {', '.join(strangers)}, which {root / 'train'} has not")
    if len(classes) < 2:
        raise ConfigError(f"{root / 'train'} has {len(classes)} folders of classes; give two or more")
    files = [(path, label) for label, name in enumerate(classes) for path in clips_in(place / name)]
    return ClipFiles(_some(files, place), classes, shape)


def open_vggsound(root: Path, split: str, shape: ClipShape) -> ClipFiles:
    """Open VGGSound: `vggsound.csv` (id, second, label, train or test) and clips `ID_SSSSSS.mp4` below the folder.

    Clips that are listed and not there are left out, as a fifth of them was for the paper. `val` is `test`.

    Raises:
        ConfigError: the list is missing or broken, or none of its clips is there.
    """
    path = root / VGGSOUND_LIST
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error}); it is the list of VGGSound") from error
    for number, row in enumerate(rows, 1):
        if len(row) != 4 or not row[1].strip().isdigit() or row[3].strip() not in ("train", "test"):
            raise ConfigError(f"{path}, line {number} is {','.join(row)!r}; a line is ID,SECOND,LABEL,train or test")
    classes = tuple(sorted({row[2] for row in rows}))
    wanted = "train" if split == "train" else "test"
    there = {clip.stem: clip for clip in clips_in(root)}
    names = ((f"{row[0]}_{int(row[1]):06d}", classes.index(row[2])) for row in rows if row[3].strip() == wanted)
    return ClipFiles(_some([(there[name], label) for name, label in names if name in there], root), classes, shape)


def open_fakeavceleb(root: Path, split: str, shape: ClipShape) -> ClipFiles:
    """Open FakeAVCeleb: its four folders, the clips of each sorted, the first 70 % to train on. `val` is `test`.

    Raises:
        ConfigError: a folder is missing, or no clip is there.
    """
    files = []
    for name in FAKEAVCELEB_FOLDERS:
        folder = root / name
        if not folder.is_dir():
            raise ConfigError(f"{folder} is missing; FakeAVCeleb has the folders {', '.join(FAKEAVCELEB_FOLDERS)}")
        clips = clips_in(folder)
        cut = int(TRAIN_SHARE * len(clips))
        label = 0 if name == FAKEAVCELEB_FOLDERS[0] else 1
        files += [(path, label) for path in (clips[:cut] if split == "train" else clips[cut:])]
    return ClipFiles(_some(files, root), FAKEAVCELEB_CLASSES, shape)


def _some(files: list[tuple[Path, int]], place: Path) -> list[tuple[Path, int]]:
    """Return files, refusing none at all.

    Raises:
        ConfigError: there is none.
    """
    if not files:
        raise ConfigError(
            f"{place} holds none of the clips that belong there; they are files {', '.join(CLIP_ENDINGS)}"
        )
    return files


CLIP_LAYOUTS: Mapping[str, ClipLayout] = {
    "vggsound": ClipLayout("VGGSound", lambda path: (path / VGGSOUND_LIST).is_file(), open_vggsound),
    "fakeavceleb": ClipLayout("FakeAVCeleb", lambda path: (path / FAKEAVCELEB_FOLDERS[0]).is_dir(), open_fakeavceleb),
    "clips": ClipLayout("clips, one folder per class", lambda path: _has_clips(path), open_folder),
}


def _has_clips(root: Path) -> bool:
    """Say whether a folder holds `train/CLASS/clip`."""
    train = root / "train"
    return train.is_dir() and any(clips_in(folder) for folder in train.iterdir() if folder.is_dir())
