"""Clients: pictures in, answers out.

Example:
    >>> from clients import Predictor
    >>> with Predictor("grpc://127.0.0.1:8001") as predictor:
    ...     result = predictor.segment("rgb.jpg", "depth.png", pipeline="rooms_cen_image")
    >>> files = result.save("predictions", "living_room")
"""

from __future__ import annotations

from clients.async_predictor import AsyncPredictor
from clients.balance import Retries
from clients.classifications import Classification, clip_question, tensors_question
from clients.contact_sheet import Row, contact_sheet
from clients.errors import (
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
from clients.overlays import blend_labels
from clients.pipelines import Pipeline, Tensor
from clients.predictor import Predictor
from clients.questions import Question, segmentation_question
from clients.results import Segmentation, Timings
from clients.score import mean_iou
from clients.translations import Translation, translation_question

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
