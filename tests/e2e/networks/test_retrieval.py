"""The two embedders of a retrieval through the real server: their vectors are those of PyTorch, whoever asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from crosswire.clients import AsyncPredictor, InputError, PipelineNotFoundError, Predictor, RequestRejectedError
from crosswire.clients.__main__ import main
from crosswire.clients.bench.inputs import SIZE, bench_inputs
from crosswire.export.build import build
from crosswire.export.tasks.retrieval.exporter import TOLERANCE
from crosswire.offline.exported import exported
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.repository.assemble import assemble, without
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.repository.pipelines import pipeline_of
from crosswire.training.tasks.retrieval.data import features
from crosswire.training.tasks.retrieval.evaluate import Run
from tests.e2e.steps.test_tasks import ask
from tests.support.training.feature_files import random_run

NAMES = ["clips_image", "clips_video"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with random weights."""
    return random_run(tmp_path_factory.mktemp("retrieval"))


@pytest.fixture(scope="module")
def repository(run: Run) -> Path:
    """Its two networks."""
    build(run, "clips", None, run.folder.parent / "repository", max_batch=4)
    return run.folder.parent / "repository"


@pytest.fixture(scope="module")
def served(repository: Path) -> Iterator[EmbeddedServer]:
    """A server of both."""
    with EmbeddedServer(repository) as running:
        yield running


@pytest.fixture(params=["grpc_url", "http_url"])
def predictor(request: pytest.FixtureRequest, served: EmbeddedServer) -> Iterator[Predictor]:
    """A client for each protocol."""
    with Predictor(getattr(served, request.param)) as client:
        yield client


def examples(run: Run, count: int) -> dict[str, tuple[Any, Any]]:
    """Return test features, and what PyTorch makes of them, by embedder."""
    source = features(run.config, "test")
    given = {"video": source.videos[:count], "image": np.concatenate(source.images)[:count]}
    with torch.inference_mode():
        return {
            name: (array, run.network.embed(place, torch.from_numpy(array)).numpy())
            for place, (name, array) in enumerate(given.items())
        }


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_plain_client_gets_the_vectors_of_pytorch(run: Run, served: EmbeddedServer, protocol: str) -> None:
    for name, (given, wanted) in examples(run, 4).items():
        answer = ask(served, f"clips_{name}", protocol, **{f"{name}_features": given})
        assert set(answer) == {"embedding"} and answer["embedding"].dtype == np.float32
        np.testing.assert_allclose(answer["embedding"], wanted, rtol=0, atol=TOLERANCE.bound)


def test_json_as_curl_sends_it_is_answered(run: Run, served: EmbeddedServer) -> None:
    given, wanted = examples(run, 1)["image"]
    tensor = {"name": "image_features", "datatype": "FP32", "shape": list(given.shape), "data": given[0].tolist()}
    answer = httpx.post(f"{served.http_url}/v2/models/clips_image/infer", json={"inputs": [tensor]})
    np.testing.assert_allclose(answer.json()["outputs"][0]["data"], wanted[0], rtol=0, atol=TOLERANCE.bound)


def test_the_predictor_finds_the_embedder_by_what_is_sent(run: Run, predictor: Predictor) -> None:
    found = examples(run, 3)
    assert [one.name for one in predictor.pipelines()] == NAMES
    for name, (given, wanted) in found.items():
        several = predictor.embed(**{name: given})
        assert several.pipeline == f"clips_{name}"
        np.testing.assert_allclose(several.vectors, wanted, rtol=0, atol=TOLERANCE.bound)
        one = predictor.embed(**{name: given[0].tolist()}, pipeline=f"clips_{name}")
        np.testing.assert_allclose(one.vector, wanted[0], rtol=0, atol=TOLERANCE.bound)


def test_the_predictor_of_an_event_loop_answers_alike(run: Run, served: EmbeddedServer) -> None:
    found = examples(run, 2)

    async def both() -> list[Any]:
        async with AsyncPredictor(served.grpc_url) as client:
            return list(await asyncio.gather(*(client.embed(**{name: given}) for name, (given, _) in found.items())))

    for result, (_, wanted) in zip(asyncio.run(both()), found.values(), strict=True):
        np.testing.assert_allclose(result.vectors, wanted, rtol=0, atol=TOLERANCE.bound)


def test_mistakes_are_told_in_words(run: Run, predictor: Predictor) -> None:
    video, image = (given for given, _ in examples(run, 1).values())
    with pytest.raises(RequestRejectedError, match=r"'video_features' .* it takes \['N', 24\] with N from 1 to 4"):
        predictor.embed(video=image)
    with pytest.raises(RequestRejectedError, match="N from 1 to 4"):
        predictor.embed(video=np.repeat(video, 5, 0))
    with pytest.raises(
        InputError, match="pipeline 'clips_image' has no input 'video_features'; it has: image_features"
    ):
        predictor.embed(video=video, pipeline="clips_image")
    with pytest.raises(PipelineNotFoundError, match="offers no segmentation pipeline"):
        predictor.segment(np.zeros((4, 4, 3), np.uint8))


def test_the_command_lists_and_asks_both_and_writes_vectors(
    run: Run, served: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, wanted = examples(run, 2)["video"]
    np.save(tmp_path / "jump.npy", given)
    url = ["--url", served.grpc_url]
    assert main(["list", *url]) == 0
    assert "clips_video\n  task     retrieval\n  inputs   video_features FP32 [24]" in capsys.readouterr().out
    words = ["predict", "--input", f"video_features={tmp_path / 'jump.npy'}", "--out", str(tmp_path / "out"), *url]
    assert main(words) == 0
    assert "2 x 12 values, each vector of length 1" in capsys.readouterr().out
    vectors = np.load(tmp_path / "out" / "jump.embedding.npy")
    np.testing.assert_allclose(vectors, wanted, rtol=0, atol=TOLERANCE.bound)
    assert main([*words, "--json"]) == 0
    assert np.shape(json.loads(capsys.readouterr().out)["vectors"]) == (2, 12)


def test_a_batch_of_files_is_refused_with_what_to_do(
    served: EmbeddedServer, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["batch", str(tmp_path), str(tmp_path / "out"), "--pipeline", "clips_video", "--url", served.grpc_url]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "'clips_video' takes video_features, which are numbers and no files" in error
    with pytest.raises(InputError, match="takes image_features, which are numbers and no files"):
        exported(repository, "clips_image")


def test_a_benchmark_makes_its_numbers_up(predictor: Predictor, tmp_path: Path) -> None:
    pipeline = predictor.named_pipeline("clips_video")
    made = bench_inputs(pipeline, {}, SIZE)["video_features"]
    assert predictor.embed(video=made).vectors.shape == (1, 12)
    with pytest.raises(InputError, match="which are made up; leave out --input video_features="):
        bench_inputs(pipeline, {"video_features": tmp_path}, SIZE)


def test_there_is_no_form_of_numbers_and_it_is_said_what_to_ask(served: EmbeddedServer) -> None:
    answer = httpx.post(f"{served.http_url}/v1/pipelines/clips_video")
    assert answer.status_code == 404 and "ask POST /v2/models/clips_video/infer" in answer.text


@pytest.mark.parametrize(("runtime", "backend"), [(Runtime.EMBEDDED, "python"), (Runtime.CONTAINER, "onnxruntime")])
def test_an_embedder_is_one_model_in_both_runtimes(
    runtime: Runtime, backend: str, repository: Path, tmp_path: Path
) -> None:
    networks = find_networks(repository)
    whole = assemble(networks, runtime, tmp_path / "to", copy_graphs=False)
    assert {name: config.backend for name, config in whole.configs.items()} == dict.fromkeys(NAMES, backend)
    assert [*without(whole, "clips_image").configs] == ["clips_video"]
    sixth = replace(networks[0].contract.inputs[0], name="smell_features")
    with pytest.raises(ServingError, match="an embedder needs exactly video_features or image_features, and embedding"):
        pipeline_of(replace(networks[0].contract, inputs=(sixth,)))
