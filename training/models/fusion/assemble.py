"""Adding the fusion that a configuration names to an assembled network."""

from __future__ import annotations

from crosswire.training.config import ConfigError
from crosswire.training.models.fusion.decide import ConcatDecision
from crosswire.training.models.fusion.stages import fuse_stages, merge_streams
from crosswire.training.models.pspnet import PSPNetDecoder
from crosswire.training.models.segmentation import SegmentationNetwork
from crosswire.training.models.single import single_stream
from crosswire.training.models.streams import Ensemble, unshare
from crosswire.training.tasks.options import STAGE_FUSIONS
from crosswire.training.tasks.segmentation.config import NetworkConfig


def fuse(network: SegmentationNetwork, config: NetworkConfig) -> None:
    """Add to a network, in place, what its configuration asks for beyond its exchange points.

    Raises:
        ConfigError: levels would be fused that the decoder does not read.
    """
    streams = len(config.streams)
    if streams == 1:
        return
    if config.merges:
        if config.where == "all" and isinstance(network.decoder, PSPNetDecoder):
            raise ConfigError(f"the decoder of {config.name} reads the deepest level alone; set network.where=late")
        network.merge = merge_streams(network.encoder, config)
        network.decoder = single_stream(network.decoder, 0)
        network.ensemble = Ensemble(1)
    elif config.fusion in STAGE_FUSIONS:
        if config.setting == "common":
            unshare(network, streams)
        fuse_stages(network.encoder, config)
    if config.ensemble == "concat":
        network.ensemble = ConcatDecision(streams, config.classes)
