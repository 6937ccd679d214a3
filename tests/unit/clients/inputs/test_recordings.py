"""Recordings: units of time stamps, offsets between clocks, files of associations, and several below one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crosswire.clients import InputError
from crosswire.clients.batch.items import find_items
from crosswire.clients.inputs.clock import find_offset, stamp_unit
from crosswire.clients.inputs.recordings import Pairing, RecordedPairs, read_recording
from crosswire.clients.streaming.frames import read_sequence
from tests.support.servers.pipelines import described

PAIR = described("p", "n", "t", ("rgb_image", "depth_image"))
BEGIN_S = 1_305_031_102.175304
DELAY_S = 0.0149


def write(folder: Path, colour: Sequence[str], depth: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, stamps in (("rgb", colour), ("depth", depth)):
        text = "# a comment\n" + "".join(f"{stamp} {kind}/{index}.png\n" for index, stamp in enumerate(stamps))
        (folder / f"{kind}.txt").write_text(text)


def indices(found: RecordedPairs) -> list[tuple[int, int]]:
    return [(int(one.path.stem), int(other.path.stem)) for one, other in found.pairs]


def jittered(count: int = 60, seed: int = 5) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).uniform(0.02, 0.05, count))


@pytest.mark.parametrize("begin_s", [BEGIN_S, 0.0, 1_700_000_000.0, 40.0])
@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_stamps_of_every_unit_pair_alike_and_are_told(
    unit: str, per_second: float, begin_s: float, tmp_path: Path
) -> None:
    def stamps(delay: float) -> list[str]:
        times = [begin_s + index / 30 + delay for index in range(9)]
        return [f"{time:.6f}" if unit == "s" else str(round(time * per_second)) for time in times]

    write(tmp_path, stamps(0), stamps(DELAY_S))
    found = read_recording(tmp_path)
    assert indices(found) == [(index, index) for index in range(9)]
    gaps = [other.time_s - one.time_s for one, other in found.pairs]
    assert gaps == pytest.approx([DELAY_S] * 9, abs=2e-3)
    names = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
    told = [f"{name}: stamps are {names[unit]}; --stamp-unit s" for name in ("rgb.txt", "depth.txt") if unit != "s"]
    assert len(found.notes) == len(told)
    assert all(note.startswith(start) for note, start in zip(found.notes, told, strict=True))


@pytest.mark.parametrize(
    ("stamps", "unit"),
    [
        ([], "s"),
        ([5.0], "s"),
        ([0, 0, 0], "s"),
        ([0, 5, 10], "s"),
        ([1.3e12 / 2 + index * 33e6 for index in range(9)], "ns"),
        ([1e9 + index * 33e3 for index in range(9)], "us"),
        ([1.3e9 + index * 600 for index in range(9)], "s"),
    ],
)
def test_a_unit_is_told_by_size_and_pace_together(stamps: list[float], unit: str) -> None:
    assert stamp_unit(stamps) == unit


def test_the_two_lists_may_count_in_units_of_their_own_and_the_user_has_the_last_word(tmp_path: Path) -> None:
    colour = [f"{BEGIN_S + index:.3f}" for index in range(3)]
    write(tmp_path, colour, [str(round(1e9 * (BEGIN_S + index))) for index in range(3)])
    assert indices(read_recording(tmp_path)) == [(0, 0), (1, 1), (2, 2)]
    write(tmp_path, ["0", "60", "120"], ["0", "60", "120"])
    assert [one.time_s for one, _ in read_recording(tmp_path).pairs] == pytest.approx([0, 0.06, 0.12])
    found = read_recording(tmp_path, Pairing(stamp_unit="s"))
    assert ([one.time_s for one, _ in found.pairs], found.notes) == ([0, 60, 120], ())
    with pytest.raises(InputError, match="got stamp unit 'min', expected auto, s, ms, us, ns"):
        Pairing(stamp_unit="min")


@pytest.mark.parametrize("offset", [0.25, -3600.0, 1e-3])
def test_an_offset_is_added_to_the_stamps_of_depth(offset: float, tmp_path: Path) -> None:
    times = jittered()
    write(tmp_path, [f"{time:.6f}" for time in times], [f"{time - offset:.6f}" for time in times])
    if abs(offset) > 1:
        with pytest.raises(InputError, match=r"the clocks are 3\.6e\+03 s apart or more: .* --offset auto"):
            read_recording(tmp_path)
    found = read_recording(tmp_path, Pairing(longest_gap_s=1e-4, offset=offset))
    assert indices(found) == [(index, index) for index in range(len(times))]


@pytest.mark.parametrize("noise_s", [0.0, 0.0005, 0.002])
@pytest.mark.parametrize("offset", [-0.137, 0.0, 7.25, 1_700_000_123.456789])
def test_the_offset_that_pairs_best_is_found_and_told(offset: float, noise_s: float, tmp_path: Path) -> None:
    draws = np.random.default_rng(11)
    times = jittered(80)
    colour, depth = times[draws.random(80) > 0.1], (times - offset + draws.normal(0, noise_s, 80))[3:]
    write(tmp_path, [f"{time:.6f}" for time in colour], [f"{time:.6f}" for time in depth])
    found = read_recording(tmp_path, Pairing(offset="auto"))
    (note,) = found.notes
    assert float(note.split()[1]) == pytest.approx(offset, abs=1e-3)
    again = read_recording(tmp_path, Pairing(offset=float(note.split()[1])))
    assert indices(again) == indices(found) and len(found.pairs) > 60
    true = {index: np.argmin(np.abs(times[3:] - time)) for index, time in enumerate(colour) if time >= times[3]}
    right = sum(true.get(one) == other for one, other in indices(found))
    assert right >= len(found.pairs) - 4, "but for the images whose partner is not there"


@pytest.mark.parametrize(
    ("colour", "depth"),
    [
        (np.arange(60) / 30, np.arange(60) / 30 + 0.4),  # evenly: a frame later fits as well
        (np.arange(60) / 30, np.arange(180) / 90),
        (np.arange(15.0), np.arange(15.0)),
        (jittered(60, 1), jittered(60, 2)),  # of two recordings
        (np.tile(jittered(6), 5) + np.repeat(np.arange(5), 6), np.tile(jittered(6), 5) + np.repeat(np.arange(5), 6)),
        (jittered(8), jittered(8) + 1),
    ],
)
def test_an_offset_that_the_stamps_cannot_tell_is_refused(colour: np.ndarray, depth: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"name it: --offset SECONDS"):
        find_offset(list(colour), list(depth), 0.02)


@pytest.mark.parametrize("offset", ["soon", float("nan"), float("inf")])
def test_an_offset_that_is_none_is_refused(offset: float | str) -> None:
    with pytest.raises(InputError, match=r"got offset .*, expected seconds or 'auto'"):
        Pairing(offset=offset)


def test_an_offset_where_no_stamps_are_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg b.png\n")
    with pytest.raises(InputError, match=r"is no recording with time stamps .* leave --offset out"):
        find_items(tmp_path / "list.txt", PAIR, Pairing(offset="auto"))


@pytest.mark.parametrize("name", ["associations.txt", "associate.txt", "association.txt"])
@pytest.mark.parametrize("colour_first", [True, False])
def test_a_file_of_associations_names_the_pairs(name: str, colour_first: bool, tmp_path: Path) -> None:
    lines = ["\ufeff# pairs"]
    for index in (1, 0):
        one, other = f"{BEGIN_S + index:.6f}  rgb/{index}.png", f"{BEGIN_S + index + 0.5:.6f} depth/{index}.png"
        lines.append(f"{one} {other}" if colour_first else f"{other}\t{one}".replace(" ", "\t").replace("\t\t", "\t"))
    (tmp_path / name).write_text("\r\n".join(lines), encoding="utf-8")
    sequence = read_sequence(tmp_path, PAIR)
    assert [(frame.rgb, frame.depth) for frame in sequence.frames] == [
        (tmp_path / f"rgb/{index}.png", tmp_path / f"depth/{index}.png") for index in (0, 1)
    ]
    assert sequence.units_per_metre == 5000
    assert [item.files["rgb_image"] for item in find_items(tmp_path, PAIR).items] == [f.rgb for f in sequence.frames]
    with pytest.raises(InputError, match="an offset changes nothing"):
        read_recording(tmp_path, Pairing(offset=0.5))
    write(tmp_path, ["0.0", "1.0", "2.0"], ["0.5", "1.5", "2.5"])
    assert (len(read_recording(tmp_path).pairs), read_recording(tmp_path).unmatched) == (2, 1)
    assert len(read_recording(tmp_path, Pairing(offset=-0.5)).pairs) == 3


@pytest.mark.parametrize("line", ["1.0 rgb/a.png", "1.0 rgb/a.png depth/a.png", "rgb/a.png 1.0 depth/a.png 1.0"])
def test_a_line_that_associates_nothing_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "associations.txt").write_text(f"# pairs\n{line}\n")
    with pytest.raises(InputError, match=r"associations\.txt:2 is .*; write TIMESTAMP FILE"):
        read_recording(tmp_path)


def test_recordings_below_a_folder_are_one_batch_and_no_stream(tmp_path: Path) -> None:
    for place in ("desk", "rooms/floor"):
        write(tmp_path / place, ["1.0", "2.0"], ["1.01", "2.01"])
    found = find_items(tmp_path, PAIR)
    assert [item.stem for item in found.items] == ["desk/1.0", "desk/2.0", "rooms/floor/1.0", "rooms/floor/2.0"]
    assert (found.recordings, found.units_per_metre) == (2, 5000)
    with pytest.raises(InputError, match="holds 2 recordings; name one of them"):
        read_sequence(tmp_path, PAIR)
    (tmp_path / "rgb").mkdir()
    (tmp_path / "rgb/1.png").touch()
    with pytest.raises(InputError, match=r"holds recordings \(desk\) and other images \(rgb/1\.png\)"):
        find_items(tmp_path, PAIR)
