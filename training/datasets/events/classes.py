"""What the procedural clips show and sound like, by class."""

from __future__ import annotations

import numpy as np

#: Motion and sound by class; None leaves it to chance.
EVENTS: dict[str, tuple[str | None, str | None]] = {
    "bounce-knock": ("bounce", "knock"),
    "bounce-chirp": ("bounce", "chirp"),
    "slide-knock": ("slide", "knock"),
    "slide-chirp": ("slide", "chirp"),
    "siren": (None, "siren"),
    "bell": (None, "bell"),
    "flash": ("flash", None),
    "spin": ("spin", None),
}
CLASSES = tuple(EVENTS)
PALETTE = (
    (31, 119, 180),
    (174, 199, 232),
    (44, 160, 44),
    (152, 223, 138),
    (214, 39, 40),
    (255, 152, 150),
    (255, 187, 40),
    (148, 103, 189),
)
#: What chance draws from; "none" is a black picture or silence.
ANY_MOTION = ("bounce", "slide", "still", "none")
ANY_SOUND = ("knock", "chirp", "hum", "none")


def drawn(label: int, random: np.random.Generator) -> tuple[str, str]:
    """Return motion and sound of a clip of a class."""
    motion, sound = EVENTS[CLASSES[label]]
    chance = str(random.choice(ANY_MOTION)), str(random.choice(ANY_SOUND))
    return motion or chance[0], sound or chance[1]
