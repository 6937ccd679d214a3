"""Layers of the generators and discriminators of image translation."""

from __future__ import annotations

from crosswire.training.models.translation.blocks import TaskBlocks, task_blocks
from crosswire.training.models.translation.discriminator import PatchDiscriminator
from crosswire.training.models.translation.flows import Runs, StackFlows, TaskMix
from crosswire.training.models.translation.norms import InstanceNorm
from crosswire.training.models.translation.sharing import PartlySharedNorm2d

__all__ = [
    "InstanceNorm",
    "PartlySharedNorm2d",
    "PatchDiscriminator",
    "Runs",
    "StackFlows",
    "TaskBlocks",
    "TaskMix",
    "task_blocks",
]
