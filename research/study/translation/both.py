"""The study of several inputs and outputs at once: exchange in the encoder, in the decoder, or in both."""

from __future__ import annotations

from research.study.study import Study, StudyRow
from research.study.translation.base import POWER, base, less, read

_ROWS = {
    "no exchange": {"fusion": "none"},
    "exchange in the encoder": {"place": "encoder"},
    "exchange in the decoder": {"place": "decoder"},
    "exchange in both": {},
}
_NONE, _ENCODER, _DECODER, _BOTH = _ROWS


def _rows(size: str) -> list[StudyRow]:
    """Return every place that an exchange can have."""
    config = base("rooms-translate", size)
    ends = {"outputs": ("rgb", "depth"), "decoders": (0, 1)}
    return [StudyRow.varied(name, config, **ends, **changes) for name, changes in _ROWS.items()]


BOTH = Study(
    name="both",
    question="Two inputs and two outputs at once: where should channels be exchanged?",
    rows=_rows,
    read=read,
    shown={"rgb": "MAE rgb", "depth": "MAE depth", "exchanged": "exchanged"},
    drawn=("rgb", "depth"),
    power=POWER,
    claims=tuple(
        claim
        for other in (_NONE, _ENCODER, _DECODER)
        for claim in less(_BOTH, other, ("rgb", "depth"), "CEN journal, Table 9")
    ),
)
