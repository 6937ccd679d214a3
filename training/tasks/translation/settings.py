"""What a translation trains on, and how."""

from __future__ import annotations

from dataclasses import dataclass

from crosswire.training.config import EVAL_SIZES, ConfigError

DATASETS = ("rooms", "taskonomy", "none")
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class ImagesConfig:
    """Which pictures.

    Attributes:
        name: data set, one of `DATASETS`.
        path: folder of a data set that lies on disk.
        splits: folder of its list files where they do not lie beside it.
        height: rows of a training picture; 256 in the papers.
        width: columns of a training picture; 256 in the papers.
        resize: side that a training picture has before the crop, as a multiple of the crop's; 286 / 256 in the papers.
        flip: probability that a training picture is mirrored; 0.5 in the papers.
        eval_size: as in `crosswire.training.config.DataConfig`.
        train_scenes: procedural pictures to train on.
        val_scenes: procedural pictures to watch the training with.
        test_scenes: fresh procedural pictures that `evaluate` scores.
        seed: of the procedural data; validation and test use the two seeds after it.
        batch: pictures per step, over all processes of the training.
    """

    name: str = "rooms"
    path: str = ""
    splits: str = ""
    height: int = 128
    width: int = 160
    resize: float = 1.0
    flip: float = 0.5
    eval_size: str = "resize"
    train_scenes: int = 1000
    val_scenes: int = 32
    test_scenes: int = 64
    seed: int = 1
    batch: int = 4

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.name not in DATASETS:
            raise ConfigError(f"data.name is {self.name!r}; allowed are {', '.join(DATASETS)}")
        if self.eval_size not in EVAL_SIZES:
            raise ConfigError(f"data.eval_size is {self.eval_size!r}; allowed are {', '.join(EVAL_SIZES)}")
        counts = ("height", "width", "train_scenes", "val_scenes", "test_scenes", "batch")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; allowed is 1 or more")
        if not 1 <= self.resize < 4 or not 0 <= self.flip <= 1:
            raise ConfigError("data.resize is 1 or a little more, data.flip a probability, 0 to 1")


@dataclass(frozen=True)
class AdversarialConfig:
    """Adam for generator and discriminator, and the weights of the losses; the defaults are the papers'.

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
        stream_loss: weight of the L1 of every flow's own picture beside that of the mix; 1 in the official code, 0 in
            Eq. 5. Without effect where features are mixed.
        detach_ensemble: let the loss of the mixed picture reach α alone (the official code); needs a stream loss.
        alignment: weight of the discrepancy of aligned streams (fusion `align`).
        discriminator_width: channels of the discriminator's first layer; 64 in the papers.
        consistency: weight of cross-task consistency: the first output, sent through a trained network, against the
            second one. 0 for none.
        consistency_run: run folder of that network, trained from the first output's domain to the second's.
        random_task: train the generator on one task, drawn anew, in every step instead of all (the papers' CEN-random);
            the discriminators learn from the pictures of all tasks in every step.
        clip: largest norm of the generator's gradient; 0 for none.
    """

    lr: float = 2e-4
    gamma_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    schedule: str = "constant"
    adversarial: float = 1.0
    l1: float = 100.0
    cross_entropy: float = 10.0
    sparsity: float = 1e-3
    stream_loss: float = 1.0
    detach_ensemble: bool = False
    alignment: float = 0.1
    discriminator_width: int = 64
    consistency: float = 0.0
    consistency_run: str = ""
    random_task: bool = False
    clip: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that could only fail later."""
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"optimiser.schedule is {self.schedule!r}; allowed are {', '.join(SCHEDULES)}")
        if min(self._weights) < 0:
            raise ConfigError("the weights of optimiser are 0 or more")
        if self.detach_ensemble and not self.stream_loss:
            raise ConfigError("optimiser.detach_ensemble needs a stream loss; set optimiser.stream_loss=1")
        if bool(self.consistency) != bool(self.consistency_run):
            raise ConfigError("optimiser.consistency and optimiser.consistency_run go together")

    @property
    def _weights(self) -> tuple[float, ...]:
        """Everything that a loss is multiplied with."""
        errors = (self.adversarial, self.l1, self.cross_entropy, self.stream_loss, self.consistency)
        return (*errors, self.sparsity, self.clip)
