"""Step `<name>_draw`: one image of what a network saw and heard of a clip, and what it made of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
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
    frames: npt.NDArray[np.uint8] | None,
    waveform: npt.NDArray[np.float32] | None,
    probabilities: npt.NDArray[np.float32],
    used: Sequence[str],
    facts: Facts,
    classes: Sequence[str],
) -> Image.Image:
    """Draw a strip of the frames used, the spectrogram, and the likeliest classes.

    Args:
        frames: uint8 [T, H, W, 3], or None of a network that takes none.
        waveform: float32 [S], or None likewise.
        probabilities: float32 [C].
        used: modalities that the network used; the others are named as absent.
        facts: what is known about the clip.
        classes: class names by index.

    Returns:
        an RGB image `WIDTH` wide.
    """
    bars = ranked(probabilities, classes, _MOST_BARS)
    parts = [Image.new("RGB", (WIDTH, _MARGIN + _LINE), _PAPER)]
    pen, font = ImageDraw.Draw(parts[0]), ImageFont.load_default(15)
    pen.text((_MARGIN, _MARGIN), _title(used, facts), _INK, font)
    if frames is not None:
        parts.append(
            _seen(frames, facts, font) if FRAMES in used else _said("no pictures were used", 2 * _LINE + _GAP, font)
        )
    if waveform is not None:
        parts.append(_heard(waveform) if WAVEFORM in used else _said("no sound was used", _LINE, font))
    parts.append(Image.new("RGB", (WIDTH, 3 * _GAP + _BAR * len(bars) + _MARGIN), _PAPER))
    _draw_bars(ImageDraw.Draw(parts[-1]), font, 3 * _GAP, bars)
    image = Image.new("RGB", (WIDTH, sum(part.height for part in parts)), _PAPER)
    top = 0
    for part in parts:
        image.paste(part, (0, top))
        top += part.height
    return image


def _seen(frames: npt.NDArray[np.uint8], facts: Facts, font: Any) -> Image.Image:
    """Draw frames side by side, with their seconds below."""
    inner = WIDTH - 2 * _MARGIN
    shown = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).round().astype(int))
    cell = min((inner - _GAP * (len(shown) - 1)) // len(shown), 220)
    tall = max(1, round(cell * frames.shape[1] / frames.shape[2]))
    image = Image.new("RGB", (WIDTH, tall + _LINE + _GAP), _PAPER)
    pen = ImageDraw.Draw(image)
    at = (facts.pictures or {}).get("at", [])
    for place, index in enumerate(shown):
        left = _MARGIN + place * (cell + _GAP)
        image.paste(Image.fromarray(frames[index]).resize((cell, tall), Image.Resampling.BICUBIC), (left, 0))
        if index < len(at):
            pen.text((left, tall), f"{at[index]:.2f} s", _FAINT, font)
    return image


def _heard(waveform: npt.NDArray[np.float32]) -> Image.Image:
    """Draw a spectrogram."""
    image = Image.new("RGB", (WIDTH, _SOUND), _PAPER)
    image.paste(spectrogram(waveform, WIDTH - 2 * _MARGIN, _SOUND), (_MARGIN, 0))
    return image


def _said(words: str, height: int, font: Any) -> Image.Image:
    """Write a line in the place of what is absent."""
    image = Image.new("RGB", (WIDTH, height), _PAPER)
    ImageDraw.Draw(image).text((_MARGIN, 0), words, _FAINT, font)
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
        """Read class names, and what the network takes, from the model's own parameters."""
        description = PipelineDescription.from_config(config)
        self._classes = description.classes
        self._taken = {spec.name for spec in description.inputs}

    def run(self, request: StepRequest) -> Arrays:
        """Draw the samples of one request."""
        columns: list[Iterable[Any]] = [
            request.array(name) if name in self._taken else itertools.repeat(None) for name in (FRAMES, WAVEFORM)
        ]
        columns += map(request.array, (PROBABILITIES, USED, CLIP_FACTS))
        drawn = [
            draw_clip(frames, waveform, shares, used[0].decode().split("+"), facts_of(facts[0]), self._classes)
            for frames, waveform, shares, used, facts in zip(*columns, strict=False)
        ]
        return {STRIP_PNG: column([png_bytes(image) for image in drawn])}
