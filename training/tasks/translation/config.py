"""The configuration of a translation run: fused inputs, several outputs, or both."""

from __future__ import annotations

from dataclasses import dataclass, field

from crosswire.training.config import (
    PENALISED,
    RULES,
    SETTINGS,
    STAGE_FUSIONS,
    WHERE,
    ConfigError,
    RuntimeConfig,
    check_steps,
)
from crosswire.training.tasks.translation.settings import AdversarialConfig, ImagesConfig

NETWORKS = ("unet256",)
PLACES = ("auto", "encoder", "decoder", "both")
MIXES = ("auto", "pictures", "features")
NORMS = ("instance", "batch")
STATISTICS = ("fixed", "instance")
NORMED = ("inner", "all")
DECODER_NORMS = ("private", "shared")
DOMAINS = (
    "rgb",
    "depth",
    "normal",
    "shade",
    "texture",
    "edge",
    "curvature",
    "depth_euclidean",
    "segment2d",
    "segment25d",
)
#: What comes in, by the number of inputs, where nobody names them.
USUAL_INPUTS = ("shade", "texture", "depth", "normal")
#: Class indices, which can only go out.
LABELS = "labels"

_CHOICES = {
    "name": NETWORKS,
    "place": PLACES,
    "mix": MIXES,
    "norm": NORMS,
    "statistics": STATISTICS,
    "normed": NORMED,
    "decoder_norms": DECODER_NORMS,
    "fusion": (*RULES, *STAGE_FUSIONS),
    "where": WHERE,
    "setting": SETTINGS,
    "penalise": PENALISED,
}


@dataclass(frozen=True)
class TranslatorConfig:
    """Which generator; the CEN journal paper, sections 3.2 to 3.5.

    Every pair of a task (one output) and an input is a flow through the encoder, with norms of its own. One task fuses
    several inputs; several tasks with one input learn from each other; several of both do both; `cycle` makes a task of
    every domain, which is put together from all the others.

    Attributes:
        name: registry entry, one of `NETWORKS`.
        inputs: domains that come in, one to four of `DOMAINS`.
        outputs: domains that go out, or `labels`, class indices; with `cycle` the same as the inputs.
        classes: of `labels`, which are made without a discriminator; 0 where they are no output.
        cycle: every output is made from all domains but itself.
        levels: how often a picture is halved; 8 in the papers, for 256x256.
        width: channels of the first level; 64 in the papers. They double up to eight times as many.
        encoders: for every task, which encoder's convolutions it uses, for example 0,0,1; nothing: all share one.
        decoders: for every task, which decoder's convolutions it uses; nothing: all share one.
        share_convs: one set of encoder convolutions for all inputs of a task (the papers), or one per input.
        mix: what α weighs, one of `MIXES`: the `pictures` of all flows of a task, each decoded on its own, or the
            flows' `features` and skips, which are then decoded once per task (the papers' multitask networks); `auto`
            is `features` for several tasks that are no cycle.
        fusion: how flows meet; one of `RULES`, behind the norms, or of `STAGE_FUSIONS`, between the levels.
        place: where the rule works, one of `PLACES`: among the inputs of a task in the `encoder`, among the tasks in
            the `decoder`, or `both`; `auto` is wherever there are several.
        where: behind which levels a stage fusion stands, one of `WHERE`: the first, the middle, the last, or all.
        setting: of a stage fusion, as in `crosswire.training.config.NetworkConfig`.
        portion: share of a flow's channels that the rules `fixed` and `random` replace.
        penalise: which γ the L1 term reaches, as in `crosswire.training.config.NetworkConfig`.
        threshold: θ; 1e-2 in the papers.
        gamma_low: scaling factors that can be exchanged begin uniformly in [gamma_low, 1].
        restrict: exchange only inside a flow's own sub-part (the papers), or anywhere (the official code).
        norm: one of `NORMS`; instance norms in the papers.
        normed: which levels of the encoder have a norm, one of `NORMED`: all but the first and the last (the official
            code), or `all` (the papers' text).
        statistics: what a trained network normalises with, one of `STATISTICS`: the running means of its training
            (`fixed`, which can be folded into the convolutions), or every picture's own (`instance`, as the official
            code does at its test).
        decoder_norms: one set of norms per flow (`private`, the official code), or one per decoder (`shared`, the text
            of the papers).
        dropout: probability behind the three deepest norms of the decoder; 0.5 in the papers.
        unused_norms: hold the norms that the official code makes and never calls, to count as it does.
        depth_gain: depth d in metres enters as log(1 + depth_gain * d) / depth_top, from 0 to 1 before it is brought to
            -1 to 1; 512 and 11.1 are Taskonomy's in the official code.
        depth_top: see `depth_gain`.
    """

    name: str = "unet256"
    inputs: tuple[str, ...] = ("shade", "texture")
    outputs: tuple[str, ...] = ("rgb",)
    classes: int = 0
    cycle: bool = False
    levels: int = 8
    width: int = 64
    encoders: tuple[int, ...] = ()
    decoders: tuple[int, ...] = ()
    share_convs: bool = True
    mix: str = "auto"
    fusion: str = "exchange"
    place: str = "auto"
    where: str = "all"
    setting: str = "same"
    portion: float = 0.3
    penalise: str = "auto"
    threshold: float = 1e-2
    gamma_low: float = 1.0
    restrict: bool = True
    norm: str = "instance"
    normed: str = "inner"
    statistics: str = "fixed"
    decoder_norms: str = "private"
    dropout: float = 0.5
    unused_norms: bool = False
    depth_gain: float = 512.0
    depth_top: float = 11.1

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"network.{name} is {getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        self._check_domains()
        self._check_owners()
        self._check_fusion()
        if not 2 <= self.levels <= 10 or self.width < 1:
            raise ConfigError(f"network.levels is {self.levels} (2 to 10), network.width {self.width} (1 or more)")
        if self.statistics == "instance" and self.norm != "instance":
            raise ConfigError("network.statistics=instance belongs to instance norms; set network.norm=instance")
        if not 0 < self.portion <= 1 or not 0 <= self.dropout < 1 or not 0 <= self.threshold < float("inf"):
            raise ConfigError("network.portion is in (0, 1], network.dropout in [0, 1), network.threshold not below 0")
        if not (0 < self.depth_gain < float("inf") and 0 < self.depth_top < float("inf")):
            raise ConfigError("network.depth_gain and network.depth_top are more than 0")

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
        if (LABELS in self.outputs) != (self.classes > 0) or not (self.classes == 0 or 2 <= self.classes <= 255):
            raise ConfigError(
                f"network.classes is {self.classes}; with labels among network.outputs it is 2 to 255, else 0"
            )

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

    @property
    def made_channels(self) -> int:
        """Channels that the decoder makes for every task: three colours, or a score per class if there are more."""
        return max(3, self.classes)

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
        """Whether α weighs features rather than pictures."""
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
class TranslationConfig:
    """One run.

    Attributes:
        preset: the name it started from.
        kind: "translation".
        network: which generator.
        data: which pictures.
        optimiser: how it is trained.
        steps: training steps; 0 for a network that was trained elsewhere.
        val_every: steps between two validations; a checkpoint is kept after each.
        seed: of weights, order, augmentation and dropout.
        runtime: how the machine computes it.
    """

    preset: str = "custom"
    kind: str = "translation"
    network: TranslatorConfig = field(default_factory=TranslatorConfig)
    data: ImagesConfig = field(default_factory=ImagesConfig)
    optimiser: AdversarialConfig = field(default_factory=AdversarialConfig)
    steps: int = 1000
    val_every: int = 100
    seed: int = 0
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input domains."""
        return self.network.inputs

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.kind != "translation":
            raise ConfigError(f"kind is {self.kind!r}; allowed is translation")
        check_steps(self)
        check_size(self.network, (self.data.height, self.data.width))
        if self.optimiser.consistency and len(self.network.outputs) != 2:
            raise ConfigError("optimiser.consistency ties two outputs together; network.outputs has another number")
        if self.network.classes and (self.optimiser.adversarial or self.optimiser.consistency):
            raise ConfigError(
                "labels are no picture for a discriminator or another network; "
                "set optimiser.adversarial=0 and optimiser.consistency=0"
            )


def check_size(network: TranslatorConfig, size: tuple[int, int]) -> None:
    """Refuse pictures of a size (H, W) that a generator cannot halve as often as it does.

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
