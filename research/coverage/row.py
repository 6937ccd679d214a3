"""What a row of the coverage is, and what of it the registry, the presets and the measured results say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from crosswire.training.config import RunConfig
from crosswire.training.tasks.presets import PRESETS

#: Data that are made here; all others lie on disk.
PROCEDURAL = ("rooms", "tabletops", "events")
#: Names of data sets as their authors write them.
_TITLES = {
    "nyuv2": "NYUv2",
    "sunrgbd": "SUN RGB-D",
    "cityscapes": "Cityscapes",
    "taskonomy": "Taskonomy",
    "vggsound": "VGGSound",
    "fakeavceleb": "FakeAVCeleb",
    "activitynet": "ActivityNet's features",
}


@dataclass(frozen=True)
class Row:
    """A table, a figure or a system of a paper.

    Attributes:
        place: where it stands: `Table 3`, `Figure 5`, or a section.
        what: what it shows.
        presets: patterns of the presets that train its rows.
        studies: names of the studies that test its claims on procedural data.
        commands: further commands that make it, of `crosswire` or `python -m research`.
        note: what a reader must know; empty for nothing.
        lacks: what of it is not here; empty for nothing.
    """

    place: str
    what: str
    presets: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    note: str = ""
    lacks: str = ""

    @property
    def configs(self) -> list[RunConfig]:
        """The presets of the row.

        Raises:
            LookupError: a pattern that no preset matches.
        """
        found: dict[str, RunConfig] = {}
        for pattern in self.presets:
            matched = {name: config for name, config in PRESETS.items() if fnmatchcase(name, pattern)}
            if not matched:
                raise LookupError(f"{self.place}: no preset is named {pattern}")
            found |= matched
        return list(found.values())


@dataclass(frozen=True)
class Paper:
    """One document and its rows.

    Attributes:
        title: its name in these pages.
        rows: all tables and figures, in order, and systems that stand in none.
    """

    title: str
    rows: Sequence[Row]


def data_of(configs: Sequence[RunConfig]) -> list[str]:
    """Return the data sets on disk that runs need, by the names of their authors; nothing for procedural ones."""
    names = dict.fromkeys(config.data.name for config in configs)
    return [_TITLES[name] for name in names if name not in PROCEDURAL]


def commands_of(row: Row) -> list[str]:
    """Return the commands of a row: one for its presets, one per study, and its own."""
    trained = [f"crosswire train {config.preset}" for config in row.configs[:1]]
    studied = [f"python -m research study {name}" for name in row.studies]
    return [*trained, *studied, *row.commands]


def state_of(row: Row, verdicts: dict[str, dict[str, int]]) -> str:
    """Return what is known of a row: what it needs, and what was measured.

    Args:
        row: the row.
        verdicts: counts of verdicts by word, by study, of those that were measured.
    """
    configs, said = row.configs, []
    if needed := data_of(configs):
        said.append(f"trains, needs {' and '.join(needed)}")
    elif configs:
        said.append("trains on procedural data")
    for name in row.studies:
        counts = verdicts.get(name)
        words = ", ".join(f"{word} {count}" for word, count in counts.items()) if counts else "not measured yet"
        said.append(f"study {name}: {words}")
    if row.commands and not (configs or row.studies):
        said.append("runs here")
    if row.note:
        said.append(row.note)
    if row.lacks:
        said.append(f"**not here:** {row.lacks}")
    return "; ".join(said)
