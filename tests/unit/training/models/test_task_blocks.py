"""Blocks that tasks select or skip: how decisions are drawn, what presses on them, when they learn, what is frozen."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import fx, nn

from crosswire.export.freeze import freeze
from crosswire.training.config import ConfigError
from crosswire.training.models.count import parameters
from crosswire.training.models.translation import TaskBlocks, task_blocks
from crosswire.training.models.translation.blocks import disagreement_of, selection, sparsity_of
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.network import build_network
from crosswire.training.tasks.translation.policy import PolicyConfig, phase_of, selection_lines, set_phase

CONFIG = TranslatorConfig(
    inputs=("rgb",),
    outputs=("depth", "normal", "shade"),
    decoders=(0, 1, 2),
    fusion="none",
    blocks=2,
    levels=4,
    width=4,
    norm="batch",
    dropout=0.0,
)


def blocks(tasks: int = 2, count: int = 3) -> TaskBlocks:
    """Return narrow blocks."""
    torch.manual_seed(0)
    return TaskBlocks(tasks, 4, count, nn.BatchNorm2d).train()


def test_a_block_is_run_by_all_until_its_decisions_are_drawn_and_by_those_that_chose_it_after_training() -> None:
    part = blocks()
    part.logits.data[0, 1] = torch.tensor([0.0, 3.0])
    assert part.decisions().tolist() == [[1, 1, 1], [1, 1, 1]]
    part.settled.fill_(True)
    assert part.decisions().tolist() == [[1, 0, 1], [1, 1, 1]]
    part.settled.fill_(False)
    part.sampled[2] = True
    drawn = part.decisions()
    assert drawn[:, :2].eq(1).all() and ((drawn[:, 2] > 0) & (drawn[:, 2] < 1)).all()
    assert part.eval().decisions().tolist() == [[1, 0, 1], [1, 1, 1]]
    x = torch.randn(4, 4, 6, 6)  # two tasks of two images
    with torch.no_grad():
        whole = part(x)
        first = x[:2] + part.blocks[0](x[:2])
        torch.testing.assert_close(whole[:2], first + part.blocks[2](first))


def test_drawn_decisions_have_the_mean_of_their_distribution_and_are_hard_where_it_is_cold() -> None:
    part = blocks(tasks=4000, count=1)
    part.sampled.fill_(True)
    part.logits.data[..., 0] = math.log(3)
    part.temperature.fill_(0.01)
    cold = part.decisions().detach()
    assert float(cold.mean()) == pytest.approx(0.75, abs=0.03)
    assert float(((cold < 0.02) | (cold > 0.98)).float().mean()) > 0.9
    part.temperature.fill_(5.0)
    warm = part.decisions()
    assert float(((warm > 0.2) & (warm < 0.8)).float().mean()) > 0.8
    warm.sum().backward()
    assert part.logits.grad is not None and bool((part.logits.grad[..., 0] > 0).all())


def test_pressure_is_the_cross_entropy_with_skipping_and_the_weighted_distance_of_tasks() -> None:
    first, second = blocks(count=1), blocks(count=2)
    second.logits.data[0, :, 0] = torch.tensor([2.0, -1.0])
    parts = [first, second]
    assert float(sparsity_of(parts).detach()) == 0
    second.sampled.fill_(True)
    skips = [math.log1p(math.exp(z)) for z in (2.0, -1.0, 0.0, 0.0)]
    sparsity, disagreement = sparsity_of(parts), disagreement_of(parts)
    assert sparsity.item() == pytest.approx(sum(skips) / 2)
    assert disagreement.item() == pytest.approx(2 / 3 * 2 + 3 / 3 * 1)
    (sparsity + disagreement).backward()
    grad = second.logits.grad
    assert grad is not None and float(grad[0, 0, 0]) > 0 > float(grad[1, 0, 0])  # the tasks come closer


def test_a_run_warms_up_decides_on_one_more_block_in_every_cooler_round_and_settles() -> None:
    """The figures of the official code, in a run of its length."""
    config = PolicyConfig(warm_up=20 / 130, retrain=30 / 130)
    phases = [phase_of(step, 130_000, 6, config) for step in range(0, 130_000, 50)]
    assert all(not p.decided and not p.settled and not p.learns_policy for p in phases[:399])
    assert all(p.settled and not p.learns_policy for p in phases[2001:])
    rounds = phases[400:2000]
    assert [p.decided for p in rounds[5::10]][:8] == [1, 2, 3, 4, 5, 6, 6, 6]
    assert [p.temperature for p in rounds[5::10]] == pytest.approx([5 * 0.965**number for number in range(160)])
    assert sum(p.learns_policy for p in rounds) == pytest.approx(0.2 * len(rounds), rel=0.01)
    assert [p.learns_policy for p in rounds[:10]] == [False] * 8 + [True] * 2


@pytest.mark.parametrize("steps", [5, 20, 333])
def test_short_runs_have_fewer_rounds_that_end_as_cold(steps: int) -> None:
    config = PolicyConfig(warm_up=0.0, retrain=0.0)
    phases = [phase_of(step, steps, 6, config) for step in range(steps)]
    assert 0 < sum(p.learns_policy for p in phases) <= 0.4 * steps
    assert phases[0].decided == 1 and phases[0].temperature == 5
    if steps > 5:
        assert phases[-1].decided == 6 and phases[-1].temperature < 0.5
    with pytest.raises(ConfigError, match="shares of a run that leave some of it"):
        PolicyConfig(warm_up=0.5, retrain=0.5)


def test_the_last_blocks_are_decided_on_first() -> None:
    parts = [blocks(count=2), blocks(count=2)]
    phase = phase_of(0, 100, 4, PolicyConfig(warm_up=0, retrain=0, temperature=2))
    set_phase(parts, phase._replace(decided=3))
    assert [part.sampled.tolist() for part in parts] == [[False, True], [True, True]]
    assert {float(part.temperature) for part in parts} == {2.0}


def test_a_frozen_graph_holds_the_blocks_that_some_task_selects_and_runs_them_once_for_those_of_one_way() -> None:
    network = build_network(CONFIG).eval()
    parts = task_blocks(network)
    assert len(parts) == 2 and selection(network, CONFIG.outputs)["depth"] == [True] * 4
    skip = torch.tensor([0.0, 1.0])
    for task, block in ((0, 0), (1, 0), (2, 0), (2, 1)):
        parts[0].logits.data[task, block] = skip
    parts[1].logits.data[:, 1] = skip
    assert selection(network, CONFIG.outputs) == {
        "depth": [False, True, True, False],
        "normal": [False, True, True, False],
        "shade": [False, False, True, False],
    }
    assert selection_lines({"a": [True, False]}) == ["blocks of a #.  1 of 2"]
    frozen = freeze(network)
    convs = Counter(
        str(node.target).split("_blocks_")[0]
        for node in frozen.graph.nodes
        if node.op == "call_module" and "_blocks_" in str(node.target)
    )
    # Level 1: block 1 once for two tasks. Level 2: block 0 twice, as the third task has come another way.
    assert convs == {"encoder_stages_1": 2, "encoder_stages_2": 4}
    stem = [node for node in frozen.graph.nodes if str(node.target).startswith("encoder_stages_0")]
    assert len(stem) == 1 and isinstance(frozen, fx.GraphModule)
    everything = freeze(build_network(CONFIG).eval())
    block = 2 * (9 * 8 + 1) * 8, 2 * (9 * 16 + 1) * 16  # two 3x3 convolutions with a bias, of 8 and of 16 channels
    assert parameters(everything) - parameters(frozen) == sum(block)
