"""Layers of networks, and the networks of segmentation; a task's `network.py` assembles them from a configuration."""

from __future__ import annotations

from crosswire.training.models.exchange import PrivateNorm2d, exchanged_share, exchanging_norms, sparse_norms
from crosswire.training.models.segmentation import Decisions, SegmentationNetwork
from crosswire.training.models.single import single_stream
from crosswire.training.models.streams import Ensemble, StackStreams, StreamConv2d

__all__ = [
    "Decisions",
    "Ensemble",
    "PrivateNorm2d",
    "SegmentationNetwork",
    "StackStreams",
    "StreamConv2d",
    "exchanged_share",
    "exchanging_norms",
    "single_stream",
    "sparse_norms",
]
