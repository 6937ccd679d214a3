"""Masked auto-encoders whose decoders rebuild their input with what the other modality saw: GMF-MAE and GMF-AE."""

from __future__ import annotations

from crosswire.training.models.autoencoders.encoder import Latent, VisionTransformer
from crosswire.training.models.autoencoders.reconstruction import CrossReconstruction, LatentParts

__all__ = ["CrossReconstruction", "Latent", "LatentParts", "VisionTransformer"]
