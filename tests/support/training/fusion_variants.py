"""The fusions that tests vary a segmentation network with: those of the papers' presets, by the presets' names."""

from __future__ import annotations

import dataclasses
from itertools import product
from typing import Any

from crosswire.training.tasks.options import SETTINGS, STAGE_FUSIONS, WHERE
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.presets import ABLATIONS

#: What is changed at the exchange points or in the place of the ensemble; a single stream fuses nothing.
RULES = {
    "exchange": {},
    "weighted": {"fusion": "weighted"},
    **{name: changes for name, changes in ABLATIONS.items() if "streams" not in changes},
}
#: What stands between stages of the encoder; the name is `fusion-where-setting`.
BETWEEN_STAGES: dict[str, dict[str, Any]] = {
    f"{fusion}-{where}-{setting}": {"fusion": fusion, "where": where, "setting": setting}
    for setting, fusion, where in product(SETTINGS, STAGE_FUSIONS, WHERE)
}
VARIANTS = {**RULES, **BETWEEN_STAGES}


def variant(config: NetworkConfig, name: str) -> NetworkConfig:
    """Return a network changed into one of the `VARIANTS`."""
    return dataclasses.replace(config, **VARIANTS[name])
