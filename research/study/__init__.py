"""Studies: the papers' claims, tested on procedural data with spread over seeds; `python -m research study NAME`."""

from __future__ import annotations

import importlib

from crosswire.training.config import ConfigError
from research.study.study import Study

#: Where each study is defined: module and name.
STUDIES = {
    "both": "research.study.translation.both:BOTH",
    "consistency": "research.study.translation.tasks:CONSISTENCY",
    "cycle": "research.study.translation.cycle:CYCLE",
    "exchange": "research.study.segmentation:EXCHANGE",
    "front-ends": "research.study.audio_video.front_ends:FRONT_ENDS",
    "fusion": "research.study.segmentation:FUSION",
    "gmf": "research.study.audio_video.gmf:GMF",
    "grouping": "research.study.translation.tasks:GROUPING",
    "lifting": "research.study.theory.lifting:LIFTING",
    "missing": "research.study.audio_video.missing:MISSING",
    "modalities": "research.study.translation.inputs:MODALITIES",
    "multitask": "research.study.translation.tasks:MULTITASK",
    "norms": "research.study.translation.inputs:NORMS",
    "sensitivity": "research.study.segmentation:SENSITIVITY",
    "theory": "research.study.theory.exchange:THEORY",
    "translation": "research.study.translation.inputs:TRANSLATION",
    "width": "research.study.theory.width:WIDTH",
}


def study(name: str) -> Study:
    """Return a study by its name.

    Raises:
        ConfigError: an unknown name, with those that exist.
    """
    if name not in STUDIES:
        raise ConfigError(f"study {name!r} is unknown; there are: {', '.join(STUDIES)}")
    module, _, attribute = STUDIES[name].partition(":")
    found: Study = getattr(importlib.import_module(module), attribute)
    return found
