"""What the benchmark sends: the user's files, or images that compress like photographs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.batch.items import domain
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.images import encode_png, read_source
from crosswire.clients.inputs.tensors import bytes_tensor
from crosswire.clients.session import check_inputs
from crosswire.contract import PipelineDescription, TensorSpec
from crosswire.contract.wire_names import DEPTH, IMAGE_SUFFIX

SIZE = (640, 480)
_GREY = ("edge", "shade")


def bench_inputs(
    pipeline: PipelineDescription, files: Mapping[str, Path], size: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    """Return one sample of everything that a pipeline needs.

    Args:
        pipeline: whom it is for.
        files: by input, `rgb` or `rgb_image`; for the others images are made.
        size: width and height of images that are made.

    Raises:
        InputError: a file is for no input, cannot be read, or an input can be no image.
    """
    check_inputs(pipeline, files)
    inputs: dict[str, NDArray[Any]] = {}
    left = dict(files)
    for tensor in pipeline.inputs:
        path = left.pop(tensor.name, None) or left.pop(domain(tensor), None)
        if tensor.computed and not tensor.optional:
            inputs[tensor.name] = _made_numbers(tensor, path)
            continue
        if path is not None:
            data = read_source(path, tensor.name)[0]
        elif tensor.optional:
            continue
        elif tensor.name.endswith(IMAGE_SUFFIX):
            data = made_image(domain(tensor), size)
        else:
            raise InputError(f"{tensor.name} cannot be made up; send a file: --input {domain(tensor)}=FILE")
        inputs[tensor.name] = bytes_tensor(data)
    if left:
        name = next(iter(left))
        raise InputError(f"{name} and {name}_image came, which is one input; name one file for it")
    return inputs


def _made_numbers(tensor: TensorSpec, path: Path | None) -> NDArray[np.float32]:
    """Return one sample of noise; no network answers some numbers sooner than others.

    Raises:
        InputError: a file was named for them.
    """
    if path is not None:
        raise InputError(f"{tensor.name} are numbers, which are made up; leave out --input {tensor.name}={path}")
    return np.random.default_rng(0).normal(size=(1, *tensor.shape)).astype(np.float32)


def made_image(kind: str, size: tuple[int, int]) -> bytes:
    """Return an encoded image of a room-like scene: smooth shades with edges and a little noise.

    Args:
        kind: `depth` is a 16-bit PNG in millimetres, anything else an 8-bit JPEG, grey for maps of edges.
        size: width and height.
    """
    generator = np.random.default_rng(0)
    width, height = size
    coarse = generator.uniform(0, 1, (6, 8, 3))
    planes = [Image.fromarray(np.float32(plane)) for plane in coarse.transpose(2, 0, 1)]
    blocks = np.asarray([plane.resize(size, Image.Resampling.BICUBIC) for plane in planes])
    blocks += 0.2 * (np.indices((height, width)).sum(axis=0) // 64 % 2)
    if kind == DEPTH:
        millimetres = 1500 + 2500 * np.clip(blocks[0], 0, 1) + generator.normal(0, 4, (height, width))
        millimetres[generator.uniform(0, 1, (height, width)) < 0.05] = 0
        return encode_png(Image.fromarray(millimetres.astype(np.uint16))).data
    noisy = np.clip(200 * blocks.transpose(1, 2, 0) + generator.normal(0, 6, (height, width, 1)), 0, 255)
    image = Image.fromarray(noisy.astype(np.uint8))
    file = io.BytesIO()
    (image.convert("L") if kind in _GREY else image).save(file, "JPEG", quality=90)
    return file.getvalue()
