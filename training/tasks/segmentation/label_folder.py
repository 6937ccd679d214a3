"""Labels for a folder of frames from a run, without a server: one PNG per frame in the folder's own numbering."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from crosswire.contract import sha256_of
from crosswire.contract.atomic_write import atomic_path, write_json
from crosswire.training.config import ConfigError
from crosswire.training.datasets import folder as plain_folder
from crosswire.training.datasets.files.frames import Format, FrameEntry
from crosswire.training.datasets.files.images import orientation_problem, read_colour, read_depth, size_problem
from crosswire.training.datasets.files.problems import DataError
from crosswire.training.datasets.frames import Frame
from crosswire.training.engine.machine.device import accelerated
from crosswire.training.engine.run_folder import WEIGHTS, Run
from crosswire.training.modalities import modalities
from crosswire.training.tasks.segmentation.losses import upsample
from crosswire.training.tasks.segmentation.scoring.other_data import check_geometry, check_names
from crosswire.training.tasks.segmentation.transforms import eval_transform

#: Beside the labels: which network made them, and which value is which class.
ABOUT = "labels.json"


@dataclass(frozen=True)
class Labelled:
    """What was done.

    Attributes:
        written: frames that were labelled.
        kept: frames whose labels were there already.
        values: stored value of every class.
    """

    written: int
    kept: int
    values: Mapping[str, int]


def label_folder(run: Run, path: Path, out: Path, *, progress: bool = True) -> Labelled:
    """Write `OUT/STEM.png` for every frame of a folder: 8 bits indexed, the values those of its manifest.

    Frames lie as in `crosswire.training.datasets.folder`, without labels. A folder without a manifest is read by that
    of the run's own data. Labels that are there already are kept, so what was interrupted goes on.

    Args:
        run: the trained network.
        path: folder with `rgb/`, `depth/` or both, as the network needs.
        out: folder for the labels.
        progress: show a bar.

    Raises:
        ConfigError: no manifest, other classes than the run's, or labels of another network in `out`.
        DataError: an image that is missing or cannot be used.
    """
    manifest = _manifest(run, path)
    values = dict(zip(manifest.classes, manifest.stored, strict=True))
    entries = plain_folder.unlabelled(path, list(dict.fromkeys(run.config.network.streams)))
    _claim(out, {"weights": sha256_of(run.folder / WEIGHTS), "classes": values})
    left = {stem: entry for stem, entry in entries.items() if not (out / f"{stem}.png").exists()}
    stored, colours = np.asarray(manifest.stored, np.uint8), _colours(manifest)
    with accelerated(run.network) as device, torch.inference_mode():
        for stem, entry in tqdm(left.items(), desc="labelling", unit="frame", disable=not progress):
            labels = Image.fromarray(stored[_decide(run, _read(run, entry, manifest.form), device)], "P")
            labels.putpalette(colours)
            with atomic_path(out / f"{stem}.png") as temporary, temporary.open("wb") as file:
                labels.save(file, "PNG")
    return Labelled(len(left), len(entries) - len(left), values)


def _manifest(run: Run, path: Path) -> plain_folder.Manifest:
    """Return the manifest of a folder, or that of the run's data.

    Raises:
        ConfigError: there is neither, or its classes or its geometry are others than the run's.
    """
    data, places = run.config.data, [path]
    if data.name == "folder":
        places.append(Path(data.path))
    place = next((one for one in places if plain_folder.recognise(one)), None)
    if place is None:
        raise ConfigError(
            f"{path} has no {plain_folder.MANIFEST}, nor has the data of {run.folder}; "
            "docs/guides/own-data.md shows one"
        )
    manifest = plain_folder.read_manifest(place)
    check_names(run, manifest.classes, place / plain_folder.MANIFEST)
    check_geometry(run, manifest.geometry, place / plain_folder.MANIFEST)
    return manifest


def _claim(out: Path, about: dict[str, object]) -> None:
    """Say in a folder which network its labels are of.

    Raises:
        ConfigError: it holds labels of another one, or images of which nobody says what they are.
    """
    file = out / ABOUT
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != about:
        raise ConfigError(f"{out} holds labels of another network or numbering; choose another folder")
    if not file.exists() and any(out.glob("*.png")):
        raise ConfigError(
            f"{out} holds images and no {ABOUT}, so they are not this network's labels; choose another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(file, about)


def _read(run: Run, entry: FrameEntry, form: Format) -> Frame:
    """Read the images that the network needs; all labels are class 0.

    Raises:
        DataError: an image that cannot be used.
    """
    files = {name: getattr(entry, name) for name in run.config.network.streams}
    if problem := orientation_problem([*files.values()]):
        raise DataError(problem)
    pictures: dict[str, NDArray[np.generic]] = {
        name: read_colour(file) if name == "rgb" else read_depth(file, form.depth) for name, file in files.items()
    }
    shapes = [(str(files[name]), picture.shape) for name, picture in pictures.items()]
    if problem := size_problem(shapes):
        raise DataError(problem)
    return Frame(pictures, np.zeros(next(iter(pictures.values())).shape[:2], np.uint8))


def _decide(run: Run, frame: Frame, device: torch.device) -> NDArray[np.int64]:
    """Return the class of every pixel of a frame, int64 [H, W], seen at the size at which the run is scored."""
    data = run.config.data
    seen = eval_transform(data)(frame) if data.eval_size == "resize" else frame
    streams = modalities(run.config.network)
    inputs = [torch.from_numpy(one.normalise(seen.pictures[one.name]))[None].to(device) for one in streams]
    height, width = frame.labels.shape
    logits = upsample(run.network(*inputs).ensemble.float(), (height, width))
    labels: NDArray[np.int64] = logits.argmax(1)[0].cpu().numpy()
    return labels


def _colours(manifest: plain_folder.Manifest) -> list[int]:
    """Return the palette of 256 stored values, three numbers each; black where a value is no class."""
    colours = np.zeros((256, 3), np.uint8)
    colours[list(manifest.stored)] = manifest.form.palette
    return [int(value) for value in colours.ravel()]
