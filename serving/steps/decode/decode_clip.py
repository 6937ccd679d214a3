"""Step `<name>_decode` of an audio-video network: a clip becomes frames and samples, and word of which are there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from crosswire.contract import ContractError, PipelineDescription
from crosswire.contract.wire_names import CLIP, CLIP_FACTS, FRAMES, WAVEFORM
from crosswire.media.clips.shape import ClipShape
from crosswire.serving.config.limits import MediaLimits, WorkerLimits
from crosswire.serving.steps.decode.sample_errors import named_sample
from crosswire.serving.steps.media.clip_header import Facts
from crosswire.serving.steps.media.clips import SILENCE, Clip, read_clip
from crosswire.serving.steps.media.images import ImageError
from crosswire.serving.steps.runtime.graph_choice import PRESENT
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest, column, decoder_workers


def decode_clips(shape: dict[str, Any], optional: list[str], *clips: bytes) -> tuple[Any, ...]:
    """Decode the clips of one request within the ordinary limits; a worker process runs this.

    Args:
        shape: the fields of a `ClipShape`.
        optional: the modalities that the network was trained to do without.
        *clips: encoded files.

    Returns:
        frames, uint8 [N, T, H, W, 3]; waveform, float32 [N, S]; per clip the modalities that are there, joined by `+`;
        per clip its `Facts` as a dict. What is not there is zeros, which no network sees.

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
            there = modalities(clip, optional)
        if FRAMES in there:
            frames[index] = clip.frames
        if WAVEFORM in there:
            waveform[index] = clip.waveform
        present.append("+".join(there))
        facts.append(dataclasses.asdict(clip.facts))
    return frames, waveform, present, facts


def modalities(clip: Clip, optional: list[str]) -> list[str]:
    """Return the modalities that a network is given of a clip, and note in its facts why one of them is not.

    Sound in which nothing can be heard is no sound, for a network that was trained to do without.

    Raises:
        ImageError: the network needs one that the clip does not have.
    """
    there = [name for name, array in ((FRAMES, clip.frames), (WAVEFORM, clip.waveform)) if array is not None]
    for name, word in ((FRAMES, "pictures"), (WAVEFORM, "sound")):
        if name not in there:
            if name not in optional:
                raise ImageError(f"{CLIP} has no {word}, and the network was not trained to do without; send both")
            clip.facts.warnings.append(f"no_{word}: the clip has none")
    silent = clip.waveform is not None and float(np.abs(clip.waveform).max()) < SILENCE
    if silent and FRAMES in there and WAVEFORM in optional:
        there.remove(WAVEFORM)
        clip.facts.warnings.append("sound_silent: nothing can be heard in it, so it was not used")
    return there


def facts_of(text: bytes) -> Facts:
    """Return the facts that travel between the steps as JSON text."""
    return Facts(**json.loads(text))


class DecodeClip(Step):
    """Decodes the clips of a request in worker processes."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Read what the network sees of a clip from the model's own parameters, and start a decoder."""
        specs = {spec.name: spec for spec in PipelineDescription.from_config(config).outputs}
        frames, waveform = specs[FRAMES], specs[WAVEFORM]
        count, height, width = frames.shape[:3]
        if waveform.rate is None:
            raise ContractError(f"tensor {WAVEFORM!r} does not say its samples per second; export its network again")
        shape = ClipShape(count, height, width, frames.rate, waveform.shape[0], round(waveform.rate))
        self._shape = dataclasses.asdict(shape)
        self._optional = [spec.name for spec in (frames, waveform) if spec.optional]
        self._tells = PRESENT in specs
        self._workers = decoder_workers(f"{__name__}:decode_clips", WorkerLimits(cpu_seconds=10, wall_seconds=30.0))

    def run(self, request: StepRequest) -> Arrays:
        """Decode the samples of one request."""
        clips = request.array(CLIP)[:, 0]
        frames, waveform, present, facts = self._workers.call(self._shape, self._optional, *clips)
        texts = [json.dumps(one).encode() for one in facts]
        arrays = {FRAMES: frames, WAVEFORM: waveform, CLIP_FACTS: column(texts)}
        return {**arrays, PRESENT: column([one.encode() for one in present])} if self._tells else arrays

    def close(self) -> None:
        """End the worker processes."""
        self._workers.close()
