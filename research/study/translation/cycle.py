"""The study of cycle fusion: every domain out of the two others, together or apart."""

from __future__ import annotations

import dataclasses

from research.study.study import Claim, Study, StudyRow, exceeds
from research.study.translation.base import POWER, base, less, read

_DOMAINS = ("rgb", "shade", "texture")
_CYCLE, _COMPACT, _RANDOM, _OWN = "cycle", "cycle, one decoder", "a random task per step", "individual networks"
_SOURCE = "CEN journal, Table 6"
#: Mean absolute error that counts as equal.
_EQUAL = 0.002


def _rows(size: str) -> list[StudyRow]:
    """Return the columns of Table 6."""
    config = base("rooms-translate", size)
    cycle = {"inputs": _DOMAINS, "outputs": _DOMAINS, "cycle": True}
    apart = {"decoders": (0, 1, 2)}
    whole = StudyRow.varied(_CYCLE, config, **cycle, **apart)
    drawn = dataclasses.replace(whole.config, optimiser=dataclasses.replace(config.optimiser, random_task=True))
    return [
        StudyRow.varied(_OWN, config, **cycle, **apart, encoders=(0, 1, 2)),
        StudyRow(_RANDOM, drawn),
        whole,
        StudyRow.varied(_COMPACT, config, **cycle),
    ]


CYCLE = Study(
    name="cycle",
    question="Do three tasks that each make one domain out of the two others gain from being trained together?",
    rows=_rows,
    read=read,
    shown={**{name: f"MAE {name}" for name in _DOMAINS}, "exchanged": "exchanged"},
    drawn=_DOMAINS,
    power=POWER + " A random task per step sees a third of the work of the others, as in the paper.",
    claims=(
        *less(_CYCLE, _OWN, _DOMAINS, _SOURCE),
        *less(_CYCLE, _RANDOM, _DOMAINS, _SOURCE),
        *(
            Claim(
                f"One decoder for all is as good as three in {name} (within {_EQUAL:g})",
                _SOURCE,
                exceeds(_CYCLE, _COMPACT, name, least=-_EQUAL),
            )
            for name in _DOMAINS
        ),
    ),
)
