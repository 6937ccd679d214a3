"""What an audio-video run is configured with beside `crosswire.training.config.RunConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from crosswire.contract.fields import (
    Choice,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Range,
    ShareBelowOne,
)
from crosswire.training.config import ConfigError, RunConfig, Section
from crosswire.training.tasks.audio_video.vit_config import VitConfig

#: Every fusion; `g-NAME` has GMF as the front end of NAME.
FUSION_NAMES = (
    "concat",
    "gmf",
    "avoid-df",
    "misa",
    "uavm",
    "drfuse",
    "mbt",
    "perceiver",
    "g-concat",
    "g-mbt",
    "g-perceiver",
)
DETACH = ("none", "target", "features")
#: The extractor of the auto-encoders.
VIT = "vit"
EXTRACTOR_NAMES = ("r2plus1d18", "resnet18", VIT)
#: Networks whose extractors are trained as auto-encoders, with masks and without.
GMF_MAE, GMF_AE = "gmf-mae", "gmf-ae"
AUTOENCODERS = (GMF_MAE, GMF_AE)
NETWORK_NAMES = ("audio-video", *AUTOENCODERS)
#: What a network can see and hear, in the order of its inputs.
MODALITIES = ("video", "audio")
OPTIMISERS = ("sgd", "adam")
SCHEDULES = ("constant", "cosine", "plateau")
WINDOWS = ("hann", "blackman")
PADDINGS = ("reflect", "constant", "none")
MEL_SCALES = ("htk", "slaney")
MEL_NORMS = ("none", "slaney")
#: What an element of the spectrogram is: the magnitude of a bin, its square, or the logarithm of either plus 1e-8.
VALUES = ("magnitude", "power", "log-magnitude", "log-power")


@dataclass(frozen=True)
class FusionConfig(Section):
    """Which fusion; what is None is the fusion's own.

    Attributes:
        name: one of `FUSION_NAMES`.
        expansion: GMF's magnification n; 4 in the paper.
        boundary: GMF's share of the dissolved elements that become the invariant part; one half in the paper.
        bias: whether GMF's linear layers have one.
        detach: one of `DETACH`, what GMF's loss of reconstruction does not reach.
        width: features of a token of the others; None for the most features that a modality has.
        depth: layers of the others.
        bottlenecks: shared tokens of MBT.
        latents: latents of the Perceiver.
    """

    section = "network.fusion"

    name: Annotated[str, Choice(FUSION_NAMES)] = "gmf"
    expansion: PositiveInt = 4
    boundary: Annotated[float, Range(above=0, below=1)] = 0.5
    bias: bool = True
    detach: Annotated[str, Choice(DETACH)] = "none"
    width: PositiveInt | None = None
    depth: PositiveInt | None = None
    bottlenecks: PositiveInt | None = None
    latents: PositiveInt | None = None


@dataclass(frozen=True)
class ClipShape(Section):
    """What is read of a clip.

    Attributes:
        frames: T.
        height: rows of a frame; the picture is stretched to them.
        width: columns of a frame.
        fps: frames per second; 0 takes the first T frames as they come.
        samples: S.
        sample_rate: samples per second.
    """

    section = "network.clip"

    frames: PositiveInt = 8
    height: PositiveInt = 48
    width: PositiveInt = 64
    fps: Annotated[float, Range(least=0, below=1000)] = 4.0
    samples: PositiveInt = 32000
    sample_rate: PositiveInt = 16000


@dataclass(frozen=True)
class SpectrogramConfig(Section):
    """How sound becomes a picture. The defaults are those of the paper for VGGSound.

    Attributes:
        n_fft: samples of a window and of its transform.
        hop: samples from window to window.
        window: one of `WINDOWS`, periodic.
        padding: one of `PADDINGS`: how half a window is put before and behind the sound, so that windows are centred.
        mels: bands of the mel scale; 0 for the bins themselves.
        mel_scale: one of `MEL_SCALES`.
        mel_norm: one of `MEL_NORMS`: whether each band is divided by its width.
        value: one of `VALUES`.
        mean: value that becomes 0 for the network.
        std: difference that becomes 1 for the network.
        segments: equal parts that the sound is cut into first, each with a spectrogram of its own.
        drop_last: leave out the last window of every spectrogram, as the paper's 100 of 101 do.
    """

    section = "network.spectrogram"

    n_fft: Annotated[int, Range(least=2)] = 400
    hop: PositiveInt = 160
    window: Annotated[str, Choice(WINDOWS)] = "hann"
    padding: Annotated[str, Choice(PADDINGS)] = "reflect"
    mels: NonNegativeInt = 192
    mel_scale: Annotated[str, Choice(MEL_SCALES)] = "htk"
    mel_norm: Annotated[str, Choice(MEL_NORMS)] = "none"
    value: Annotated[str, Choice(VALUES)] = "power"
    mean: float = 0.0
    std: PositiveFloat = 1.0
    segments: PositiveInt = 1
    drop_last: bool = False

    @property
    def bands(self) -> int:
        """Rows of the spectrogram."""
        return self.mels or self.n_fft // 2 + 1

    def windows(self, samples: int) -> int:
        """Return the columns of each spectrogram of a sound with so many samples.

        Raises:
            ConfigError: the sound is too short, or cannot be cut into equal parts.
        """
        if samples % self.segments:
            raise ConfigError(f"{samples} samples cannot be cut into spectrogram.segments={self.segments} equal parts")
        padded = samples // self.segments + (0 if self.padding == "none" else self.n_fft // 2 * 2)
        count = 1 + (padded - self.n_fft) // self.hop - self.drop_last
        if padded < self.n_fft or count < 1:
            raise ConfigError(f"{samples} samples are too few for windows of spectrogram.n_fft={self.n_fft}")
        return count


@dataclass(frozen=True)
class ExtractorConfig(Section):
    """Which network makes a feature vector of one modality.

    Attributes:
        name: one of `EXTRACTOR_NAMES`; `vit` belongs to the networks `AUTOENCODERS`.
        width: channels of its stem, 64 in the paper; it gives 8 times as many features. Of `vit` the features of a
            token, of which it gives as many.
        weights: path of a weight file with torchvision's keys to begin from; empty for random weights.
        frozen: keep it as it begins, statistics included.
        vit: how `vit` sees and is rebuilt; None for the others.
    """

    section = "extractor"

    name: Annotated[str, Choice(EXTRACTOR_NAMES)] = "r2plus1d18"
    width: Annotated[int, Range(least=2)] = 64
    weights: str = ""
    frozen: bool = False
    vit: VitConfig | None = None

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if (self.name == VIT) != (self.vit is not None):
            needs = "needs" if self.name == VIT else "does not take"
            raise ConfigError(
                f"extractor.name is {self.name!r}, which {needs} the settings extractor.vit; try a preset"
            )
        if self.vit is not None and (self.weights or self.frozen):
            raise ConfigError(
                "extractor.name is 'vit', which begins from random weights and learns; leave out "
                "extractor.weights and extractor.frozen"
            )


@dataclass(frozen=True)
class NetworkConfig(Section):
    """Which network.

    Attributes:
        name: one of `NETWORK_NAMES`; `gmf-mae` and `gmf-ae` have the extractor `vit` for both modalities, and the
            fusion `concat` of their latents.
        classes: channels of the logits.
        modalities: of `MODALITIES`; one alone takes the fusion `concat`.
        clip: what is read of a clip.
        video: extractor of the pictures.
        audio: extractor of the spectrogram.
        spectrogram: of the sound.
        fusion: of the features.
    """

    section = "network"

    name: Annotated[str, Choice(NETWORK_NAMES)] = "audio-video"
    classes: Annotated[int, Range(least=2)] = 8
    modalities: tuple[str, ...] = MODALITIES
    clip: ClipShape = field(default_factory=ClipShape)
    video: ExtractorConfig = field(default_factory=ExtractorConfig)
    audio: ExtractorConfig = field(default_factory=lambda: ExtractorConfig("resnet18"))
    spectrogram: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.modalities not in (MODALITIES, *((name,) for name in MODALITIES)):
            raise ConfigError(f"network.modalities is {','.join(self.modalities)}; allowed are video,audio or one")
        if len(self.modalities) == 1 and self.fusion.name != "concat":
            raise ConfigError(f"a single modality takes network.fusion.name=concat, not {self.fusion.name!r}")
        self.spectrogram.windows(self.clip.samples)
        if self.name in AUTOENCODERS:
            self._check_autoencoders()
        elif VIT in (self.video.name, self.audio.name):
            raise ConfigError(
                f"network.name is {self.name!r}, whose extractors are no 'vit'; try {GMF_MAE} or {GMF_AE}"
            )

    def size(self, modality: str) -> tuple[int, int, int]:
        """Return what an extractor sees: frames, rows and columns, or segments, bands and windows."""
        if modality == "video":
            return self.clip.frames, self.clip.height, self.clip.width
        return self.spectrogram.segments, self.spectrogram.bands, self.spectrogram.windows(self.clip.samples)

    def _check_autoencoders(self) -> None:
        """Refuse auto-encoders that do not fit together or not to the clips."""
        if self.modalities != MODALITIES or self.fusion.name != "concat":
            given = f"{','.join(self.modalities)} and network.fusion.name={self.fusion.name}"
            raise ConfigError(f"{self.name} rebuilds video,audio with each other, fusion concat; got {given}")
        for modality, extractor in zip(MODALITIES, (self.video, self.audio), strict=True):
            where = f"network.{modality}"
            if extractor.vit is None:
                raise ConfigError(f"{where}.name is {extractor.name!r}; {self.name} takes 'vit'; try its preset")
            masking = self.name == GMF_MAE
            extractor.vit.check(where, self.size(modality), extractor.width, masking=masking)


@dataclass(frozen=True)
class ClipDataConfig(Section):
    """Which clips.

    Attributes:
        name: data set, see `crosswire.training.tasks.audio_video.data.DATASETS`.
        path: folder of a data set that lies on disk.
        train_clips: procedural clips to train on.
        val_clips: procedural clips to watch the training with.
        test_clips: fresh procedural clips that `evaluate` scores.
        seed: of the procedural clips; validation and test use the two seeds after it.
        batch: clips per step, over all processes of the training.
        eval_batch: clips per step of validation and test, 0 for as many as `batch`.
    """

    section = "data"

    name: str = "events"
    path: str = ""
    train_clips: PositiveInt = 2048
    val_clips: PositiveInt = 128
    test_clips: PositiveInt = 512
    seed: NonNegativeInt = 1
    batch: PositiveInt = 64
    eval_batch: NonNegativeInt = 0


@dataclass(frozen=True)
class OptimiserConfig(Section):
    """How the parameters move. The defaults are those of Table 5 for GMF.

    Attributes:
        name: one of `OPTIMISERS`.
        lr: learning rate.
        momentum: of `sgd`; the first beta of `adam`.
        beta2: second beta of `adam`.
        weight_decay: of all parameters.
        schedule: one of `SCHEDULES`; `plateau` multiplies the rate by `factor` where the loss of `patience` steps
            after the best one was no better, and stays above `min_lr`.
        factor: of `plateau`.
        patience: of `plateau`, in steps.
        min_lr: of `plateau`.
        warmup: of `cosine`: share of the steps in which the rate rises linearly.
        fusion_loss: weight of what the fusion adds to the loss of the task, or the reconstruction of auto-encoders;
            the paper gives none, 1 is taken.
        clip: largest norm of the whole gradient; 0 for none.
    """

    section = "optimiser"

    name: Annotated[str, Choice(OPTIMISERS)] = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    beta2: float = 0.9
    weight_decay: float = 1e-4
    schedule: Annotated[str, Choice(SCHEDULES)] = "plateau"
    factor: Annotated[float, Range(above=0, below=1)] = 0.1
    patience: int = 1000
    min_lr: float = 0.0
    warmup: ShareBelowOne = 0.0
    fusion_loss: float = 1.0
    clip: float = 0.0


@dataclass(frozen=True, kw_only=True)
class AudioVideoConfig(RunConfig):
    """One run; `crosswire.training.config.RunConfig` has what every task shares.

    Attributes:
        kind: `audio-video`.
        network: which network.
        data: which clips.
        optimiser: how it is trained.
        modality_dropout: probability with which a clip of a step loses one of its modalities.
        seed: of weights, order and modalities that are dropped.
    """

    kind: Annotated[str, Choice(("audio-video",))] = "audio-video"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: ClipDataConfig = field(default_factory=ClipDataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    modality_dropout: Probability = 0.0
    seed: NonNegativeInt = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return self.network.modalities

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        super().__post_init__()
        if self.modality_dropout and len(self.network.modalities) < 2:
            raise ConfigError("modality_dropout needs two modalities; set modality_dropout=0")
