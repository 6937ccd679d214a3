"""Tasks that select or skip blocks, on their way to the server: the graph holds what is selected and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from crosswire.contract import Contract
from crosswire.export.build import build
from crosswire.export.onnx_graph import example
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.tasks.translation.servable import TranslationServable
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run, write_weights
from crosswire.training.models.translation import task_blocks
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.translation.evaluate import TranslationRun
from tests.integration.export.test_translation import assert_alike
from tests.integration.training.tasks.test_translation_training import TINY
from tests.support.training.kinds import standing_for_all

SIZE = (32, 48)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run after two steps."""
    folder = tmp_path_factory.mktemp("blocks")
    fit(override(preset("rooms-multitask-adashare"), [*TINY, "steps=2", "val_every=2"]), folder, progress=False)
    return folder


def exported(folder: Path, selects: list[list[bool]], to: Path) -> tuple[TranslationRun, Contract, int]:
    """Export a run whose tasks select these blocks; return it, its contract and the number of its 3x3 kernels."""
    run: TranslationRun = read_run(folder)
    for part, chosen in zip(task_blocks(run.network), torch.tensor(selects).T, strict=True):
        part.logits.data[:, 0, 0] = 2.0 * chosen - 1
    write_weights(folder, run.network.state_dict())
    build(run, "tiny", SIZE, to, max_batch=2)
    contract = Contract.load(to / "tiny")
    graph = onnx.load(contract.verify(to / "tiny")).graph
    return run, contract, sum(tuple(one.dims[2:]) == (3, 3) for one in graph.initializer)


#: Per task which of two blocks it selects, and how many kernels of two per block that takes.
CHOSEN = {
    "nothing": ([[False, False], [False, False], [False, False]], 0),
    "one by one task": ([[False, False], [True, False], [False, False]], 2),
    "one by all, one by tasks that have come two ways": ([[True, True], [False, True], [True, True]], 4),
}


@pytest.mark.parametrize("case", standing_for_all(CHOSEN, ["one by all, one by tasks that have come two ways"]))
def test_a_graph_holds_each_selected_block_once_and_answers_as_pytorch(
    case: str, trained: Path, tmp_path: Path
) -> None:
    selects, kernels = CHOSEN[case]
    run, contract, found = exported(trained, selects, tmp_path)
    assert found == kernels
    assert [spec.name for spec in contract.outputs] == ["predicted_depth", "predicted_normal", "predicted_shade"]
    assert contract.exchange == () and contract.macs_frozen < contract.macs_live
    assert {one.output for one in contract.parity if one.stage == "onnx"} == {spec.name for spec in contract.outputs}
    x = example(contract.inputs, 2, seed=1)
    made = onnx_runner(contract.verify(tmp_path / "tiny"))(x)
    live = torch_runner(TranslationServable(run.network, run.config.network).eval())(x)
    for answer, true in zip(made, live, strict=True):
        assert_alike(answer, true)
    run.network.eval()
    for part in task_blocks(run.network):
        part.logits.data[..., 0] *= -1
    other = torch_runner(TranslationServable(run.network, run.config.network).eval())(x)
    assert any(not np.array_equal(one, two) for one, two in zip(live, other, strict=True))  # decisions matter at all
