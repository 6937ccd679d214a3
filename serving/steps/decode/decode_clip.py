"""Step `<name>_decode` of an audio-video network: a clip becomes frames and samples, and word of which are there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosswire.contract import ContractError, PipelineDescription, TensorSpec
from crosswire.contract.wire_names import CLIP, CLIP_FACTS, FRAMES, WAVEFORM
from crosswire.media.clips.shape import ClipShape
from crosswire.serving.config.limits import MediaLimits, WorkerLimits
from crosswire.serving.steps.decode.sample_errors import named_sample
from crosswire.serving.steps.media.clip_header import Facts
from crosswire.serving.steps.media.clips import SILENCE, Clip, read_clip
from crosswire.serving.steps.media.images import ImageError
from crosswire.serving.steps.runtime.graph_choice import PRESENT
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest, column, decoder_workers

_WORDS = {FRAMES: "pictures", WAVEFORM: "sound"}


def decode_clips(shape: dict[str, Any], optional: list[str], *clips: bytes) -> tuple[Any, ...]:
    """Decode the clips of one request within the ordinary limits; a worker process runs this.

    Args:
        shape: the fields of a `ClipShape`.
        optional: the modalities that the network was trained to do without.
        *clips: encoded files.

    Returns:
        frames, uint8 [N, T, H, W, 3]; waveform, float32 [N, S], T or S being 0 of what is not taken; per clip the
        modalities that are there, joined by `+`; per clip its `Facts` as a dict. What is not there is zeros, which no
        network sees.

    Raises:
        ImageError: a clip cannot be used, or lacks what the network needs.
    """
    wanted = ClipShape(**shape)
    frames = np.zeros((len(clips), wanted.frames, wanted.height, wanted.width, 3), np.uint8)
    waveform = np.zeros((len(clips), wanted.samples), np.float32)
    present, facts = [], []
    for index, data in enumerate(clips):
        with named_sample(index, len(clips)):
            clip = read_clip(data, wanted, MediaLimits.chosen().clips)
            there = modalities(clip, optional, _taken(wanted))
        if FRAMES in there:
            frames[index] = clip.frames
        if WAVEFORM in there:
            waveform[index] = clip.waveform
        present.append("+".join(there))
        facts.append(dataclasses.asdict(clip.facts))
    return frames, waveform, present, facts


def _taken(shape: ClipShape) -> list[str]:
    """Return the modalities that a network takes."""
    return [name for name, count in ((FRAMES, shape.frames), (WAVEFORM, shape.samples)) if count]


def modalities(clip: Clip, optional: Sequence[str], taken: Sequence[str] = (FRAMES, WAVEFORM)) -> list[str]:
    """Return the modalities that a network is given of a clip, and note in its facts why one of them is not.

    Sound in which nothing can be heard is no sound, for a network that was trained to do without.

    Args:
        clip: what was read.
        optional: the modalities that it was trained to do without.
        taken: all that it takes.

    Raises:
        ImageError: the network needs one that the clip does not have.
    """
    there = [name for name, array in ((FRAMES, clip.frames), (WAVEFORM, clip.waveform)) if array is not None]
    for name in taken:
        word = _WORDS[name]
        if name not in there:
            if name not in optional:
                cure = "send both" if len(taken) > 1 else f"send a clip with {word}"
                raise ImageError(f"{CLIP} has no {word}, and the network was not trained to do without; {cure}")
            clip.facts.warnings.append(f"no_{word}: the clip has none")
    silent = clip.waveform is not None and float(np.abs(clip.waveform).max()) < SILENCE
    if silent and FRAMES in there and WAVEFORM in optional:
        there.remove(WAVEFORM)
        clip.facts.warnings.append("sound_silent: nothing can be heard in it, so it was not used")
    return there


def facts_of(text: bytes) -> Facts:
    """Return the facts that travel between the steps as JSON text."""
    return Facts(**json.loads(text))


def shape_of(specs: Mapping[str, TensorSpec]) -> ClipShape:
    """Return what a network sees and hears of a clip, by its tensors.

    Raises:
        ContractError: its sound has no rate.
    """
    frames, waveform = specs.get(FRAMES), specs.get(WAVEFORM)
    count, height, width = frames.shape[:3] if frames else (0, 1, 1)
    if waveform is None:
        return ClipShape(count, height, width, frames.rate if frames else None, 0, 1)
    if waveform.rate is None:
        raise ContractError(f"tensor {WAVEFORM!r} does not say its samples per second; export its network again")
    rate = frames.rate if frames else None
    return ClipShape(count, height, width, rate, waveform.shape[0], round(waveform.rate))


class DecodeClip(Step):
    """Decodes the clips of a request in worker processes."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Read what the network sees of a clip from the model's own parameters, and start a decoder."""
        specs = {spec.name: spec for spec in PipelineDescription.from_config(config).outputs}
        shape = shape_of(specs)
        self._shape = dataclasses.asdict(shape)
        self._taken = _taken(shape)
        self._optional = [name for name in self._taken if specs[name].optional]
        self._tells = PRESENT in specs
        self._workers = decoder_workers(f"{__name__}:decode_clips", WorkerLimits(cpu_seconds=10, wall_seconds=30.0))

    def run(self, request: StepRequest) -> Arrays:
        """Decode the samples of one request."""
        clips = request.array(CLIP)[:, 0]
        frames, waveform, present, facts = self._workers.call(self._shape, self._optional, *clips)
        texts = [json.dumps(one).encode() for one in facts]
        read = {FRAMES: frames, WAVEFORM: waveform}
        arrays = {**{name: read[name] for name in self._taken}, CLIP_FACTS: column(texts)}
        return {**arrays, PRESENT: column([one.encode() for one in present])} if self._tells else arrays

    def close(self) -> None:
        """End the worker processes."""
        self._workers.close()
