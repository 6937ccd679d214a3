"""The committed audio-video network: served and live answers are equal, with either modality absent too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crosswire.contract import Contract
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.training.datasets.clips.events_clips import EventClips
from crosswire.training.datasets.clips.read import Clip, read_clip
from crosswire.training.datasets.clips.write import write_clip
from crosswire.training.engine.run_folder import read_run
from crosswire.training.tasks.audio_video.data import as_tensors
from crosswire.training.tasks.audio_video.evaluate import Run
from tests.e2e.steps.test_tasks import ask
from tests.support.paths import RUNS
from tests.support.servers.real import REPOSITORY

NAME = "events_gmf"
FOLDER = REPOSITORY / NAME


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedServer]:
    """A server of the committed network."""
    with EmbeddedServer(REPOSITORY, networks=[NAME]) as running:
        yield running


@pytest.fixture(scope="module")
def run() -> Run:
    """The run that it comes from."""
    return read_run(RUNS / NAME)


def live(run: Run, clip: Clip) -> NDArray[np.float32]:
    """Return PyTorch's probabilities [C] of a clip."""
    inputs = as_tensors(clip, run.config.network.clip, run.config.network.modalities)
    with torch.inference_mode():
        answer: NDArray[np.float32] = run.network(*(x[None] for x in inputs)).logits.softmax(1).numpy()[0]
    return answer


def test_the_committed_network_is_small_proven_and_of_the_kept_run(run: Run) -> None:
    contract = Contract.load(FOLDER)
    contract.verify(FOLDER)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 8e6
    assert contract.run.preset == run.config.preset == "events-gmf"
    assert contract.metrics["accuracy"] > 0.95
    assert 0.45 < contract.metrics["accuracy_A"] < 0.75 and 0.45 < contract.metrics["accuracy_V"] < 0.75


def test_it_finds_the_classes_of_fresh_clips_and_needs_both_modalities_for_it(run: Run) -> None:
    source = EventClips(77, 32, run.config.network.clip)
    found = {"both": 0, "frames": 0, "waveform": 0}
    for index in range(len(source)):
        clip, label = source[index]
        parts = {"both": clip, "frames": clip._replace(waveform=None), "waveform": clip._replace(frames=None)}
        for name, part in parts.items():
            found[name] += int(live(run, part).argmax() == label)
    assert found["both"] >= 28 and max(found["frames"], found["waveform"]) <= 24


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_served_tensors_are_answered_as_pytorch_does(served: EmbeddedServer, run: Run, protocol: str) -> None:
    clip, _ = EventClips(5, 1, run.config.network.clip)[0]
    assert clip.frames is not None and clip.waveform is not None
    for parts, used in (
        ({"frames": clip.frames, "waveform": clip.waveform}, b"frames+waveform"),
        ({"frames": clip.frames}, b"frames"),
        ({"waveform": clip.waveform}, b"waveform"),
    ):
        answer = ask(served, NAME, protocol, **{name: array[None] for name, array in parts.items()})
        expected = live(run, Clip(parts.get("frames"), parts.get("waveform")))
        np.testing.assert_allclose(answer["probabilities"][0], expected, atol=1e-4)
        assert answer["modalities"].ravel()[0] == used


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("missing", [None, "frames", "waveform"])
def test_a_served_clip_is_answered_as_pytorch_answers_what_training_reads_of_it(
    served: EmbeddedServer, run: Run, missing: str | None, protocol: str, tmp_path: Path
) -> None:
    shape = run.config.network.clip
    clip, _ = EventClips(6, 2, shape)[1]
    path = tmp_path / "clip.mp4"
    write_clip(clip._replace(**{missing: None}) if missing else clip, path, shape)
    answer = ask(served, f"{NAME}_clip", protocol, clip=[path.read_bytes()])
    np.testing.assert_allclose(answer["probabilities"][0], live(run, read_clip(path, shape)), atol=1e-4)
    assert answer["modalities"].ravel()[0] == b"+".join(
        name for name in (b"frames", b"waveform") if name.decode() != missing
    )
    top = Contract.load(FOLDER).classes[int(answer["probabilities"][0].argmax())]
    assert answer["top_labels"].ravel()[0] == top.encode()
