"""Damaged recordings by the hundred: `make soak`. The ordinary tests read a few of each format.

`CROSSWIRE_FUZZ_INPUTS=20000` reads as many instead of 2600, `CROSSWIRE_FUZZ_SEED` others.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from crosswire.media.recordings import RecordingError, open_recording
from tests.support.recordings.damaged import WRITERS, write_damaged

INPUTS = int(os.environ.get("CROSSWIRE_FUZZ_INPUTS", "2600"))
SEED = int(os.environ.get("CROSSWIRE_FUZZ_SEED", "1"))
LONGEST_S = 10.0


@pytest.mark.parametrize("kind", WRITERS)
def test_a_damaged_recording_is_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    refused = 0
    for number in range(INPUTS // len(WRITERS)):
        begin = time.monotonic()
        path = write_damaged(kind, tmp_path / str(number), SEED, number)
        try:
            with open_recording(path) as recording:
                for frame in recording:
                    assert frame.depth.ndim == 2
                    assert frame.rgb.ndim == 3
        except RecordingError as error:
            refused += 1
            assert "\n" not in str(error), (kind, number)
        assert time.monotonic() - begin < LONGEST_S, (kind, number)
    assert refused > 0
