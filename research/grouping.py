"""TaskGrouping: which tasks share an encoder, chosen by the validation error under a budget of encoders.

Source: the CEN journal paper, Table 8, after Standley et al., "Which tasks should be learned together in multi-task
learning?", ICML 2020. With two to four tasks every grouping can be trained, so none is guessed from the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crosswire.training.config import ConfigError
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.tasks.translation.config import TranslationConfig
from crosswire.training.tasks.translation.evaluate import errors_on
from crosswire.training.tasks.translation.metrics import error_of

Groups = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Grouping:
    """What one grouping of the tasks comes to.

    Attributes:
        groups: outputs that share an encoder, an encoder each.
        config: the run that was trained.
        folder: where it is.
        errors: of every output on the validation views: absolute error, or 1 - mean IoU of labels.
    """

    groups: Groups
    config: TranslationConfig
    folder: Path
    errors: dict[str, float]

    @property
    def error(self) -> float:
        """The mean of all errors, by which groupings are compared."""
        return sum(self.errors.values()) / len(self.errors)

    @property
    def name(self) -> str:
        """The grouping in words: `depth+normal, shade`."""
        return ", ".join("+".join(group) for group in self.groups)


def groupings(outputs: Sequence[str], most: int) -> Iterator[Groups]:
    """Yield every way to put outputs into at most so many groups, all together first."""
    if not outputs:
        yield ()
        return
    *before, last = outputs
    for groups in groupings(before, most):
        for index, group in enumerate(groups):
            yield (*groups[:index], (*group, last), *groups[index + 1 :])
        if len(groups) < most:
            yield (*groups, (last,))


def grouped(config: TranslationConfig, groups: Groups) -> TranslationConfig:
    """Return a run in which every group has an encoder, and every task a decoder, of its own."""
    outputs = tuple(name for group in groups for name in group)
    encoders = tuple(index for index, group in enumerate(groups) for _ in group)
    network = dataclasses.replace(
        config.network, outputs=outputs, encoders=encoders, decoders=tuple(range(len(outputs)))
    )
    return dataclasses.replace(config, network=network)


def choose(config: TranslationConfig, most: int, folder: Path, *, progress: bool = True) -> list[Grouping]:
    """Train every grouping and return them all, the best one first; what is trained already is not trained again.

    Args:
        config: the run that every grouping varies.
        most: encoders that may be spent.
        folder: holds a run folder per grouping.
        progress: show bars.

    Raises:
        ConfigError: a single task, a cycle, or a budget that is none.
    """
    tasks = len(config.network.outputs)
    if tasks < 2 or config.network.cycle:
        raise ConfigError("a grouping needs several outputs that are no cycle; set network.outputs=depth,normal,shade")
    if not 1 <= most <= tasks:
        raise ConfigError(f"--encoders is {most}; {tasks} outputs share 1 to {tasks}")
    found = []
    for groups in groupings(config.network.outputs, most):
        chosen, place = grouped(config, groups), folder / "_".join("+".join(group) for group in groups)
        fit(chosen, place, resume=True, progress=progress)
        errors = errors_on(read_run(place), "val")
        found.append(Grouping(groups, chosen, place, {name: error_of(errors[name]) for name in config.network.outputs}))
    return sorted(found, key=lambda grouping: grouping.error)


def table(found: Sequence[Grouping]) -> str:
    """Return groupings as text, a line each."""
    outputs = sorted(found[0].errors)
    wide = max(len(grouping.name) for grouping in found)
    lines = [f"{'':{wide}} encoders {'mean':>8}" + "".join(f" {name:>8}" for name in outputs)]
    for grouping in found:
        figures = "".join(f" {grouping.errors[name]:{max(8, len(name))}.4f}" for name in outputs)
        lines.append(f"{grouping.name:{wide}} {len(grouping.groups):8} {grouping.error:8.4f}{figures}")
    return "\n".join(lines)
