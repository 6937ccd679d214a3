"""The configuration of one training run: frozen dataclasses, to and from JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, TypeVar

import dacite

from crosswire.contract.errors import CrosswireError

#: What streams can do to each other at the exchange points; the first is nothing.
RULES = ("none", "exchange", "discard", "random", "fixed", "sum", "gate", "cbn")
#: What can stand between stages of the encoder.
STAGE_FUSIONS = ("concat", "average", "align", "attention")
WHERE = ("early", "middle", "late", "all")
SETTINGS = ("same", "common")
POINTS = ("all", "strided")
PENALISED = ("auto", "half", "all", "none")
ENSEMBLES = ("alpha", "concat")
_NETWORK_CHOICES = {
    "fusion": (*RULES, *STAGE_FUSIONS),
    "where": WHERE,
    "setting": SETTINGS,
    "points": POINTS,
    "penalise": PENALISED,
    "ensemble": ENSEMBLES,
}
SCHEDULES = ("cosine", "halve", "official")
PRECISIONS = ("fp32", "bf16", "fp16")
EVAL_SIZES = ("full", "resize", "crop")
DEPTH_FOLDERS = ("depth_bfx", "depth")

Config = TypeVar("Config")


class ConfigError(CrosswireError, ValueError):
    """A configuration that cannot be used; the message says what came and what is allowed."""


@dataclass(frozen=True)
class NetworkConfig:
    """Which network.

    Attributes:
        name: registry entry, see `crosswire.training.models.NETWORKS`.
        streams: modalities in order, see `crosswire.training.modalities.MODALITIES`.
        classes: channels of the logits.
        width: channels of the stem; None for the network's own (64 in the papers).
        features: channels of the decoder; None for the network's own (RefineNet 256, PSPNet 512 in the papers).
        units: RefineNet only, residual units of the decoder before and after fusion; (2, 3) in the papers.
        pooling: RefineNet only, stages of chained residual pooling; 4 in the papers.
        dropout: probability in the decoder; None for the network's own (0.5 in the papers).
        fusion: how the streams meet; one of `RULES`, at the exchange points behind 3x3 convolutions, or one of
            `STAGE_FUSIONS`, between stages of the encoder. Without effect on a single stream.
        where: behind which stages a stage fusion stands, one of `WHERE`; the second, third, fourth, or all.
        setting: of a stage fusion, one of `SETTINGS`: the streams share convolutions and all go on (`same`), or each
            has an encoder of its own and one stream goes on (`common`; `align` keeps them apart to the end).
        points: which 3x3 convolutions are exchange points, one of `POINTS`: all, or those with a stride.
        portion: share of a stream's channels that the rules `fixed` and `random` replace.
        penalise: which γ at the exchange points the L1 term reaches, one of `PENALISED`: those of a stream's own
            sub-part, all, none; `auto` is `half` where γ decides (`exchange`, `discard`) and `none` elsewhere.
        ensemble: how decisions become one, one of `ENSEMBLES`: weighed by α, or concatenated and convolved.
        threshold: θ of Eq. 6.
        gamma_low: scaling factors that can be exchanged begin uniformly in [gamma_low, 1]; 1 begins all at 1. Networks
            that train from nothing in few steps need a spread, which pretrained ones bring along.
        restrict: exchange only inside a stream's own sub-part (the paper), or anywhere.
        depth_mean: depth in metres that becomes 0 for the network; the official code has 0.
        depth_std: difference in metres that becomes 1 for the network; the official code has 1.
        share_convs: one set of convolutions for all streams (S-, the paper), or one per stream in encoder and decoder
            (U-), which start from the same weights.
        share_norms: one norm for all streams (-S), or private ones (-U, the paper); a shared one cannot exchange.
        frozen_statistics: normalise with the encoder's running statistics in training too, so that only γ and β
            learn; meant for networks that begin from `imagenet`.
        imagenet: path of a torchvision ResNet weight file to begin from; empty for random weights.
    """

    name: str = "refinenet101"
    streams: tuple[str, ...] = ("rgb", "depth")
    classes: int = 40
    width: int | None = None
    features: int | None = None
    units: tuple[int, int] = (2, 3)
    pooling: int = 4
    dropout: float | None = None
    fusion: str = "exchange"
    where: str = "all"
    setting: str = "same"
    points: str = "all"
    portion: float = 0.3
    penalise: str = "auto"
    ensemble: str = "alpha"
    threshold: float = 2e-2
    gamma_low: float = 1.0
    restrict: bool = True
    depth_mean: float = 2.5
    depth_std: float = 1.5
    share_convs: bool = True
    share_norms: bool = False
    frozen_statistics: bool = False
    imagenet: str = ""

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        for name, allowed in _NETWORK_CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"network.{name} is {getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        if not 0 < self.portion <= 1:
            raise ConfigError(f"network.portion is {self.portion}; allowed is a share of channels, 0 < portion <= 1")
        if self.share_norms and self.fusion in RULES[1:] and len(self.streams) > 1:
            raise ConfigError("network.share_norms leaves nothing to exchange; set network.fusion=none with it")
        if self.setting == "common":
            self._check_common()
        for name, value in {"width": self.width, "features": self.features, "classes": self.classes}.items():
            if value is not None and value < 1:
                raise ConfigError(f"network.{name} is {value}; allowed is 1 or more")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ConfigError(f"network.dropout is {self.dropout}; allowed is 0 <= dropout < 1")
        if not 0 < self.depth_std < float("inf"):
            raise ConfigError(f"network.depth_std is {self.depth_std}; allowed is more than 0 metres")

    def _check_common(self) -> None:
        """Refuse what contradicts encoders of the streams' own."""
        if self.fusion not in STAGE_FUSIONS:
            raise ConfigError(
                f"network.setting=common belongs to {', '.join(STAGE_FUSIONS)}, not to fusion {self.fusion!r}; "
                "set network.setting=same"
            )
        if self.share_norms or not self.share_convs:
            raise ConfigError(
                "network.setting=common says itself what is shared; leave share_convs=true, share_norms=false"
            )
        if self.merges and self.ensemble != "alpha":
            raise ConfigError("network.setting=common leaves one decision and no ensemble; set network.ensemble=alpha")

    @property
    def merges(self) -> bool:
        """Whether the streams become one in the encoder."""
        return self.setting == "common" and self.fusion != "align" and len(self.streams) > 1

    @property
    def deciding(self) -> tuple[str, ...]:
        """The streams that decide on their own beside the network as a whole: all, or none where they merge."""
        return () if self.merges else self.streams


@dataclass(frozen=True)
class DataConfig:
    """Which pictures, how they are cut for training and how they are shown for scoring.

    Attributes:
        name: data set, see `crosswire.training.tasks.segmentation.data.DATASETS`.
        classes: `none` only, the names of its classes.
        path: folder of a data set that lies on disk; of `nyuv2-mat` also its .mat file.
        splits: what says which frame is in which split, where it does not lie beside the data: the folder of the list
            files (`nyuv2`) or `splits.mat` (`nyuv2-mat`).
        mapping: `nyuv2-mat` only, `classMapping40.mat` where it does not lie beside the data.
        depth_folder: `sunrgbd` only, `depth_bfx` (holes filled by the data set's authors) or `depth` (as measured).
        height: rows of a training picture; 500 in the papers.
        width: columns of a training picture; 500 in the papers.
        scale_min: smallest random scale of a training picture; 0.5 in the papers.
        scale_max: largest random scale of a training picture; 2 in the papers.
        shorter_side: a scale that would leave the shorter side with fewer pixels is raised to this many; 350 in the
            papers' code, 0 for no limit.
        eval_size: one of `EVAL_SIZES`: validation and test pictures as they are (`full`, the papers), resized to height
            and width (`resize`), or their centre of height and width (`crop`).
        eval_batch: validation and test pictures per step, 0 for as many as `batch`. Pictures of different sizes are
            padded to the largest of their batch; 1 keeps them as they are (the papers).
        train_scenes: procedural pictures to train on.
        val_scenes: procedural pictures to watch the training with.
        test_scenes: fresh procedural pictures that `evaluate` scores.
        seed: of the procedural data; validation and test use the two seeds after it.
        batch: pictures per step, over all processes of the training.
    """

    name: str = "rooms"
    classes: tuple[str, ...] = ()
    path: str = ""
    splits: str = ""
    mapping: str = ""
    depth_folder: str = "depth_bfx"
    height: int = 128
    width: int = 160
    scale_min: float = 1.0
    scale_max: float = 1.0
    shorter_side: int = 0
    eval_size: str = "full"
    eval_batch: int = 0
    train_scenes: int = 1200
    val_scenes: int = 32
    test_scenes: int = 64
    seed: int = 1
    batch: int = 8

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.eval_size not in EVAL_SIZES:
            raise ConfigError(f"data.eval_size is {self.eval_size!r}; allowed are {', '.join(EVAL_SIZES)}")
        if self.depth_folder not in DEPTH_FOLDERS:
            raise ConfigError(f"data.depth_folder is {self.depth_folder!r}; allowed are {', '.join(DEPTH_FOLDERS)}")
        if not 0 < self.scale_min <= self.scale_max < float("inf"):
            raise ConfigError(
                f"data.scale_min is {self.scale_min}, data.scale_max is {self.scale_max}; allowed is 0 < min <= max"
            )
        for name, value in {"height": self.height, "width": self.width}.items():
            if value < 1:
                raise ConfigError(f"data.{name} is {value}; allowed is 1 or more")
        for name, value in {"shorter_side": self.shorter_side, "eval_batch": self.eval_batch}.items():
            if value < 0:
                raise ConfigError(f"data.{name} is {value}; allowed is 0 or more")


@dataclass(frozen=True)
class OptimiserConfig:
    """SGD with momentum in three groups: encoder, decoder with the ensemble, and the exchanging norms' γ.

    The defaults are those of the CEN supplement; its γ belong to the encoder and share its rate and decay.

    Attributes:
        encoder_lr: peak learning rate of the encoder.
        decoder_lr: peak learning rate of decoder and ensemble.
        gamma_lr: peak learning rate of the scaling factors that can be exchanged.
        momentum: of all groups.
        nesterov: look ahead along the momentum.
        weight_decay: of encoder and decoder.
        gamma_weight_decay: of the scaling factors that can be exchanged, beside the pressure of λ.
        sparsity: λ of Eq. 4.
        stream_loss: weight of every stream's own loss beside the ensemble's; 0 in Eq. 4.
        alignment: weight of the network's auxiliary loss, the discrepancy of streams that are aligned (fusion `align`);
            the papers give none.
        detach_ensemble: let the ensemble's loss reach the decision scores α alone; needs a stream loss.
        clip: largest norm of the whole gradient; 0 for none.
        schedule: one of `SCHEDULES`, see `crosswire.training.engine.schedule`: how the rates fall.
        warmup: share of the steps in which the learning rate rises linearly.
    """

    encoder_lr: float = 5e-4
    decoder_lr: float = 3e-3
    gamma_lr: float = 5e-4
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-5
    gamma_weight_decay: float = 1e-5
    sparsity: float = 5e-3
    stream_loss: float = 0.0
    alignment: float = 0.1
    detach_ensemble: bool = False
    clip: float = 0.0
    schedule: str = "halve"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"optimiser.schedule is {self.schedule!r}; allowed are {', '.join(SCHEDULES)}")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"optimiser.warmup is {self.warmup}; allowed is a share of the steps, 0 <= warmup < 1")
        if self.detach_ensemble and not self.stream_loss:
            raise ConfigError(
                "optimiser.detach_ensemble without a stream loss trains nothing but the decision scores; "
                "set optimiser.stream_loss=1"
            )


@dataclass(frozen=True)
class RuntimeConfig:
    """How the machine computes a run. A resumed run may change it: `train --resume RUN --set runtime.compile=true`.

    Attributes:
        precision: one of `PRECISIONS`: arithmetic of convolutions; weights and their updates are always 32 bit.
        compile: translate the network with torch.compile first, which takes minutes and pays in long runs.
        channels_last: lay pictures out pixel by pixel, the faster format on most machines.
        workers: processes that load frames; 0 loads them in the training process.
    """

    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = True
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.precision not in PRECISIONS:
            raise ConfigError(f"runtime.precision is {self.precision!r}; allowed are {', '.join(PRECISIONS)}")
        if self.workers < 0:
            raise ConfigError(f"runtime.workers is {self.workers}; allowed is 0 or more")


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    Attributes:
        preset: the name it started from.
        network: which network.
        data: which pictures.
        optimiser: how it is trained.
        steps: optimiser steps; 0 for a network that was trained elsewhere.
        val_every: steps between two validations; a checkpoint is kept after each.
        modality_dropout: probability of a step in which all streams but one are absent.
        seed: of weights, order, augmentation and dropout.
        runtime: how the machine computes it.
    """

    preset: str = "custom"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    steps: int = 1000
    val_every: int = 100
    modality_dropout: float = 0.0
    seed: int = 0
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the streams."""
        return self.network.streams

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if not 0 <= self.network.threshold < float("inf"):
            raise ConfigError(f"network.threshold is {self.network.threshold}; allowed is 0 <= threshold < inf")
        if not 0 <= self.modality_dropout <= 1:
            raise ConfigError(f"modality_dropout is {self.modality_dropout}; allowed is a probability, 0 to 1")
        if self.modality_dropout and self.network.fusion in STAGE_FUSIONS and self.network.fusion != "align":
            raise ConfigError(
                f"modality_dropout needs streams that can decide alone; fusion {self.network.fusion!r} mixes them, "
                "set modality_dropout=0"
            )
        if self.modality_dropout and len(self.network.streams) < 2:
            raise ConfigError("modality_dropout needs two streams or more; set modality_dropout=0")
        for name in ("batch", "train_scenes", "val_scenes", "test_scenes"):
            if getattr(self.data, name) < 1:
                raise ConfigError(f"data.{name} is {getattr(self.data, name)}; allowed is 1 or more")
        check_steps(self)


def check_steps(config: Any) -> None:
    """Refuse steps, validations and seeds of a whole run that no training can have.

    Args:
        config: of any kind; its data may have a seed.

    Raises:
        ConfigError: a number below what is allowed, or steps that the validations do not divide, with those they do.
    """
    numbers = {"seed": config.seed, "data.seed": getattr(config.data, "seed", 0), "steps": config.steps}
    for name, value in numbers.items():
        if value < 0:
            raise ConfigError(f"{name} is {value}; allowed is 0 or more")
    if config.val_every < 1:
        raise ConfigError(f"val_every is {config.val_every}; allowed is 1 or more")
    if config.steps % config.val_every:
        raise ConfigError(
            f"steps is {config.steps}, which val_every = {config.val_every} does not divide; "
            f"use steps={-(-config.steps // config.val_every) * config.val_every}"
        )


def same_result(one: Any, other: Any) -> bool:
    """Return whether two configurations describe the same run, however computed and wherever its data lie."""
    if type(one) is not type(other):
        return False
    places = {name: getattr(other.data, name) for name in ("path", "splits", "mapping") if hasattr(other.data, name)}
    moved = dataclasses.replace(one, data=dataclasses.replace(one.data, **places), runtime=other.runtime)
    return bool(moved == other)


def to_plain(config: Any) -> dict[str, Any]:
    """Return a configuration of any kind as plain JSON types."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def from_plain(plain: dict[str, Any], kind: type[Config]) -> Config:
    """Build a configuration, or a part of one, from plain JSON types; the inverse of `to_plain`.

    Args:
        plain: the JSON types.
        kind: the dataclass to build; `crosswire.training.tasks.registry.config_from_plain` finds the one that a
            whole configuration names.

    Raises:
        ConfigError: an unknown field or a value of the wrong type, by name.
    """
    try:
        return dacite.from_dict(kind, plain, dacite.Config(strict=True, cast=[tuple]))
    except (dacite.DaciteError, TypeError, ValueError) as error:
        raise ConfigError(str(error)) from error
