"""Layers of the generators and discriminators of image translation."""

from __future__ import annotations

from crosswire.training.models.translation.discriminator import PatchDiscriminator
from crosswire.training.models.translation.flows import Runs, StackFlows, TaskMix
from crosswire.training.models.translation.norms import InstanceNorm

__all__ = ["InstanceNorm", "PatchDiscriminator", "Runs", "StackFlows", "TaskMix"]
