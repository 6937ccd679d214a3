"""Generators and discriminators of image translation."""

from __future__ import annotations

from training.models.translation.discriminator import PatchDiscriminator
from training.models.translation.flows import Runs, StackFlows, TaskMix
from training.models.translation.network import Pictures, TranslationNetwork, build_translator
from training.models.translation.norms import InstanceNorm

__all__ = [
    "InstanceNorm",
    "PatchDiscriminator",
    "Pictures",
    "Runs",
    "StackFlows",
    "TaskMix",
    "TranslationNetwork",
    "build_translator",
]
