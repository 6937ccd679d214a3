"""Adopted classifiers of clips: every role, layout and end against the original, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from crosswire.__main__ import main
from crosswire.contract import Contract
from crosswire.export.adopt.adopt import AdoptRequest, adopt
from crosswire.export.adopt.description import Description
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.mel import Banks, mel_nodes, mel_reference
from crosswire.export.adopt.graphs.nodes import Nodes
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.metadata import metadata_of
from crosswire.export.adopt.prepare import Prepared, prepare
from crosswire.export.adopt.presets import preset
from crosswire.export.adopt.proof.clip_samples import read_clips, read_labelled_clips
from crosswire.export.adopt.proof.sessions import runner_of
from tests.support.adopted.foreign import CLASSES, FRAMES, WAVEFORM, clip_network, said
from tests.support.small_clips import clip

SEEN: dict[str, Any] = {"frames": (4, 24, 32)}
HEARD: dict[str, Any] = {"samples": 8000}
LOGITS = {"kind": "logits"}


def described(*inputs: dict[str, Any], **output: Any) -> Description:
    return said(*inputs, task="classification", output=output or LOGITS)


def prepared(path: Path, *inputs: dict[str, Any], seconds: float | None = None, **output: Any) -> Prepared:
    return prepare(read_graph(path), described(*inputs, **output), None, seconds)


def spectrogram_network(path: Path, windows: int = 60, mels: int = 128) -> Path:
    """Write a network that tells classes of a spectrogram."""
    look = np.random.default_rng(0).normal(size=(mels, CLASSES)).astype(np.float32)
    constants = [numpy_helper.from_array(np.asarray([1]), "axis"), numpy_helper.from_array(look, "look")]
    nodes = [
        helper.make_node("ReduceMean", ["input_values", "axis"], ["bands"], keepdims=0),
        helper.make_node("MatMul", ["bands", "look"], ["logits"]),
    ]
    taken = helper.make_tensor_value_info("input_values", TensorProto.FLOAT, ["n", windows, mels])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])
    graph = helper.make_graph(nodes, "spectrogram", [taken], [given], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("graph", "inputs", "output"),
    [
        (SEEN, (FRAMES,), LOGITS),
        (SEEN, ({**FRAMES, "channel_order": "BGR", "scale": 1.0, "mean": [104.0], "std": [57.0]},), LOGITS),
        ({**SEEN, "layout": "NCTHW"}, (FRAMES,), {"kind": "logits", "sigmoid": True}),
        (HEARD, (WAVEFORM,), LOGITS),
        (HEARD, ({**WAVEFORM, "standardise": True},), {"kind": "logits", "drop": [0]}),
        ({**HEARD, "end": "Sigmoid"}, ({**WAVEFORM, "scale": 2.0},), {"kind": "probabilities"}),
        ({**HEARD, "end": "Softmax"}, (WAVEFORM,), {"classes": list("abcde")}),
        ({**SEEN, **HEARD}, (FRAMES, WAVEFORM), LOGITS),
    ],
)
def test_the_adopted_graph_answers_as_the_original(
    tmp_path: Path, graph: dict[str, Any], inputs: tuple[dict[str, Any], ...], output: dict[str, Any]
) -> None:
    ready = prepared(clip_network(tmp_path / "a.onnx", **graph), *inputs, **output)
    contract = adopt(ready, AdoptRequest("foreign"), tmp_path / "repository")
    assert Contract.load(tmp_path / "repository/foreign") == contract
    assert [spec.name for spec in contract.inputs] == [one["role"] for one in inputs]
    assert [spec.name for spec in contract.outputs] == ["probabilities", "modalities"]
    assert contract.max_batch_size == 8
    assert len(contract.classes) == contract.outputs[0].shape[0] == CLASSES - len(output.get("drop", ()))
    assert ("by itself" in contract.outputs[0].unit) == (ready.answer.described[0].sigmoid is True)


def test_sound_becomes_a_spectrogram_in_the_graph(tmp_path: Path) -> None:
    wanted = {"role": "spectrogram", "rate": 16000.0, "length": 8000, "mean": [-4.0], "std": [9.0]}
    ready = prepared(spectrogram_network(tmp_path / "a.onnx"), wanted)
    contract = adopt(ready, AdoptRequest("foreign"), tmp_path / "repository")
    assert [(spec.name, spec.shape) for spec in contract.inputs] == [("waveform", (8000,))]


def test_filter_banks_are_those_that_are_written_out_step_by_step() -> None:
    banks, nodes = Banks(16000, 40), Nodes("mel")
    sound = np.random.default_rng(0).normal(size=(2, 4000)).astype(np.float32) * 0.1
    mel_nodes(nodes, "waveform", banks, banks.windows(4000), 30)
    taken = helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["n", 4000])
    given = [onnx.ValueInfoProto(name=nodes.nodes[-1].output[0])]
    graph = helper.make_graph(nodes.nodes, "mel", [taken], given, nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (found,) = runner_of(model)({"waveform": sound}).values()
    np.testing.assert_allclose(found, mel_reference(sound, banks, 30), atol=2e-3)
    assert found.shape == (2, 30, 40) and not found[:, banks.windows(4000) :].any()


def test_a_tone_is_loudest_in_the_band_of_its_pitch() -> None:
    banks, seconds = Banks(16000, 128), np.arange(16000) / 16000
    found = mel_reference(np.sin(2 * np.pi * 1000 * seconds)[None], banks, 98)[0].mean(0)
    assert banks.triangles()[int(found.argmax())].argmax() == 32  # 1000 Hz of 512 samples at 16 kHz


@pytest.mark.parametrize(
    ("graph", "inputs", "output", "message"),
    [
        (SEEN, ({**FRAMES, "rate": None},), LOGITS, "nothing says how many frames a second input 'pixel_values' takes"),
        (SEEN, ({"role": "frames", "rate": 2.0},), LOGITS, "nothing says how the colours"),
        (SEEN, ({**FRAMES, "length": 5},), LOGITS, "takes 4 frames, 2 s, and 5 are asked for"),
        (SEEN, ({**FRAMES, "size": [8, 9]},), LOGITS, "is fixed, and --size 8x9 was asked for"),
        (SEEN, (WAVEFORM,), LOGITS, "is no waveform, which have NT, N1T; check its role"),
        (SEEN, ({**FRAMES, "unit": "m"},), LOGITS, "has unit, which it does not take"),
        ({"samples": "s"}, (WAVEFORM,), LOGITS, "takes any number of samples; say how much .*--seconds 10"),
        (HEARD, ({**WAVEFORM, "rate": 10.5},), LOGITS, "has 10.5 samples a second; allowed are whole numbers"),
        (HEARD, ({**WAVEFORM, "role": "rgb"},), LOGITS, "has the role 'rgb'; a classification takes frames, waveform"),
        (HEARD, (WAVEFORM,), {"kind": "probabilities"}, "probabilities are 0 to 1; say --set output.kind=logits"),
        ({**HEARD, "end": "Softmax"}, (WAVEFORM,), LOGITS, "with the sum 1, so it is probabilities already"),
        ({**HEARD, "end": "Sigmoid"}, (WAVEFORM,), {"sigmoid": False}, "which may be logits or probabilities; say"),
        (HEARD, (WAVEFORM,), {"kind": "labels"}, "is labels; a classification has logits or probabilities"),
        (HEARD, (WAVEFORM,), {"kind": "logits", "classes": ["a"]}, "has 5 classes, and 1 names were given"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    tmp_path: Path, graph: dict[str, Any], inputs: tuple[dict[str, Any], ...], output: dict[str, Any], message: str
) -> None:
    given = [{key: value for key, value in one.items() if value is not None} for one in inputs]
    with pytest.raises(AdoptError, match=message):
        prepared(clip_network(tmp_path / "a.onnx", **graph), *given, **output)


def test_a_graph_that_is_not_what_it_was_fails_the_proof_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = prepared(clip_network(tmp_path / "a.onnx", **HEARD), {**WAVEFORM, "mean": [0.25]})
    other = prepared(clip_network(tmp_path / "a.onnx", **HEARD), WAVEFORM)
    monkeypatch.setattr(Prepared, "graph", lambda _, name, *, cpu: original(other, name, cpu=cpu))
    with pytest.raises(AdoptError, match="parts from the original at 'normalised input_values': relative"):
        adopt(ready, AdoptRequest("foreign"), tmp_path / "repository")


original = Prepared.graph


def test_samples_and_classes_are_read_from_folders(tmp_path: Path) -> None:
    ready = prepared(clip_network(tmp_path / "a.onnx", **SEEN), FRAMES, **LOGITS, classes=list("abcde"))
    for name, level in (("b", 10), ("3", 200)):
        (tmp_path / "clips" / name / "one").mkdir(parents=True)
        for place in range(3):
            Image.new("RGB", (64, 48), (level, 5, 9)).save(tmp_path / f"clips/{name}/one/{place}.png")
    found = read_labelled_clips(tmp_path / "clips", ready.inputs, 9, ready.answer.classes)
    assert [int(one.labels) for one in found] == [3, 1]  # type: ignore[arg-type]
    assert found[0].raw["frames"].shape == (1, 4, 24, 32, 3) and (found[0].raw["frames"][..., 0] == 200).all()
    (tmp_path / "clips/zebra").mkdir()
    with pytest.raises(AdoptError, match=r"got the folder .*zebra, expected one folder per class: a, b"):
        read_labelled_clips(tmp_path / "clips", ready.inputs, 9, ready.answer.classes)
    sound = prepared(clip_network(tmp_path / "b.onnx", **HEARD), WAVEFORM)
    (tmp_path / "0.mkv").write_bytes(clip(sounds=0))
    with pytest.raises(AdoptError, match=r"0\.mkv has no waveform, which the network takes"):
        read_clips(tmp_path, sound.inputs, 9)
    with pytest.raises(AdoptError, match="holds no clips"):
        read_clips(tmp_path / "clips/zebra", sound.inputs, 9)


def test_the_command_proves_on_clips_and_tells_the_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = clip_network(tmp_path / "a.onnx", samples="s", seed=2)
    for place, name in enumerate(("2", "4")):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / f"in/{name}/tone.mkv").write_bytes(clip(seconds=1, loudness=0.1 + 0.8 * place))
    words = ["adopt", str(graph), "--preset", "wav2vec2-classifier", "--seconds", "0.5", "--name", "sounds"]
    words += ["--to", str(tmp_path / "repository"), "--samples", str(tmp_path / "in/2")]
    assert main([*words, "--evaluate", str(tmp_path / "in")]) == 0
    contract = Contract.load(tmp_path / "repository/sounds")
    (accuracy,) = contract.evaluation
    assert (accuracy.metric, accuracy.inputs) == ("accuracy", "2 labelled clips")
    assert accuracy.live == accuracy.served and 0 <= accuracy.served <= 1
    assert {one.inputs for one in contract.parity} == {"noise, batches of 1, 2, 3", "1 samples", "silence"}
    assert "soft-max" not in capsys.readouterr().err, "the preset says it"


@pytest.mark.parametrize("name", ["wav2vec2-classifier", "panns", "videomae", "ast"])
def test_presets_are_descriptions_of_classifications(name: str) -> None:
    found = preset(name)
    assert found.task == "classification" and all(one.rate for one in found.inputs)


def test_the_sound_of_a_clip_is_that_which_was_written(tmp_path: Path) -> None:
    ready = prepared(clip_network(tmp_path / "a.onnx", **HEARD), WAVEFORM)
    written = (0.5 * np.sin(np.arange(8000) / 9) * 32767).astype(np.int16)
    with av.open(str(tmp_path / "a.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        sound = av.AudioFrame.from_ndarray(written[None], format="s16", layout="mono")
        sound.sample_rate = 16000
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    (sample,) = read_clips(tmp_path, ready.inputs, 9)
    np.testing.assert_allclose(sample.raw["waveform"][0], written / 32768, atol=1e-6)


@pytest.mark.parametrize(
    ("told", "said_of_it"),
    [
        ({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 8000}, {"standardise": True}),
        ({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 8000, "do_normalize": False}, {}),
    ],
)
def test_what_extractors_of_sound_say_is_read(tmp_path: Path, told: dict[str, Any], said_of_it: dict[str, Any]) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    lines: list[str] = []
    (found,) = metadata_of(read_graph(clip_network(tmp_path / "a.onnx", **HEARD)), lines.append).inputs
    assert (found.role, found.rate) == ("waveform", 8000.0)
    assert found.standardise is said_of_it.get("standardise", False)
    assert lines == ["read from preprocessor_config.json: rate, standardise"]


def test_what_an_extractor_of_spectrograms_says_is_read(tmp_path: Path) -> None:
    told = {"feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 16000, "mean": -4.0, "std": 4.5}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    (found,) = metadata_of(read_graph(spectrogram_network(tmp_path / "a.onnx")), lambda line: None).inputs
    assert (found.role, found.rate, found.mean, found.std) == ("spectrogram", 16000.0, (-4.0,), (9.0,))


def test_a_mask_of_padding_is_refused_with_the_reason(tmp_path: Path) -> None:
    model = onnx.load(clip_network(tmp_path / "a.onnx", **HEARD))
    model.graph.input.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", 8000]))
    onnx.save(model, tmp_path / "b.onnx")
    with pytest.raises(AdoptError, match="'attention_mask': a mask says which samples are padding"):
        prepared(tmp_path / "b.onnx", WAVEFORM)


@pytest.mark.parametrize(
    ("name", "graph", "samples"),
    [
        ("panns", {"samples": "s", "end": "Sigmoid"}, (320000,)),
        ("wav2vec2-classifier", {"samples": 8000}, (8000,)),
        ("videomae", {"frames": (4, 24, 32)}, (4, 24, 32, 3)),
    ],
)
def test_a_preset_is_all_that_has_to_be_said(
    tmp_path: Path, name: str, graph: dict[str, Any], samples: tuple[int, ...]
) -> None:
    path = clip_network(tmp_path / "a.onnx", **graph)
    words = ["--preset", name, "--name", "preset", "--to", str(tmp_path / "repository"), "--max-batch", "2"]
    assert main(["adopt", str(path), *words, "--target", "tensorrt"]) == 0
    assert Contract.load(tmp_path / "repository/preset").inputs[0].shape == samples


def test_the_preset_of_spectrograms_takes_ten_seconds_of_sound(tmp_path: Path) -> None:
    path = spectrogram_network(tmp_path / "a.onnx", windows=1024)
    words = ["--preset", "ast", "--name", "preset", "--to", str(tmp_path / "repository"), "--max-batch", "1"]
    assert main(["adopt", str(path), *words, "--target", "tensorrt"]) == 0
    contract = Contract.load(tmp_path / "repository/preset")
    assert contract.inputs[0].shape == (160000,) and "by itself" in contract.outputs[0].unit
    (bound,) = [one for one in contract.parity if one.output.startswith("normalised") and "silence" in one.inputs]
    assert bound.value < 1e-5


def test_a_network_that_has_no_answer_to_silence_is_named(tmp_path: Path) -> None:
    model = onnx.load(clip_network(tmp_path / "a.onnx", **HEARD))
    model.graph.node.append(helper.make_node("ReduceSum", ["heard", "one"], ["all"], keepdims=1))
    model.graph.node.append(helper.make_node("Div", ["logits", "all"], ["shared"]))  # 0 / 0
    model.graph.output[0].name = "shared"
    onnx.save(model, tmp_path / "b.onnx")
    told: list[str] = []
    contract = adopt(prepared(tmp_path / "b.onnx", WAVEFORM), AdoptRequest("odd", report=told.append), tmp_path / "r")
    assert any("answers silence with no numbers" in line for line in told)
    assert {one.inputs for one in contract.parity} == {"noise, batches of 1, 2, 3"}
