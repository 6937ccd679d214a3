"""Clients: pictures in, answers out.

Example:
    >>> from crosswire.clients import Predictor
    >>> with Predictor("grpc://127.0.0.1:8001") as predictor:
    ...     result = predictor.segment("rgb.jpg", "depth.png", pipeline="rooms_cen_image")
    >>> files = result.save("predictions", "living_room")
"""

from __future__ import annotations

from crosswire.clients.async_client import AsyncPredictor
from crosswire.clients.balance import Retries
from crosswire.clients.display.contact_sheet import Row, contact_sheet
from crosswire.clients.display.overlays import blend_labels
from crosswire.clients.errors import (
    AddressError,
    CrosswireError,
    DeadlineExceeded,
    InputError,
    OutputError,
    PipelineUnknown,
    RequestRefused,
    ServerError,
    ServerFailed,
    ServerOverloaded,
    ServerUnreachable,
)
from crosswire.clients.pipelines import Pipeline, Tensor
from crosswire.clients.score import mean_iou
from crosswire.clients.sync_client import Predictor
from crosswire.clients.tasks.classification import Classification, clip_question, tensors_question
from crosswire.clients.tasks.request import Question, segmentation_question
from crosswire.clients.tasks.segmentation import Segmentation, Timings
from crosswire.clients.tasks.translation import Translation, translation_question

__all__ = [
    "AddressError",
    "AsyncPredictor",
    "Classification",
    "CrosswireError",
    "DeadlineExceeded",
    "InputError",
    "OutputError",
    "Pipeline",
    "PipelineUnknown",
    "Predictor",
    "Question",
    "RequestRefused",
    "Retries",
    "Row",
    "Segmentation",
    "ServerError",
    "ServerFailed",
    "ServerOverloaded",
    "ServerUnreachable",
    "Tensor",
    "Timings",
    "Translation",
    "blend_labels",
    "clip_question",
    "contact_sheet",
    "mean_iou",
    "segmentation_question",
    "tensors_question",
    "translation_question",
]
