"""Panels below the contact sheet: what the networks beyond segmentation made of what they were sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

MARGIN, GUTTER, CELL = 48, 16, 360
_INK, _GREY, _RULE = (28, 30, 36), (124, 128, 138), (226, 228, 232)
_TITLE, _LINE = 40, 26


@dataclass(frozen=True)
class Panel:
    """One answer.

    Attributes:
        title: what was asked of which network.
        pictures: what was sent and what came back, each with its caption; the first one sets the height of all.
        facts: a line below the title.
        wide: whether the one picture there is takes the whole width.
    """

    title: str
    pictures: tuple[tuple[str, Image.Image], ...]
    facts: str
    wide: bool = False


def with_panels(sheet: Image.Image, panels: Sequence[Panel]) -> Image.Image:
    """Return a sheet with panels below it, RGB, as wide as the sheet."""
    drawn = [_draw(panel, sheet.width) for panel in panels]
    whole = Image.new("RGB", (sheet.width, sheet.height + sum(band.height for band in drawn)), "white")
    whole.paste(sheet, (0, 0))
    top = sheet.height
    for band in drawn:
        whole.paste(band, (0, top))
        top += band.height
    return whole


def _draw(panel: Panel, width: int) -> Image.Image:
    """Draw one panel."""
    cells = [(caption, _fitted(picture, panel, width)) for caption, picture in panel.pictures]
    tall = max(picture.height for _, picture in cells)
    band = Image.new("RGB", (width, _TITLE + _LINE + tall + _LINE + MARGIN), "white")
    pen = ImageDraw.Draw(band)
    pen.line((MARGIN, 0, width - MARGIN, 0), fill=_RULE)
    pen.text((MARGIN, 14), panel.title, _INK, ImageFont.load_default(19))
    pen.text((MARGIN, _TITLE), panel.facts, _GREY, ImageFont.load_default(16))
    for place, (caption, picture) in enumerate(cells):
        left = MARGIN + place * (CELL + GUTTER)
        band.paste(picture, (left, _TITLE + _LINE))
        pen.text((left, _TITLE + _LINE + tall + 4), caption, _GREY, ImageFont.load_default(16))
    return band


def _fitted(picture: Image.Image, panel: Panel, width: int) -> Image.Image:
    """Scale a picture into its place."""
    wanted = width - 2 * MARGIN if panel.wide else CELL
    size = (wanted, max(1, round(wanted * picture.height / picture.width)))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
