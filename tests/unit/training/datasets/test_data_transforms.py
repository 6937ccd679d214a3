"""Paired transforms: labels and depth follow the pixels, and what is drawn is a function of seed and number."""

from __future__ import annotations

import numpy as np
import pytest

from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import IGNORE, Frame
from crosswire.training.tasks.segmentation.config import DataConfig
from crosswire.training.tasks.segmentation.transforms import (
    EvalTransform,
    TrainTransform,
    centre_crop,
    crop,
    eval_transform,
    flip,
    pad,
    resize,
    train_transform,
)

PADDING = (124, 116, 104)


def coded(height: int = 60, width: int = 80, cell: int = 20) -> Frame:
    """Return a frame of square cells whose colour and depth say which label they have."""
    rows, columns = np.arange(height)[:, None] // cell, np.arange(width)[None] // cell
    labels = (rows * (width // cell) + columns).astype(np.uint8)
    rgb = np.stack([labels * 20, 255 - labels * 20, labels * 7], 2)
    return Frame({"rgb": rgb, "depth": (labels + 1).astype(np.float32) / 4}, labels)


def inside(labels: np.ndarray, reach: int = 4) -> np.ndarray:
    """Return where everything within a reach has the same label."""
    same = np.zeros(labels.shape, bool)
    core = labels[reach:-reach, reach:-reach]
    same[reach:-reach, reach:-reach] = True
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            moved = labels[
                reach + down : labels.shape[0] - reach + down, reach + right : labels.shape[1] - reach + right
            ]
            same[reach:-reach, reach:-reach] &= moved == core
    return same


def equal(one: Frame, other: Frame) -> bool:
    """Say whether two frames hold the same values."""
    return np.array_equal(one.labels, other.labels) and all(
        np.array_equal(one.pictures[name], other.pictures[name]) for name in ("rgb", "depth")
    )


@pytest.mark.parametrize("number", range(12))
def test_labels_and_depth_follow_the_pixels_through_flip_scale_padding_and_crop(number: int) -> None:
    frame = TrainTransform(height=64, width=96, scale_min=0.5, scale_max=2.0)(coded(), number)
    rgb, depth, labels = frame.pictures["rgb"], frame.pictures["depth"], frame.labels
    assert rgb.shape == (64, 96, 3) and depth.shape == labels.shape == (64, 96)
    assert rgb.dtype == labels.dtype == np.uint8 and depth.dtype == np.float32
    core = inside(labels)
    known, empty = core & (labels != IGNORE), labels == IGNORE
    assert known.sum() > 100
    for channel, want in enumerate((labels * 20, 255 - labels * 20, labels * 7)):
        np.testing.assert_allclose(rgb[..., channel][known].astype(int), want[known].astype(int), atol=2)
    np.testing.assert_array_equal(depth[~empty], ((labels + 1).astype(np.float32) / 4)[~empty])
    assert (depth[empty] == 0).all() and (rgb[empty] == PADDING).all()


def test_scaling_a_picture_leaves_its_depth_in_metres() -> None:
    frame = coded()
    for factor in (0.5, 1.3, 2.0):
        scaled = resize(frame, round(60 * factor), round(80 * factor))
        assert set(np.unique(scaled.pictures["depth"])) == set(np.unique(frame.pictures["depth"]))
        assert set(np.unique(scaled.labels)) == set(np.unique(frame.labels))


@pytest.mark.parametrize("size", [(30, 40), (45, 53), (70, 90), (120, 200)])
def test_resizing_keeps_every_picture_within_half_a_pixel_of_its_place(size: tuple[int, int]) -> None:
    place = np.repeat(np.arange(80)[None] + 0.5, 60, 0)
    rgb = np.repeat((2 * place)[..., None], 3, 2).astype(np.uint8)
    resized = resize(Frame({"rgb": rgb, "depth": place.astype(np.float32)}, place.astype(np.uint8)), *size)
    want = np.broadcast_to((np.arange(size[1]) + 0.5) * 80 / size[1], size)
    assert np.abs(resized.pictures["depth"] - want).max() <= 0.5 + 1e-5
    assert np.abs(resized.labels + 0.5 - want).max() <= 0.5 + 1e-5
    assert np.abs(resized.pictures["rgb"][:, 3:-3, 1] / 2 - want[:, 3:-3]).max() <= 0.5


def test_crops_reach_every_corner_of_a_frame() -> None:
    depth = np.arange(1, 24 * 20 + 1, dtype=np.float32).reshape(24, 20)
    frame = Frame({"rgb": np.zeros((24, 20, 3), np.uint8), "depth": depth}, np.zeros((24, 20), np.uint8))
    transform = TrainTransform(height=21, width=16)
    smallest = {int(transform(frame, number).pictures["depth"].min()) - 1 for number in range(200)}
    assert {(corner // 20, corner % 20) for corner in smallest} == {
        (top, left) for top in range(4) for left in range(5)
    }


def test_every_scale_of_the_range_occurs_and_none_outside() -> None:
    transform = TrainTransform(height=20, width=20, scale_min=0.5, scale_max=2.0)
    cells = [np.unique(transform(coded(200, 200, 1), n).labels).size for n in range(3)]
    assert min(cells) > 1
    widths = []
    for number in range(60):
        edge = np.diff(TrainTransform(height=240, width=240, scale_min=0.5, scale_max=2.0)(coded(), number).labels[120])
        widths.append(np.diff(np.flatnonzero(edge)).max())
    assert 10 <= min(widths) < 14 and 34 < max(widths) <= 41


def test_a_scale_never_leaves_the_shorter_side_below_its_minimum() -> None:
    transform = TrainTransform(height=200, width=200, scale_min=0.1, scale_max=0.2, shorter_side=30)
    for number in range(8):
        labels = transform(coded(), number).labels
        rows, columns = (np.flatnonzero((labels != IGNORE).any(axis)) for axis in (1, 0))
        assert (rows.size, columns.size) == (30, 40)


def test_half_of_the_frames_are_mirrored() -> None:
    frame = coded()
    mirrored = [not equal(TrainTransform(height=60, width=80)(frame, n), frame) for n in range(200)]
    assert 70 < sum(mirrored) < 130
    assert equal(flip(flip(frame)), frame) and not equal(flip(frame), frame)


def test_the_same_seed_and_number_give_the_same_frame_in_any_order() -> None:
    transform = TrainTransform(height=32, width=40, scale_min=0.5, scale_max=2.0, seed=3)
    first = [transform(coded(), number) for number in range(6)]
    again = [transform(coded(), number) for number in reversed(range(6))][::-1]
    assert all(equal(one, other) for one, other in zip(first, again, strict=True))
    assert not any(equal(first[0], other) for other in first[1:])
    other_seed = TrainTransform(height=32, width=40, scale_min=0.5, scale_max=2.0, seed=4)
    assert not all(equal(one, other_seed(coded(), number)) for number, one in enumerate(first))


def test_a_transform_leaves_the_frame_that_it_is_given_alone() -> None:
    frame, before = coded(), coded()
    for number in range(4):
        TrainTransform(height=100, width=50, scale_min=0.5, scale_max=2.0)(frame, number)
    assert equal(frame, before)


def test_padding_keeps_the_frame_in_the_middle_and_says_unknown_around_it() -> None:
    padded = pad(coded(), 65, 90)
    assert equal(crop(padded, 2, 5, 60, 80), coded())
    rim = np.ones((65, 90), bool)
    rim[2:62, 5:85] = False
    assert (padded.labels[rim] == IGNORE).all() and (padded.pictures["depth"][rim] == 0).all()
    assert (padded.pictures["rgb"][rim] == PADDING).all()
    assert equal(pad(coded(), 10, 10), coded())


def test_the_centre_of_a_frame_is_cut_out_or_padded() -> None:
    assert equal(centre_crop(coded(), 40, 50), crop(coded(), 10, 15, 40, 50))
    assert equal(centre_crop(coded(), 70, 50), crop(pad(coded(), 70, 80), 0, 15, 70, 50))


@pytest.mark.parametrize(("size", "shape"), [("full", (60, 80)), ("resize", (32, 48)), ("crop", (32, 48))])
def test_frames_are_scored_at_the_size_that_is_asked_for(size: str, shape: tuple[int, int]) -> None:
    frame = EvalTransform(size=size, height=32, width=48)(coded())
    assert frame.labels.shape == frame.pictures["depth"].shape == frame.pictures["rgb"].shape[:2] == shape
    assert equal(frame, coded()) == (size == "full")


def test_a_configuration_names_what_happens_to_its_frames() -> None:
    config = DataConfig(height=50, width=70, scale_min=0.5, scale_max=2.0, shorter_side=35, eval_size="crop")
    want = TrainTransform(height=50, width=70, scale_min=0.5, scale_max=2.0, shorter_side=35, seed=9)
    assert train_transform(config, 9) == want
    assert eval_transform(config) == EvalTransform(size="crop", height=50, width=70)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"eval_size": "big"}, "data.eval_size is 'big'; allowed are full, resize, crop"),
        ({"depth_folder": "d"}, "data.depth_folder is 'd'; allowed are depth_bfx, depth"),
        ({"scale_min": 2.0}, "data.scale_min is 2.0, data.scale_max is 1.0; allowed is 0 < min <= max"),
        ({"scale_min": 0.0}, "data.scale_min is 0.0"),
        ({"height": 0}, "data.height is 0; allowed is 1 or more"),
        ({"shorter_side": -1}, "data.shorter_side is -1; allowed is 0 or more"),
        ({"eval_batch": -1}, "data.eval_batch is -1; allowed is 0 or more"),
    ],
)
def test_settings_that_could_only_fail_later_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(**setting)  # type: ignore[arg-type]


def test_some_depth_of_every_other_frame_goes_missing_and_nothing_else_changes() -> None:
    whole, holed = (TrainTransform(height=48, width=64, depth_holes=share) for share in (0.0, 0.8))
    shares = []
    for number in range(60):
        before, after = whole(coded(), number), holed(coded(), number)
        missing = after.pictures["depth"] == 0
        assert np.array_equal(after.pictures["depth"][~missing], before.pictures["depth"][~missing])
        assert np.array_equal(after.pictures["rgb"], before.pictures["rgb"])
        assert np.array_equal(after.labels, before.labels) and equal(after, holed(coded(), number))
        shares.append(float(missing.mean()))
    clean = sum(share == 0 for share in shares)
    assert 20 <= clean <= 40 and 0.6 < max(shares) <= 0.85
    assert train_transform(DataConfig(depth_holes=0.3), 1).depth_holes == 0.3
    with pytest.raises(ConfigError, match="depth_holes"):
        DataConfig(depth_holes=1.0)
