"""Depth as it was sent: what is a reading, what the network gets, and what the summary warns of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crosswire.media.depth import to_metres
from crosswire.serving.steps.media.depth_warnings import depth_warnings
from crosswire.serving.steps.media.registered import network_metres
from crosswire.training.datasets.rooms import render

TRAINED = (0.0, 10.0)


def room(index: int = 0) -> NDArray[np.uint16]:
    """Return the depth of a room, millimetres."""
    return np.rint(render(5, index).depth * 1000).astype(np.uint16)


def read(
    stored: NDArray[Any], units: float, trained: tuple[float, float] | None, missing: float
) -> NDArray[np.float32]:
    """Return the metres that a network gets of stored numbers."""
    return network_metres(to_metres(stored, units), trained, missing)


def warned(stored: NDArray[Any], units: float, trained: tuple[float, float] | None) -> list[str]:
    """Return the warnings about stored numbers."""
    return depth_warnings(stored, to_metres(stored, units), trained)


def names(warnings: list[str]) -> list[str]:
    return [warning.partition(":")[0] for warning in warnings]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
def test_65535_is_no_reading_and_is_named_with_its_share(share: float) -> None:
    stored = room()
    rows = max(1, round(stored.shape[0] * share))
    stored[:rows] = 65535
    hole = stored.copy()
    hole[:rows] = 0
    np.testing.assert_array_equal(read(stored, 1000, TRAINED, 0.0), read(hole, 1000, TRAINED, 0.0))
    warning = warned(stored, 1000, TRAINED)[0]
    assert warning.startswith("depth_saturated: ") and "65535, taken as no reading" in warning
    said = float(warning.split()[1].rstrip("%"))
    assert said == pytest.approx(100 * rows / stored.shape[0], abs=0.5)


@pytest.mark.parametrize(
    ("value", "units", "trained"), [(10_001, 1000, TRAINED), (60_000, 1000, TRAINED), (4001, 500, (0.5, 8.0))]
)
def test_distances_that_the_network_never_saw_become_holes_with_a_warning(
    value: int, units: int, trained: tuple[float, float]
) -> None:
    stored = np.full((40, 50), 3 * units, np.uint16)
    stored[:2] = value
    metres = read(stored, units, trained, 0.0)
    assert (metres[:2] == 0).all() and (metres[2:] == 3).all()
    (warning,) = warned(stored, units, trained)
    assert warning.startswith("depth_out_of_range: 5.0% of the depth image lies outside the ")
    assert f"{trained[0]:g} to {trained[1]:g} m" in warning


def test_too_near_counts_like_too_far() -> None:
    stored = np.full((40, 50), 3000, np.uint16)
    stored[:4] = 100
    assert (read(stored, 1000, (0.4, 10.0), 0.0)[:4] == 0).all()
    assert names(warned(stored, 1000, (0.4, 10.0))) == ["depth_out_of_range"]


def test_a_few_stray_pixels_become_holes_without_a_word() -> None:
    stored = room()
    stored[0, :5], stored[1, :5] = 65535, 20_000
    assert (read(stored, 1000, TRAINED, 0.0)[:2, :5] == 0).all()
    assert warned(stored, 1000, TRAINED) == []


def test_a_network_that_says_no_range_keeps_every_distance_but_65535() -> None:
    stored = np.array([[0, 60_000, 65535]], np.uint16)
    assert read(stored, 1000, None, 0.0).tolist() == [[0, 60, 0]]


def test_holes_are_what_the_network_takes_for_none() -> None:
    stored = np.array([[0, 1000, 20_000, 65535]], np.uint16)
    assert read(stored, 1000, TRAINED, -1.0).tolist() == [[-1, 1, -1, -1]]


def test_depth_that_is_mostly_holes_is_named() -> None:
    stored = np.full((4, 4), 3000, np.uint16)
    stored[:3] = 0
    said = "of the depth picture has no reading"
    assert warned(stored, 1000, TRAINED) == [f"depth_mostly_holes: 75% {said}"]
    assert warned(np.zeros((4, 4), np.uint16), 1000, TRAINED) == [f"depth_mostly_holes: 100% {said}"]


def test_a_room_in_its_own_unit_is_not_warned_of() -> None:
    for index in range(4):
        for units in (1000, 5000, 256):
            stored = np.rint(room(index) * (units / 1000)).clip(0, 65534).astype(np.uint16)
            assert warned(stored, units, TRAINED) == []


#: How depth reaches a server wrongly: what was made of millimetres, the unit that was sent, and the one that holds.
MISTAKES: dict[str, tuple[Any, float, float]] = {
    "millimetres sent as metres": (lambda mm: mm, 1, 1000),
    "millimetres sent as centimetres": (lambda mm: mm, 100, 1000),
    "fiftieths of a centimetre sent as millimetres": (lambda mm: (mm.astype(float) * 5).clip(0, 65535), 1000, 5000),
    "millimetres shifted by three, as SUN RGB-D has them": (lambda mm: (mm << 3) | (mm >> 13), 1000, 8000),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("index", range(4))
def test_a_unit_is_proposed_only_where_it_is_the_true_one(mistake: str, index: int) -> None:
    make, sent, true = MISTAKES[mistake]
    (warning, *_) = warned(make(room(index)).astype(np.uint16), sent, TRAINED)
    assert warning.startswith("depth_unit_suspect: ")
    if "fit" in warning:
        assert f" {true:g} " in warning


def test_the_usual_mistakes_are_recognised() -> None:
    said = {
        mistake: warned(make(room(0)).astype(np.uint16), sent, TRAINED)[0]
        for mistake, (make, sent, _) in MISTAKES.items()
    }
    assert "; 1000 would fit" in said["millimetres sent as metres"]
    assert "; 8000 fits: these look like millimetres rotated left" in said[[*MISTAKES][-1]]
    assert "; 5000 would fit" in said["fiftieths of a centimetre sent as millimetres"]


@pytest.mark.parametrize("index", range(4))
def test_swapped_bytes_are_named_and_no_unit_is_proposed(index: int) -> None:
    (warning, *_) = warned(room(index).byteswap(), 1000, TRAINED)
    assert warning.startswith("depth_unit_suspect: ") and "bytes were swapped" in warning and "fit" not in warning


@pytest.mark.parametrize("seed", range(3))
def test_noise_gets_a_warning_without_a_number(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(1, 65535, (48, 64)).astype(np.uint16)
    (warning, *_) = warned(noise, 1000, TRAINED)
    assert "check depth_units_per_metre" in warning and "fit" not in warning and "swapped" not in warning


def test_two_units_that_fit_are_not_proposed() -> None:
    values = np.linspace(1_200, 1_500, 48 * 64).reshape(48, 64).astype(np.uint16) + 1
    (warning, *_) = warned(values, 20, TRAINED)
    assert "fit" not in warning, "1000 makes 1.3 m of it, 256 makes 5.3 m"


def test_a_far_wall_behind_a_window_is_no_other_unit() -> None:
    stored = room()
    stored[: stored.shape[0] // 8] = 40_000
    assert names(warned(stored, 1000, TRAINED)) == ["depth_out_of_range"]


def test_where_the_contract_says_no_range_no_unit_is_suspected() -> None:
    assert warned(np.full((4, 4), 60_000, np.uint16), 1, None) == []
