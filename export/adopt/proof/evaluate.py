"""Task metrics of an adopted network on labelled data, and other readings of its description that are better."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.contract import Evaluation
from crosswire.contract.wire_names import DEPTH, LABELS, PROBABILITIES, WAVEFORM
from crosswire.export.adopt.description import SPECTROGRAM, InputDescription
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.inputs import affine
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS
from crosswire.export.adopt.prepare import CLASSIFICATION, Prepared
from crosswire.export.adopt.proof.prove import reference_of
from crosswire.export.adopt.proof.samples import Sample
from crosswire.export.adopt.proof.sessions import Run
from crosswire.media.confusion import confusion_matrix

Array = NDArray[Any]
#: Points of mean IoU by which another reading has to be better before it is told.
MUCH_BETTER = 0.05
ACCURACY = "accuracy"
METRICS = ("mean_iou", "mean_accuracy", "pixel_accuracy")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def scored(label: Callable[[Sample], Array], samples: Sequence[Sample], classes: int) -> dict[str, float]:
    """Return mean IoU, mean accuracy and pixel accuracy of labels, each 0..1.

    Args:
        label: returns labels, uint8 [H, W], of a view.
        samples: with labels.
        classes: K; true labels from K on count for nothing.
    """
    counts = np.zeros((classes, classes), np.int64)
    for sample in samples:
        assert sample.labels is not None
        truth = np.where(sample.labels < classes, sample.labels, 255)
        counts += confusion_matrix(truth, label(sample), classes)
    hits, truth, found = np.diag(counts).astype(float), counts.sum(1).astype(float), counts.sum(0).astype(float)
    there, seen = truth > 0, truth + found > 0
    if not there.any():
        return dict.fromkeys(METRICS, 0.0)
    return {
        "mean_iou": float((hits[seen] / (truth + found - hits)[seen]).mean()),
        "mean_accuracy": float((hits[there] / truth[there]).mean()),
        "pixel_accuracy": float(hits.sum() / counts.sum()),
    }


def check_labels(samples: Sequence[Sample], classes: int) -> str:
    """Return in words how much of the labels counts for nothing, empty where all counts.

    Args:
        samples: with labels.
        classes: K.

    Raises:
        AdoptError: no pixel of the samples has a label of a class.
    """
    labels = np.concatenate([one.labels.ravel() for one in samples if one.labels is not None])
    beyond = (labels >= classes) & (labels != 255)
    if not (labels < classes).any():
        raise AdoptError(
            f"no pixel of {len(samples)} labelled frames has a label of 0 to {classes - 1} (they have {labels.min()} "
            f"to {labels.max()}); write labels as the network numbers them, 255 where there is none"
        )
    if not beyond.any():
        return ""
    return (
        f"{beyond.mean():.1%} of the labels are {classes} or more (up to {labels[beyond].max()}), which are no class "
        "of the network and count for nothing"
    )


def evaluate(
    prepared: Prepared, samples: Sequence[Sample], run: Run, served: Run, description: str
) -> tuple[Evaluation, ...]:
    """Return the task metrics of the original and the adopted graph side by side.

    Args:
        prepared: the graph and its description.
        samples: with labels.
        run: the original graph.
        served: the adopted one.
        description: what the samples are.
    """
    if prepared.description.task == CLASSIFICATION:
        live = _accuracy(lambda sample: reference_of(prepared, run, sample.raw), samples)
        return (Evaluation(description, ACCURACY, live, _accuracy(lambda sample: served(sample.raw), samples)),)
    classes = len(prepared.answer.classes)
    one = scored(lambda sample: reference_of(prepared, run, sample.raw)[LABELS][0], samples, classes)
    other = scored(lambda sample: served(sample.raw)[LABELS][0], samples, classes)
    return tuple(Evaluation(description, name, one[name], other[name]) for name in METRICS)


def _accuracy(answer: Callable[[Sample], Mapping[str, Array]], samples: Sequence[Sample]) -> float:
    """Return the share of clips whose likeliest class is theirs.

    Args:
        answer: returns `probabilities`, float32 [1, C], of a clip.
        samples: with labels.
    """
    hits = [answer(sample)[PROBABILITIES][0].argmax() == sample.labels for sample in samples]
    return float(np.mean(hits))


def readings(prepared: Prepared, samples: Sequence[Sample], run: Run) -> list[str]:
    """Return in words what labels say of other readings of a description: better, worse, or nothing.

    The figure is the mean IoU of a segmentation, the accuracy of a classification. Tried are the other order of
    channels, colours of 0..1, of 0..255, as ImageNet has them and about 0.5, the other units of depth, and sound that
    is standardised, or whole numbers of 16 bits, one at a time.
    """
    classes = len(prepared.answer.classes)

    clips = prepared.description.task == CLASSIFICATION
    metric = "accuracy" if clips else "mean IoU"

    def figure(one: Prepared) -> float:
        if clips:
            return _accuracy(lambda sample: reference_of(one, run, sample.raw), samples)
        return scored(lambda sample: reference_of(one, run, sample.raw)[LABELS][0], samples, classes)["mean_iou"]

    here = figure(prepared)
    tried = sorted(((figure(other), words) for words, other in _others(prepared)), reverse=True)
    found = []
    for there, words in tried:
        if there > here + MUCH_BETTER:
            found.append(f"suspicion: with {words} the {metric} is {there:.3f} rather than {here:.3f}: check it")
        elif there < here - MUCH_BETTER:
            found.append(f"labels speak against {words}: the {metric} is {there:.3f}, as described {here:.3f}")
        else:
            found.append(
                f"not known: labels do not tell {words} ({metric} {there:.3f}) from the description ({here:.3f})"
            )
    return found


def _others(prepared: Prepared) -> Iterator[tuple[str, Prepared]]:
    """Yield other readings of a description with their words."""
    for place, one in enumerate(prepared.description.inputs):
        for words, other in _readings(one, whole_numbers=prepared.dtypes[str(one.graph_input)] in WHOLE_NUMBERS):
            if _alike(one, other):
                continue
            inputs = list(prepared.description.inputs)
            inputs[place] = other
            description = dataclasses.replace(prepared.description, inputs=tuple(inputs))
            yield f"{one.role}.{words}", dataclasses.replace(prepared, description=description)


def _alike(one: InputDescription, other: InputDescription) -> bool:
    """Say whether two descriptions of an input do the same to it."""
    if (one.channel_order, one.unit) != (other.channel_order, other.unit):
        return False
    channels = max(len(values) for part in (one, other) for values in (part.mean or (0.0,), part.std or (1.0,)))
    return np.allclose(affine(one, channels), affine(other, channels), rtol=1e-6, atol=0)


def _readings(one: InputDescription, *, whole_numbers: bool) -> Iterator[tuple[str, InputDescription]]:
    """Yield other readings of one input."""
    if one.role in (WAVEFORM, SPECTROGRAM):
        yield (
            f"standardise {str(not one.standardise).lower()}",
            dataclasses.replace(one, standardise=not one.standardise),
        )
        for scale in (1.0, 32768.0):
            yield f"scale {scale:g}", dataclasses.replace(one, scale=scale)
        return
    if one.role == DEPTH:
        for unit in ("m", "mm", *(["relative"] if one.clip else [])):
            yield f"unit {unit}", dataclasses.replace(one, unit=unit)
        return
    turned = dataclasses.replace(one, channel_order="RGB" if one.channel_order == "BGR" else "BGR")
    yield f"channel_order {turned.channel_order}", turned
    if whole_numbers:
        return
    mean, std = _IMAGENET
    yield "scale 1/255 and no mean", dataclasses.replace(one, scale=1 / 255, mean=(0.0,), std=(1.0,))
    yield "scale 1 and no mean", dataclasses.replace(one, scale=1.0, mean=(0.0,), std=(1.0,))
    yield "scale 1/255, mean and std of ImageNet", dataclasses.replace(one, scale=1 / 255, mean=mean, std=std)
    yield "scale 1/255, mean and std of 0.5", dataclasses.replace(one, scale=1 / 255, mean=(0.5,), std=(0.5,))
