"""Procedural clips whose class needs picture and sound, or either of them: numpy only.

Four classes pair a motion with a sound and are told by neither alone; two are told by the sound whatever is seen, two
by the picture whatever is heard. Some clips of the latter are dark or silent.

Example:
    >>> clip = render(seed=0, index=0)
    >>> clip.frames.shape, clip.waveform.shape, CLASSES[clip.label]
    ((8, 48, 64, 3), (32000,), 'bounce-knock')
"""

from __future__ import annotations

from crosswire.training.datasets.events.classes import CLASSES, PALETTE
from crosswire.training.datasets.events.render import Event, render

__all__ = ["CLASSES", "PALETTE", "Event", "render"]
