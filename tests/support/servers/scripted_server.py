"""A server without a machine: it answers one request at a time, in virtual time, and stands still when told to."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from crosswire.clients.bench.load import Target
from crosswire.clients.errors import ServerOverloaded
from crosswire.clients.inputs.tensors import bytes_tensor
from crosswire.clients.transport.base import Send, Tensors
from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import DEPTH_UNITS
from tests.support.servers.pipelines import as_config, described

PIPELINE, STEP = "desk_image", "desk_decode"
SIZE = (32, 24)
_DESCRIPTION = described(
    PIPELINE,
    "desk",
    "segmentation",
    ("rgb_image", "depth_image"),
    outputs=("labels_png", "summary"),
    classes=("desk",),
    palette=((0, 0, 0),),
    steps=(STEP,),
)
_UNITS = TensorSpec(DEPTH_UNITS, "FP32", (1,), ("item",), "units", optional=True)
_CONFIG = as_config(replace(_DESCRIPTION, inputs=(*_DESCRIPTION.inputs, _UNITS)))


@dataclass
class ScriptedServer:
    """An `AsyncTransport` to a server that needs the same time for every request and has a queue of any length.

    Attributes:
        service_s: seconds of work on one request.
        stall: from when to when it stands still.
        places: more requests at a time are refused.
        pipeline: the name that its statistics tell.
        answered: how many requests it has answered.
    """

    service_s: float
    stall: tuple[float, float] = (0.0, 0.0)
    places: float = float("inf")
    pipeline: str = PIPELINE
    answered: int = 0
    _here: int = 0
    _free: float = 0.0

    async def _serve(self) -> None:
        """Answer when it is this request's turn."""
        now = asyncio.get_running_loop().time()
        if self._here >= self.places:
            raise ServerOverloaded("full")
        begin, (stands, goes_on) = max(now, self._free), self.stall
        done = begin + self.service_s
        if begin < goes_on and done > stands:
            done += goes_on - max(begin, stands)
        self._free = done
        self._here += 1
        await asyncio.sleep(done - now)
        self._here -= 1
        self.answered += 1

    async def infer(self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float) -> dict[str, Any]:
        """Label every pixel alike."""
        await self._serve()
        file = io.BytesIO()
        Image.new("L", SIZE).save(file, "PNG")
        summary = {"classes": [{"name": "desk", "share": 1.0, "mean_confidence": 1.0}]}
        found = {"labels_png": file.getvalue(), "summary": json.dumps(summary).encode()}
        return {name: bytes_tensor(found[name]) for name in outputs}

    def repeated(self, model: str, inputs: Tensors, outputs: Sequence[str], timeout: float) -> Send:
        """Return what sends one request."""
        return self._serve

    async def config(self, model: str, timeout: float) -> dict[str, Any]:
        """Return the pipeline's configuration."""
        return _CONFIG

    async def models(self, timeout: float) -> tuple[str, ...]:
        """Return the pipeline's name."""
        return (PIPELINE,)

    async def statistics(self, timeout: float, model: str = "") -> list[dict[str, Any]]:
        """Return what was answered; a step is told of only to who names it."""
        spent = round(self.answered * self.service_s * 1e9)
        stats = {"success": {"count": self.answered, "ns": spent}, "compute_infer": {"ns": spent}}
        return [{"name": model or self.pipeline, "execution_count": self.answered, "inference_stats": stats}]

    async def ready(self, timeout: float) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Do nothing."""


def scripted_target(server: ScriptedServer, name: str = "one") -> Target:
    """Return what the benchmark sends to such a server."""
    inputs = {"rgb_image": np.array([[b""]], np.object_)}
    return Target(name, f"grpc://{name}:1", PIPELINE, (STEP,), inputs, ("summary",), 30.0, server)
