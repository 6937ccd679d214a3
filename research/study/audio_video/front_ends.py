"""The study of GMF before other fusions ("G-method"): a fusion on plain features against the same one behind GMF."""

from __future__ import annotations

from research.study.audio_video.missing import base, read, row
from research.study.study import Claim, Study, StudyRow, exceeds

_PAPER = "GMF, Table 2"
#: Fusions of a table, by size; the Perceiver takes minutes a run on a CPU.
_PLAIN = {"cpu": ("concat", "mbt"), "gpu": ("concat", "mbt", "perceiver")}


def _rows(size: str) -> list[StudyRow]:
    """Return every fusion alone and behind GMF."""
    config = base(size)
    return [row(name, config, name) for plain in _PLAIN[size] for name in (plain, f"g-{plain}")]


FRONT_ENDS = Study(
    name="front-ends",
    question="Is a fusion better with GMF before it?",
    rows=_rows,
    read=read,
    shown={"A": "sound", "V": "images", "AV": "both", "lost": "lost if absent"},
    drawn=("A", "V", "AV"),
    power=(
        "Size cpu: narrow extractors that are trained with each fusion, six frames of 32x48 pixels, 250 steps; no "
        "Perceiver. Differences of less than a few points drown in the spread between seeds."
    ),
    claims=tuple(
        claim
        for plain in _PLAIN["cpu"]
        for claim in (
            Claim(f"GMF before {plain} makes it more accurate", _PAPER, exceeds(f"g-{plain}", plain, "AV")),
            Claim(
                f"With GMF before it {plain} loses less where a modality is absent",
                _PAPER,
                exceeds(plain, f"g-{plain}", "lost"),
            ),
        )
    ),
)
