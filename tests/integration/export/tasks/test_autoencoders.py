"""GMF-MAE as a graph: encoders and classifier, with each modality absent too, and nothing of its decoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from crosswire.contract import Contract
from crosswire.export.build import build
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.tasks.audio_video.servable import ClipServable, FrozenClipServable
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.models.count import parameters
from crosswire.training.tasks.audio_video.config import AUTOENCODERS
from crosswire.training.tasks.audio_video.evaluate import Run
from tests.integration.training.tasks.test_audio_video_training import inputs, network, small

PRESENT = {"": ("video", "audio"), "frames": ("video",), "waveform": ("audio",)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of two steps."""
    folder = tmp_path_factory.mktemp("clips") / "mae"
    fit(small("events-gmf-mae", "steps=2", "val_every=2"), folder, progress=False)
    return read_run(folder)


@pytest.fixture(scope="module")
def built(run: Run) -> tuple[Contract, Path]:
    """Return its contract and folder."""
    repository = run.folder.parent / "repository"
    return build(run, "tiny_mae", None, repository, max_batch=4), repository / "tiny_mae"


def test_the_graphs_answer_as_pytorch_does_with_zeros_where_nothing_came(
    run: Run, built: tuple[Contract, Path]
) -> None:
    contract, folder = built
    assert [variant.inputs for variant in contract.variants] == [("frames",), ("waveform",)]
    assert {proof.variant for proof in contract.parity} == set(PRESENT)
    for variant, present in PRESENT.items():
        served = onnx_runner(folder / "1" / (f"model.{variant}.onnx" if variant else "model.onnx"))
        for batch in (1, 4):
            raw = inputs(batch)
            zeroed = [x if m in present else torch.zeros_like(x) for m, x in zip(PRESENT[""], raw, strict=True)]
            with torch.inference_mode():
                live = run.network.eval()(*zeroed).logits.softmax(1).numpy()
            given = [x for m, x in zip(PRESENT[""], raw, strict=True) if m in present]
            np.testing.assert_allclose(served(given)[0], live, atol=1e-4)


def test_a_graph_has_the_encoders_and_no_decoder(run: Run, built: tuple[Contract, Path]) -> None:
    contract, folder = built
    decoders = parameters(run.network.reconstruction)  # type: ignore[arg-type]
    assert decoders > 0 and contract.parameters == parameters(run.network)
    graph = onnx.load(folder / "1" / "model.onnx").graph
    layers = sum(node.op_type == "Softmax" for node in graph.node)
    assert layers == 2 + 1  # one layer of attention in each encoder, and the probabilities
    assert not any(node.op_type.startswith("Random") for node in graph.node)
    named = " ".join(tensor.name for tensor in graph.initializer)
    assert "branches.video" in named and "reconstruction" not in named


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_frozen_autoencoders_answer_as_live_ones_do(name: str) -> None:
    net = network(f"events-{name}").eval()
    for present in PRESENT.values():
        given = [x for m, x in zip(PRESENT[""], inputs(), strict=True) if m in present]
        live, frozen = ClipServable(net, present).eval(), FrozenClipServable(net, present).eval()
        assert not any("reconstruction" in key for key, _ in frozen.named_parameters())
        np.testing.assert_allclose(torch_runner(live)(given)[0], torch_runner(frozen)(given)[0], atol=1e-5)
