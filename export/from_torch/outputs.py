"""What a module returns, whatever holds it, as a list of tensors with names."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from crosswire.export.adopt.errors import AdoptError


class Flat(nn.Module):
    """A module called with tensors in the order of its inputs, which returns a tuple of tensors.

    Args:
        network: the module.
        keywords: names of its arguments where it is called by them, else empty.
    """

    def __init__(self, network: nn.Module, keywords: Sequence[str] = ()) -> None:
        super().__init__()
        self.network = network
        self._keywords = tuple(keywords)

    def forward(self, *raw: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors that the module gives, in the order of `named`."""
        return tuple(tensor for _, tensor in named(self.call(*raw)))

    def call(self, *raw: Tensor) -> Any:
        """Return what the module itself gives."""
        if self._keywords:
            return self.network(**dict(zip(self._keywords, raw, strict=True)))
        return self.network(*raw)


def named(result: Any, name: str = "output") -> list[tuple[str, Tensor]]:
    """Return the tensors in what a module gave, with names: its keys or fields, else `output`, `output_1`, ...

    Args:
        result: a tensor, or a tuple, list, dict or dataclass of what may be one; None and numbers are passed over.
        name: of a tensor that stands alone.

    Raises:
        AdoptError: there is no tensor in it.
    """
    found = list(_tensors(result, ""))
    if not found:
        raise AdoptError(f"the module returns a {type(result).__name__} without a tensor; return logits or an image")
    names: list[str] = []
    for place, (key, _) in enumerate(found):
        free = key or (name if place == 0 else f"{name}_{place}")
        names.append(free if free not in names else f"{free}_{place}")
    return [(free, tensor) for free, (_, tensor) in zip(names, found, strict=True)]


def _tensors(result: Any, key: str) -> Any:
    """Yield every floating tensor in a result, or one of whole numbers, with the key that leads to it."""
    if isinstance(result, Tensor):
        yield key, result
    elif isinstance(result, Mapping):
        for inner, value in result.items():
            yield from _tensors(value, str(inner))
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        for field in dataclasses.fields(result):
            yield from _tensors(getattr(result, field.name), field.name)
    elif isinstance(result, (tuple, list)):
        fields = getattr(result, "_fields", [key if len(result) == 1 else ""] * len(result))
        for inner, value in zip(fields, result, strict=True):
            yield from _tensors(value, inner)


def tried(network: Flat, feed: Sequence[Tensor], what: str) -> list[str]:
    """Call a module once; return the names of its outputs.

    Raises:
        AdoptError: it cannot be called so.
    """
    try:
        with torch.no_grad():
            return [name for name, _ in named(network.call(*feed))]
    except AdoptError:
        raise
    except Exception as error:  # somebody else's code
        shapes = ", ".join(str(list(tensor.shape)) for tensor in feed)
        raise AdoptError(
            f"{what} cannot be called with {shapes}: {first_line(error)}; check order, layout and size of its inputs"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first sentence of an error's text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].split(". ")[0].rstrip(".") if lines else type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what PyTorch logs, prints and warns of while it translates; errors still raise."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
