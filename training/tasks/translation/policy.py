"""How tasks learn which residual blocks they select: the settings of AdaShare, and what a step of it is.

Source: the official code of AdaShare, whose figures for Taskonomy are the defaults (`taskonomy_5task.yml`): 20,000
steps in which all tasks run all blocks, then 160 rounds of 400 steps for the weights and 100 for the decisions, then
30,000 steps with decisions that stay. In every round the temperature falls and one more block is decided on, the last
one first. Here these are shares of a run; weights and decisions learn from the same images, where that code splits them
80 to 20; and the last part goes on with the weights that it finds and the likelier decisions, where that code begins
anew with decisions that it draws, eight times, and reports the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from crosswire.contract.fields import NonNegativeFloat, PositiveFloat, PositiveInt, Probability, Range
from crosswire.training.config import ConfigError, Section

if TYPE_CHECKING:
    from crosswire.training.models.translation.blocks import TaskBlocks


@dataclass(frozen=True)
class PolicyConfig(Section):
    """How decisions about blocks are learnt. Without effect where `network.blocks` is 0.

    Attributes:
        lr: learning rate of the decisions.
        sparsity: weight of what is selected, `sparsity_of`.
        sharing: weight of how unlike tasks decide, `disagreement_of`.
        temperature: of the Gumbel-softmax in the first round.
        cooling: what it is multiplied with in every further round.
        rounds: in which weights and decisions learn in turns; fewer where a run has too few steps, as if some were
            left out.
        share: of a round that the decisions learn in, at its end.
        warm_up: share of a run before the rounds, in which all tasks select all blocks.
        retrain: share of a run after the rounds, in which decisions stay as they are.
    """

    section = "policy"

    lr: PositiveFloat = 0.01
    sparsity: NonNegativeFloat = 0.001
    sharing: NonNegativeFloat = 0.005
    temperature: PositiveFloat = 5.0
    cooling: Annotated[float, Range(above=0, most=1)] = 0.965
    rounds: PositiveInt = 160
    share: Annotated[float, Range(above=0, below=1)] = 0.2
    warm_up: Probability = 0.15
    retrain: Probability = 0.23

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.warm_up + self.retrain >= 1:
            raise ConfigError(
                f"policy.warm_up and policy.retrain are {self.warm_up:g} and {self.retrain:g}; "
                "give shares of a run that leave some of it for the decisions"
            )


class Phase(NamedTuple):
    """What one step of a training is.

    Attributes:
        decided: blocks, from the last one, whose decisions are drawn.
        temperature: of the Gumbel-softmax.
        learns_policy: whether the step is for the decisions, rather than for the weights.
        settled: whether the decisions stay as they are.
    """

    decided: int
    temperature: float
    learns_policy: bool
    settled: bool


def phase_of(step: int, steps: int, blocks: int, config: PolicyConfig) -> Phase:
    """Return what a step is.

    Args:
        step: from 0.
        steps: of the run.
        blocks: that are decided on.
        config: how.
    """
    begin, end = int(config.warm_up * steps), settled_from(steps, config)
    if step < begin:
        return Phase(0, config.temperature, learns_policy=False, settled=False)
    if step >= end:
        return Phase(0, config.temperature, learns_policy=False, settled=True)
    rounds = max(1, min(config.rounds, int((end - begin) * config.share)))
    done, into = divmod((step - begin) * rounds, end - begin)
    number = done * config.rounds // rounds
    return Phase(
        decided=min(blocks, 1 + number),
        temperature=config.temperature * config.cooling**number,
        learns_policy=into >= (1 - config.share) * (end - begin),
        settled=False,
    )


def settled_from(steps: int, config: PolicyConfig) -> int:
    """Return the first step of a run, from 0, whose decisions stay as they are."""
    return steps - int(config.retrain * steps)


def set_phase(parts: Sequence[TaskBlocks], phase: Phase) -> None:
    """Tell the blocks of a network, in their order, what a step is."""
    first = sum(len(part.blocks) for part in parts) - phase.decided
    for part in parts:
        for index in range(len(part.blocks)):
            part.sampled[index] = first <= 0
            first -= 1
        part.temperature.fill_(phase.temperature)
        part.settled.fill_(phase.settled)


def selection_lines(selected: Mapping[str, Sequence[bool]]) -> list[str]:
    """Return which blocks every output selects as text, a line each: `#` for a selected one, `.` for a skipped one."""
    wide = max(map(len, selected), default=0)
    return [
        f"blocks of {name:{wide}} {''.join('#' if one else '.' for one in chosen)}  {sum(chosen)} of {len(chosen)}"
        for name, chosen in selected.items()
    ]
