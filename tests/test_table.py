"""The published sizes against those of the networks built here, as `python -m training table` prints them."""

from __future__ import annotations

import json

import pytest

from training.__main__ import main

#: Where the papers' own figures cannot be met: 0.1 M more for what holds the smallest fusion, and a misprint.
SLIGHTLY_HIGH = {
    "concat early, alone",
    "concat early, in setting same",
    "concat all, alone",
    "concat all, in setting same",
    "attention early, alone",
    "attention early, in setting same",
    "attention late, in setting same",
}
MISPRINTED = {"attention all, in setting common"}


def test_every_published_size_is_met_but_those_that_contradict_the_papers_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["table", "--json"]) == 0
    rows = {row["item"]: row for row in json.loads(capsys.readouterr().out)}
    verdicts = {item: row["verdict"] for item, row in rows.items() if row["reported"] is not None}
    assert {item for item, verdict in verdicts.items() if verdict == "-0.1M"} == SLIGHTLY_HIGH
    assert {item for item, verdict in verdicts.items() if verdict == "+1.1M"} == MISPRINTED
    assert {item for item, verdict in verdicts.items() if verdict == "ok"} == set(verdicts) - SLIGHTLY_HIGH - MISPRINTED
    assert rows["RefineNet decoder, 37 classes"]["computed"] == 75_589_157
    assert rows["norm parameters per stream, ResNet101"]["computed"] == 105_344
