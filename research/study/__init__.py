"""Studies: the papers' claims, tested on procedural data with spread over seeds; `python -m research study NAME`."""

from __future__ import annotations

import importlib

from crosswire.training.config import ConfigError
from research.study.study import Study

#: Where each study is defined: module and name.
STUDIES = {
    "exchange": "research.study.segmentation:EXCHANGE",
    "fusion": "research.study.segmentation:FUSION",
    "missing": "research.study.audio_video:MISSING",
    "sensitivity": "research.study.segmentation:SENSITIVITY",
    "theory": "research.study.theory:THEORY",
    "translation": "research.study.translation:TRANSLATION",
    "multitask": "research.study.translation:MULTITASK",
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
