"""Named configurations: the procedural rooms, and the experiments of the papers."""

from __future__ import annotations

from training.config import ConfigError, TrainConfig
from training.presets.papers import PAPERS
from training.presets.rooms import ROOMS

PRESETS = {config.preset: config for config in (*ROOMS, *PAPERS)}


def preset(name: str) -> TrainConfig:
    """Return a preset by name.

    Raises:
        ConfigError: an unknown name, with those that exist.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
