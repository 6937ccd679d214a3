"""ActivityNet's features on disk: which videos there are, and a folder laid open for a check.

A folder holds `activity_net.v1-3.min.json` (the annotations as ActivityNet publishes them), `video_features.h5` and
`image_features.h5`. Under the identifier of every video the former has an array [F] or [clips, F], which is averaged,
the latter an array [images, G] or [G].
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from crosswire.training.config import ConfigError
from crosswire.training.datasets.files.problems import DataError, Problem, Survey

TITLE = "ActivityNet, features of videos and images"
ANNOTATIONS, VIDEOS, IMAGES = "activity_net.v1-3.min.json", "video_features.h5", "image_features.h5"
#: Subset of ActivityNet for every split; the activities of its subset `testing` are not known.
SUBSETS = {"train": "training", "val": "validation", "test": "validation"}


def recognise(path: Path) -> bool:
    """Say whether a folder looks like this layout."""
    return (path / ANNOTATIONS).is_file()


def activities(path: Path) -> dict[str, tuple[str, str]]:
    """Read subset and activity of every video whose activity is known, from the file of the annotations.

    Raises:
        ConfigError: the file cannot be read, or a video lacks what it needs.
    """
    try:
        videos = dict(json.loads(path.read_text(encoding="utf-8"))["database"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read as the annotations of ActivityNet: {error}") from error
    found = {}
    for name, video in videos.items():
        try:
            if video["annotations"]:
                found[name] = str(video["subset"]), str(video["annotations"][0]["label"])
        except (KeyError, TypeError) as error:
            what = f"video {name!r} lacks subset, annotations, or the label of the first one ({error!r})"
            raise DataError(Problem(str(path), what, "give ActivityNet's own file, or complete the video")) from error
    return found


def sizes(root: Path) -> tuple[int, int]:
    """Return the values of the first video's and of the first image's features.

    Raises:
        DataError: a file is missing, broken or empty.
    """
    return _size(root / VIDEOS), _size(root / IMAGES)


def _size(path: Path) -> int:
    """Return the values of the first array of a file."""
    try:
        with h5py.File(path) as file:
            return int(next(iter(file.values())).shape[-1])
    except (OSError, StopIteration, AttributeError, IndexError) as error:
        what = f"has no features under the identifiers of videos ({error or type(error).__name__})"
        raise DataError(Problem(str(path), what, "docs/guides/retrieval.md shows the layout")) from error


class FeatureVideos:
    """Videos with both features, to be inspected one by one.

    Args:
        root: the folder.
        videos: their identifiers.
        classes: names of the activities.
        wanted: values that a video's and an image's features have.
    """

    def __init__(self, root: Path, videos: list[str], classes: tuple[str, ...], wanted: tuple[int, int]) -> None:
        self.videos, self.classes = videos, classes
        self._wanted = dict(zip((root / VIDEOS, root / IMAGES), wanted, strict=True))

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.videos)

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield what is wrong with the features of one video."""
        name = self.videos[index]
        for path, size in self._wanted.items():
            where = f"{path}, {name}"
            try:
                with h5py.File(path) as file:
                    array = np.asarray(file[name][()])
            except (OSError, TypeError, AttributeError) as error:
                yield Problem(where, f"cannot be read ({error})", "write it again, or take the video out")
                continue
            if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or not array.size:
                what = f"got {array.dtype} {list(array.shape)}, expected numbers [{size}] or [N, {size}]"
                yield Problem(where, what, "write what the extractor gives, a row each")
            elif array.shape[-1] != size:
                what = f"has {array.shape[-1]} values, and the first has {size}"
                yield Problem(where, what, "take all from one extractor")
            elif not np.isfinite(array).all():
                yield Problem(where, "holds values that are not finite", "extract it again, or take the video out")


def survey(root: Path) -> Survey:
    """Lay open every video of a folder whose activity is known.

    Raises:
        ConfigError: a file is missing or broken, or nothing is there to train with.
    """
    known = {
        name: (subset, activity)
        for name, (subset, activity) in activities(root / ANNOTATIONS).items()
        if subset in SUBSETS.values()
    }
    size, there = sizes(root), set(known)
    for path in (root / VIDEOS, root / IMAGES):
        with h5py.File(path) as file:
            there &= set(file)
    problems = []
    for subset in dict.fromkeys(SUBSETS.values()):
        listed = [name for name, (of, _) in known.items() if of == subset]
        if (count := len(there.intersection(listed))) < 2:
            what = f"has both features of {count} videos of the subset {subset!r}, of {len(listed)}"
            problems.append(Problem(str(root), what, "give at least 2; identifiers are those of the annotations"))
        elif count < len(listed):
            what = f"lacks features of {len(listed) - count} of {len(listed)} videos of the subset {subset!r}"
            problems.append(Problem(str(root), what, "they are passed over; extract them, where they can be had", True))
    classes = tuple(sorted({activity for _, activity in known.values()}))
    whole = partial(_unlearnt, root, {name: known[name] for name in there})
    return Survey(tuple(problems), FeatureVideos(root, sorted(there), classes, size), whole)


def _unlearnt(root: Path, known: dict[str, tuple[str, str]]) -> Iterator[Problem]:
    """Yield the activities that are tested with and never trained on."""
    seen = {subset: {activity for of, activity in known.values() if of == subset} for subset in SUBSETS.values()}
    for activity in sorted(seen[SUBSETS["test"]] - seen[SUBSETS["train"]]):
        yield Problem(str(root), f"no video of {activity!r} is trained on", "it is only tested with", True)
