"""What a translation run is configured with beside `RunConfig`: fused inputs, several outputs, or both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

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
from crosswire.training.tasks.translation.policy import PolicyConfig

NETWORKS = ("unet256",)
DATASETS = ("rooms", "taskonomy", "none")
SCHEDULES = ("constant", "cosine")
PLACES = ("auto", "encoder", "decoder", "both")
MIXES = ("auto", "pictures", "features")
NORMS = ("instance", "batch")
STATISTICS = ("fixed", "instance")
NORMED = ("inner", "all")
DECODER_NORMS = ("private", "shared")
NORM_SHARING = ("private", "affine", "statistics", "shared")
JUDGED = ("flows", "answers")
DOMAINS = (
    "rgb",
    "depth",
    "normal",
    "shade",
    "texture",
    "edge",
    "curvature",
    "semseg",
    "depth_euclidean",
    "segment2d",
    "segment25d",
)
#: What comes in, by the number of inputs, where nobody names them.
USUAL_INPUTS = ("shade", "texture", "depth", "normal")
#: Class indices, which can only go out.
LABELS = "labels"
#: Classes in the colours of a palette, which go in and out as any other image.
SEMSEG = "semseg"


@dataclass(frozen=True)
class TranslatorConfig(FusionSettings):
    """Which generator; the CEN journal paper, sections 3.2 to 3.5.

    Every pair of a task (one output) and an input is a flow through the encoder, with norms of its own. One task fuses
    several inputs; several tasks with one input learn from each other; several of both do both; `cycle` makes a task of
    every domain, which is put together from all the others. How flows meet, `FusionSettings` says.

    Attributes:
        name: registry entry, one of `NETWORKS`.
        inputs: domains that come in, one to four of `DOMAINS`.
        outputs: domains that go out, or `labels`, class indices; with `cycle` the same as the inputs.
        classes: of `labels`, which are made without a discriminator, and of `semseg`; 0 where there is neither.
        cycle: every output is made from all domains but itself.
        levels: how often an image is halved; 8 in the papers, for 256x256.
        width: channels of the first level; 64 in the papers. They double up to eight times as many.
        encoders: for every task, which encoder's convolutions it uses, for example 0,0,1; nothing: all share one.
        decoders: for every task, which decoder's convolutions it uses; nothing: all share one.
        blocks: residual blocks behind every level of the encoder that has norms, which each task selects or skips
            (AdaShare, `crosswire.training.models.translation.blocks`); tasks share the encoder, its norms included.
        share_convs: one set of encoder convolutions for all inputs of a task (the papers), or one per input.
        mix: what α weighs, one of `MIXES`: the `pictures` of all flows of a task, each decoded on its own, or the
            flows' `features` and skips, which are then decoded once per task (the papers' multitask networks); `auto`
            is `features` for several tasks that are no cycle.
        place: where the rule works, one of `PLACES`: among the inputs of a task in the `encoder`, among the tasks in
            the `decoder`, or `both`; `auto` is wherever there are several.
        threshold: θ; 1e-2 in the papers.
        norm: one of `NORMS`; instance norms in the papers.
        normed: which levels of the encoder have a norm, one of `NORMED`: all but the first and the last (the official
            code), or `all` (the papers' text).
        statistics: what a trained network normalises with, one of `STATISTICS`: the running means of its training
            (`fixed`, which can be folded into the convolutions), or every image's own (`instance`, as the official
            code does at its test).
        norm_sharing: what the encoder's norms of a task's inputs share, one of `NORM_SHARING`: nothing (`private`, the
            papers), γ and β alone (`affine`), μ and σ² alone (`statistics`), or all four (`shared`). The statistics
            that instance norms share are the running ones, which `statistics=fixed` answers with: they train as
            private ones do. Those of batch norms are of the images of all inputs together, in training too. The papers
            compare these without exchange and L1, so `fusion=none` goes with all but `private`; see
            `crosswire.training.models.translation.sharing`. Without effect on a single stream.
        decoder_norms: one set of norms per flow (`private`, the official code), or one per decoder (`shared`, the text
            of the papers).
        dropout: probability behind the three deepest norms of the decoder; 0.5 in the papers.
        unused_norms: hold the norms that the official code makes and never calls, to count as it does.
        depth_gain: depth d in metres enters as log(1 + depth_gain * d) / depth_top, from 0 to 1 before it is brought to
            -1 to 1; 512 and 11.1 are Taskonomy's in the official code.
        depth_top: see `depth_gain`.
    """

    name: Annotated[str, Choice(NETWORKS)] = "unet256"
    inputs: tuple[str, ...] = ("shade", "texture")
    outputs: tuple[str, ...] = ("rgb",)
    classes: int = 0
    cycle: bool = False
    levels: Annotated[int, Range(least=2, most=10)] = 8
    width: PositiveInt = 64
    encoders: tuple[int, ...] = ()
    decoders: tuple[int, ...] = ()
    blocks: NonNegativeInt = 0
    share_convs: bool = True
    mix: Annotated[str, Choice(MIXES)] = "auto"
    place: Annotated[str, Choice(PLACES)] = "auto"
    threshold: NonNegativeFloat = 1e-2
    norm: Annotated[str, Choice(NORMS)] = "instance"
    normed: Annotated[str, Choice(NORMED)] = "inner"
    statistics: Annotated[str, Choice(STATISTICS)] = "fixed"
    norm_sharing: Annotated[str, Choice(NORM_SHARING)] = "private"
    decoder_norms: Annotated[str, Choice(DECODER_NORMS)] = "private"
    dropout: ShareBelowOne = 0.5
    unused_norms: bool = False
    depth_gain: PositiveFloat = 512.0
    depth_top: PositiveFloat = 11.1

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        self._check_domains()
        self._check_owners()
        self._check_fusion()
        self._check_sharing()
        self._check_blocks()
        if self.statistics == "instance" and self.norm != "instance":
            raise ConfigError("network.statistics=instance belongs to instance norms; set network.norm=instance")

    def _check_domains(self) -> None:
        """Refuse inputs and outputs that name no network."""
        for what, names, allowed in (("inputs", self.inputs, DOMAINS), ("outputs", self.outputs, (*DOMAINS, LABELS))):
            if unknown := [name for name in names if name not in allowed]:
                raise ConfigError(f"network.{what} has {unknown[0]!r}; allowed are {', '.join(allowed)}")
            if not 1 <= len(names) <= 4 or len(set(names)) < len(names):
                raise ConfigError(f"network.{what} is {', '.join(names)}; give one to four domains, no two alike")
        if self.cycle and (set(self.inputs) != set(self.outputs) or len(self.inputs) < 3):
            raise ConfigError("network.cycle takes three or four domains, the same as inputs and as outputs")
        if not self.cycle and (both := set(self.inputs) & set(self.outputs)):
            raise ConfigError(f"{', '.join(sorted(both))} is both in network.inputs and network.outputs")
        classed = LABELS in self.outputs or self.paints_classes
        if classed != (self.classes > 0) or not (self.classes == 0 or 2 <= self.classes <= 255):
            raise ConfigError(
                f"network.classes is {self.classes}; with labels among network.outputs it is 2 to 255, as with semseg "
                "among inputs or outputs, else 0"
            )
        if {LABELS, SEMSEG} <= set(self.outputs):
            raise ConfigError("labels and semseg are two answers to one question; leave one out of network.outputs")

    def _check_owners(self) -> None:
        """Refuse numbers of encoders and decoders that do not count up from 0."""
        for what, owners in (("encoders", self.encoders), ("decoders", self.decoders)):
            steps = [after - before for before, after in zip((0, *owners), owners, strict=False)]
            if owners and (len(owners) != len(self.outputs) or set(steps) - {0, 1} or owners[0]):
                raise ConfigError(
                    f"network.{what} is {owners}; give one number per output, rising from 0 without a gap: 0,0,1"
                )

    def _check_fusion(self) -> None:
        """Refuse fusions that have nothing to fuse, or places that contradict the decoders."""
        if self.fusion in STAGE_FUSIONS and len(self.outputs) > 1:
            raise ConfigError(f"network.fusion={self.fusion} fuses the inputs of one output; there are several outputs")
        if self.setting == "common" and self.fusion not in STAGE_FUSIONS:
            raise ConfigError(f"network.setting=common belongs to {', '.join(STAGE_FUSIONS)}; set network.setting=same")
        if self.setting == "common" and not self.share_convs:
            raise ConfigError("network.setting=common says itself what is shared; leave share_convs=true")
        if self.place in ("decoder", "both") and not self.mixes_features:
            raise ConfigError(
                "an exchange in the decoder needs several outputs that are no cycle; set network.place=auto"
            )
        if self.exchanges_decoder and self.decoder_norms == "shared" and len(set(self.decoders)) < len(self.outputs):
            raise ConfigError(
                "tasks that share a decoder and its norms have nothing to exchange there; "
                "set network.decoder_norms=private or network.place=encoder"
            )

    def _check_sharing(self) -> None:
        """Refuse norms that share what there is none of, or that leave no γ to exchange by."""
        if self.norm_sharing == "private":
            return
        if self.fusion != "none" or self.penalise not in ("auto", "none"):
            raise ConfigError(
                f"network.norm_sharing={self.norm_sharing} goes without exchange and L1 of the scaling factors; "
                "set network.fusion=none and network.penalise=auto"
            )
        if self.norm_sharing == "statistics" and self.statistics == "instance":
            raise ConfigError(
                "network.statistics=instance answers with every image's own statistics, so there are none to share; "
                "set network.statistics=fixed"
            )

    def _check_blocks(self) -> None:
        """Refuse blocks that no task could skip on its own, or whose streams would be told apart or exchanged."""
        if not self.blocks:
            return
        if self.streams > 1 or len(self.outputs) == 1:
            raise ConfigError("network.blocks are chosen by several outputs of one input; set network.blocks=0")
        if self.fusion != "none" or any(self.encoders):
            raise ConfigError("network.blocks go with one encoder, without exchange; set network.fusion=none")

    @property
    def made_channels(self) -> int:
        """Channels that the decoder makes for every task: three colours, or a score per class if there are more."""
        return max(3, self.classes) if LABELS in self.outputs else 3

    @property
    def paints_classes(self) -> bool:
        """Whether an input or an output shows classes in colours."""
        return SEMSEG in (*self.inputs, *self.outputs)

    @property
    def tasks(self) -> tuple[tuple[str, ...], ...]:
        """The inputs of every task, in the order of the outputs."""
        if self.cycle:
            return tuple(tuple(name for name in self.inputs if name != output) for output in self.outputs)
        return (self.inputs,) * len(self.outputs)

    @property
    def streams(self) -> int:
        """Inputs per task, M."""
        return len(self.inputs) - self.cycle

    @property
    def flows(self) -> tuple[tuple[int, int], ...]:
        """Task and index of the input, for every flow through the encoder, task by task."""
        return tuple((task, self.inputs.index(name)) for task, names in enumerate(self.tasks) for name in names)

    @property
    def merges(self) -> bool:
        """Whether the inputs become one stream in the encoder."""
        return self.setting == "common" and self.fusion != "align" and self.streams > 1

    @property
    def mixes_features(self) -> bool:
        """Whether α weighs features rather than images."""
        if self.mix != "auto":
            return self.mix == "features" and not self.merges
        return len(self.outputs) > 1 and not self.cycle

    @property
    def exchanges_encoder(self) -> bool:
        """Whether the inputs of a task meet behind the norms of the encoder."""
        return self.fusion in RULES[1:] and self.streams > 1 and self.place != "decoder"

    @property
    def exchanges_decoder(self) -> bool:
        """Whether the tasks meet behind the norms of the decoder."""
        return self.fusion in RULES[1:] and self.mixes_features and len(self.outputs) > 1 and self.place != "encoder"


@dataclass(frozen=True)
class ImagesConfig(ImageSettings):
    """Which images; where they lie and how large they are, `ImageSettings` says.

    Attributes:
        name: data set, one of `DATASETS`.
        resize: side that a training image has before the crop, as a multiple of the crop's; 286 / 256 in the papers.
        flip: probability that a training image is mirrored; 0.5 in the papers.
        eval_size: as in `crosswire.training.tasks.segmentation.config.DataConfig`.
        train_scenes: procedural images to train on.
        batch: images per step, over all processes of the training.
    """

    name: Annotated[str, Choice(DATASETS)] = "rooms"
    resize: Annotated[float, Range(least=1, below=4)] = 1.0
    flip: Probability = 0.5
    eval_size: EvalSize = "resize"
    train_scenes: PositiveInt = 1000
    batch: PositiveInt = 4


@dataclass(frozen=True)
class AdversarialConfig(Section):
    """Adam for generator and discriminator, and the weights of the losses.

    Rates and weights are the papers'. Of what the losses reach, `stream_loss=0` with `judged=answers` is Eq. 5, and
    `stream_loss=1` with `judged=flows` and `detach_ensemble` the official code; the presets say which they take.

    Attributes:
        lr: learning rate of the generator.
        gamma_lr: of the scaling factors that can be exchanged.
        discriminator_lr: learning rate of the discriminator.
        betas: of Adam.
        schedule: one of `SCHEDULES`.
        adversarial: weight of the generator's loss against the discriminator; 0 trains without one.
        l1: weight of the mean absolute error.
        cross_entropy: weight of the cross-entropy of labels.
        sparsity: λ.
        stream_loss: weight of the L1 of every flow's own image beside that of the mix; 1 in the official code, 0 in
            Eq. 5. Without effect where features are mixed.
        judged: what the discriminator of a task judges, one of `JUDGED`: the image of every flow beside its input, as a
            sum over the flows (the official code), or the task's answer alone beside each of its inputs, as a mean
            over them (Eq. 5 has no loss but that of the mixed image).
        detach_ensemble: let the loss of the mixed image reach α alone (the official code); needs a stream loss.
        alignment: weight of the discrepancy of aligned streams (fusion `align`).
        discriminator_width: channels of the discriminator's first layer; 64 in the papers.
        consistency: weight of cross-task consistency: the first output, sent through a trained network, against the
            second one. 0 for none.
        consistency_run: run folder of that network, trained from the first output's domain to the second's.
        random_task: train the generator on one task, drawn anew, in every step instead of all (the papers' CEN-random);
            the discriminators learn from the images of all tasks in every step.
        clip: largest norm of the generator's gradient; 0 for none.
    """

    section = "optimiser"

    lr: float = 2e-4
    gamma_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    schedule: Annotated[str, Choice(SCHEDULES)] = "constant"
    adversarial: NonNegativeFloat = 1.0
    l1: NonNegativeFloat = 100.0
    cross_entropy: NonNegativeFloat = 10.0
    sparsity: NonNegativeFloat = 1e-3
    stream_loss: NonNegativeFloat = 1.0
    judged: Annotated[str, Choice(JUDGED)] = "flows"
    detach_ensemble: bool = False
    alignment: float = 0.1
    discriminator_width: int = 64
    consistency: NonNegativeFloat = 0.0
    consistency_run: str = ""
    random_task: bool = False
    clip: NonNegativeFloat = 0.0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.detach_ensemble and not self.stream_loss:
            raise ConfigError("optimiser.detach_ensemble needs a stream loss; set optimiser.stream_loss=1")
        if bool(self.consistency) != bool(self.consistency_run):
            raise ConfigError("optimiser.consistency and optimiser.consistency_run go together")


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(RunConfig):
    """One run; `crosswire.training.config.RunConfig` has what every task shares.

    Attributes:
        kind: "translation".
        network: which generator.
        data: which images.
        optimiser: how it is trained.
        policy: how its tasks learn which blocks they select.
    """

    kind: Annotated[str, Choice(("translation",))] = "translation"
    network: TranslatorConfig = field(default_factory=TranslatorConfig)
    data: ImagesConfig = field(default_factory=ImagesConfig)
    optimiser: AdversarialConfig = field(default_factory=AdversarialConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input domains."""
        return self.network.inputs

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        check_size(self.network, (self.data.height, self.data.width))
        if self.optimiser.consistency and len(self.network.outputs) != 2:
            raise ConfigError("optimiser.consistency ties two outputs together; network.outputs has another number")
        if self.network.blocks and self.optimiser.random_task:
            raise ConfigError("network.blocks are learnt by all tasks in a step; set optimiser.random_task=false")
        if LABELS in self.network.outputs and (self.optimiser.adversarial or self.optimiser.consistency):
            raise ConfigError(
                "labels are no picture for a discriminator or another network; "
                "set optimiser.adversarial=0 and optimiser.consistency=0"
            )


def check_size(network: TranslatorConfig, size: tuple[int, int]) -> None:
    """Refuse images of a size (H, W) that a generator cannot halve as often as it does.

    Raises:
        ConfigError: with the number of levels that the size allows.
    """
    most = 0
    while size[0] % 2 ** (most + 1) == 0 and size[1] % 2 ** (most + 1) == 0:
        most += 1
    if network.levels > most:
        raise ConfigError(
            f"pictures of {size[0]}x{size[1]} can be halved {most} times, network.levels is {network.levels}; "
            f"set network.levels={most}, or sides that {2**network.levels} divides"
        )
    last = (size[0] >> network.levels) * (size[1] >> network.levels)
    if last < 2 and network.norm == "instance" and network.normed == "all":
        raise ConfigError(
            "an instance norm of a single pixel is zero: network.normed=all needs a level fewer, or network.norm=batch"
        )
