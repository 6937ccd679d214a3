"""Proof of an adopted graph, step by step: where values part first is what the message names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from crosswire.contract import Parity, Tolerance
from crosswire.contract.wire_names import DEPTH, FRAMES, PROBABILITIES, WAVEFORM
from crosswire.export.adopt.description import SPECTROGRAM
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.batch import sized
from crosswire.export.adopt.graphs.convert import converted
from crosswire.export.adopt.graphs.nodes import INSIDE
from crosswire.export.adopt.graphs.source import Source
from crosswire.export.adopt.prepare import CLASSIFICATION, Prepared
from crosswire.export.adopt.proof.clip_reference import normalised_clips
from crosswire.export.adopt.proof.reference import normalised
from crosswire.export.adopt.proof.sessions import Run, file_runner, runner_of
from crosswire.export.parity import measure, worst

Array = NDArray[Any]
#: Raw inputs of one batch, by role.
Raw = Mapping[str, Array]
Report = Callable[[str], None]

#: How far a network's input may lie from the one in numpy: rounding alone.
NORMALISED = 1e-5
#: And of a spectrogram in its logarithm, on average.
SPECTRA = 1e-3
#: Bounds of graphs with 16 bits, whose steps of 2^-11 add up otherwise where nodes are fused, by measure.
HALF_BOUNDS = {"relative": 1e-2, "mean_abs": 1e-2, "agreement": 0.99, "max_abs": 8.0}
HALF_PROBABILITY = 0.02


def normalised_name(graph_input: str) -> str:
    """Return what proofs call an input of the network behind its normalisation."""
    return f"normalised {graph_input}"


def tolerances_of(prepared: Prepared) -> tuple[Tolerance, ...]:
    """Return the bounds of all steps in their order."""
    found = (*(_bound(name, prepared) for name in prepared.parts), *prepared.answer.tolerances)
    if not prepared.source.half:
        return found
    return tuple(
        dataclasses.replace(one, bound=HALF_PROBABILITY if one.output == PROBABILITIES else HALF_BOUNDS[one.measure])
        for one in found
    )


def _bound(graph_input: str, prepared: Prepared) -> Tolerance:
    """Return how far an input may lie from the one in numpy; the logarithm of next to nothing is all rounding."""
    if prepared.parts[graph_input][0].role == SPECTROGRAM:
        return Tolerance(normalised_name(graph_input), "mean_abs", SPECTRA)
    return Tolerance(normalised_name(graph_input), "relative", NORMALISED)


def original(source: Source, prepared: Prepared, report: Report) -> Run:
    """Return a function that runs the original graph, sample by sample where its batch is fixed.

    Where this ONNX Runtime does not read the version of the file, the graph is run in the newest that it does.
    """
    names = [str(one.graph_output) for one in prepared.answer.described]
    try:
        there = all(name in {wire.name for wire in source.outputs} for name in names)
        run = file_runner(source.path) if there else runner_of(source.model, names)
    except AdoptError as error:
        report(f"the original cannot be run as it is ({error}); it is proven against it in an older version")
        run = runner_of(sized(converted(source), prepared.shapes, None), names)
    fixed = any(wire.shape is not None and wire.shape[0] is not None for wire in source.inputs)
    if not fixed and prepared.open_batch:
        return run

    def one_by_one(feed: Mapping[str, Array]) -> dict[str, Array]:
        count = len(next(iter(feed.values())))
        found = [run({name: array[place : place + 1] for name, array in feed.items()}) for place in range(count)]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    return one_by_one


def reference_of(prepared: Prepared, run: Run, raw: Raw) -> dict[str, Array]:
    """Return what every step has to be for raw inputs: normalised inputs, taps and outputs.

    Args:
        prepared: the graph.
        run: the original one.
        raw: by role.
    """
    feed = {}
    for name, parts in prepared.parts.items():
        if prepared.description.task == CLASSIFICATION:
            shape, banks = prepared.shapes[name], prepared.banks(name)
            feed[name] = normalised_clips(raw, parts[0], prepared.dtypes[name], shape, banks)
        else:
            feed[name] = normalised(raw, parts, prepared.dtypes[name], prepared.channels(name))
    answers = prepared.answer.reference(run(feed))
    return {**{normalised_name(name): array for name, array in feed.items()}, **answers}


def adopted(graph: onnx.ModelProto | Path, prepared: Prepared, *, outputs_alone: bool = False) -> Run:
    """Return a function that runs an adopted graph on raw inputs, with every step that is proven, or its outputs."""
    model = onnx.load(graph) if isinstance(graph, Path) else graph
    if outputs_alone:
        return runner_of(model)
    inner = {normalised_name(name): f"{INSIDE}{name}" for name in prepared.parts}
    outer = [*prepared.answer.taps, *(spec.name for spec in prepared.answer.outputs if spec.computed)]
    run = runner_of(model, [*inner.values(), *outer])

    def named(raw: Raw) -> dict[str, Array]:
        found = run(raw)
        return {**{name: found[tensor] for name, tensor in inner.items()}, **{name: found[name] for name in outer}}

    return named


def prove(
    reference: Callable[[Raw], dict[str, Array]],
    run: Run,
    samples: Mapping[str, Sequence[Raw]],
    tolerances: Sequence[Tolerance],
    stage: str = "onnx",
) -> tuple[Parity, ...]:
    """Measure an adopted graph against the original one.

    Args:
        reference: returns every step of the original.
        run: returns every step of the adopted graph.
        samples: batches of raw inputs, by a description of what they are.
        tolerances: bounds of the steps, in their order.
        stage: see `Parity`.

    Raises:
        AdoptError: a step is outside its bound; the message names the first one, and those before it that agree.
    """
    proofs = []
    for description, batches in samples.items():
        pairs = [(reference(raw), run(raw)) for raw in batches]
        agreed: list[str] = []
        for one in tolerances:
            value = worst(one.measure, [_measured(one, expected, found) for expected, found in pairs])
            if not one.holds(value):
                before = f"; before it agree {', '.join(dict.fromkeys(agreed))}" if agreed else ""
                raise AdoptError(
                    f"the adopted graph parts from the original at {one.output!r}: {one.measure} {value:.6g} on "
                    f"{description}, allowed {one.bound:g}{before}"
                )
            agreed.append(one.output)
            proofs.append(Parity(stage, description, one.output, one.measure, value))
    return tuple(proofs)


def noise_batches(prepared: Prepared, max_batch: int) -> dict[str, list[dict[str, Array]]]:
    """Return seeded noise in batches of 1, 2 and 3, by its description: bytes, metres with holes, sound."""
    sizes = [count for count in (1, 2, 3) if count <= max_batch]
    batches = []
    for count in sizes:
        generator = np.random.default_rng(count)
        raw: dict[str, Array] = {}
        for one, spec in zip(prepared.description.inputs, prepared.inputs, strict=True):
            shape = (count, *spec.shape)
            if spec.name == DEPTH:
                near, far = one.clip or (0.3, 10.0)
                metres = generator.uniform(0.5 * near, 1.2 * far, shape).astype(np.float32)
                raw[spec.name] = np.where(generator.random(shape) < 0.1, np.float32(0), metres)
            elif spec.name == WAVEFORM:
                raw[spec.name] = (generator.uniform(-1, 1, shape) * generator.random()).astype(np.float32)
            else:
                raw[spec.name] = generator.integers(0, 256, shape, np.uint8)
        batches.append(raw)
    return {f"noise, batches of {', '.join(map(str, sizes))}": batches}


def silence(prepared: Prepared) -> dict[str, list[dict[str, Array]]]:
    """Return a clip of nothing, by its description; it is common, and the easiest to divide by. None of images."""
    if prepared.description.task != CLASSIFICATION:
        return {}
    words = " and ".join({FRAMES: "darkness", WAVEFORM: "silence"}[spec.name] for spec in prepared.inputs)
    dtypes = {"UINT8": np.uint8, "FP32": np.float32}
    return {words: [{spec.name: np.zeros((1, *spec.shape), dtypes[spec.dtype]) for spec in prepared.inputs}]}


def _measured(tolerance: Tolerance, expected: Mapping[str, Array], found: Mapping[str, Array]) -> float:
    """Compare one step, in the element type of the adopted graph."""
    one, other = expected[tolerance.output], found[tolerance.output]
    if one.shape != other.shape:
        raise AdoptError(f"step {tolerance.output!r} is {list(other.shape)} where the original gives {list(one.shape)}")
    return measure(tolerance.measure, one.astype(other.dtype), other)
