"""Audio-video runs as graphs: one per availability, each answering as the live network does with zeros in the gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from crosswire.contract import Contract, TensorSpec
from crosswire.export.__main__ import main
from crosswire.export.build import build
from crosswire.export.network_facts import macs
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.place import BuildError
from crosswire.export.quantization.precision import Precision
from crosswire.export.report.text import describe
from crosswire.export.tasks.audio_video.servable import ClipServable, FrozenClipServable, fold_norms, is_linear
from crosswire.training.config import ConfigError
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.tasks.audio_video.evaluate import Run
from crosswire.training.tasks.audio_video.network import build_network
from tests.integration.training.tasks.test_audio_video_training import inputs, small

PRESENT = {"": ("video", "audio"), "frames": ("video",), "waveform": ("audio",)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a trained tiny run."""
    folder = tmp_path_factory.mktemp("clips") / "gmf"
    config = small("events-gmf", "steps=3", "val_every=3", "network.spectrogram.value=log-power")
    fit(config, folder, progress=False)
    return read_run(folder)


@pytest.fixture(scope="module")
def built(run: Run) -> tuple[Contract, Path]:
    """Return its contract and folder."""
    repository = run.folder.parent / "repository"
    return build(run, "tiny_clips", None, repository, max_batch=4), repository / "tiny_clips"


def test_every_availability_has_a_proven_graph(built: tuple[Contract, Path]) -> None:
    contract, folder = built
    assert Contract.load(folder) == contract
    assert contract.verify(folder) == folder / "1/model.onnx"
    assert contract.task == "classification"
    assert [variant.inputs for variant in contract.variants] == [("frames",), ("waveform",)]
    assert [variant.graph.file for variant in contract.variants] == ["1/model.frames.onnx", "1/model.waveform.onnx"]
    assert all(spec.optional for spec in contract.inputs)
    assert [(spec.name, spec.shape, spec.rate) for spec in contract.inputs] == [
        ("frames", (3, 16, 16, 3), 4.0),
        ("waveform", (2000,), 8000.0),
    ]
    assert [spec.name for spec in contract.outputs] == ["probabilities", "modalities"]
    assert len(contract.classes) == len(contract.palette) == 8
    assert {proof.variant for proof in contract.parity} == set(PRESENT)
    assert "accuracy" in describe(contract)


def test_the_graphs_answer_as_pytorch_does_with_zeros_where_nothing_came(
    run: Run, built: tuple[Contract, Path]
) -> None:
    _, folder = built
    for variant, present in PRESENT.items():
        served = onnx_runner(folder / "1" / (f"model.{variant}.onnx" if variant else "model.onnx"))
        for batch in (1, 4):
            raw = inputs(batch)
            zeroed = [x if m in present else torch.zeros_like(x) for m, x in zip(PRESENT[""], raw, strict=True)]
            with torch.inference_mode():
                live = run.network(*zeroed).logits.softmax(1).numpy()
            given = [x for m, x in zip(PRESENT[""], raw, strict=True) if m in present]
            np.testing.assert_allclose(served(given)[0], live, atol=1e-4)


def test_silence_and_darkness_are_answered_and_equal_absence(built: tuple[Contract, Path]) -> None:
    _, folder = built
    frames, sound = inputs(2)
    whole = onnx_runner(folder / "1/model.onnx")
    silent, dark = whole([frames, torch.zeros_like(sound)])[0], whole([torch.zeros_like(frames), sound])[0]
    assert np.isfinite(silent).all() and np.isfinite(dark).all()
    np.testing.assert_allclose(silent, onnx_runner(folder / "1/model.frames.onnx")([frames])[0], atol=1e-5)
    np.testing.assert_allclose(dark, onnx_runner(folder / "1/model.waveform.onnx")([sound])[0], atol=1e-5)


def test_a_frozen_graph_has_no_norm_and_no_extractor_of_what_is_absent(run: Run, built: tuple[Contract, Path]) -> None:
    _, folder = built
    whole, alone = (onnx.load(folder / "1" / name) for name in ("model.onnx", "model.waveform.onnx"))
    operators = [node.op_type for node in whole.graph.node]
    assert "BatchNormalization" not in operators
    assert alone.ByteSize() < whole.ByteSize()
    assert not any("branches.video" in tensor.name for tensor in alone.graph.initializer)
    assert operators.count("Gemm") + operators.count("MatMul") == 2  # the mel bank, and fusion with classifier


def test_folding_leaves_the_network_that_was_given_as_it_is(run: Run) -> None:
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    frozen = FrozenClipServable(run.network, ("video", "audio")).eval()
    assert all(torch.equal(value, before[key]) for key, value in run.network.state_dict().items())
    live, other = torch_runner(ClipServable(run.network, ("video", "audio"))), torch_runner(frozen)
    np.testing.assert_allclose(live(inputs())[0], other(inputs())[0], atol=1e-5)


@pytest.mark.parametrize("fusion", ["g-concat", "g-mbt", "perceiver"])
def test_a_frozen_network_with_any_fusion_answers_as_the_live_one_does(fusion: str) -> None:
    torch.manual_seed(0)
    net = build_network(small(f"events-{fusion}").network).eval()
    assert is_linear(net.fusion) == (fusion == "g-concat")
    for present in PRESENT.values():
        given = [x for m, x in zip(PRESENT[""], inputs(), strict=True) if m in present]
        live, frozen = ClipServable(net, present).eval(), FrozenClipServable(net, present).eval()
        if len(given) == len(PRESENT[""]):
            specs = (
                TensorSpec("frames", "UINT8", (3, 16, 16, 3), ("time", "height", "width", "channel"), "intensity"),
                TensorSpec("waveform", "FP32", (2000,), ("time",), "amplitude"),
            )
            assert macs(live, specs) > 0 and all(parameter.requires_grad for parameter in net.parameters())
        np.testing.assert_allclose(torch_runner(live)(given)[0], torch_runner(frozen)(given)[0], atol=1e-5)


def test_every_norm_behind_a_convolution_is_folded() -> None:
    torch.manual_seed(0)
    net = build_network(small("events-gmf").network).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_()  # type: ignore[operator, union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[operator, union-attr]
    for branch, x in zip(net.branches.values(), inputs(), strict=True):
        with torch.inference_mode():
            before = branch(x)
        fold_norms(branch, torch.zeros_like(x[:1]))
        assert not any(isinstance(m, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d) for m in branch.modules())
        with torch.inference_mode():
            torch.testing.assert_close(branch(x), before, rtol=1e-3, atol=1e-4)


def test_engines_of_clips_are_built_from_the_layout_that_they_have(run: Run, tmp_path: Path) -> None:
    words = ["build", str(run.folder), "--name", "clips", "--max-batch", "4", "--to", str(tmp_path)]
    assert main([*words, "--format", "tensorrt-rtx", "--compute-capability", "89"]) == 0
    contract = Contract.load(tmp_path / "clips")
    assert contract.target == "cpu"
    assert len(list((tmp_path / "clips").rglob("*.engine"))) == 1 + len(contract.variants)
    assert main([*words, "--target", "tensorrt"]) == 2


def test_what_clips_do_not_take_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="got --size, which clips do not take; leave it out"):
        build(run, "clips", (64, 64), tmp_path)
    with pytest.raises(BuildError, match="got --precision int8, which clips do not take; leave it out"):
        build(run, "clips", None, tmp_path, precision=Precision("int8"))
    with pytest.raises(BuildError, match=r"got --target tensorrt, which clips .*one layout for all targets"):
        build(run, "clips", None, tmp_path, precision=Precision(target="tensorrt"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="has no page"):
        from crosswire.training.tasks.audio_video.task import report

        report(run)
