"""Exported networks as they travel to workers, and the cores that a worker may use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crosswire.clients.errors import InputError
from crosswire.contract import Contract
from crosswire.offline.exported import exported
from crosswire.serving.steps.runtime.cores import CORES_VARIABLE, granted_cores
from tests.support.paths import REPOSITORY


def test_a_network_travels_with_its_contract_and_all_graphs_and_says_when_they_differ() -> None:
    found = exported(REPOSITORY, "rooms_cen_int8_image")
    contract = Contract.load(REPOSITORY / "rooms_cen_int8")
    graphs = {contract.graph.file, *(one.graph.file for one in contract.variants)}
    assert set(found.files) == {"contract.json", *graphs} and len(graphs) == 3
    assert {name: (REPOSITORY / "rooms_cen_int8" / name).read_bytes() for name in found.files} == found.files
    assert found.description.name == "rooms_cen_int8_image" and found.description.task == contract.task
    assert found.identity == exported(REPOSITORY, "rooms_cen_int8_image").identity
    assert found.identity != replace(found, files={**found.files, "contract.json": b"{}"}).identity


@pytest.mark.parametrize(("name", "message"), [("nothing", "has no pipeline 'nothing'; it has: "), (None, "several")])
def test_a_pipeline_that_is_not_there_or_not_the_only_one_is_told_of(name: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        exported(REPOSITORY, name)


@pytest.mark.parametrize(("said", "cores"), [("1", 1), ("0", 1), ("100000", None), ("", None), ("many", None)])
def test_a_process_uses_no_more_cores_than_it_is_told(
    said: str, cores: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CORES_VARIABLE, raising=False)
    every = granted_cores()
    monkeypatch.setenv(CORES_VARIABLE, said)
    assert granted_cores() == (every if cores is None else cores)
