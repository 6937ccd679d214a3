"""Images of two sensors become pairs while a recording is read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest

from crosswire.media.recordings.folders.stamps import associate
from crosswire.media.recordings.pairing import PATIENCE_NS, Kind, Pairing, Stamped
from crosswire.media.recordings.recording import FrameError, RecordedFrame, Recording, RecordingError

GAP = 20


def paired(colours: list[int], depths: list[int], late: int = 0) -> tuple[list[tuple[int, int]], int]:
    """Return the pairs of stamps and how many images have no partner; depth is written later by `late`."""
    kinds: list[tuple[int, Kind, int]] = [(stamp, "colour", stamp) for stamp in colours]
    kinds += [(stamp + late, "depth", stamp) for stamp in depths]
    pairing: Pairing[int] = Pairing(GAP)
    images = [Stamped(kind, stamp, stamp) for _, kind, stamp in sorted(kinds)]
    pairs = [(one.payload, other.payload) for one, other in pairing.pairs(images)]
    return pairs, pairing.unmatched


def test_the_closest_images_are_pairs() -> None:
    assert paired([0, 33, 66], [5, 38, 71]) == ([(0, 5), (33, 38), (66, 71)], 0)
    assert paired([100], [85, 102, 119]) == ([(100, 102)], 2)
    assert paired([90, 99, 108], [100]) == ([(99, 100)], 2)


def test_images_further_apart_than_allowed_have_no_partner() -> None:
    assert paired([0, 100], [21, 120]) == ([(100, 120)], 2)
    assert paired([], [1, 2]) == ([], 2)


@pytest.mark.parametrize("late", [0, 7, 50, 500, -50])
def test_depth_that_is_written_late_is_paired_all_the_same(late: int) -> None:
    colours = list(range(0, 3000, 33))
    depths = [stamp + 9 for stamp in colours]
    assert paired(colours, depths, late) == (list(zip(colours, depths, strict=True)), 0)


def test_the_pairs_are_those_of_the_whole_lists() -> None:
    """Sensors that tick with jitter and lose frames: as `associate`, which sees everything at once."""
    chance = random.Random(5)
    for _ in range(50):
        colours = [33 * n + chance.randrange(5) for n in range(40) if chance.random() > 0.2]
        depths = [33 * n + 8 + chance.randrange(5) for n in range(40) if chance.random() > 0.2]
        wanted = [(colours[one], depths[other]) for one, other in associate(colours, depths, GAP)]
        pairs, unmatched = paired(colours, depths, chance.choice((0, 100)))
        assert pairs == wanted and unmatched == len(colours) + len(depths) - 2 * len(wanted)


def test_the_order_in_the_file_does_not_matter() -> None:
    images: list[Stamped[int]] = [Stamped(kind, stamp, 0) for kind, stamp in (("colour", 0), ("depth", 3))]
    images += [Stamped("colour", 33, 0), Stamped("depth", 36, 0)]
    for order in permutations(images):
        stamps = {kind: [one.stamp_ns for one in order if one.kind == kind] for kind in ("colour", "depth")}
        if all(one == sorted(one) for one in stamps.values()):
            assert [(a.stamp_ns, b.stamp_ns) for a, b in Pairing[int](GAP).pairs(order)] == [(0, 3), (33, 36)]


def test_a_sensor_that_stops_does_not_fill_the_memory() -> None:
    step = PATIENCE_NS // 10
    pairing: Pairing[int] = Pairing(GAP)
    most = 0

    def images() -> list[Stamped[int]]:
        return [Stamped("depth", 0, 0)] + [Stamped("colour", number * step, 0) for number in range(1000)]

    for _ in pairing.pairs(images()):
        most = max(most, len(pairing._colours))
    assert pairing.unmatched == 999 and most <= 12


def test_a_clock_that_is_set_back_is_a_new_beginning() -> None:
    pairing: Pairing[int] = Pairing(GAP)
    late, early = 1000 * PATIENCE_NS, 0
    waiting = []

    def images() -> Iterator[Stamped[int]]:
        for start in (late, early):
            for number in range(200):
                stamp = start + number * PATIENCE_NS // 10
                yield Stamped("colour", stamp, 0)
                yield Stamped("depth", stamp + 5, 0)
                waiting.append(len(pairing._colours) + len(pairing._depths))

    assert len(list(pairing.pairs(images()))) == 400 and pairing.unmatched == 0
    assert max(waiting) < 50


def test_one_stamp_far_ahead_costs_one_image() -> None:
    pairing: Pairing[int] = Pairing(GAP)
    stamps = [(n * PATIENCE_NS // 10, "colour") for n in range(100)]
    stamps.insert(50, (10**18, "colour"))
    images: list[Stamped[int]] = []
    for stamp, _ in stamps:
        images.append(Stamped("colour", stamp, 0))
        if stamp < 10**18:
            images.append(Stamped("depth", stamp + 5, 0))
    assert len(list(pairing.pairs(images))) == 100 and pairing.unmatched == 1


def test_damage_is_told_after_the_pairs_of_what_came_before() -> None:
    def images() -> Iterator[Stamped[int]]:
        for stamp in (0, 33):
            yield Stamped("colour", stamp, stamp)
            yield Stamped("depth", stamp + 1, stamp)
        raise RecordingError("the rest is missing")

    pairing: Pairing[int] = Pairing(GAP)
    found = []
    with pytest.raises(RecordingError, match="the rest is missing"):
        for colour, _ in pairing.pairs(images()):
            found.append(colour.stamp_ns)
    assert found == [0, 33] and pairing.paired == 2


def test_a_frame_whose_images_are_damaged_is_told_and_those_behind_it_are_read() -> None:
    class Ticks(Recording):
        @property
        def unmatched(self) -> int:
            return 0

        def frames(self, start: int = 0) -> Iterator[RecordedFrame]:
            images = [Stamped(kind, 33 * n, n) for n in range(4) for kind in ("colour", "depth")]
            return Pairing[int](GAP).frames(images, start, self._read)

        def _read(self, index: int, colour: int, depth: int) -> tuple[bytes, np.ndarray]:
            if colour in (1, 3):
                raise RecordingError(f"image {colour} is damaged")
            return b"", np.full((1, 1), depth, np.float32)

    with pytest.raises(FrameError, match="image 1 is damaged") as told:
        list(Ticks().frames())
    assert told.value.frame.index == 1 and told.value.frame.stamp_ns == 33
    for start in range(4):
        found = list(Ticks().frames_or_errors(start))
        assert [isinstance(one, FrameError) for one in found] == [n in (1, 3) for n in range(start, 4)]
        assert [one.frame.index if isinstance(one, FrameError) else one.index for one in found] == [*range(start, 4)]
