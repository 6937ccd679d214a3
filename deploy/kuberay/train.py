"""One run of training on the nodes of a Ray cluster.

    python train.py --workers 8 PRESET RUN [what crosswire train takes]

RUN and the data lie on a disk that all nodes share, for example a persistent volume. Where a worker or its node dies,
Ray starts all of them again, and the run goes on after its last validation, exactly.
"""

from __future__ import annotations

import argparse
from typing import Any

import ray.train
from ray.train.torch import TorchConfig, TorchTrainer


def train(settings: dict[str, Any]) -> None:
    """Train in one worker: Ray has told it its place among them, in the variables of PyTorch."""
    from crosswire.training.__main__ import main

    if main(["train", settings["preset"], "--to", settings["run"], "--continue", *settings["words"]]) != 0:
        raise RuntimeError("the training ended with the error above")


def launch() -> None:
    """Read the command line and run all workers to their end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, required=True, help="processes; data.batch is that of all together")
    parser.add_argument("--gpus", action="store_true", help="a GPU for each")
    parser.add_argument("--storage", help="a folder or address for what Ray itself notes (default: ~/ray_results)")
    parser.add_argument("--failures", type=int, default=3, help="how often it may start again (default 3)")
    parser.add_argument("preset")
    parser.add_argument("run", help="run folder, which all nodes see; an absolute path")
    options, words = parser.parse_known_args()
    TorchTrainer(
        train,
        train_loop_config={"preset": options.preset, "run": options.run, "words": words},
        scaling_config=ray.train.ScalingConfig(num_workers=options.workers, use_gpu=options.gpus),
        torch_config=TorchConfig(backend="nccl" if options.gpus else "gloo"),
        run_config=ray.train.RunConfig(
            storage_path=options.storage, failure_config=ray.train.FailureConfig(max_failures=options.failures)
        ),
    ).fit()


if __name__ == "__main__":
    launch()
