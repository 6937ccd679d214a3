"""Audio-video: `<network>_clip` takes a clip and gives probabilities.

    <name>_decode (python) -> <name> (the network) -> <name>_rank (python)
                                                   -> <name>_draw (python)

The decoder says which modalities the clip has; the network answers with the graph that was trained for these.
"""

from __future__ import annotations

import dataclasses

from crosswire.contract import MODALITIES, Contract, TensorSpec
from crosswire.contract.wire_names import (
    CLIP,
    CLIP_FACTS,
    FRAMES,
    PROBABILITIES,
    STRIP_PNG,
    SUMMARY,
    TOP_LABELS,
    WAVEFORM,
)
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.pipelines.parts import PipelineSpec, StepSpec, item, network_inputs
from crosswire.serving.steps.runtime.graph_choice import USED

LABELS_TOLD = 5
_WANTED = (FRAMES, WAVEFORM, PROBABILITIES, MODALITIES)
_DECODE = "decode.decode_clip:DecodeClip"
_RANK, _DRAW = "render.rank_labels:RankLabels", "render.draw_clip:DrawClip"


def clip(contract: Contract) -> PipelineSpec:
    """A clip in; probabilities, the likeliest labels, the modalities used, a summary and an image out."""
    found = {spec.name: spec for spec in (*contract.inputs, *contract.outputs)}
    if sorted(found) != sorted(_WANTED):
        raise ServingError(
            f"network {contract.name!r} has the tensors {', '.join(found)}; "
            f"a clip pipeline needs exactly {', '.join(_WANTED)}"
        )
    frames, waveform, probabilities, used = (found[name] for name in _WANTED)
    if waveform.rate is None:
        raise ServingError(f"network {contract.name!r} does not say how many samples a second {WAVEFORM!r} has")
    if len(contract.classes) != probabilities.shape[0]:
        raise ServingError(
            f"network {contract.name!r} has {probabilities.shape[0]} probabilities and {len(contract.classes)} classes"
        )
    name = contract.name
    sent = item(CLIP, "BYTES", "video or sound file: MP4, QuickTime, WebM, MKV, AVI, MPEG-TS, WAV, FLAC, Ogg, MP3")
    facts = item(CLIP_FACTS, "BYTES", "JSON text about the clip")
    count = min(LABELS_TOLD, len(contract.classes))
    labels = TensorSpec(TOP_LABELS, "BYTES", (count,), ("rank",), "class names, the likeliest first")
    summary = item(SUMMARY, "BYTES", "JSON text")
    strip = item(STRIP_PNG, "BYTES", "RGB PNG file: the frames used, the spectrogram, the probabilities")
    decode = StepSpec(f"{name}_decode", _DECODE, (sent,), (*network_inputs(contract), facts))
    inner = dataclasses.replace(used, name=USED)
    rank = StepSpec(f"{name}_rank", _RANK, (probabilities, inner, facts), (labels, used, summary))
    draw = StepSpec(f"{name}_draw", _DRAW, (frames, waveform, probabilities, inner, facts), (strip,))
    outputs = (probabilities, labels, used, summary, strip)
    return PipelineSpec(f"{name}_clip", contract, decode.inputs, outputs, decode, (rank, draw), {MODALITIES: USED})
