"""The configuration of one audio-video run: frozen dataclasses of plain values, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field

from crosswire.training.config import ConfigError, RuntimeConfig, check_steps

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
EXTRACTOR_NAMES = ("r2plus1d18", "resnet18")
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
class FusionConfig:
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

    name: str = "gmf"
    expansion: int = 4
    boundary: float = 0.5
    bias: bool = True
    detach: str = "none"
    width: int | None = None
    depth: int | None = None
    bottlenecks: int | None = None
    latents: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.name not in FUSION_NAMES:
            raise ConfigError(f"fusion {self.name!r} is unknown; allowed are {', '.join(FUSION_NAMES)}")
        if self.expansion < 1:
            raise ConfigError(f"fusion.expansion is {self.expansion}; allowed is 1 or more")
        if not 0 < self.boundary < 1:
            raise ConfigError(f"fusion.boundary is {self.boundary:g}; allowed is a share, 0 < boundary < 1")
        if self.detach not in DETACH:
            raise ConfigError(f"fusion.detach is {self.detach!r}; allowed are {', '.join(DETACH)}")
        for name in ("width", "depth", "bottlenecks", "latents"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"fusion.{name} is {value}; allowed is 1 or more")


@dataclass(frozen=True)
class ClipShape:
    """What is read of a clip.

    Attributes:
        frames: T.
        height: rows of a frame; the picture is stretched to them.
        width: columns of a frame.
        fps: frames per second; 0 takes the first T frames as they come.
        samples: S.
        sample_rate: samples per second.
    """

    frames: int = 8
    height: int = 48
    width: int = 64
    fps: float = 4.0
    samples: int = 32000
    sample_rate: int = 16000

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        for name in ("frames", "height", "width", "samples", "sample_rate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"clip.{name} is {getattr(self, name)}; allowed is 1 or more")
        if not 0 <= self.fps < 1000:
            raise ConfigError(f"clip.fps is {self.fps}; allowed is 0 (every frame) to 1000 frames per second")


@dataclass(frozen=True)
class SpectrogramConfig:
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

    n_fft: int = 400
    hop: int = 160
    window: str = "hann"
    padding: str = "reflect"
    mels: int = 192
    mel_scale: str = "htk"
    mel_norm: str = "none"
    value: str = "power"
    mean: float = 0.0
    std: float = 1.0
    segments: int = 1
    drop_last: bool = False

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        choices = {
            "window": WINDOWS,
            "padding": PADDINGS,
            "mel_scale": MEL_SCALES,
            "mel_norm": MEL_NORMS,
            "value": VALUES,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"spectrogram.{name} is {getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        for name, least in (("n_fft", 2), ("hop", 1), ("mels", 0), ("segments", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"spectrogram.{name} is {getattr(self, name)}; allowed is {least} or more")
        if not 0 < self.std < float("inf"):
            raise ConfigError(f"spectrogram.std is {self.std}; allowed is more than 0")

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
class ExtractorConfig:
    """Which network makes a feature vector of one modality.

    Attributes:
        name: one of `EXTRACTOR_NAMES`.
        width: channels of its stem, 64 in the paper; it gives 8 times as many features.
        weights: path of a weight file with torchvision's keys to begin from; empty for random weights.
        frozen: keep it as it begins, statistics included.
    """

    name: str = "r2plus1d18"
    width: int = 64
    weights: str = ""
    frozen: bool = False

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.name not in EXTRACTOR_NAMES:
            raise ConfigError(f"extractor {self.name!r} is unknown; allowed are {', '.join(EXTRACTOR_NAMES)}")
        if self.width < 2:
            raise ConfigError(f"width of {self.name} is {self.width}; allowed is 2 or more")


@dataclass(frozen=True)
class NetworkConfig:
    """Which network.

    Attributes:
        name: `audio-video`.
        classes: channels of the logits.
        modalities: of `MODALITIES`; one alone takes the fusion `concat`.
        clip: what is read of a clip.
        video: extractor of the pictures.
        audio: extractor of the spectrogram.
        spectrogram: of the sound.
        fusion: of the features.
    """

    name: str = "audio-video"
    classes: int = 8
    modalities: tuple[str, ...] = MODALITIES
    clip: ClipShape = field(default_factory=ClipShape)
    video: ExtractorConfig = field(default_factory=ExtractorConfig)
    audio: ExtractorConfig = field(default_factory=lambda: ExtractorConfig("resnet18"))
    spectrogram: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.classes < 2:
            raise ConfigError(f"network.classes is {self.classes}; allowed is 2 or more")
        if self.modalities not in (MODALITIES, *((name,) for name in MODALITIES)):
            raise ConfigError(f"network.modalities is {','.join(self.modalities)}; allowed are video,audio or one")
        if len(self.modalities) == 1 and self.fusion.name != "concat":
            raise ConfigError(f"a single modality takes network.fusion.name=concat, not {self.fusion.name!r}")
        self.spectrogram.windows(self.clip.samples)


@dataclass(frozen=True)
class ClipDataConfig:
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

    name: str = "events"
    path: str = ""
    train_clips: int = 2048
    val_clips: int = 128
    test_clips: int = 512
    seed: int = 1
    batch: int = 64
    eval_batch: int = 0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        for name, least in (("train_clips", 1), ("val_clips", 1), ("test_clips", 1), ("batch", 1), ("eval_batch", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; allowed is {least} or more")


@dataclass(frozen=True)
class OptimiserConfig:
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
        fusion_loss: weight of what the fusion adds to the loss of the task; the paper gives none, 1 is taken.
        clip: largest norm of the whole gradient; 0 for none.
    """

    name: str = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    beta2: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "plateau"
    factor: float = 0.1
    patience: int = 1000
    min_lr: float = 0.0
    warmup: float = 0.0
    fusion_loss: float = 1.0
    clip: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        for name, allowed in (("name", OPTIMISERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"optimiser.{name} is {getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        if not 0 < self.factor < 1:
            raise ConfigError(f"optimiser.factor is {self.factor}; allowed is a share, 0 < factor < 1")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"optimiser.warmup is {self.warmup}; allowed is a share of the steps, 0 <= warmup < 1")


@dataclass(frozen=True)
class AudioVideoConfig:
    """One run.

    Attributes:
        kind: `audio-video`.
        preset: the name it started from.
        network: which network.
        data: which clips.
        optimiser: how it is trained.
        steps: optimiser steps.
        val_every: steps between two validations; a checkpoint is kept after each.
        modality_dropout: probability with which a clip of a step loses one of its modalities.
        seed: of weights, order and absence.
        runtime: how the machine computes it.
    """

    kind: str = "audio-video"
    preset: str = "custom"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: ClipDataConfig = field(default_factory=ClipDataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    steps: int = 1000
    val_every: int = 100
    modality_dropout: float = 0.0
    seed: int = 1
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return self.network.modalities

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if not 0 <= self.modality_dropout <= 1:
            raise ConfigError(f"modality_dropout is {self.modality_dropout}; allowed is a probability, 0 to 1")
        if self.modality_dropout and len(self.network.modalities) < 2:
            raise ConfigError("modality_dropout needs two modalities; set modality_dropout=0")
        check_steps(self)
