"""Training one run from its configuration to its folder."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from tqdm import tqdm

from crosswire.training.config import ConfigError, RunConfig, same_result
from crosswire.training.engine.checkpoints import Last, RunCheckpoints, resumable
from crosswire.training.engine.console.first_validation import FirstValidation
from crosswire.training.engine.console.pace import Pace
from crosswire.training.engine.console.progress import ProgressBar
from crosswire.training.engine.console.run_log import RunLog
from crosswire.training.engine.console.training_log import TrainingLog
from crosswire.training.engine.divergence import StopWhereLossDiverges
from crosswire.training.engine.gamma_log import RECORDS, GammaLog
from crosswire.training.engine.machine.processes import Processes, launched
from crosswire.training.engine.run_folder import RunError, read_config, write_config
from crosswire.training.engine.training_setup import Lazy, TrainingSetup
from crosswire.training.from_data import with_geometry
from crosswire.training.tasks.registry import task_of

_PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fit(
    config: RunConfig,
    folder: Path,
    *,
    resume: bool = False,
    other_processes: bool = False,
    progress: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Train a run, or go on with one, and write `weights.pt`: those of the best validation.

    A run that was stopped at any moment and resumed ends in the same weights as an uninterrupted one.

    Of several processes (see `launched`) each trains on its share of each batch, and gradients are averaged. Batch
    statistics are those of a process's own share; where that is too small for them, freeze them. Such a run is
    resumed with as many processes as it had, for shares and what is drawn in them depend on their number.

    Args:
        config: the whole run, of any task.
        folder: where it is written.
        resume: go on from the last checkpoint; begin anew where there is none.
        other_processes: go on with more or fewer processes than the run had, which is not the same run any more.
        progress: show bars and what the run says; `train.log` in its folder has the latter anyway.
        clock: returns seconds; what it tells decides nothing but when there is an early validation.

    Returns:
        whether this is the process that goes on with what was written; of several only the first one does.

    Raises:
        RunError: the folder holds a run and `resume` is not set, or holds a run of another configuration or of another
            number of processes.
        ConfigError: network and data do not fit, or the machine cannot do what is asked.
        DivergedError: a loss or weights are no finite numbers; what was validated before is kept.
    """
    config = with_geometry(config)
    processes = launched(os.environ, torch.cuda.device_count())
    last = _checked(config, folder, resume=resume)
    if last and not other_processes:
        _same_processes(last, processes)
    torch.manual_seed(config.seed)
    setup = task_of(config).training_setup(config, fresh=last is None)
    with _quiet():
        checkpoints = RunCheckpoints(
            folder, setup.monitor, last, lower_is_better=setup.lower_is_better, processes=processes.ranks
        )
        trainer = _trainer(config, setup, processes, checkpoints, Pace(clock), progress=progress)
    place = {"rank": processes.rank, "ranks": processes.ranks}
    batches, val_batches = setup.train_loader(**place), setup.val_loader(**place)
    if trainer.is_global_zero:
        write_config(folder, config)
    for name, source in setup.prepared.items():
        prepare(source, f"rendering {name} scenes", progress=progress and trainer.is_global_zero)
    with _quiet():
        trainer.fit(setup.task, batches, val_batches, ckpt_path=str(last.file) if last else None, weights_only=True)
    if torch.distributed.is_initialized():  # what the first one goes on with would wait for the others
        torch.distributed.destroy_process_group()
    return bool(trainer.is_global_zero)


def prepare(source: Lazy, title: str, *, progress: bool = True) -> None:
    """Touch every sample once, so that training never waits for one."""
    for index in tqdm(range(len(source)), desc=title, disable=not progress, unit="scene"):
        source[index]


def _checked(config: RunConfig, folder: Path, *, resume: bool) -> Last | None:
    """Return the checkpoint to go on from, if any, or refuse to train into a folder."""
    if not config.steps:
        raise ConfigError("steps is 0, as in a run that was trained elsewhere; training takes steps=1 or more")
    last = resumable(folder)
    if last and not resume:
        raise RunError(f"{folder} already holds a run; go on with --resume, or choose another folder")
    if last:
        before = read_config(folder)
        # Runs of older versions hold no geometry, which is then read where their data were.
        if not same_result(before, config) and not same_result(with_geometry(before), config):
            raise RunError(f"{folder} holds a run of another configuration; choose another folder")
    return last


def _same_processes(last: Last, processes: Processes) -> None:
    """Refuse to go on with another number of processes than a run had."""
    if last.processes not in (0, processes.ranks):
        raise RunError(
            f"{last.file.parent} is a run of {last.processes} process(es), got {processes.ranks}; it is resumed "
            f"exactly by as many as it had; start {last.processes}, or go on as another run with --other-processes"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's notices about hardware and products to itself, and its warnings that do not apply here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # The number of workers is a setting; batches of small images take a hundredth of a step.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        # Norms with frozen statistics are in evaluation mode on purpose.
        warnings.filterwarnings("ignore", r".*module\(s\) in eval mode.*")
        # A single process is what was asked for, also where Slurm is installed.
        warnings.filterwarnings("ignore", ".*`srun` command is available.*")
        try:
            yield
        finally:
            logger.setLevel(level)


def _trainer(
    config: RunConfig,
    setup: TrainingSetup,
    processes: Processes,
    checkpoints: RunCheckpoints,
    pace: Pace,
    *,
    progress: bool,
) -> lightning.Trainer:
    """Make the Lightning trainer of a run, on one device per process.

    Raises:
        ConfigError: half precision without a GPU.
    """
    if config.runtime.precision == "fp16" and not torch.cuda.is_available():
        raise ConfigError("runtime.precision is fp16, which needs a GPU; use runtime.precision=bf16 or fp32")
    folder = checkpoints.folder
    # The checkpoint of a moment comes after all else that is written at it.
    callbacks = [
        StopWhereLossDiverges(),
        GammaLog(folder, max(1, config.steps // RECORDS)),
        checkpoints,
        pace,
        FirstValidation(pace, config.runtime.first_validation),
    ]
    if processes.rank == 0:
        callbacks.append(TrainingLog(RunLog(folder, show=progress), pace, checkpoints))
    alone = processes.ranks == 1
    return lightning.Trainer(
        max_epochs=config.steps // config.val_every,
        gradient_clip_val=setup.clip or None,
        accelerator="auto",
        devices=processes.local,
        num_nodes=processes.nodes,
        strategy="auto" if alone else DDPStrategy(find_unused_parameters=setup.idle_parameters),
        plugins=[processes.environment(os.environ)],
        default_root_dir=folder,  # where Lightning looks for checkpoints of its own in jobs of Slurm
        precision=_PRECISIONS[config.runtime.precision],
        callbacks=[*callbacks, ProgressBar()] if progress else callbacks,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        enable_progress_bar=progress,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=min(10, config.val_every),
    )
