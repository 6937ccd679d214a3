"""`docs/results.md`: claims of the papers against what was seen, and what was measured, from the JSON files alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu import PARTS
from benchmarks.pages.claims import UNTESTED
from research.study.study import AGREES, OPEN, REFUTED

Record = dict[str, Any]
_HEAD = """# Results

Built by `python -m benchmarks.pages` from the files in `benchmarks/results/`; a test fails where it was edited by hand.
Every file names its date, hardware and command.
"""
_PAPERS = """*CEN*: "Deep Multimodal Fusion by Channel Exchanging", [arXiv 2011.05005](https://arxiv.org/abs/2011.05005),
and its supplement. *CEN journal*: "Channel Exchanging Networks for Multimodal and Multitask Dense Image Prediction",
[arXiv 2112.02252](https://arxiv.org/abs/2112.02252). *GMF*: "Generalized Multimodal Fusion via Poisson-Nernst-Planck
Equation", [arXiv 2410.15475](https://arxiv.org/abs/2410.15475).
"""


def latest(results: Path) -> dict[str, Record]:
    """Return the newest record of every study and benchmark, by the name behind the date of its file."""
    records = {}
    for path in sorted(results.glob("????-??-??-*.json")):
        records[path.stem[11:]] = json.loads(path.read_text(encoding="utf-8")) | {"stem": path.stem}
    return dict(sorted(records.items()))


def page(results: Path) -> str:
    """Return the whole page as Markdown."""
    records = latest(results)
    studies = [record for record in records.values() if "study" in record]
    lines = [_HEAD, "## Claims of the papers", "", _PAPERS, *_claims(studies), ""]
    for record in studies:
        lines += [*_study(record), ""]
    lines += ["## Measured", ""]
    for record in records.values():
        if "benchmark" in record:
            lines += [*_benchmark(record), ""]
    for part, what in PARTS.items():
        if f"gpu_{part}" not in records:
            lines += [*_not_run(part, what), ""]
    return "\n".join(lines).rstrip() + "\n"


def short(results: Path) -> str:
    """Return one line per study, for `docs/claims.md`: which claims were seen, which were not, how many are open."""
    lines = ["| study | agrees | does not agree | cannot be told here |", "|---|---|---|---|"]
    for record in latest(results).values():
        if "study" in record:
            found: dict[str, list[str]] = {AGREES: [], REFUTED: [], OPEN: []}
            for verdict in record["verdicts"]:
                found[verdict["verdict"]].append(verdict["claim"])
            seen, unseen = ("; ".join(found[word]) or "–" for word in (AGREES, REFUTED))
            lines.append(f"| `{record['study']}` | {seen} | {unseen} | {len(found[OPEN])} claims |")
    return "\n".join(lines) + "\n"


def _claims(studies: list[Record]) -> Iterator[str]:
    """Yield the table of claims."""
    yield "| claim | source | seen here | verdict |"
    yield "|---|---|---|---|"
    for record in studies:
        for verdict in record["verdicts"]:
            word = verdict["verdict"]
            shown = f"**{word}**" if word == AGREES else word
            yield f"| {verdict['claim']} | {verdict['source']} | {verdict['evidence']} | {shown} |"
    for claim, source, reason in UNTESTED:
        yield f"| {claim} | {source} | {reason} | not tested here |"


def _study(record: Record) -> Iterator[str]:
    """Yield the section of one study."""
    yield f"### {record['study']}: {record['question']}"
    yield ""
    yield f"{record['power']}"
    yield ""
    yield _origin(record) + f", {record['seeds']} seeds, mean ± standard deviation."
    yield ""
    heads = record["shown"]
    yield "| | " + " | ".join(heads.values()) + " | parameters |"
    yield "|---|" + "---|" * (len(heads) + 1)
    for row in record["rows"]:
        figures = row["figures"]
        cells = [
            f"{figures[name]['mean']:.3f} ± {figures[name]['std']:.3f}" if name in figures else "" for name in heads
        ]
        size = f"{figures['parameters']['mean']:,.0f}" if "parameters" in figures else ""
        yield f"| {row['name']} | " + " | ".join(cells) + f" | {size} |"
    yield ""
    yield f"![{record['question']}](../benchmarks/results/{record['stem']}.png)"


def _benchmark(record: Record) -> Iterator[str]:
    """Yield the section of one benchmark: every figure by its path."""
    yield f"### {record['benchmark']}"
    yield ""
    yield _origin(record) + "."
    yield ""
    yield "| figure | value |"
    yield "|---|---|"
    hidden = {"benchmark", "date", "command", "hardware", "stem", "processor"}
    for name, value in _flat({key: value for key, value in record.items() if key not in hidden}):
        yield f"| {name} | {value} |"


def _not_run(part: str, what: str) -> Iterator[str]:
    """Yield the section of a part of the GPU benchmarks that has no result."""
    yield f"### gpu_{part}"
    yield ""
    yield f"Not run on hardware: {what}. `python -m benchmarks.gpu --parts {part}` measures it where there is a GPU."


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every figure of nested mappings with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix} · {key}" if prefix else key)
    elif isinstance(value, list):
        yield prefix, ", ".join(map(str, value))
    else:
        yield prefix, f"{value:.4g}" if isinstance(value, float) else str(value)


def _origin(record: Record) -> str:
    """Return date, hardware and command in one sentence without its end."""
    hardware = record.get("hardware", {})
    where = hardware.get("gpu") or hardware.get("cpu") or record.get("processor", "unknown hardware")
    cores = f", {hardware['cores']} cores" if hardware.get("cores") else ""
    command = record["command"].replace("-m training study", "-m research study")  # as older records are run today
    return f"{record['date']}, {where}{cores}, `{command}`"
