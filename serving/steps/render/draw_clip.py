"""Step `<name>_draw`: one image of what a network saw and heard of a clip, and what it made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CLIP_FACTS, FRAMES, PROBABILITIES, STRIP_PNG, WAVEFORM
from crosswire.serving.steps.decode.decode_clip import facts_of
from crosswire.serving.steps.media.clip_header import Facts
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.media.spectrogram import spectrogram
from crosswire.serving.steps.render.rank_labels import ranked
from crosswire.serving.steps.runtime.graph_choice import USED
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest, column

WIDTH = 960
_MARGIN, _GAP, _LINE, _SOUND, _BAR = 16, 4, 22, 120, 26
_MOST_FRAMES, _MOST_BARS = 8, 6
_PAPER, _INK, _FAINT, _TRACK, _FILL = "#ffffff", "#1b2733", "#6b7785", "#eef1f4", "#2f7ed8"


def draw_clip(
    frames: npt.NDArray[np.uint8],
    waveform: npt.NDArray[np.float32],
    probabilities: npt.NDArray[np.float32],
    used: Sequence[str],
    facts: Facts,
    classes: Sequence[str],
) -> Image.Image:
    """Draw a strip of the frames used, the spectrogram, and the likeliest classes.

    Args:
        frames: uint8 [T, H, W, 3].
        waveform: float32 [S].
        probabilities: float32 [C].
        used: modalities that the network used; the others are named as absent.
        facts: what is known about the clip.
        classes: class names by index.

    Returns:
        an RGB image `WIDTH` wide.
    """
    inner = WIDTH - 2 * _MARGIN
    shown = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).round().astype(int))
    cell = (inner - _GAP * (len(shown) - 1)) // len(shown)
    cell = min(cell, 220)
    tall = max(1, round(cell * frames.shape[1] / frames.shape[2]))
    bars = ranked(probabilities, classes, _MOST_BARS)
    heard = _SOUND if WAVEFORM in used else _LINE
    seen = tall if FRAMES in used else _LINE
    height = 2 * _MARGIN + 2 * _LINE + seen + _GAP * 4 + heard + _BAR * len(bars)
    image = Image.new("RGB", (WIDTH, height), _PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    top = _MARGIN
    pen.text((_MARGIN, top), _title(used, facts), _INK, font)
    top += _LINE
    if FRAMES in used:
        at = (facts.pictures or {}).get("at", [])
        for place, index in enumerate(shown):
            left = _MARGIN + place * (cell + _GAP)
            image.paste(Image.fromarray(frames[index]).resize((cell, tall), Image.Resampling.BICUBIC), (left, top))
            if index < len(at):
                pen.text((left, top + tall), f"{at[index]:.2f} s", _FAINT, font)
    else:
        pen.text((_MARGIN, top), "no pictures were used", _FAINT, font)
    top += seen + _LINE + _GAP
    if WAVEFORM in used:
        image.paste(spectrogram(waveform, inner, _SOUND), (_MARGIN, top))
    else:
        pen.text((_MARGIN, top), "no sound was used", _FAINT, font)
    _draw_bars(pen, font, top + heard + 3 * _GAP, bars)
    return image


def _draw_bars(pen: ImageDraw.ImageDraw, font: Any, top: int, bars: Sequence[tuple[str, float]]) -> None:
    """Draw a bar per class."""
    left, right = WIDTH // 4, WIDTH - _MARGIN - 70
    for place, (name, share) in enumerate(bars):
        y = top + place * _BAR
        pen.text((_MARGIN, y), name if len(name) <= 28 else name[:27] + "…", _INK, font)
        pen.rectangle((left, y + 2, right, y + _BAR - 8), _TRACK)
        pen.rectangle((left, y + 2, left + round(share * (right - left)), y + _BAR - 8), _FILL)
        pen.text((right + 8, y), f"{share:.1%}", _INK, font)


def _title(used: Sequence[str], facts: Facts) -> str:
    """Return the line on top."""
    length = "" if facts.seconds is None else f", {facts.seconds:.1f} s"
    return f"{facts.container}{length}; used: {' and '.join(used)}"


class DrawClip(Step):
    """Draws a strip for every clip."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Read class names from the model's own parameters."""
        self._classes = PipelineDescription.from_config(config).classes

    def run(self, request: StepRequest) -> Arrays:
        """Draw the samples of one request."""
        names = (FRAMES, WAVEFORM, PROBABILITIES, USED, CLIP_FACTS)
        samples = zip(*map(request.array, names), strict=True)
        drawn = [
            draw_clip(frames, waveform, shares, used[0].decode().split("+"), facts_of(facts[0]), self._classes)
            for frames, waveform, shares, used, facts in samples
        ]
        return {STRIP_PNG: column([png_bytes(image) for image in drawn])}
