"""Classifiers of clips that somebody else made, of sound alone and of frames alone, served side by side."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crosswire.clients import InputError, Predictor, RequestRejectedError, predict_folder
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.prepare import Prepared, prepare
from crosswire.export.adopt.proof.clip_samples import read_clips
from crosswire.export.adopt.proof.prove import original, reference_of
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.e2e.networks.test_adopted import serving
from tests.support.adopted.foreign import FRAMES, WAVEFORM, clip_network, said
from tests.support.small_clips import clip

LOGITS = {"kind": "logits"}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    """Two networks: of sound alone, and of frames alone."""
    folder = tmp_path_factory.mktemp("foreign")
    sound = read_graph(clip_network(folder / "sound.onnx", samples="s"))
    frames = read_graph(clip_network(folder / "frames.onnx", frames=(4, 24, 32)))
    output = {**LOGITS, "classes": list("abcde")}
    return {
        "heard": prepare(sound, said(WAVEFORM, task="classification", output=output), None, 0.5),
        "seen": prepare(frames, said(FRAMES, task="classification", output={**LOGITS, "sigmoid": True}), None),
    }


@pytest.fixture(scope="module")
def adopting(ready: dict[str, Prepared], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of them."""
    with serving(ready, tmp_path_factory.mktemp("adopted")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips with pictures and sound."""
    found = tmp_path_factory.mktemp("clips")
    for place, loudness in enumerate((0.1, 0.9)):
        (found / f"{place}.mkv").write_bytes(clip(seconds=1 + place, loudness=loudness))
    return found


def expected(one: Prepared, folder: Path) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Return the probabilities that the original pipeline gives for the clips of a folder."""
    run = original(one.source, one, print)
    samples = read_clips(folder, one.inputs, 9)
    return [reference_of(one, run, sample.raw)["probabilities"][0] for sample in samples]


def test_probabilities_are_those_of_the_original_pipeline(
    adopting: EmbeddedServer, ready: dict[str, Prepared], folder: Path
) -> None:
    with Predictor(adopting.grpc_url) as predictor:
        for name, used in (("heard", ("waveform",)), ("seen", ("frames",))):
            answers = expected(ready[name], folder)
            assert np.abs(answers[0] - answers[1]).max() > 1e-3, "clips that differ"
            for place, answer in enumerate(answers):
                found = predictor.classify(folder / f"{place}.mkv", pipeline=f"{name}_clip")
                np.testing.assert_allclose(found.probabilities, answer, atol=1e-4)
                assert found.modalities == used and found.strip().width > 100
                raw = read_clips(folder, ready[name].inputs, 9)[place].raw
                bare = predictor.classify(**{used[0]: raw[used[0]][0]}, pipeline=f"{name}_clip")
                np.testing.assert_allclose(bare.probabilities, answer, atol=1e-4)


def test_what_a_network_does_not_take_is_not_asked_for(adopting: EmbeddedServer) -> None:
    with Predictor(adopting.http_url) as predictor:
        assert predictor.classify(clip(pictures=0), pipeline="heard_clip").modalities == ("waveform",)
        assert predictor.classify(clip(sounds=0), pipeline="seen_clip").modalities == ("frames",)
        with pytest.raises((InputError, RequestRejectedError), match=r"has no sound.*send a clip with sound"):
            predictor.classify(clip(sounds=0), pipeline="heard_clip")
        with pytest.raises((InputError, RequestRejectedError), match=r"has no pictures.*send a clip with pictures"):
            predictor.classify(clip(pictures=0), pipeline="seen_clip")


def test_batch_and_plain_rest_know_them(adopting: EmbeddedServer, folder: Path, tmp_path: Path) -> None:
    outcome = predict_folder(folder, tmp_path / "out", adopting.grpc_url, pipeline="heard_clip")
    assert (outcome.done, outcome.failed) == (2, 0)
    with urllib.request.urlopen(f"{adopting.http_url}/openapi.json", timeout=30) as answer:
        paths = json.load(answer)["paths"]
    assert [path for path in paths if "heard_clip" in path] and [path for path in paths if "seen_clip" in path]
