"""Named configurations: the procedural rooms and tabletops, and the experiments of the papers."""

from __future__ import annotations

from crosswire.training.config import ConfigError, RunConfig
from crosswire.training.tasks.audio_video.presets import AUDIO_VIDEO
from crosswire.training.tasks.retrieval.presets import RETRIEVAL
from crosswire.training.tasks.segmentation.presets import OWN, PAPERS, ROOMS, TABLETOPS
from crosswire.training.tasks.translation.presets import TRANSLATION

_ALL: tuple[RunConfig, ...] = (*ROOMS, *TABLETOPS, *OWN, *PAPERS, *TRANSLATION, *AUDIO_VIDEO, *RETRIEVAL)
PRESETS = {config.preset: config for config in _ALL}


def preset(name: str) -> RunConfig:
    """Return a preset by name.

    Raises:
        ConfigError: an unknown name, with those that exist.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
