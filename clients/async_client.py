"""The predictor for an event loop.

Example:
    >>> async with AsyncPredictor("grpc://127.0.0.1:8001") as predictor:
    ...     results = await asyncio.gather(*(predictor.segment(rgb, depth) for rgb, depth in pairs))
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosswire.clients.inputs.cameras import Camera
from crosswire.clients.inputs.images import Source
from crosswire.clients.session import Pause, Request, ResultT, SessionFlow, SessionStep, Work
from crosswire.clients.sync_client import PredictorBase
from crosswire.clients.tasks.classification import Classification, classification_request
from crosswire.clients.tasks.retrieval import Embedding, embedding_request
from crosswire.clients.tasks.segmentation import Segmentation, segmentation_request
from crosswire.clients.tasks.translation import Translation, translation_request
from crosswire.clients.transport import AsyncTransport, open_async_transport
from crosswire.clients.transport.base import FetchConfig, FetchStatistics, Infer, IsReady, ListModels
from crosswire.contract import PipelineDescription


class AsyncPredictor(PredictorBase[AsyncTransport]):
    """`Predictor` for one event loop: the same arguments, results and errors.

    Cancelling the task that waits for a result cancels the request on its way. Images are encoded and results decoded
    in threads, so that the loop goes on meanwhile.
    """

    _open_transport = staticmethod(open_async_transport)

    async def __aenter__(self) -> AsyncPredictor:
        """Return the predictor itself."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; closing twice does nothing."""
        transports, self._transports = self._transports, None
        for transport in transports or ():
            await transport.close()

    async def health(self) -> dict[str, bool]:
        """Return per address whether its server is ready; see `Predictor.health`."""
        return await self._drive(self._session.health())

    async def pipelines(self) -> tuple[PipelineDescription, ...]:
        """Return every pipeline that the server offers now; see `Predictor.pipelines`."""
        return await self._drive(self._session.pipelines())

    async def pipeline(self, name: str | None = None, *, task: str = "segmentation") -> PipelineDescription:
        """Return one pipeline; see `Predictor.pipeline`."""
        return await self._drive(self._session.pipeline(name, task))

    async def named_pipeline(self, name: str | None = None) -> PipelineDescription:
        """Return the pipeline with a name, or the only one; see `Predictor.named_pipeline`."""
        return await self._drive(self._session.named_pipeline(name))

    async def statistics(self) -> list[dict[str, Any]]:
        """Return Triton's statistics; see `Predictor.statistics`."""
        return await self._drive(self._session.statistics())

    async def segment(
        self,
        rgb: Source | None = None,
        depth: Source | None = None,
        *,
        depth_units_per_metre: float | None = None,
        camera: Camera | None = None,
        pipeline: str | None = None,
        overlay: bool = True,
        confidence: bool = True,
    ) -> Segmentation:
        """Label every pixel of one pair of images; see `Predictor.segment`."""
        return await self._prepared(
            lambda: segmentation_request(
                rgb,
                depth,
                depth_units_per_metre=depth_units_per_metre,
                camera=camera,
                pipeline=pipeline,
                overlay=overlay,
                confidence=confidence,
            )
        )

    async def translate(
        self,
        inputs: Mapping[str, Source],
        *,
        depth_units_per_metre: float | None = None,
        camera: Camera | None = None,
        pipeline: str | None = None,
    ) -> Translation:
        """Make images of some domains into images of others; see `Predictor.translate`."""
        return await self._prepared(
            lambda: translation_request(
                inputs, depth_units_per_metre=depth_units_per_metre, camera=camera, pipeline=pipeline
            )
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

    async def embed(
        self, *, video: ArrayLike | None = None, image: ArrayLike | None = None, pipeline: str | None = None
    ) -> Embedding:
        """Map features of videos or of images to vectors; see `Predictor.embed`."""
        return await self._prepared(lambda: embedding_request(video, image, pipeline=pipeline))

    async def ask(self, request: Request[ResultT], *, timeout: float | None = None) -> ResultT:
        """Send a prepared request; see `Predictor.ask`."""
        return await self._drive(self._session.ask(request, timeout))

    async def _prepared(self, prepare: Callable[[], Request[ResultT]]) -> ResultT:
        """Prepare a request in a thread, then send it."""
        return await self.ask(await asyncio.to_thread(prepare))

    async def _drive(self, flow: SessionFlow[ResultT]) -> ResultT:
        """Carry out every step of a flow, one after the other."""
        try:
            step = next(flow)
            while True:
                try:
                    outcome = await self._take(step)
                except BaseException as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: ResultT = end.value
            return result

    async def _take(self, step: SessionStep) -> Any:
        """Carry out one step; returns its outcome."""
        match step:
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Work(do):
                return await asyncio.to_thread(do)
        transport, operation, timeout = self._transport_of(step), step.operation, step.timeout
        match operation:
            case Infer():
                return await transport.infer(operation.model, operation.inputs, operation.outputs, timeout)
            case FetchConfig():
                return await transport.config(operation.model, timeout)
            case ListModels():
                return await transport.models(timeout)
            case FetchStatistics():
                return await transport.statistics(timeout)
            case IsReady():
                return await transport.ready(timeout)
