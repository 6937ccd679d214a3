"""Audio-video: `<network>_clip` takes a clip and gives probabilities.

    <name>_decode (python) -> <name> (the network) -> <name>_rank (python)
                                                   -> <name>_draw (python)

The decoder says which modalities the clip has; the network answers with the graph that was trained for these. A network
may take one modality alone: then a clip needs no other, and what else is in it is not looked at.
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
_STREAMS = (FRAMES, WAVEFORM)
_ANSWERS = (PROBABILITIES, MODALITIES)
_SOUNDS, _FILMS = "WAV, FLAC, Ogg, MP3", "MP4, QuickTime, WebM, MKV, AVI, MPEG-TS"
#: What a client may send, and what a strip shows, by the inputs that a network takes.
_SENT = {
    (FRAMES, WAVEFORM): f"video or sound file: {_FILMS}, {_SOUNDS}",
    (FRAMES,): f"video file: {_FILMS}",
    (WAVEFORM,): f"sound file, or video with sound: {_SOUNDS}, {_FILMS}",
}
_SHOWN = {FRAMES: "the frames used", WAVEFORM: "the spectrogram"}
_DECODE = "decode.decode_clip:DecodeClip"
_RANK, _DRAW = "render.rank_labels:RankLabels", "render.draw_clip:DrawClip"


def clip(contract: Contract) -> PipelineSpec:
    """A clip in; probabilities, the likeliest labels, the modalities used, a summary and an image out."""
    found = {spec.name: spec for spec in (*contract.inputs, *contract.outputs)}
    streams = tuple(name for name in _STREAMS if name in found)
    if not streams or sorted(found) != sorted((*streams, *_ANSWERS)):
        raise ServingError(
            f"network {contract.name!r} has the tensors {', '.join(found)}; a clip pipeline needs exactly "
            f"{', '.join((*_STREAMS, *_ANSWERS))}, or one of the first two alone"
        )
    probabilities, used = (found[name] for name in _ANSWERS)
    if WAVEFORM in streams and found[WAVEFORM].rate is None:
        raise ServingError(f"network {contract.name!r} does not say how many samples a second {WAVEFORM!r} has")
    if len(contract.classes) != probabilities.shape[0]:
        raise ServingError(
            f"network {contract.name!r} has {probabilities.shape[0]} probabilities and {len(contract.classes)} classes"
        )
    name = contract.name
    sent = item(CLIP, "BYTES", _SENT[streams])
    facts = item(CLIP_FACTS, "BYTES", "JSON text about the clip")
    count = min(LABELS_TOLD, len(contract.classes))
    labels = TensorSpec(TOP_LABELS, "BYTES", (count,), ("rank",), "class names, the likeliest first")
    summary = item(SUMMARY, "BYTES", "JSON text")
    strip = item(STRIP_PNG, "BYTES", f"RGB PNG file: {', '.join(_SHOWN[one] for one in streams)}, the probabilities")
    decode = StepSpec(f"{name}_decode", _DECODE, (sent,), (*network_inputs(contract), facts))
    inner = dataclasses.replace(used, name=USED)
    rank = StepSpec(f"{name}_rank", _RANK, (probabilities, inner, facts), (labels, used, summary))
    draw = StepSpec(f"{name}_draw", _DRAW, (*(found[one] for one in streams), probabilities, inner, facts), (strip,))
    outputs = (probabilities, labels, used, summary, strip)
    return PipelineSpec(f"{name}_clip", contract, decode.inputs, outputs, decode, (rank, draw), {MODALITIES: USED})
