"""Clients: images or clips in, typed results out.

Example:
    >>> from crosswire.clients import Predictor
    >>> with Predictor("grpc://127.0.0.1:8001") as predictor:
    ...     result = predictor.segment("rgb.jpg", "depth.png", pipeline="rooms_cen_image")
    >>> files = result.save("predictions", "living_room")
"""

from __future__ import annotations

from crosswire.clients.async_client import AsyncPredictor
from crosswire.clients.balance import Retries
from crosswire.clients.batch.folder import predict_folder
from crosswire.clients.batch.run import BatchOutcome
from crosswire.clients.display.contact_sheet import ContactSheetRow, contact_sheet
from crosswire.clients.display.overlays import blend_labels
from crosswire.clients.errors import (
    AddressError,
    CrosswireError,
    DeadlineExceeded,
    InputError,
    InternalServerError,
    OutputError,
    PipelineNotFoundError,
    RequestRejectedError,
    ServerError,
    ServerOverloaded,
    ServerUnreachable,
)
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.clients.score import mean_iou
from crosswire.clients.session import Request, Timings
from crosswire.clients.streaming.frames import Frame
from crosswire.clients.streaming.outputs.choose import Outputs
from crosswire.clients.streaming.play import StreamOutcome, stream
from crosswire.clients.streaming.run import FrameOutcome
from crosswire.clients.sync_client import Predictor
from crosswire.clients.tasks.classification import Classification, clip_request, tensors_request
from crosswire.clients.tasks.result import Result
from crosswire.clients.tasks.retrieval import Embedding, embedding_request
from crosswire.clients.tasks.segmentation import Segmentation, segmentation_request
from crosswire.clients.tasks.translation import Translation, translation_request
from crosswire.contract import PipelineDescription, TensorSpec
from crosswire.media.recordings.recording import RecordingError

__all__ = [
    "AddressError",
    "AsyncPredictor",
    "BatchOutcome",
    "Classification",
    "ContactSheetRow",
    "CrosswireError",
    "DeadlineExceeded",
    "Embedding",
    "Frame",
    "FrameOutcome",
    "InputError",
    "InternalServerError",
    "OutputError",
    "Outputs",
    "PipelineDescription",
    "PipelineNotFoundError",
    "Predictor",
    "RecordedOptions",
    "RecordingError",
    "Request",
    "RequestRejectedError",
    "Result",
    "Retries",
    "Segmentation",
    "ServerError",
    "ServerOverloaded",
    "ServerUnreachable",
    "StreamOutcome",
    "TensorSpec",
    "Timings",
    "Translation",
    "blend_labels",
    "clip_request",
    "contact_sheet",
    "embedding_request",
    "mean_iou",
    "predict_folder",
    "segmentation_request",
    "stream",
    "tensors_request",
    "translation_request",
]
