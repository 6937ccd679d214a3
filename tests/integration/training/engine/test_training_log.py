"""What a training says: before it begins, after a few steps, at every validation, and in the log of its folder."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import torch

from crosswire.training.config import ConfigError
from crosswire.training.engine.checkpoints import LAST
from crosswire.training.engine.console.first_validation import early_step
from crosswire.training.engine.console.pace import SKIPPED, TIMED, Pace
from crosswire.training.engine.console.run_log import TRAIN_LOG, duration
from crosswire.training.engine.fit import fit
from crosswire.training.overrides import override
from crosswire.training.tasks.segmentation.config import SegmentationConfig

STEPS = SKIPPED + TIMED + 3


@pytest.fixture(scope="module")
def folders(tiny: SegmentationConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return runs in which every look at the clock takes a second, with and without an early validation."""
    folder = tmp_path_factory.mktemp("logged")
    for name, seconds in (("late", 0.0), ("early", STEPS - 2.0)):
        runtime = dataclasses.replace(tiny.runtime, first_validation=seconds)
        config = dataclasses.replace(tiny, steps=STEPS, val_every=STEPS, runtime=runtime)
        fit(config, folder / name, progress=False, clock=partial(next, map(float, count())))
    return {name: folder / name for name in ("late", "early")}


def test_a_quiet_run_logs_what_it_takes_and_what_every_validation_found(folders: dict[str, Path]) -> None:
    lines = [line[27:] for line in (folders["late"] / TRAIN_LOG).read_text(encoding="utf-8").splitlines()]
    assert lines[0].endswith(
        f"takes {STEPS} steps of 4 out of 16 samples (2.0 times each), a validation on 4 every {STEPS} steps"
    )
    left = "about 3 s to the end, validations not counted"
    assert lines[1] == f"1 s a step: {left}; the first validation after step {STEPS}"
    assert lines[2].startswith(f"step {STEPS} of {STEPS}: val_mean_iou 0.")
    assert lines[3].startswith("    mean IoU  ensemble 0.") and "    IoU floor 0." in lines[4]
    assert "fusion gains" in lines[-2]
    assert lines[-1].startswith(f"kept: the weights of step {STEPS}, val_mean_iou 0.")


def test_an_early_validation_is_seen_and_changes_nothing_of_the_run(folders: dict[str, Path]) -> None:
    validations = {
        name: re.findall(r"  step (\d+) of", (folder / TRAIN_LOG).read_text(encoding="utf-8"))
        for name, folder in folders.items()
    }
    assert validations == {"late": [str(STEPS)], "early": [str(STEPS - 2), str(STEPS)]}
    one, two = (torch.load(folder / LAST, weights_only=True) for folder in folders.values())
    assert all(torch.equal(tensor, two["state_dict"][key]) for key, tensor in one["state_dict"].items())
    assert one["callbacks"] == two["callbacks"]


@pytest.mark.parametrize(
    ("pace", "batches", "early"),
    [
        (0.5, 4, 120),  # after a minute
        (0.05, 4, 0),  # the regular one comes within the minute
        (20.0, 4, 6),  # the minute is over already
        (0.5, 361, 0),  # it would itself take longer than a minute
    ],
)
def test_a_validation_is_early_where_that_saves_waiting(pace: float, batches: int, early: int) -> None:
    assert early_step(60.0, pace, step=5, val_every=1000, batches=batches) == early


def test_a_pace_leaves_out_first_steps_and_validations() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    for seconds in (50.0, 9.0, 2.0):
        now[0] += seconds
        pace.on_train_batch_end()
    assert pace.step == 0
    pace.on_validation_start()
    now[0] += 30
    pace.on_validation_end()
    known = []
    for _ in range(TIMED):
        now[0] += 2
        pace.on_train_batch_end()
        known.append(pace.first_known)
    assert known == [False, True, False]
    assert pace.step == pytest.approx(2) and pace.left(10, 2) == pytest.approx(80)
    pace.on_validation_start()
    now[0] += 40
    pace.on_validation_end()
    assert pace.step == pytest.approx(2) and pace.left(10, 2) == pytest.approx(100), "asked before the next step"


def test_a_time_is_told_as_people_tell_it() -> None:
    assert [duration(seconds) for seconds in (4.4, 75, 200, 7260)] == ["4 s", "75 s", "3 min", "2 h 01 min"]


@pytest.mark.parametrize(("steps", "val_every", "cure"), [(10, 100, 10), (250, 100, 50), (7, 3, 1)])
def test_a_mismatch_of_steps_and_validations_is_refused_with_what_works(
    tiny: SegmentationConfig, steps: int, val_every: int, cure: int
) -> None:
    short = [f"steps={steps}", f"val_every={val_every}"]
    with pytest.raises(ConfigError) as error:
        override(tiny, short)
    proposed = f"--set steps={steps} --set val_every={cure}"
    assert str(error.value).endswith(proposed)
    assert override(tiny, proposed.replace("--set ", "").split()).steps == steps
