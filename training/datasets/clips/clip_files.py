"""Clips that lie on disk, whatever says which of them belong to a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from crosswire.media.clips.endings import CLIP_ENDINGS, FILM_ENDINGS
from crosswire.training.datasets.clips.base import Labelled
from crosswire.training.datasets.clips.read import read_clip
from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.tasks.audio_video.config import ClipShape


class ClipFiles:
    """Clips in files.

    Args:
        files: path and label of every clip.
        classes: names of the classes.
        shape: what is read of a clip.
    """

    def __init__(self, files: Sequence[tuple[Path, int]], classes: tuple[str, ...], shape: ClipShape) -> None:
        self.files = tuple(files)
        self.classes = classes
        self.shape = shape

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.files)

    def __getitem__(self, index: int) -> Labelled:
        """Read one clip."""
        path, label = self.files[index]
        return Labelled(read_clip(path, self.shape), label)

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield what is wrong with one clip: it cannot be read, or lacks pictures or sound."""
        path = self.files[index][0]
        try:
            clip = read_clip(path, self.shape)
        except DataError as error:
            yield error.problem
            return
        for missing, part in ((clip.frames is None, "pictures"), (clip.waveform is None, "sound")):
            if missing:
                yield Problem(str(path), f"has no {part}", "leave it, it then trains with zeros there, or take it out")


def clips_in(folder: Path) -> list[Path]:
    """Return the clips of a folder and all folders below it, sorted by path.

    Sound beside a film of the same name is that film's own, and no clip; nor is what archives of a Mac bring along.
    """
    files = [path for path in folder.rglob("*") if path.suffix.lower() in CLIP_ENDINGS and path.is_file()]
    files = [path for path in files if not path.name.startswith(".") and "__MACOSX" not in path.parts]
    films = {path.with_suffix("") for path in files if path.suffix.lower() in FILM_ENDINGS}
    return sorted(path for path in files if path.suffix.lower() in FILM_ENDINGS or path.with_suffix("") not in films)
