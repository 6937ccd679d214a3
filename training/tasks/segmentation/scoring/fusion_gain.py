"""Whether the streams together decide better than one of them, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from crosswire.training.tasks.segmentation.config import SegmentationConfig

#: Less of the mean IoU than this also lies between two seeds of the same run.
NOISE = 0.01
#: Fusions in which a stream's own decision has seen nothing of the others.
_APART = ("none", "discard", "align")


def fusion_gain(
    config: SegmentationConfig,
    mean_iou: Mapping[str, float],
    alone: Mapping[str, float] | None = None,
    *,
    hints: bool = False,
) -> str:
    """Say what the streams gain together over the best of them; nothing for a network of one stream.

    A stream decides on its own with a head of its own. Where channels are exchanged, that decision has seen what the
    others gave it, so a run of one stream alone has the last word.

    Args:
        config: the whole run.
        mean_iou: of `ensemble` and of every stream that decides, by its name.
        alone: of streams with all others absent, by their names, where that was scored.
        hints: also say what to try.
    """
    streams = config.network.streams
    if len(streams) < 2:
        return ""
    if config.network.merges:
        return (
            f"the streams {' and '.join(streams)} merge in the encoder, so none decides on its own; "
            f"what fusion gains is told by a run of {streams[-1]} alone: --set network.streams={streams[-1]}"
        )
    candidates = [(mean_iou[name], name, "'s own decision") for name in config.network.deciding]
    candidates += [(value, name, " alone") for name, value in (alone or {}).items()]
    best, stream, how = max(candidates)
    gain = mean_iou["ensemble"] - best
    said = f"{'+'.join(streams)} {mean_iou['ensemble']:.3f}, {stream}{how} {best:.3f}: {_verdict(gain, stream)}"
    advice = _advice(config, stream, gain) if hints else ""
    return f"{said}; {advice}" if advice else said


def _verdict(gain: float, stream: str) -> str:
    """Return a gain of the mean IoU as words."""
    if gain <= 0:
        return f"fusion gains nothing over {stream} here"
    chance = ", no more than another seed may" if gain < NOISE else ""
    return f"fusion gains {gain:.3f} over {stream} here{chance}"


def _advice(config: SegmentationConfig, stream: str, gain: float) -> str:
    """Return what to try next; nothing where fusion gains over a stream that has seen nothing of the others."""
    only = f"{stream} alone (--set network.streams={stream})"
    if gain >= NOISE:
        return "" if config.network.fusion in _APART else f"to compare, try {only}"
    tries = [only]
    if not config.optimiser.stream_loss:
        tries.append("a loss for each stream (--set optimiser.stream_loss=0.5)")
    if config.network.fusion != "none":
        tries.append("streams that meet in their decisions alone (--set network.fusion=none)")
    return f"try {', or '.join(tries)}"
