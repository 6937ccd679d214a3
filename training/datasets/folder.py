"""A plain folder with a user's own frames.

    DIR/manifest.json
    DIR/rgb/STEM.png or .jpg   8-bit colour
    DIR/depth/STEM.png         16-bit grey, registered to the colour image; 0 = no reading; or another format of
                               `crosswire.media.depth_files`
    DIR/labels/STEM.png        8-bit class indices
    DIR/train.txt, val.txt     optional: one STEM per line
    DIR/test.txt               optional beside them: without it `val.txt` is the test too; alone in a folder to score

The three images of a STEM have one size; frames may differ in size. Without lists the stems in alphabetical order are
cut into 80 % to train on, 10 % to validate and 10 % to test with, so that neighbours in a film stay together.
`Manifest` describes `manifest.json`; docs/guides/own-data.md shows the whole way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crosswire.contract import QUANTITIES, Geometry
from crosswire.contract.errors import ContractError, UsageError
from crosswire.contract.plain import from_plain
from crosswire.contract.wire_names import DEPTH
from crosswire.media.depth_files import DEPTH_ENDINGS
from crosswire.media.palettes import spread_palette
from crosswire.training.datasets.files.frames import FileFrames, Format, FrameEntry, open_files, single_class
from crosswire.training.datasets.files.images import LabelCode, OtherGeometry, PlainDepth
from crosswire.training.datasets.files.label_colours import RGB, ColourCode
from crosswire.training.datasets.files.lists import read_lines, shared_lines
from crosswire.training.datasets.files.problems import DataError, Problem, Survey, missing_file, refuse
from crosswire.training.datasets.frames import IGNORE
from crosswire.training.datasets.measured.check import folder_problems
from crosswire.training.datasets.measured.colour_masks import painted_colours, painted_problem
from crosswire.training.tasks.segmentation.config import DataConfig

MANIFEST = "manifest.json"
ENDINGS = {"rgb": (".png", ".jpg", ".jpeg"), "depth": DEPTH_ENDINGS, "labels": (".png",)}
LISTS = ("train", "val", "test")


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says.

    Attributes:
        classes: class names, in the order of their labels; at most 255.
        depth_units_per_metre: stored difference that is one metre: 1000 for millimetres; may be left out where depth is
            floats in metres.
        geometry: what `depth/` holds, one of `crosswire.contract.QUANTITIES`; depth where it is left out.
        geometry_scale: of other geometry than depth: stored difference that is one unit; 1 takes numbers as they are.
        geometry_missing: of other geometry than depth: stored value of pixels without a reading.
        palette: one colour [red, green, blue], 0..255, per class; made up where it is left out.
        first_label: stored value of the first class; 1 where 0 is "unlabelled".
        label_values: stored value of every class where they do not follow each other: [0, 255] for a binary mask.
        label_colours: colour [red, green, blue] of every class where labels are painted; the palette, too, where that
            is left out.
        ignore_colour: colour of unlabelled pixels of such labels.
        ignore: stored value of unlabelled pixels; left out it is 255, unless that is a class.
        guessed: keys that `make-data` guessed, with the reasons; `check-data` repeats them until they are taken out.
        plausible_depth: units between which the median of a frame lies; `check-data` names frames outside. Left out it
            is 0.1 to 20 m for depth, and any median for other geometry.
    """

    classes: tuple[str, ...]
    depth_units_per_metre: float | None = None
    geometry: str = "depth"
    geometry_scale: float | None = None
    geometry_missing: int | None = None
    palette: tuple[tuple[int, int, int], ...] | None = None
    first_label: int = 0
    label_values: tuple[int, ...] | None = None
    label_colours: tuple[RGB, ...] | None = None
    ignore_colour: RGB | None = None
    ignore: int | None = None
    plausible_depth: tuple[float, float] | None = None
    guessed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if not 1 <= len(self.classes) <= 255 or len(set(self.classes)) < len(self.classes):
            raise UsageError(f"classes has {len(self.classes)} names; allowed are 1 to 255, no two alike")
        if self.depth_units_per_metre is not None and not 0 < self.depth_units_per_metre < float("inf"):
            raise UsageError(f"depth_units_per_metre is {self.depth_units_per_metre}; millimetres have 1000")
        if self.palette is not None and len(self.palette) != len(self.classes):
            raise UsageError(f"palette has {len(self.palette)} colours for {len(self.classes)} classes; leave it out")
        if any(not 0 <= value <= 255 for colour in self.palette or () for value in colour):
            raise UsageError("palette holds a value outside 0 to 255")
        if self.label_values is not None and self.first_label:
            raise UsageError("label_values names the first class too; leave first_label out")
        if self.label_values is not None and len(set(self.label_values)) != len(self.classes):
            raise UsageError(
                f"label_values is {list(self.label_values)}; got {len(set(self.label_values))} values, "
                f"expected one for each of {len(self.classes)} classes"
            )
        if min(self.stored) < 0 or max(self.stored) > 255:
            raise UsageError(f"labels run from {min(self.stored)} to {max(self.stored)}; allowed is 0 to 255")
        if self.ignore in self.stored:
            raise UsageError(
                f"ignore is {self.ignore}, which is the label of a class too; classes have {LabelCode(self.stored)}"
            )
        if self.ignore is not None and not 0 <= self.ignore <= 255:
            raise UsageError(f"ignore is {self.ignore}; allowed is 0 to 255")
        if self.plausible_depth is not None and not 0 <= self.plausible_depth[0] < self.plausible_depth[1]:
            raise UsageError(
                f"plausible_depth is {list(self.plausible_depth)}; expected [nearest, farthest], 0 or more and "
                "rising, in metres or the unit of the geometry"
            )
        self._check_geometry()
        self._check_colours()

    def _check_colours(self) -> None:
        """Refuse painted labels that cannot be told apart, or that are numbers, too."""
        colours = (*(self.label_colours or ()), *(() if self.ignore_colour is None else (self.ignore_colour,)))
        if any(not 0 <= value <= 255 for colour in colours for value in colour):
            raise UsageError("label_colours and ignore_colour hold 0 to 255")
        if self.label_colours is None:
            if colours:
                raise UsageError("ignore_colour is for painted labels; say label_colours too, or ignore")
            return
        if len(self.label_colours) != len(self.classes) or len(set(colours)) != len(colours):
            raise UsageError(
                f"label_colours has {len(self.label_colours)} colours for {len(self.classes)} classes; "
                "give one per class, no two alike and none as ignore_colour"
            )
        if self.first_label or self.label_values is not None or self.ignore is not None:
            raise UsageError("label_colours says how labels are stored; leave first_label, label_values and ignore out")

    def _check_geometry(self) -> None:
        """Refuse keys of one geometry beside another."""
        if self.geometry == DEPTH:
            if self.geometry_scale is not None or self.geometry_missing is not None:
                raise UsageError(
                    "geometry_scale and geometry_missing are for other geometry than depth, which has "
                    f"depth_units_per_metre; say which: {', '.join(one for one in QUANTITIES if one != DEPTH)}"
                )
        elif self.depth_units_per_metre is not None:
            raise UsageError(
                f"depth_units_per_metre is for depth in metres, geometry is {self.geometry}; "
                "say geometry_scale, the stored difference that is one unit"
            )
        try:
            self._other_geometry()
        except ContractError as error:
            raise UsageError(str(error)) from error

    @property
    def stored(self) -> tuple[int, ...]:
        """Stored value of every class."""
        return self.label_values or tuple(range(self.first_label, self.first_label + len(self.classes)))

    @property
    def unlabelled(self) -> int | None:
        """Stored value of unlabelled pixels; None where every value may be a class."""
        return self.ignore if self.ignore is not None or IGNORE in self.stored else IGNORE

    def _other_geometry(self) -> Geometry:
        """Return geometry that is not depth.

        Raises:
            ContractError: one that makes no sense.
        """
        return Geometry(
            self.geometry, 1.0 if self.geometry_scale is None else self.geometry_scale, self.geometry_missing or 0
        )

    @property
    def stored_geometry(self) -> Geometry | None:
        """What `depth/` holds and how; None where the manifest names no unit: depth is then floats in metres."""
        if self.geometry != DEPTH:
            return self._other_geometry()
        return None if self.depth_units_per_metre is None else Geometry(DEPTH, self.depth_units_per_metre)

    @property
    def form(self) -> Format:
        """How images are stored."""
        return Format(
            classes=self.classes,
            palette=self.palette or self.label_colours or spread_palette(len(self.classes)),
            depth=self.depth_reader,
            labels=self.label_reader,
            label_values=self.stored if self.stored != tuple(range(len(self.classes))) else (),
            plausible=self.plausible_depth or ((0.1, 20.0) if self.geometry == DEPTH else None),
        )

    @property
    def label_reader(self) -> LabelCode | ColourCode:
        """What makes stored labels class indices."""
        if self.label_colours is not None:
            return ColourCode(self.label_colours, self.ignore_colour)
        return LabelCode(self.stored, self.unlabelled)

    @property
    def depth_reader(self) -> PlainDepth | OtherGeometry:
        """What makes stored numbers of `depth/` values."""
        if self.geometry == DEPTH or self.stored_geometry is None:
            return PlainDepth(self.depth_units_per_metre)
        return OtherGeometry(self.stored_geometry)


def recognise(path: Path) -> bool:
    """Say whether a folder looks like this layout."""
    return (path / MANIFEST).is_file()


def open_split(config: DataConfig, split: str) -> FileFrames:
    """Return the frames of a split.

    Raises:
        DataError: the manifest, a list or a file is missing or wrong.
    """
    root = Path(config.path)
    form = read_manifest(root).form
    stems, problems = _splits(root)
    refuse(problems)
    frames = open_files([_entry(root, stem) for stem in stems[split]], form)
    if split == LISTS[0]:
        refuse(single_class(frames, str(root / "labels")))
    return frames


def has_lists(root: Path) -> bool:
    """Say whether a folder lists its frames."""
    return any((root / f"{name}.txt").exists() for name in LISTS)


def open_every(config: DataConfig) -> FileFrames:
    """Return all frames of a folder, in alphabetical order, whatever its lists say.

    Raises:
        DataError: the manifest or a file is missing or wrong.
    """
    root = Path(config.path)
    return open_files([_entry(root, stem) for stem in sorted(_stems(root))], read_manifest(root).form)


def unlabelled(root: Path, names: Sequence[str]) -> dict[str, FrameEntry]:
    """Return by its name where the images of every frame lie, whether there are labels or not.

    Args:
        root: folder with `rgb/`, `depth/` or both.
        names: of the folders of which every frame must have an image.

    Raises:
        DataError: there is no frame, or an image of one is missing.
    """
    stems = sorted({path.stem for name in names for path in _files(root / name) if _fits(path, name)})
    if not stems:
        raise DataError(Problem(str(root / names[0]), "holds no image", f"put {' or '.join(ENDINGS[names[0]])} there"))
    entries = {stem: _entry(root, stem) for stem in stems}
    files = [getattr(entry, name) for entry in entries.values() for name in names]
    refuse([missing_file(file) for file in files if not file.is_file()])
    return entries


def survey(config: DataConfig) -> Survey:
    """Lay open every frame that a list names or of which at least one image exists.

    Raises:
        DataError: the manifest is missing or wrong, without which nothing can be judged.
    """
    root = Path(config.path)
    manifest = read_manifest(root)
    form = manifest.form
    splits, problems = _splits(root)
    problems += [_guessed(root, key, why) for key, why in manifest.guessed.items()]
    stems = sorted({*_stems(root), *(stem for split in splits.values() for stem in split)})
    frames = FileFrames([_entry(root, stem) for stem in stems], form)
    labels = str(root / "labels")
    if isinstance(form.labels, LabelCode) and (colours := painted_colours(frames)):
        problems.append(painted_problem(colours, form.classes, labels))
        if len(colours) <= 255:  # everything else is checked as if the colours were classes
            form = replace(form, labels=ColourCode([*colours]), classes=tuple(map(str, colours)))
            frames = FileFrames(frames.entries, form)
    train, val = (FileFrames([_entry(root, stem) for stem in splits[name]], form) for name in ("train", "val"))
    found = (*problems, *_strangers(root), *single_class(frames, labels))
    return Survey(found, frames, lambda: folder_problems(root, train, val))


def read_manifest(root: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        DataError: it is missing or wrong.
    """
    path = root / MANIFEST
    try:
        return from_plain(Manifest, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(Problem(str(path), "is missing", "docs/guides/own-data.md shows one")) from None
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be used ({error})", "docs/guides/own-data.md shows one")) from error


def _guessed(root: Path, key: str, why: str) -> Problem:
    """Return the warning of a key of the manifest that nobody has confirmed."""
    cure = "correct it or leave it, and take it out of guessed"
    return Problem(str(root / MANIFEST), f"{key} is a guess: {why}", cure, warning=True)


def _splits(root: Path) -> tuple[dict[str, list[str]], list[Problem]]:
    """Return the stems of every split and what is wrong with the lists."""
    paths = {name: root / f"{name}.txt" for name in LISTS}
    if not has_lists(root):
        stems = sorted(_stems(root))
        if len(stems) < 3:
            what = f"holds {len(stems)} frames, too few for three splits"
            return dict.fromkeys(LISTS, stems), [Problem(str(root / "rgb"), what, "add frames, or write the lists")]
        tenth = max(1, len(stems) // 10)
        return {"train": stems[: -2 * tenth], "val": stems[-2 * tenth : -tenth], "test": stems[-tenth:]}, []
    splits: dict[str, list[str]] = {}
    problems: list[Problem] = []
    only_scored = not any(paths[name].exists() for name in LISTS[:2])
    for name, path in paths.items():
        if only_scored and name != "test":
            splits[name] = []
            continue
        if name == "test" and not path.exists():
            splits[name] = splits["val"]
            continue
        splits[name], wrong = read_lines(path)
        problems += wrong
    return splits, problems + shared_lines({path: splits[name] for name, path in paths.items() if path.exists()})


def _stems(root: Path) -> set[str]:
    """Return the names of all frames of which an image exists."""
    return {path.stem for folder in ENDINGS for path in _files(root / folder) if _fits(path, folder)}


def _strangers(root: Path) -> list[Problem]:
    """Return folders that are missing, files that are not read, and images that exist twice."""
    problems, seen = [], dict[tuple[str, str], Path]()
    for folder, endings in ENDINGS.items():
        if not (root / folder).is_dir():
            problems.append(missing_file(root / folder))
        for path in _files(root / folder):
            if not _fits(path, folder):
                problems.append(
                    Problem(str(path), "is not read", f"save it as {' or '.join(endings)}, or move it away")
                )
            elif (first := seen.setdefault((folder, path.stem), path)) != path:
                problems.append(Problem(str(path), f"stands beside {first.name}", "keep one of the two"))
    return problems


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder that are not hidden, in alphabetical order."""
    return sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))


def _fits(path: Path, folder: str) -> bool:
    """Say whether a file has an ending that is read in its folder."""
    return path.suffix.lower() in ENDINGS[folder]


def _entry(root: Path, stem: str) -> FrameEntry:
    """Return where the images of a frame lie, or should lie."""

    def find(folder: str) -> Path:
        candidates = [
            root / folder / f"{stem}{ending}" for lower in ENDINGS[folder] for ending in (lower, lower.upper())
        ]
        return next((path for path in candidates if path.is_file()), candidates[0])

    return FrameEntry(find("rgb"), find("depth"), find("labels"))
