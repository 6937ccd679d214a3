"""What a network sees of a clip."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipShape:
    """What a network sees of a clip.

    Attributes:
        frames: T; 0 of a network that sees nothing: pictures are not looked at, and sound begins with itself.
        height: rows of a frame; frames of the clip are stretched to them.
        width: columns of a frame.
        rate: frames per second; None takes the first T frames as they come.
        samples: S; 0 of a network that hears nothing: sound is not looked at.
        sample_rate: samples per second.
    """

    frames: int
    height: int
    width: int
    rate: float | None
    samples: int
    sample_rate: int
