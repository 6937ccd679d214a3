"""The predictor for an event loop.

Example:
    >>> async with AsyncPredictor("grpc://127.0.0.1:8001") as predictor:
    ...     results = await asyncio.gather(*(predictor.segment(rgb, depth) for rgb, depth in pairs))
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.access import Access
from crosswire.clients.balance import Retries
from crosswire.clients.errors import CrosswireError
from crosswire.clients.inputs.images import Source
from crosswire.clients.session import Call, Pause, Session, SessionFlow, SessionStep
from crosswire.clients.sync_client import DEADLINE_S
from crosswire.clients.tasks.classification import Classification, classification_request
from crosswire.clients.tasks.request import Request, segmentation_request
from crosswire.clients.tasks.segmentation import Segmentation
from crosswire.clients.tasks.translation import Translation, translation_request
from crosswire.clients.transport import AsyncTransport, open_async_transport
from crosswire.contract import PipelineDescription

Answer = TypeVar("Answer")


class AsyncPredictor:
    """`Predictor` for one event loop: the same arguments, answers and errors.

    Cancelling the task that waits for an answer cancels the request on its way. Pictures are encoded and answers
    decoded in threads, so that the loop goes on meanwhile.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        timeout: float = DEADLINE_S,
        retries: Retries | None = None,
        api_key: str | None = None,
        ca: str | os.PathLike[str] | None = None,
    ) -> None:
        """Remember the servers; arguments and errors are those of `Predictor`."""
        self._talks = Session(url, timeout, retries)
        access = Access.of(api_key, ca)
        addresses = self._talks.addresses
        self._transports: list[AsyncTransport] | None = [open_async_transport(address, access) for address in addresses]

    async def __aenter__(self) -> AsyncPredictor:
        """Return the predictor itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; closing twice does nothing."""
        transports, self._transports = self._transports, None
        for transport in transports or ():
            await transport.close()

    async def health(self) -> dict[str, bool]:
        """Return per address whether its server is ready; see `Predictor.health`."""
        return await self._hold(self._talks.health())

    async def pipelines(self) -> tuple[PipelineDescription, ...]:
        """Return every pipeline that the server offers now; see `Predictor.pipelines`."""
        return await self._hold(self._talks.pipelines())

    async def pipeline(self, name: str | None = None, *, task: str = "segmentation") -> PipelineDescription:
        """Return one pipeline; see `Predictor.pipeline`."""
        return await self._hold(self._talks.pipeline(name, task))

    async def named_pipeline(self, name: str | None = None) -> PipelineDescription:
        """Return the pipeline with a name, or the only one; see `Predictor.named_pipeline`."""
        return await self._hold(self._talks.named_pipeline(name))

    async def statistics(self) -> list[dict[str, Any]]:
        """Return Triton's statistics; see `Predictor.statistics`."""
        return await self._hold(self._talks.statistics())

    async def segment(
        self,
        rgb: Source | None = None,
        depth: Source | None = None,
        *,
        depth_units_per_metre: float | None = None,
        pipeline: str | None = None,
        overlay: bool = True,
        confidence: bool = True,
    ) -> Segmentation:
        """Label every pixel of one pair of pictures; see `Predictor.segment`."""
        return await self._prepared(
            lambda: segmentation_request(
                rgb,
                depth,
                depth_units_per_metre=depth_units_per_metre,
                pipeline=pipeline,
                overlay=overlay,
                confidence=confidence,
            )
        )

    async def translate(
        self, inputs: Mapping[str, Source], *, depth_units_per_metre: float | None = None, pipeline: str | None = None
    ) -> Translation:
        """Make pictures of some domains into pictures of others; see `Predictor.translate`."""
        return await self._prepared(
            lambda: translation_request(inputs, depth_units_per_metre=depth_units_per_metre, pipeline=pipeline)
        )

    async def classify(
        self,
        clip: str | os.PathLike[str] | bytes | None = None,
        *,
        frames: NDArray[np.uint8] | None = None,
        waveform: NDArray[np.float32] | None = None,
        pipeline: str | None = None,
        strip: bool = True,
    ) -> Classification:
        """Say what happens in a clip; see `Predictor.classify`."""
        return await self._prepared(
            lambda: classification_request(clip, frames, waveform, pipeline=pipeline, strip=strip)
        )

    async def ask(self, question: Request[Answer], *, timeout: float | None = None) -> Answer:
        """Ask a prepared question; see `Predictor.ask`."""
        return await self._hold(self._talks.ask(question, timeout))

    async def _prepared(self, prepare: Callable[[], Request[Answer]]) -> Answer:
        """Prepare a question in a thread, then ask it."""
        return await self.ask(await asyncio.to_thread(prepare))

    async def _hold(self, talk: SessionFlow[Answer]) -> Answer:
        """Take every step of a talk, one after the other."""
        try:
            step = next(talk)
            while True:
                try:
                    result = await self._take(step)
                except BaseException as error:
                    step = talk.throw(error)
                else:
                    step = talk.send(result)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    async def _take(self, step: SessionStep) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if not isinstance(step, Call):
            return await asyncio.to_thread(step.do)
        if self._transports is None:
            raise CrosswireError("this predictor was closed; make a new one")
        return await getattr(self._transports[step.server], step.verb)(*step.arguments, step.timeout)
