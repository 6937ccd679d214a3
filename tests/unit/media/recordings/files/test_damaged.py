"""Damaged recordings of every format are read or refused in one line; `make soak` reads many more."""

from __future__ import annotations

from pathlib import Path

import pytest

from crosswire.media.recordings import RecordingError, open_recording
from tests.support.recordings.damaged import WRITERS, write_damaged


@pytest.mark.parametrize("kind", WRITERS)
def test_a_damaged_recording_is_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    for number in range(10):
        try:
            with open_recording(write_damaged(kind, tmp_path / str(number), 7, number)) as recording:
                for frame in recording:
                    assert (frame.depth.ndim, frame.rgb.ndim) == (2, 3)
        except RecordingError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_damaged_was_whole(kind: str, tmp_path: Path) -> None:
    write, is_folder = WRITERS[kind]
    path = write(tmp_path)
    assert len(list(open_recording(tmp_path if is_folder else path))) > 0
