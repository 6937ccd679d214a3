"""Translations on their way to the server: the wire, the proofs, and refusals without a half-written folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from crosswire.contract import Contract
from crosswire.export.__main__ import main
from crosswire.export.build import build
from crosswire.export.onnx_graph import example
from crosswire.export.parity import torch_runner
from crosswire.export.place import BuildError
from crosswire.export.quantization.precision import Precision
from crosswire.export.tasks.translation.servable import TranslationServable
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run, write_config, write_weights
from crosswire.training.models import exchanging_norms
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.translation.config import NORM_SHARING
from crosswire.training.tasks.translation.evaluate import TranslationRun
from tests.integration.training.tasks.test_translation_training import TINY
from tests.support.training.kinds import standing_for_all

SIZE = (32, 48)


def exchanging(folder: Path, name: str, *settings: str) -> TranslationRun:
    """Return a run of a preset at a tiny size, hardly trained, that exchanges a third of what it may."""
    fit(override(preset(name), [*TINY, "steps=2", "val_every=2", *settings]), folder, progress=False)
    run: TranslationRun = read_run(folder)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in exchanging_norms(run.network).values():
            for gamma in norm.penalised():
                gamma[torch.rand(gamma.numel(), generator=generator) < 0.33] = 0.0
    write_config(folder, run.config)
    write_weights(folder, run.network.state_dict())
    return read_run(folder)


def assert_alike(answer: np.ndarray, true: np.ndarray) -> None:
    """Fail unless a graph's answer is that of live PyTorch but for rounding.

    A byte may turn over where the value before its rounding lies between two. Metres were measured to differ by some
    0.000004 m and by less than a millionth; other processors add in another order, so a hundred times that is allowed.
    """
    assert answer.dtype == true.dtype and answer.shape == true.shape
    if answer.dtype == np.uint8:
        assert np.abs(answer.astype(int) - true.astype(int)).max() <= 1
        assert (answer == true).mean() >= 0.99
    else:
        np.testing.assert_allclose(answer, true, rtol=1e-4, atol=1e-4)


#: Runs with what goes in and out on the wire.
CASES = {
    "rooms-translate": ([("texture", 3), ("shade", 1)], [("predicted_rgb", 3)], ()),
    "rooms-multitask": ([("rgb", 3)], [("predicted_depth", 0), ("predicted_normal", 3)], ()),
    "a cycle": (
        [("depth", 0), ("shade", 1), ("normal", 3)],
        [("predicted_depth", 0), ("predicted_shade", 1), ("predicted_normal", 3)],
        (
            "network.inputs=depth,shade,normal",
            "network.outputs=depth,shade,normal",
            "network.cycle=true",
            "network.levels=3",
            "network.decoder_norms=shared",
            "network.norm=instance",
            "network.statistics=instance",
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_translation_is_exported_with_the_promised_wire_and_answers_as_pytorch(name: str, tmp_path: Path) -> None:
    inputs, outputs, settings = CASES[name]
    run = exchanging(
        tmp_path / "run", name if name in ("rooms-translate", "rooms-multitask") else "rooms-translate", *settings
    )
    build(run, "tiny", SIZE, tmp_path / "repository", max_batch=4)
    folder = tmp_path / "repository" / "tiny"
    contract = Contract.load(folder)
    session = onnxruntime.InferenceSession(str(contract.verify(folder)), providers=["CPUExecutionProvider"])
    assert contract.task == "translation" and contract.classes == ()
    assert sum(sum(layer.exchanged) for layer in contract.exchange) > 0
    for specs, values, expected in (
        (contract.inputs, session.get_inputs(), inputs),
        (contract.outputs, session.get_outputs(), outputs),
    ):
        shapes = [(n, SIZE if not channels else (*SIZE, channels)) for n, channels in expected]
        assert [(spec.name, spec.shape) for spec in specs] == shapes
        assert [(value.name, tuple(value.shape[1:])) for value in values] == shapes
        assert [value.type for value in values] == ["tensor(uint8)" if c else "tensor(float)" for _, c in expected]
    live = torch_runner(TranslationServable(run.network, run.config.network).eval())
    for batch in (1, 3):
        x = example(contract.inputs, batch, seed=batch)
        made = session.run(None, {spec.name: value.numpy() for spec, value in zip(contract.inputs, x, strict=True)})
        for answer, true in zip(made, live(x), strict=True):
            assert_alike(answer, true)


@pytest.mark.parametrize("sharing", standing_for_all(NORM_SHARING[1:], ["statistics"]))
def test_streams_that_share_a_part_of_their_norms_are_trained_exported_and_answer_as_pytorch(
    sharing: str, tmp_path: Path
) -> None:
    """With instance norms for shared statistics, whose running means are all that they share, else with batch norms."""
    config = override(
        preset("rooms-translate"),
        [
            *TINY,
            "network.inputs=shade,texture,depth",
            "network.levels=3",
            f"network.norm={'instance' if sharing == 'statistics' else 'batch'}",
            "network.fusion=none",
            f"network.norm_sharing={sharing}",
            "steps=4",
            "val_every=4",
        ],
    )
    fit(config, tmp_path / "run", progress=False)
    run: TranslationRun = read_run(tmp_path / "run")
    build(run, "tiny", SIZE, tmp_path / "repository", max_batch=2)
    contract = Contract.load(tmp_path / "repository" / "tiny")
    assert contract.exchange == ()
    graph = str(contract.verify(tmp_path / "repository" / "tiny"))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    assert not {node.op_type for node in onnx.load(graph).graph.node} & {"BatchNormalization", "InstanceNormalization"}
    x = example(contract.inputs, 2, seed=2)
    (made,) = session.run(None, {spec.name: value.numpy() for spec, value in zip(contract.inputs, x, strict=True)})
    (true,) = torch_runner(TranslationServable(run.network, run.config.network).eval())(x)
    assert_alike(made, true)
    assert contract.macs_frozen < contract.macs_live
    assert {one.output for one in contract.parity if one.stage == "onnx"} == {spec.name for spec in contract.outputs}


def test_a_translation_that_cannot_be_exported_is_refused_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = exchanging(tmp_path / "run", "rooms-translate")
    with pytest.raises(BuildError, match=r"pictures of 40x48 can be halved 3 times"):
        build(run, "tiny", (40, 48), tmp_path / "repository")
    with pytest.raises(BuildError, match=r"got --precision int8, which translations .* fp32 or fp16 \(half of"):
        build(run, "tiny", SIZE, tmp_path / "repository", precision=Precision("int8"))
    with pytest.raises(BuildError, match=r"got --missing-modality, which .* leave it out \(they are trained"):
        build(run, "tiny", SIZE, tmp_path / "repository", missing_modality=True)
    run.network.decoder.stages[0].conv.weight.data.fill_(float("nan"))
    with pytest.raises(BuildError, match="this run diverged"):
        build(run, "tiny", SIZE, tmp_path / "repository")
    assert not list((tmp_path / "repository").iterdir())
    words = ["--name", "tiny", "--size", "32x48", "--max-batch", "4"]
    assert main(["build", str(run.folder), *words, "--to", str(tmp_path / "repository")]) == 0
    assert "predicted_rgb" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "repository" / "tiny"), "--repeats", "1"]) == 0
    assert "eager PyTorch fp32" in capsys.readouterr().out


@pytest.mark.thorough  # `test_precision.py` has a segmentation's
def test_a_translation_is_exported_in_half_precision_within_its_own_tolerances(tmp_path: Path) -> None:
    run = exchanging(tmp_path / "run", "rooms-multitask-labels")
    build(run, "tiny", SIZE, tmp_path, max_batch=4, precision=Precision("fp16"))
    contract = Contract.load(tmp_path / "tiny")
    graph = onnx.load(contract.verify(tmp_path / "tiny"))
    weights = [one.data_type for one in graph.graph.initializer if len(one.dims) == 4]
    assert contract.precision == "fp16" and set(contract.precisions.values()) == {"fp16"}
    assert len(contract.precisions) == len(weights) > 8 and set(weights) == {onnx.TensorProto.FLOAT16}
    stages = {(one.stage, one.output, one.measure) for one in contract.parity}
    assert {"frozen", "onnx-fp32", "onnx"} == {stage for stage, _, _ in stages}
    assert ("onnx", "predicted_depth", "relative") in stages and ("onnx", "predicted_labels", "agreement") in stages
    assert 0 < max(one.value for one in contract.parity if one.output == "predicted_depth") < 2e-2
