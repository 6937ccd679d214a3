"""Retrieval: features of a video or of an image in, a vector out; the request, and its result.

Vectors of both are compared by their product, which is the cosine: how alike a video and an image are.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosswire.clients.errors import InputError, InternalServerError
from crosswire.clients.session import Request, Timings
from crosswire.clients.tasks.result import save_files
from crosswire.clients.transport.base import Tensors
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import EMBEDDING, IMAGE_FEATURES, VIDEO_FEATURES

TASK = "retrieval"
#: What is sent, by wire name: one of the two.
FEATURES = (VIDEO_FEATURES, IMAGE_FEATURES)


@dataclass(frozen=True, eq=False)
class Embedding:
    """What an embedder made of features.

    Attributes:
        pipeline: name of the network that was asked.
        vectors: float32 [N, D], each of length 1.
        timings: where the time went.
        warnings: none; features have nothing that a server could find odd.
    """

    pipeline: str
    vectors: NDArray[np.float32] = field(repr=False)
    timings: Timings
    warnings: tuple[str, ...] = ()

    @property
    def vector(self) -> NDArray[np.float32]:
        """The only vector, [D].

        Raises:
            InputError: there are several.
        """
        if len(self.vectors) != 1:
            raise InputError(f"there are {len(self.vectors)} vectors, one for each that was sent; take them by vectors")
        vector: NDArray[np.float32] = self.vectors[0]
        return vector

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write `<stem>.embedding.npy`, float32 [N, D], as `embedding`; see `Result.save`."""
        file = io.BytesIO()
        np.save(file, self.vectors)
        return save_files(folder, stem, {EMBEDDING: (f"{EMBEDDING}.npy", file.getvalue())})

    def figures(self) -> dict[str, Any]:
        """Return the vectors as lists."""
        return {"vectors": self.vectors.tolist()}

    def as_lines(self) -> list[str]:
        """Return how many vectors of which size there are."""
        return [f"{self.vectors.shape[0]} x {self.vectors.shape[1]} values, each vector of length 1"]


def embedding_request(
    video: ArrayLike | None = None, image: ArrayLike | None = None, *, pipeline: str | None = None
) -> Request[Embedding]:
    """Prepare features; the arguments are those of `Predictor.embed`.

    Raises:
        InputError: nothing came, both came, or no features.
    """
    if (video is None) == (image is None):
        raise InputError(f"{'nothing' if video is None else 'both'} came; send video or image, one of the two")
    name, given = (VIDEO_FEATURES, video) if image is None else (IMAGE_FEATURES, image)
    return features_request(name, given, pipeline=pipeline)


def features_request(name: str, given: ArrayLike | None, *, pipeline: str | None = None) -> Request[Embedding]:
    """Prepare features for a tensor by its wire name.

    Raises:
        InputError: they are no numbers [F] or [N, F], or not all of them are finite.
    """
    started = time.perf_counter()
    array = np.asarray(given)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or not array.size:
        raise InputError(f"{name}: got {array.dtype} {list(array.shape)}; send numbers [F], or [N, F] for several")
    features = np.ascontiguousarray(np.atleast_2d(array), np.float32)
    if not np.isfinite(features).all():
        raise InputError(f"{name}: got values that are not finite; send numbers as the extractor gives them")
    taken = 1e3 * (time.perf_counter() - started)
    return Request(TASK, pipeline, {name: features}, (EMBEDDING,), (), _read, taken, takes=name)


def _read(pipeline: PipelineDescription, tensors: Tensors, timings: Callable[[], Timings]) -> Embedding:
    """Read the answer of an embedder."""
    vectors, size = tensors[EMBEDDING], pipeline.outputs[0].shape
    if vectors.shape[1:] != size:
        raise InternalServerError(f"the server's vectors are {list(vectors.shape)}, and it promises {['N', *size]}")
    return Embedding(pipeline.name, vectors.astype(np.float32), timings())
