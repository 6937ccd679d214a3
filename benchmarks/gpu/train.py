"""Training steps: samples per second in bf16 against tf32 and fp32, and their share of the ceiling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.lessons import LESSONS, TrainingLoad
from benchmarks.gpu.machine import BF16, FP32, TF32, Machine, ceiling, each, in_turns, share

_ARITHMETIC = (FP32, TF32, BF16)


def measure(machine: Machine) -> bool:
    """Measure every network and write the figures; return whether all of them could be measured."""
    tera = ceiling(machine)
    networks, failed = each(machine, {name: partial(_measured, machine, make, tera) for name, make in LESSONS.items()})
    machine.keep("train", {"ceiling_tflops": tera, "networks": networks, "failed": failed})
    return not failed and not any(one["failed"] for one in networks.values())


def _measured(machine: Machine, make: Callable[[Machine], TrainingLoad], tera: dict[str, float]) -> dict[str, Any]:
    """Return the figures of one network."""
    lesson = make(machine)
    with FlopCounterMode(display=False) as counter:
        lesson.step(FP32)
    macs = counter.get_total_flops() / 2
    turns = in_turns(machine, {one.name: partial(lesson.step, one) for one in _ARITHMETIC})
    rates = {name: round(lesson.batch / turns.median(name), 2) for name in turns.seconds}
    return {
        "size": lesson.size,
        "batch": lesson.batch,
        "gmacs_per_sample": macs / lesson.batch / 1e9,
        "samples_per_second": rates,
        "bf16_over_fp32": turns.ratio("fp32", "bf16"),
        "bf16_over_tf32": turns.ratio("tf32", "bf16"),
        "share_of_ceiling": {name: share(macs, turns.median(name), tera.get(name)) for name in turns.seconds},
        "failed": turns.failed,
    }
