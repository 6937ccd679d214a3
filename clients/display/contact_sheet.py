"""A contact sheet: one row per scene, one column per image, the classes below.

The sheet is laid out from top to bottom in three bands: column titles, rows, legend. All sizes are in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from crosswire.clients.display.depth_colours import colour_depth
from crosswire.clients.errors import InputError

Colour: TypeAlias = tuple[int, int, int]

MARGIN = 48
GUTTER = 16
CELL_WIDTH = 360
_INK: Colour = (28, 30, 36)
_GREY: Colour = (124, 128, 138)
_RULE: Colour = (226, 228, 232)
_EMPTY: Colour = (246, 247, 248)
_NOTICE_INK: Colour = (146, 84, 0)
_NOTICE_FILL: Colour = (255, 242, 219)
_TITLES = ("colour", "depth", "prediction", "truth")


@dataclass(frozen=True)
class ContactSheetRow:
    """One scene of the sheet.

    Attributes:
        title: name of the scene.
        rgb: the colour image.
        depth: metres, [H, W]; 0 is a hole and comes out black.
        overlay: the prediction over the image.
        truth: the true labels over the image, if known.
        captions: short facts under the row, for example `("mIoU 0.71", "84 ms", "confidence 0.93")`.
        notice: a warning that stands out, for example `"out of the training domain"`.
    """

    title: str
    rgb: Image.Image
    depth: NDArray[Any]
    overlay: Image.Image
    truth: Image.Image | None = None
    captions: tuple[str, ...] = ()
    notice: str = ""


def contact_sheet(rows: Sequence[ContactSheetRow], legend: Sequence[tuple[str, Colour]] = ()) -> Image.Image:
    """Draw the sheet.

    Args:
        rows: scenes from top to bottom; the column of true labels appears if one of them has some.
        legend: class names with their RGB colours, 0..255, drawn below the rows.

    Returns:
        RGB image, white background.

    Raises:
        InputError: there is no row.
    """
    if not rows:
        raise InputError("a contact sheet needs at least one row; none came")
    columns = 4 if any(row.truth is not None for row in rows) else 3
    width = 2 * MARGIN + columns * CELL_WIDTH + (columns - 1) * GUTTER
    bands = [_heading(width, columns)]
    bands += [_row(row, width, columns, last=row is rows[-1] and not legend) for row in rows]
    if legend:
        bands.append(_legend(legend, width))
    sheet = Image.new("RGB", (width, sum(band.height for band in bands) + MARGIN // 2), "white")
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height
    return sheet


def _heading(width: int, columns: int) -> Image.Image:
    band = Image.new("RGB", (width, MARGIN + 22), "white")
    draw = ImageDraw.Draw(band)
    for column, title in enumerate(_TITLES[:columns]):
        _small_caps(draw, (_left(column), MARGIN - 8), title, _GREY)
    return band


def _row(row: ContactSheetRow, width: int, columns: int, *, last: bool) -> Image.Image:
    images = [row.rgb, colour_depth(row.depth), row.overlay, row.truth][:columns]
    height = max(1, round(CELL_WIDTH * row.rgb.height / row.rgb.width))
    facts_top = height + 14
    bottom = facts_top + 34
    band = Image.new("RGB", (width, bottom + (8 if last else 30)), "white")
    draw = ImageDraw.Draw(band)
    for column, image in enumerate(images):
        if image is None:
            _empty_cell(draw, _left(column), height)
        else:
            band.paste(_scaled(image, CELL_WIDTH, height), (_left(column), 0))
    left = float(MARGIN)
    draw.text((left, facts_top), row.title, font=_font(19), fill=_INK)
    left += _font(19).getlength(row.title) + 22
    if row.captions:
        facts = "   ·   ".join(row.captions)
        draw.text((left, facts_top + 2), facts, font=_font(16), fill=_GREY)
        left += _font(16).getlength(facts) + 22
    if row.notice:
        _pill(draw, left, facts_top, row.notice)
    if not last:
        draw.line((MARGIN, bottom + 8, width - MARGIN, bottom + 8), fill=_RULE)
    return band


def _legend(legend: Sequence[tuple[str, Colour]], width: int) -> Image.Image:
    """Draw swatches with names in columns of equal width, as many as fit."""
    swatch, line = 18, 32
    step = 28 + swatch + max(int(_font(16).getlength(name)) for name, _ in legend) + 14
    across = max(1, (width - 2 * MARGIN) // step)
    lines = -(-len(legend) // across)
    band = Image.new("RGB", (width, 34 + lines * line), "white")
    draw = ImageDraw.Draw(band)
    _small_caps(draw, (MARGIN, 0), "classes", _GREY)
    for index, (name, colour) in enumerate(legend):
        left, top = MARGIN + index % across * step, 32 + index // across * line
        draw.rounded_rectangle((left, top, left + swatch, top + swatch), 4, fill=colour, outline=_RULE)
        draw.text((left + swatch + 10, top + swatch / 2), name, font=_font(16), fill=_INK, anchor="lm")
    return band


def _small_caps(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, fill: Colour) -> None:
    """Draw capitals of small size with air between them."""
    left, top = place
    for letter in text.upper():
        draw.text((left, top), letter, font=_font(14), fill=fill)
        left += _font(14).getlength(letter) + 2


def _pill(draw: ImageDraw.ImageDraw, left: float, top: float, text: str) -> None:
    width = _font(15).getlength(text)
    draw.rounded_rectangle((left, top - 3, left + width + 24, top + 25), 14, fill=_NOTICE_FILL)
    draw.text((left + 12, top + 11), text, font=_font(15), fill=_NOTICE_INK, anchor="lm")


def _empty_cell(draw: ImageDraw.ImageDraw, left: int, height: int) -> None:
    draw.rectangle((left, 0, left + CELL_WIDTH - 1, height - 1), fill=_EMPTY)
    draw.text((left + CELL_WIDTH / 2, height / 2), "no ground truth", font=_font(15), fill=_GREY, anchor="mm")


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scale an image into a cell; small ones are enlarged without blur, so that single pixels stay visible."""
    enlarge = image.width < width
    filter_ = Image.Resampling.NEAREST if enlarge else Image.Resampling.LANCZOS
    return image.convert("RGB").resize((width, height), filter_)


def _left(column: int) -> int:
    return MARGIN + column * (CELL_WIDTH + GUTTER)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size=size))
