"""A measured search for the layers that must stay in float, so that 8 bits cost next to nothing of the task metric."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from crosswire.export.quantization.quantiser import Quantiser

#: The layers are tried in this many runs of consecutive ones.
GROUPS = 8

Report = Callable[[str], None]


def search(
    quantiser: Quantiser,
    reference: float,
    score: Callable[[Path], float],
    measure: str,
    max_drop: float,
    path: Path,
    report: Report,
) -> tuple[str, ...]:
    """Return the layers that stay in float so that a score drops by at most `max_drop` points.

    All layers in 8 bits come first. Where that costs too much, each group of consecutive layers is put back alone and
    measured, and groups are put back together in the order of what that gained, until the drop is small enough.

    Args:
        quantiser: of the graph.
        reference: score of what the graph was made of, 0..1.
        score: returns that of a graph's file, 0..1, such as the mean IoU.
        measure: what the score is, and on what, in words.
        max_drop: points, hundredths of the score.
        path: a file that may be written; it holds the chosen graph in the end.
        report: is told what was measured.

    Returns:
        Node names of layers in float. Those that were found last even where nothing keeps the drop small enough but
        all of them.
    """

    def drop(kept: Collection[str]) -> float:
        quantiser.write(kept, path)
        return 100 * (reference - score(path))

    lost = drop(())
    report(f"int8 loses {lost:.2f} points of {measure} (allowed {max_drop:g})")
    if lost <= max_drop:
        return ()
    layers = list(quantiser.layers)
    groups = [layers[i * len(layers) // GROUPS : (i + 1) * len(layers) // GROUPS] for i in range(GROUPS)]
    ranked = sorted((group for group in groups if group), key=drop)
    kept: list[str] = []
    for group in ranked:
        kept += group
        lost = drop(kept)
        names = f"{quantiser.layers[group[0]]} to {quantiser.layers[group[-1]]}"
        report(f"with {len(kept)} layers in fp32, the last {names}: {lost:.2f} points")
        if lost <= max_drop:
            break
    return tuple(kept)
