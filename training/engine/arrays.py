"""Running a network on arrays in its own normalised range."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from crosswire.contract.atomic_write import atomic_path
from crosswire.contract.errors import CrosswireError
from crosswire.training.engine.run_folder import Run
from crosswire.training.modalities import modalities

Arrays = dict[str, NDArray[np.float32]]


class TensorError(CrosswireError, ValueError):
    """Arrays that a network cannot take; the message says what came and what is allowed."""


def infer(run: Run, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    """Run a network on normalised arrays, one sample at a time.

    Args:
        run: the trained network.
        arrays: one float32 [N, C, H, W] per stream, named after it.

    Returns:
        Logits at the decoder's resolution, before up-sampling: `ensemble` and one array per stream that decides on its
        own, named after it, float32 [N, K, h, w] each.

    Raises:
        TensorError: arrays that are missing, too many, or of the wrong dtype, shape or values.
    """
    streams = run.config.network.streams
    _check(run, arrays)
    names = ("ensemble", *run.config.network.deciding)
    samples = []
    with torch.inference_mode():
        for index in range(len(arrays[streams[0]])):
            inputs = [torch.from_numpy(np.ascontiguousarray(arrays[name][index : index + 1])) for name in streams]
            decisions = run.network(*inputs)
            samples.append(torch.cat([decisions.ensemble, decisions.streams])[: len(names)])
    logits = torch.stack(samples, 1).contiguous().numpy()
    return dict(zip(names, logits, strict=True))


def _check(run: Run, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Refuse arrays that do not fit a network."""
    expected = modalities(run.config.network)
    names = [modality.name for modality in expected]
    if len(set(names)) < len(names):
        raise TensorError(f"the streams {', '.join(names)} do not have names of their own; arrays cannot name them")
    check_arrays({modality.name: modality.channels for modality in expected}, arrays)


def check_arrays(channels: Mapping[str, int], arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Refuse arrays other than one float32 [N, C, H, W] per input of a network, finite and alike in N, H and W.

    Args:
        channels: C by the name of the input.
        arrays: what came.

    Raises:
        TensorError: arrays that are missing, too many, or of the wrong dtype, shape or values.
    """
    wanted = ", ".join(f"{name} float32 [N, {count}, H, W]" for name, count in channels.items())
    if faults := [f"{name} is missing" for name in channels if name not in arrays] + [
        f"{name} is no input of this network" for name in arrays if name not in channels
    ]:
        raise TensorError(f"{'; '.join(faults)}; give exactly {wanted}")
    lead = next(iter(channels))
    first = arrays[lead]
    for name, count in channels.items():
        array = arrays[name]
        if array.dtype != np.float32:
            raise TensorError(f"{name} is {array.dtype}; give float32 values in the network's normalised range")
        if array.ndim != 4 or array.shape[1] != count or 0 in array.shape:
            raise TensorError(f"{name} has shape {list(array.shape)}; give [N, {count}, H, W]")
        if (array.shape[0], *array.shape[2:]) != (first.shape[0], *first.shape[2:]):
            raise TensorError(
                f"{name} has shape {list(array.shape)}, {lead} has {list(first.shape)}; "
                "N, H and W are the same for all inputs"
            )
        if not np.isfinite(array).all():
            raise TensorError(f"{name} holds values that are not finite; replace them before")


def read_arrays(file: Path) -> dict[str, NDArray[np.generic]]:
    """Read the arrays of an `.npz` file.

    Raises:
        TensorError: no such archive, or one that holds objects.
        FileNotFoundError: there is no such file.
    """
    try:
        with file.open("rb") as stream:
            content = np.load(stream, allow_pickle=False)
            if isinstance(content, np.lib.npyio.NpzFile):
                return {name: content[name] for name in content.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TensorError(f"{file} is no .npz archive of plain arrays: {error}") from error
    raise TensorError(f"{file} holds one bare array; give an .npz archive, as numpy.savez writes it")


def write_arrays(file: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays into an `.npz` file of exactly this name, all of it or nothing."""
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **dict(arrays))
