"""The blocking predictor: images or a clip in, typed results out.

Example:
    >>> with Predictor("grpc://127.0.0.1:8001") as predictor:
    ...     result = predictor.segment("rgb.jpg", "depth.png")
    >>> result.shares["floor"]
    0.31
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crosswire.clients.access import Access
from crosswire.clients.address import Address
from crosswire.clients.balance import Retries
from crosswire.clients.errors import CrosswireError
from crosswire.clients.inputs.cameras import Camera
from crosswire.clients.inputs.images import Source
from crosswire.clients.session import Call, Pause, Request, ResultT, Session, SessionFlow, SessionStep, Work
from crosswire.clients.tasks.classification import Classification, classification_request
from crosswire.clients.tasks.retrieval import Embedding, embedding_request
from crosswire.clients.tasks.segmentation import Segmentation, segmentation_request
from crosswire.clients.tasks.translation import Translation, translation_request
from crosswire.clients.transport import Transport, open_transport
from crosswire.clients.transport.base import FetchConfig, FetchStatistics, Infer, IsReady, ListModels
from crosswire.contract import PipelineDescription

TIMEOUT_S = 60.0
TransportT = TypeVar("TransportT")


class PredictorBase(Generic[TransportT]):
    """What the predictors of threads and of event loops begin with: a session and a connection per server."""

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        timeout: float = TIMEOUT_S,
        retries: Retries | None = None,
        api_key: str | None = None,
        ca: str | os.PathLike[str] | None = None,
    ) -> None:
        """Remember the servers; nothing is sent before the first request.

        Args:
            url: `grpc://host:port` or `http://host:port` (`grpcs://`, `https://` with TLS), or several that serve the
                same, as a sequence or with commas between them: each request goes to the healthy one with the fewest
                requests in flight.
            timeout: seconds that one request may take, all attempts together.
            retries: how often a request is sent again when a server is full or gone; None takes the defaults.
            api_key: for a server that asks for one; None takes the variable `CROSSWIRE_API_KEY`.
            ca: PEM file of the certificates to trust with TLS; None trusts those of this machine.

        Raises:
            AddressError: an address cannot be understood.
            InputError: the timeout is not above 0, no address came, or the key or certificates are of no use.
        """
        self._session = Session(url, timeout, retries)
        access = Access.of(api_key, ca)
        self._transports: list[TransportT] | None = [
            self._open_transport(address, access) for address in self._session.addresses
        ]

    @staticmethod
    @abstractmethod
    def _open_transport(address: Address, access: Access) -> TransportT:
        """Return a transport to one server, which connects at its first request."""

    def _transport_of(self, step: Call) -> TransportT:
        """Return the transport to the server that a call is for.

        Raises:
            CrosswireError: the predictor was closed.
        """
        if self._transports is None:
            raise CrosswireError("this predictor was closed; make a new one")
        return self._transports[step.server]


class Predictor(PredictorBase[Transport]):
    """Asks the pipelines of one server, or of several equal ones; may be shared between threads.

    Names, classes and palettes are learnt from the server with the first request to a pipeline and kept; make a new
    predictor after a server was given another network under the same name.
    """

    _open_transport = staticmethod(open_transport)

    def __enter__(self) -> Predictor:
        """Return the predictor itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; requests of other threads end with an error; closing twice does nothing."""
        transports, self._transports = self._transports, None
        for transport in transports or ():
            transport.close()

    def health(self) -> dict[str, bool]:
        """Return per address whether its server is ready; never raises a `ServerError`."""
        return self._drive(self._session.health())

    def pipelines(self) -> tuple[PipelineDescription, ...]:
        """Return every pipeline that the server offers now, sorted by name.

        Raises:
            ServerError: the server cannot be asked.
        """
        return self._drive(self._session.pipelines())

    def pipeline(self, name: str | None = None, *, task: str = "segmentation") -> PipelineDescription:
        """Return one pipeline.

        Args:
            name: its name, or None for the only one with this task.
            task: what it must do.

        Raises:
            PipelineNotFoundError: there is none, it has another task, or there are several and no name.
            ServerError: the server cannot be asked.
        """
        return self._drive(self._session.pipeline(name, task))

    def named_pipeline(self, name: str | None = None) -> PipelineDescription:
        """Return the pipeline with a name, or the only one of the server, whatever its task.

        Raises:
            PipelineNotFoundError: there is none, or there are several and no name.
            ServerError: the server cannot be asked.
        """
        return self._drive(self._session.named_pipeline(name))

    def statistics(self) -> list[dict[str, Any]]:
        """Return Triton's statistics, one entry per model, numbers as `int`.

        Raises:
            ServerError: the server cannot be asked.
        """
        return self._drive(self._session.statistics())

    def segment(
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
        """Label every pixel of one pair of images.

        Args:
            rgb: path or bytes of a JPEG, PNG, TIFF or WebP, a Pillow image, or an array uint8 [H, W, 3].
            depth: path or bytes of a depth file (`crosswire.media.depth_files`), a Pillow image (I;16, I or F), or an
                array [H, W]: whole numbers in units of `depth_units_per_metre`, or floats in metres; 0 is no reading.
                It must be registered to the colour image: same size, or the same scaled evenly; or a camera says how it
                is to be. One of the two may be None where the network was trained with it missing; `streams` of the
                result says what was used.
            depth_units_per_metre: what one metre, or one unit of other geometry, counts in depth; None means what the
                network's training data state, else 1000, and 1 for floats.
            camera: of depth that is not registered: the lenses of colour and depth, as a
                `crosswire.media.cameras.camera.RgbdCamera`, its JSON text, or the path of a file that holds it. The
                server moves depth into the colour camera; `summary` says under `depth_registered` how much of the image
                it covers. Either image may be a scaled one of what its lens sees, but no part of it, and not turned by
                an EXIF orientation. Without depth it changes nothing; without rgb it is refused.
            pipeline: name of the pipeline, or None for the only segmentation pipeline of the server.
            overlay: whether the server draws its overlay; without it the result is smaller and comes sooner.
            confidence: whether the certainty of every label travels too.

        Returns:
            Labels at the size of the colour image (without one, of the depth image), with shares, summary and
            overlay.

        Raises:
            InputError: an image cannot be sent; the server was not asked.
            ServerError: the server was asked and there is no result.
        """
        return self.ask(
            segmentation_request(
                rgb,
                depth,
                depth_units_per_metre=depth_units_per_metre,
                camera=camera,
                pipeline=pipeline,
                overlay=overlay,
                confidence=confidence,
            )
        )

    def translate(
        self,
        inputs: Mapping[str, Source],
        *,
        depth_units_per_metre: float | None = None,
        camera: Camera | None = None,
        pipeline: str | None = None,
    ) -> Translation:
        """Make images of some domains into images of others.

        Args:
            inputs: per input domain of the pipeline an image as in `segment`, for example `{"texture": "t.png"}`;
                grey ones may be arrays uint8 [H, W], `"depth"` is as in `segment`. All show the same view.
            depth_units_per_metre: what one metre counts in depth; None means what the network's training data state,
                else 1000, and 1 for floats.
            camera: of depth that is not registered to `"rgb"`, as in `segment`; all other images are.
            pipeline: name of the pipeline, or None for the only translation pipeline of the server.

        Raises:
            InputError: an image cannot be sent; the server was not asked.
            ServerError: the server was asked and there is no result.
        """
        return self.ask(
            translation_request(inputs, depth_units_per_metre=depth_units_per_metre, camera=camera, pipeline=pipeline)
        )

    def classify(
        self,
        clip: str | os.PathLike[str] | bytes | None = None,
        *,
        frames: NDArray[np.uint8] | None = None,
        waveform: NDArray[np.float32] | None = None,
        pipeline: str | None = None,
        strip: bool = True,
    ) -> Classification:
        """Say what happens in a clip.

        Args:
            clip: path or bytes of a video or sound file (MP4, QuickTime, WebM, MKV, AVI, MPEG-TS, WAV, FLAC, Ogg, MP3);
                its sound or its frames may be missing.
            frames: in the place of a clip, images of the network's own size and number, uint8 [T, H, W, 3].
            waveform: in the place of a clip, alone or beside frames, samples of the network's own number, mono, -1..1,
                float32 [S].
            pipeline: name of the pipeline, or None for the only classification pipeline of the server.
            strip: whether the server draws what it saw and heard; only of a clip.

        Raises:
            InputError: nothing, or something that cannot be sent, came; the server was not asked.
            ServerError: the server was asked and there is no result.
        """
        return self.ask(classification_request(clip, frames, waveform, pipeline=pipeline, strip=strip))

    def embed(
        self, *, video: ArrayLike | None = None, image: ArrayLike | None = None, pipeline: str | None = None
    ) -> Embedding:
        """Map features of videos or of images to vectors, by which they are found.

        Args:
            video: features of a video, [F], or of N videos, [N, F], of the extractor that the training data were made
                with; those of several clips of a video are averaged before. N is at most what the network was exported
                for (`--max-batch`).
            image: in its place, features of an image, [G], or of N images, [N, G].
            pipeline: name of the network, or None for the only one of the server that embeds such features.

        Raises:
            InputError: nothing, both, or no features came; the server was not asked.
            ServerError: the server was asked and there is no result.
        """
        return self.ask(embedding_request(video, image, pipeline=pipeline))

    def ask(self, request: Request[ResultT], *, timeout: float | None = None) -> ResultT:
        """Send a prepared request.

        Args:
            request: for example from `segmentation_request`.
            timeout: seconds that this request may take; None takes the predictor's.

        Raises:
            ServerError: the server was asked and there is no result.
        """
        return self._drive(self._session.ask(request, timeout))

    def _drive(self, flow: SessionFlow[ResultT]) -> ResultT:
        """Carry out every step of a flow, one after the other."""
        try:
            step = next(flow)
            while True:
                try:
                    outcome = self._take(step)
                except BaseException as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: ResultT = end.value
            return result

    def _take(self, step: SessionStep) -> Any:
        """Carry out one step; returns its outcome."""
        match step:
            case Pause(seconds):
                return time.sleep(seconds)
            case Work(do):
                return do()
        transport, operation, timeout = self._transport_of(step), step.operation, step.timeout
        match operation:
            case Infer():
                return transport.infer(operation.model, operation.inputs, operation.outputs, timeout)
            case FetchConfig():
                return transport.config(operation.model, timeout)
            case ListModels():
                return transport.models(timeout)
            case FetchStatistics():
                return transport.statistics(timeout)
            case IsReady():
                return transport.ready(timeout)
