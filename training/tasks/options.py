"""Settings that networks and data of several tasks share: how streams meet, and how large images are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from crosswire.contract.fields import Choice, NonNegativeInt, PositiveInt, Range
from crosswire.training.config import Section

#: What streams can do to each other at the exchange points; the first is nothing.
RULES = ("none", "exchange", "weighted", "discard", "random", "fixed", "sum", "gate", "cbn")
#: What can stand between stages of the encoder.
STAGE_FUSIONS = ("concat", "average", "align", "attention")
WHERE = ("early", "middle", "late", "all")
SETTINGS = ("same", "common")
PENALISED = ("auto", "half", "all", "none")
EVAL_SIZES = ("full", "resize", "crop")

EvalSize = Annotated[str, Choice(EVAL_SIZES)]


@dataclass(frozen=True, kw_only=True)
class FusionSettings(Section):
    """How the streams of a segmentation network, or the flows of a generator, meet.

    Attributes:
        fusion: one of `RULES`, at the exchange points (of a generator: behind the norms), or one of `STAGE_FUSIONS`,
            between stages of the encoder (of a generator: between its levels). Without effect on a single stream.
            `exchange` replaces a channel by the mean of the other streams (Eq. 6), `weighted` by a learnt weighted sum.
        where: behind which stages a stage fusion stands, one of `WHERE`; the second, third, fourth, or all (of a
            generator: the first, the middle, the last level, or all).
        setting: of a stage fusion, one of `SETTINGS`: the streams share convolutions and all go on (`same`), or each
            has an encoder of its own and one stream goes on (`common`; `align` keeps them apart to the end).
        portion: share of a stream's channels that the rules `fixed` and `random` replace.
        penalise: which γ at the exchange points the L1 term reaches, one of `PENALISED`: those of a stream's own
            sub-part, all, none; `auto` is `half` where γ decides (`exchange`, `weighted`, `discard`), `none` elsewhere.
        gamma_low: scaling factors that can be exchanged begin uniformly in [gamma_low, 1]; 1 begins all at 1. Networks
            that train from nothing in few steps need a spread, which pretrained ones bring along.
        restrict: exchange only inside a stream's own sub-part (the papers), or anywhere (the official code of
            generators).
    """

    section = "network"

    fusion: Annotated[str, Choice((*RULES, *STAGE_FUSIONS))] = "exchange"
    where: Annotated[str, Choice(WHERE)] = "all"
    setting: Annotated[str, Choice(SETTINGS)] = "same"
    portion: Annotated[float, Range(above=0, most=1, noun="a share of the channels")] = 0.3
    penalise: Annotated[str, Choice(PENALISED)] = "auto"
    gamma_low: float = 1.0
    restrict: bool = True


@dataclass(frozen=True, kw_only=True)
class ImageSettings(Section):
    """Where images lie, how large they are for training, and how many there are where they are procedural.

    Attributes:
        path: folder of a data set that lies on disk; of `nyuv2-mat` also its .mat file.
        splits: what says which frame is in which split, where it does not lie beside the data: the folder of the list
            files, or `splits.mat` of `nyuv2-mat`.
        height: rows of a training image; in the papers 500 for segmentation, 256 for translation.
        width: columns of a training image, alike.
        val_scenes: procedural images to watch the training with.
        test_scenes: fresh procedural images that `evaluate` scores.
        seed: of the procedural data; validation and test use the two seeds after it.
    """

    section = "data"

    path: str = ""
    splits: str = ""
    height: PositiveInt = 128
    width: PositiveInt = 160
    val_scenes: PositiveInt = 32
    test_scenes: PositiveInt = 64
    seed: NonNegativeInt = 1
