"""Errors of one sample of a batch: which one it is stands before what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crosswire.serving.steps.media.images import ImageError


@contextmanager
def named_sample(index: int, count: int) -> Iterator[None]:
    """Have errors in a block say that they are about sample `index` of a batch of `count`; of one sample, nothing.

    Raises:
        ImageError: the one that the block raised, with the index before its words.
    """
    try:
        yield
    except ImageError as error:
        if count == 1:
            raise
        raise ImageError(f"sample {index} (counted from 0): {error}") from None
