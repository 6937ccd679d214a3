"""The data sets that lie on disk, by name: how each is recognised, opened, laid open for a check, and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crosswire.training.datasets import folder, nyuv2, nyuv2_mat, sunrgbd, sunrgbd_png, write
from crosswire.training.datasets.cityscapes import layout as cityscapes
from crosswire.training.datasets.cityscapes.write import write_cityscapes
from crosswire.training.datasets.files.problems import Survey
from crosswire.training.datasets.frames import FrameSource
from crosswire.training.tasks.segmentation.config import CITYSCAPES, DataConfig


@dataclass(frozen=True)
class Layout:
    """One way in which frames lie on disk.

    Attributes:
        title: what it is, in a few words.
        recognise: says whether a path looks like it.
        open: returns the frames of a split; raises `DataError`.
        survey: lays open all splits; raises `DataError` where nothing can be judged.
        write: writes frames in this layout into a folder.
    """

    title: str
    recognise: Callable[[Path], bool]
    open: Callable[[DataConfig, str], FrameSource]
    survey: Callable[[DataConfig], Survey]
    write: Callable[[FrameSource, Path, write.Splits], None]


LAYOUTS = {
    "folder": Layout(
        "a plain folder of one's own", folder.recognise, folder.open_split, folder.survey, write.write_folder
    ),
    "nyuv2": Layout("NYUv2, official CEN layout", nyuv2.recognise, nyuv2.open_split, nyuv2.survey, write.write_nyuv2),
    "nyuv2-mat": Layout(
        "NYUv2, labelled .mat", nyuv2_mat.recognise, nyuv2_mat.open_split, nyuv2_mat.survey, write.write_nyuv2_mat
    ),
    "sunrgbd": Layout(
        "SUN RGB-D with its toolbox", sunrgbd.recognise, sunrgbd.open_split, sunrgbd.survey, write.write_sunrgbd
    ),
    "sunrgbd-png": Layout(
        "SUN RGB-D, re-sorted with 37-class PNGs",
        sunrgbd_png.recognise,
        sunrgbd_png.open_split,
        sunrgbd_png.survey,
        write.write_sunrgbd_png,
    ),
    CITYSCAPES: Layout(
        "Cityscapes, fine labels and disparity",
        cityscapes.recognise,
        cityscapes.open_split,
        cityscapes.survey,
        write_cityscapes,
    ),
}
