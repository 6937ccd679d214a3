"""Named configurations: the procedural rooms, and the experiments of the papers."""

from __future__ import annotations

from training.config import ConfigError
from training.kinds import RunConfig
from training.presets.audio_video import AUDIO_VIDEO
from training.presets.papers import PAPERS
from training.presets.retrieval import RETRIEVAL
from training.presets.rooms import ROOMS
from training.presets.translation import TRANSLATION

_ALL: tuple[RunConfig, ...] = (*ROOMS, *PAPERS, *TRANSLATION, *AUDIO_VIDEO, *RETRIEVAL)
PRESETS = {config.preset: config for config in _ALL}


def preset(name: str) -> RunConfig:
    """Return a preset by name.

    Raises:
        ConfigError: an unknown name, with those that exist.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
