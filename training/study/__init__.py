"""Studies: the papers' claims, tested on procedural data with spread over seeds; `python -m training study NAME`."""

from __future__ import annotations

import importlib

from training.config import ConfigError
from training.study.study import Study

#: Where each study is defined: module and name.
STUDIES = {
    "exchange": "training.study.segmentation:EXCHANGE",
    "fusion": "training.study.segmentation:FUSION",
    "missing": "training.study.audio_video:MISSING",
    "sensitivity": "training.study.segmentation:SENSITIVITY",
    "theory": "training.study.theory:THEORY",
    "translation": "training.study.translation:TRANSLATION",
    "multitask": "training.study.translation:MULTITASK",
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
