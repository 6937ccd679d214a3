"""Classification: a clip in, probabilities of classes out; the request, and its result."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InputError, InternalServerError
from crosswire.clients.inputs.tensors import bytes_tensor
from crosswire.clients.session import Request, Timings
from crosswire.clients.tasks.result import read_summary, save_files, share_lines, single_value
from crosswire.clients.transport.base import Tensors
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CLIP, FRAMES, MODALITIES, PROBABILITIES, STRIP_PNG, SUMMARY, WAVEFORM

TASK = "classification"


@dataclass(frozen=True, eq=False)
class Classification:
    """What a network made of a clip.

    Attributes:
        pipeline: name of the pipeline that was asked.
        class_names: names by index.
        probabilities: float32 [C].
        modalities: which were used: `"frames"`, `"waveform"`.
        warnings: what the server found odd about the clip.
        summary: everything that the server said, as it came; empty for bare tensors.
        timings: where the time went.
        strip_png: the frames used, the spectrogram and the probabilities, or None if it was not asked for.
    """

    pipeline: str
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    modalities: tuple[str, ...]
    warnings: tuple[str, ...]
    summary: Mapping[str, Any]
    timings: Timings
    strip_png: bytes | None = field(default=None, repr=False)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the likeliest classes with their probabilities."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.class_names[index], float(self.probabilities[index])) for index in order]

    def strip(self) -> Image.Image:
        """Return the image of what was seen and heard.

        Raises:
            InputError: it was not asked for.
        """
        if self.strip_png is None:
            raise InputError("there is no image of bare tensors, or of a clip that was sent with strip=False")
        return Image.open(io.BytesIO(self.strip_png))

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write `<stem>.json` as `answer`, and `<stem>.strip.png` as `strip` where there is one; see `Result.save`."""
        files: dict[str, tuple[str, Any]] = {
            "answer": ("json", {"pipeline": self.pipeline, **self.figures(), **self.summary})
        }
        if self.strip_png is not None:
            files["strip"] = ("strip.png", self.strip_png)
        return save_files(folder, stem, files)

    def figures(self) -> dict[str, Any]:
        """Return all probabilities, the largest first, and what was used, as plain JSON types."""
        return {"probabilities": dict(self.top(len(self.class_names))), "modalities": self.modalities}

    def as_lines(self) -> list[str]:
        """Return the likeliest classes, and what was used."""
        return [*share_lines(self.top()), f"used: {' and '.join(self.modalities)}"]


def classification_request(
    clip: str | os.PathLike[str] | bytes | None,
    frames: NDArray[np.uint8] | None,
    waveform: NDArray[np.float32] | None,
    *,
    pipeline: str | None,
    strip: bool,
) -> Request[Classification]:
    """Prepare a clip, or bare tensors in its place; the arguments are those of `Predictor.classify`.

    Raises:
        InputError: nothing came, both came, or something that cannot be sent.
    """
    if clip is None:
        return tensors_request(frames, waveform, pipeline=pipeline)
    if frames is not None or waveform is not None:
        raise InputError("a clip came beside frames or a waveform; send the one or the other")
    return clip_request(clip, pipeline=pipeline, strip=strip)


def clip_request(
    clip: str | os.PathLike[str] | bytes, *, pipeline: str | None = None, strip: bool = True
) -> Request[Classification]:
    """Prepare a clip; the arguments are those of `Predictor.classify`.

    Raises:
        InputError: the file cannot be read.
    """
    started = time.perf_counter()
    try:
        data = clip if isinstance(clip, bytes) else Path(clip).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {clip!s} ({error.strerror}); name a clip that you may read") from error
    if not data:
        raise InputError("the clip is empty; send the bytes of an MP4, WebM, MKV, AVI or sound file")
    inputs = {CLIP: bytes_tensor(data)}
    needed = (PROBABILITIES, MODALITIES, SUMMARY)
    taken = 1e3 * (time.perf_counter() - started)
    return Request(TASK, pipeline, inputs, needed, (STRIP_PNG,) if strip else (), _read, taken)


def tensors_request(
    frames: NDArray[np.uint8] | None, waveform: NDArray[np.float32] | None, *, pipeline: str | None = None
) -> Request[Classification]:
    """Prepare what the network itself takes; the arguments are those of `Predictor.classify`.

    Raises:
        InputError: an array is none that could be sent, or there is none.
    """
    inputs: dict[str, NDArray[Any]] = {}
    for name, array, dtype, axes in (
        (FRAMES, frames, np.uint8, "[frames, height, width, 3]"),
        (WAVEFORM, waveform, np.float32, "[samples]"),
    ):
        if array is None:
            continue
        if array.dtype != dtype or array.ndim != axes.count(",") + 1 or not array.size:
            raise InputError(f"{name}: came {array.dtype} {list(array.shape)}; send {np.dtype(dtype)} {axes}")
        inputs[name] = np.ascontiguousarray(array)[None]
    if not inputs:
        raise InputError("nothing came; send a clip, or frames, or a waveform, or both of these")
    return Request(TASK, pipeline, inputs, (PROBABILITIES, MODALITIES), (), _read, 0.0, direct=True)


def _read(pipeline: PipelineDescription, tensors: Tensors, timings: Callable[[], Timings]) -> Classification:
    """Read the result of a classification pipeline, or of its network."""
    probabilities = tensors[PROBABILITIES]
    if probabilities.shape != (1, len(pipeline.classes)):
        raise InternalServerError(
            f"the server's probabilities are {list(probabilities.shape)}, but there are {len(pipeline.classes)} classes"
        )
    summary = read_summary(single_value(tensors[SUMMARY], SUMMARY)) if SUMMARY in tensors else {}
    return Classification(
        pipeline=pipeline.name,
        class_names=pipeline.classes,
        probabilities=probabilities[0].astype(np.float32),
        modalities=tuple(single_value(tensors[MODALITIES], MODALITIES).decode().split("+")),
        warnings=tuple(map(str, summary.get("warnings", ()))),
        summary=summary,
        timings=timings(),
        strip_png=single_value(tensors[STRIP_PNG], STRIP_PNG) if STRIP_PNG in tensors else None,
    )
