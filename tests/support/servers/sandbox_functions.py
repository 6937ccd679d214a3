"""Functions that well-behaved and ill-behaved workers run in `test_serving_sandbox.py`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.serving.steps.decode.sandbox import MediaError


def echo(*values: Any) -> tuple[Any, ...]:
    """Return what came."""
    return values


def doubled(array: npt.NDArray[Any]) -> tuple[Any, ...]:
    """Return an array twice as large."""
    return (np.concatenate([array, array]),)


def meet(folder: str, count: int) -> tuple[Any, ...]:
    """Wait until so many processes are at work in a folder; return the process id."""
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < count:
        time.sleep(0.01)
    return (os.getpid(),)


def misbehave(how: str) -> tuple[Any, ...]:
    """Do what a decoder must not do; anything else is answered with the process id."""
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "exit":
        os._exit(3)
    if how == "fill the memory":
        return (bytes(1 << 30),)
    if how == "never end":
        while True:
            pass
    if how == "wait for ever":
        signal.pause()
    if how == "answer too much":
        return (np.zeros(64 << 20, np.uint8),)
    if how == "refuse":
        raise MediaError("clip is no film; send a film")
    if how == "fail":
        raise KeyError("nothing")
    return (os.getpid(),)
