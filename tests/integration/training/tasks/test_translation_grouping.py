"""Which tasks share an encoder: every grouping is tried, the one that errs least on the validation views is best."""

from __future__ import annotations

from pathlib import Path

import pytest

from crosswire.training.engine.run_folder import read_run
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.evaluate import errors_on
from research.__main__ import main
from research.grouping import groupings
from tests.integration.training.tasks.test_translation_training import TINY

THREE = ("network.outputs=depth,normal,shade", "network.decoders=0,1,2", "steps=2", "val_every=2")


def test_every_grouping_within_the_budget_is_named_once() -> None:
    assert list(groupings(("a", "b"), 2)) == [(("a", "b"),), (("a",), ("b",))]
    assert [len(list(groupings(("a", "b", "c"), most))) for most in (1, 2, 3)] == [1, 4, 5]
    four = list(groupings(("a", "b", "c", "d"), 4))
    assert len(four) == len({frozenset(map(frozenset, groups)) for groups in four}) == 15


def test_the_command_trains_every_grouping_and_prints_the_best_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [word for setting in (*TINY, *THREE) for word in ("--set", setting)]
    command = ["group", "rooms-multitask", "--encoders", "2", "--to", str(tmp_path), "--quiet", *settings]
    assert main(command) == 0
    first = capsys.readouterr().out
    lines = first.splitlines()[1:5]
    means = [float(line.split()[-4]) for line in lines]
    assert means == sorted(means) and len({line[: line.index("0.")] for line in lines}) == 4
    run = read_run(tmp_path / "depth+shade_normal")
    network: TranslatorConfig = run.config.network
    assert (network.outputs, network.encoders, network.decoders) == (("depth", "shade", "normal"), (0, 0, 1), (0, 1, 2))
    (line,) = (line for line in lines if line.startswith("depth+shade, normal"))
    assert float(line.split()[-3]) == pytest.approx(errors_on(run, "val")["depth"]["mae"], abs=1e-4)
    (best,) = (line for line in first.splitlines() if line.startswith("best: "))
    assert lines[0].startswith(best.removeprefix("best: ").split(";")[0])
    written = (tmp_path / "depth+shade_normal" / "weights.pt").stat().st_mtime_ns
    assert main(command) == 0 and capsys.readouterr().out == first
    assert (tmp_path / "depth+shade_normal" / "weights.pt").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rooms-translate"], "a grouping needs several outputs"),
        (["rooms-cen"], "has no several tasks"),
        (["rooms-multitask", "--encoders", "3"], "2 outputs share 1 to 2"),
    ],
)
def test_what_cannot_be_grouped_is_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["group", *words, "--to", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
