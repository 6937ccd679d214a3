"""Small graphs with true contracts, one per task: what they compute is simple enough to compute again in numpy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from crosswire.contract import (
    Contract,
    Graph,
    Parity,
    TensorSpec,
    Tolerance,
    TrainingRun,
    Variant,
    sha256_of,
    used_spec,
)

HEIGHT, WIDTH = 24, 32
FRAMES, FRAME_RATE, SAMPLES, SAMPLE_RATE = 4, 2.0, 16000, 8000
EVENTS = ("bell", "clap", "bark")
LABELS = ("wall", "floor")
Array = np.ndarray[Any, Any]

_TYPES = {"UINT8": TensorProto.UINT8, "FP32": TensorProto.FLOAT}


def write_classification(folder: Path, name: str = "events_small", *, missing_modality: bool = True) -> Contract:
    """Write an audio-video network: the brightness of three thirds of the pictures, and the loudness of the sound."""
    frames = TensorSpec(
        "frames", "UINT8", (FRAMES, HEIGHT, WIDTH, 3), ("time", "height", "width", "channel"), "intensity 0..255",
        optional=missing_modality, rate=FRAME_RATE,
    )  # fmt: skip
    waveform = TensorSpec(
        "waveform",
        "FP32",
        (SAMPLES,),
        ("sample",),
        "amplitude -1..1",
        optional=missing_modality,
        rate=float(SAMPLE_RATE),
    )
    probabilities = TensorSpec("probabilities", "FP32", (len(EVENTS),), ("class",), "probability 0..1")
    seen = [
        helper.make_node("Cast", ["frames"], ["pictures"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pictures", "axes"], ["bright"], keepdims=0),
        helper.make_node("Mul", ["bright", "scale"], ["seen"]),
    ]
    heard = [
        helper.make_node("Abs", ["waveform"], ["loud"]),
        helper.make_node("ReduceMean", ["loud", "time"], ["loudness"], keepdims=1),
        helper.make_node("Mul", ["loudness", "weights"], ["heard"]),
    ]
    both = [helper.make_node("Add", ["seen", "heard"], ["logits"]), *_softmax("logits")]
    graphs = {
        ("frames", "waveform"): [*seen, *heard, *both],
        ("frames",): [*seen, *_softmax("seen")],
        ("waveform",): [*heard, *_softmax("heard")],
    }
    stored = {
        "axes": np.array([1, 2, 3], np.int64),
        "time": np.array([1], np.int64),
        "scale": np.array([0.02, 0.01, -0.01], np.float32),
        "weights": np.array([4.0, -3.0, 1.0], np.float32),
    }
    if not missing_modality:
        graphs = {key: nodes for key, nodes in graphs.items() if len(key) == 2}
    return _write(
        folder, name, "classification", (frames, waveform), (probabilities, used_spec()), graphs, stored, EVENTS
    )


def classified(frames: Array | None, waveform: Array | None) -> Array:
    """Return what the network of `write_classification` answers, float32 [N, C]."""
    logits = np.zeros((1, 3), np.float32)
    if frames is not None:
        logits = logits + frames.astype(np.float32).mean((1, 2, 3)) * np.array([0.02, 0.01, -0.01], np.float32)
    if waveform is not None:
        loudness = np.abs(waveform).mean(1, keepdims=True)
        logits = logits + loudness * np.array([4.0, -3.0, 1.0], np.float32)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def write_translation(folder: Path, name: str = "rooms_small") -> Contract:
    """Write a network of texture [H, W, 1], shade [H, W] and depth: colours, twice the depth, shade, far."""
    texture = TensorSpec("texture", "UINT8", (HEIGHT, WIDTH, 1), ("height", "width", "channel"), "intensity 0..255")
    shade = TensorSpec("shade", "UINT8", (HEIGHT, WIDTH), ("height", "width"), "intensity 0..255")
    depth = _depth("depth")
    outputs = (
        TensorSpec("predicted_rgb", "UINT8", (HEIGHT, WIDTH, 3), ("height", "width", "channel"), "intensity 0..255"),
        _depth("predicted_depth"),
        TensorSpec("predicted_edge", "UINT8", (HEIGHT, WIDTH), ("height", "width"), "intensity 0..255"),
        TensorSpec("predicted_labels", "UINT8", (HEIGHT, WIDTH), ("height", "width"), "class index"),
    )
    nodes = [
        helper.make_node("Sub", ["white", "texture"], ["negative"]),
        helper.make_node("Unsqueeze", ["shade", "last"], ["plane"]),
        helper.make_node("Concat", ["negative", "texture", "plane"], ["predicted_rgb"], axis=-1),
        helper.make_node("Mul", ["depth", "two"], ["predicted_depth"]),
        helper.make_node("Identity", ["shade"], ["predicted_edge"]),
        helper.make_node("Greater", ["depth", "two"], ["far"]),
        helper.make_node("Cast", ["far"], ["predicted_labels"], to=TensorProto.UINT8),
    ]
    stored = {
        "white": np.array(255, np.uint8),
        "two": np.array(2, np.float32),
        "last": np.array([-1], np.int64),
    }
    graphs = {("texture", "shade", "depth"): nodes}
    return _write(folder, name, "translation", (texture, shade, depth), outputs, graphs, stored, LABELS)


def write_segmentation(folder: Path, name: str = "rooms_absent") -> Contract:
    """Write a network that also answers with one stream: a label tells which of its graphs decided."""
    rgb = TensorSpec(
        "rgb", "UINT8", (HEIGHT, WIDTH, 3), ("height", "width", "channel"), "intensity 0..255", optional=True
    )
    depth = dataclasses.replace(_depth("depth"), missing=0.0, optional=True)
    labels, confidence = (
        TensorSpec(one, "UINT8", (HEIGHT, WIDTH), ("height", "width"), unit)
        for one, unit in (("labels", "class index"), ("confidence", "probability * 255"))
    )
    plane = [
        helper.make_node("Split", ["rgb"], ["red", "green", "blue"], axis=-1, num_outputs=3),
        helper.make_node("Squeeze", ["red", "last"], ["confidence"]),
    ]
    graphs = {
        ("rgb", "depth"): [
            *plane,
            helper.make_node("Greater", ["depth", "two"], ["far"]),
            helper.make_node("Cast", ["far"], ["labels"], to=TensorProto.UINT8),
        ],
        ("rgb",): [
            *plane,
            helper.make_node("Mul", ["confidence", "nothing"], ["none"]),
            helper.make_node("Add", ["none", "third"], ["labels"]),
        ],
        ("depth",): [
            helper.make_node("Cast", ["depth"], ["confidence"], to=TensorProto.UINT8),
            helper.make_node("Mul", ["confidence", "nothing"], ["none"]),
            helper.make_node("Add", ["none", "fourth"], ["labels"]),
        ],
    }
    stored = {
        "two": np.array(2, np.float32),
        "last": np.array([-1], np.int64),
        "nothing": np.array(0, np.uint8),
        "third": np.array(2, np.uint8),
        "fourth": np.array(3, np.uint8),
    }
    outputs = (labels, confidence, used_spec())
    classes = ("near", "far", "by colour", "by depth")
    return _write(folder, name, "segmentation", (rgb, depth), outputs, graphs, stored, classes)


def _depth(name: str) -> TensorSpec:
    """Describe metres."""
    return TensorSpec(name, "FP32", (HEIGHT, WIDTH), ("height", "width"), "metre", valid_range=(0.0, 10.0))


def _softmax(logits: str) -> list[onnx.NodeProto]:
    """Return the end of a classifier."""
    return [helper.make_node("Softmax", [logits], ["probabilities"], axis=-1)]


def _write(
    folder: Path,
    name: str,
    task: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    graphs: dict[tuple[str, ...], list[onnx.NodeProto]],
    stored: dict[str, Array],
    classes: Sequence[str],
) -> Contract:
    """Write the graphs and the contract below `folder / name`."""
    computed = tuple(spec for spec in outputs if spec.computed)
    written = {}
    for names, nodes in graphs.items():
        file = f"1/model{'' if len(names) == len(inputs) else '.' + '+'.join(names)}.onnx"
        used = {tensor for node in nodes for tensor in node.input}
        constants = [numpy_helper.from_array(value, key) for key, value in stored.items() if key in used]
        taken = [_value(spec) for spec in inputs if spec.name in names]
        graph = helper.make_graph(nodes, name, taken, [_value(spec) for spec in computed], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
        written[names] = Graph(file, sha256_of(path), 18, 10)
    whole = tuple(spec.name for spec in inputs)
    variants = tuple(Variant(names, graph) for names, graph in written.items() if names != whole)
    proofs = tuple(
        Parity("onnx", "by construction", spec.name, "max_abs", 0.0, variant)
        for variant in ("", *(one.name for one in variants))
        for spec in computed
    )
    colours = tuple((40 + 60 * index, 200 - 50 * index, 90) for index in range(len(classes)))
    contract = Contract(
        name=name,
        task=task,
        inputs=inputs,
        outputs=outputs,
        classes=tuple(classes),
        palette=colours,
        max_batch_size=8,
        precision="fp32",
        graph=written[whole],
        tolerances=tuple(Tolerance(spec.name, "max_abs", 1e-4) for spec in computed),
        parity=proofs,
        exchange=(),
        parameters=0,
        macs_live=0,
        macs_frozen=0,
        metrics={},
        run=TrainingRun("by hand", {}, "", 0, "none", {}),
        variants=variants,
    )
    contract.save(folder / name)
    return contract


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    """Describe a tensor of a graph."""
    return helper.make_tensor_value_info(spec.name, _TYPES[spec.dtype], ["N", *spec.shape])
