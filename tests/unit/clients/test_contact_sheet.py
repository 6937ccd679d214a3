"""The contact sheet: what is drawn where."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from crosswire.clients import ContactSheetRow, InputError, blend_labels, contact_sheet
from crosswire.clients.display.contact_sheet import CELL_WIDTH, GUTTER, MARGIN
from crosswire.clients.display.depth_colours import colour_depth
from crosswire.training.datasets.rooms import CLASSES, PALETTE, render

COLOURS = np.array(PALETTE, np.uint8)


@pytest.fixture
def row() -> ContactSheetRow:
    room = render(5, 0)
    picture = Image.fromarray(room.rgb)
    overlay = blend_labels(picture, room.labels, COLOURS, 0.5)
    return ContactSheetRow(
        "room 0", picture, room.depth, overlay, overlay, ("mIoU 1.00", "12 ms"), "out of the training domain"
    )


def test_a_sheet_has_a_column_of_true_labels_only_if_they_are_known(row: ContactSheetRow) -> None:
    unknown = dataclasses.replace(row, truth=None)
    assert contact_sheet([row]).width - contact_sheet([unknown]).width == CELL_WIDTH + GUTTER
    mixed = contact_sheet([row, unknown])
    assert mixed.width == contact_sheet([row]).width


def test_the_pictures_stand_in_their_cells_on_white(row: ContactSheetRow) -> None:
    sheet = np.asarray(contact_sheet([dataclasses.replace(row, rgb=Image.new("RGB", (40, 30), (1, 2, 3)))]))
    own = (sheet == (1, 2, 3)).all(axis=-1)
    top, left = np.argwhere(own).min(axis=0)
    assert (left, int(own[top].sum()), int(own[:, left].sum())) == (MARGIN, CELL_WIDTH, CELL_WIDTH * 30 // 40)
    assert (sheet[:, :MARGIN] == 255).all() and (sheet[:, -MARGIN:] == 255).all()
    assert (sheet[top : top + 200, MARGIN + CELL_WIDTH : MARGIN + CELL_WIDTH + GUTTER] == 255).all()


def test_every_class_colour_of_the_legend_is_on_the_sheet(row: ContactSheetRow) -> None:
    legend = list(zip(CLASSES, PALETTE, strict=True))
    with_legend = np.asarray(contact_sheet([row], legend))
    below = with_legend[contact_sheet([row]).height - MARGIN :].reshape(-1, 3)
    for name, colour in legend:
        assert (below == colour).all(axis=-1).sum() > 200, name


def test_title_captions_and_notice_leave_ink(row: ContactSheetRow) -> None:
    bare = dataclasses.replace(row, title="", captions=(), notice="")
    for part in ("title", "captions", "notice"):
        drawn = dataclasses.replace(bare, **{part: getattr(row, part)})
        assert np.asarray(contact_sheet([drawn])).tobytes() != np.asarray(contact_sheet([bare])).tobytes(), part


def test_a_sheet_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="at least one row"):
        contact_sheet([])


def test_depth_holes_are_black_and_near_is_lighter_than_far() -> None:
    metres = np.linspace(0.5, 8, 400, dtype=np.float32).reshape(20, 20)
    metres[3, 3], metres[4, 4] = 0, np.nan
    colours = np.asarray(colour_depth(metres)).astype(int).sum(axis=-1)
    assert colours[3, 3] == colours[4, 4] == 0
    assert colours[0, 0] > colours[10, 10] > colours[19, 19] > 0


def test_depth_without_any_reading_is_a_black_picture() -> None:
    assert not np.asarray(colour_depth(np.zeros((4, 6)))).any()


def test_blending_shows_only_the_picture_at_zero_and_only_the_colours_at_one() -> None:
    room = render(5, 1)
    picture = Image.fromarray(room.rgb)
    assert np.array_equal(np.asarray(blend_labels(picture, room.labels, COLOURS, 0.0)), room.rgb)
    assert np.array_equal(np.asarray(blend_labels(picture, room.labels, COLOURS, 1.0)), COLOURS[room.labels])
    unknown = np.full_like(room.labels, 255)
    assert np.array_equal(np.asarray(blend_labels(picture, unknown, COLOURS, 1.0)), room.rgb)


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_outside_its_range_is_refused(opacity: float) -> None:
    with pytest.raises(InputError, match="allowed is 0"):
        blend_labels(Image.new("RGB", (2, 2)), np.zeros((2, 2), np.uint8), COLOURS, opacity)
