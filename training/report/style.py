"""How the figures of a report look, and how they are saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: One colour per stream; a fifth stream begins anew.
STREAM_COLOURS = ("#c8553d", "#2a6f97", "#d9a441", "#5b8e5a")
INK = "#22303c"
GREY = "#9aa5ae"
PALE = "#e4e8eb"
_DPI = 120


@dataclass(frozen=True)
class ReportImage:
    """One figure of the page.

    Attributes:
        file: name of the PNG in the report's folder.
        title: of its section.
        caption: what is seen and how to read it; plain text.
        source: the figure of the papers that it answers to, or nothing.
    """

    file: str
    title: str
    caption: str
    source: str = ""


def colour(stream: int) -> str:
    """Return the colour of a stream."""
    return STREAM_COLOURS[stream % len(STREAM_COLOURS)]


def tidy(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Give axes their texts and take away the frame that carries nothing."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(xlabel, fontsize=9, color=INK)
    axes.set_ylabel(ylabel, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)


def bare(axes: Axes) -> None:
    """Take everything from axes but the image on them and the texts around it."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, cut to what is drawn."""
    figure.savefig(path, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.1, facecolor="white")
