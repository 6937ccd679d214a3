"""The device that is measured: what it is, how time is taken on it, and how fast it multiplies matrices."""

from __future__ import annotations

import contextlib
import importlib.metadata
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks._record import RESULTS, keep

_MATRIX, _TINY_MATRIX = 8192, 64


@dataclass(frozen=True)
class Arithmetic:
    """How products are computed.

    Attributes:
        name: as it stands in the figures.
        autocast: element type that PyTorch's autocast computes in; None for float32.
        tf32: whether float32 products may drop to 10 bits of mantissa.
    """

    name: str
    autocast: torch.dtype | None = None
    tf32: bool = False

    @contextlib.contextmanager
    def products(self) -> Iterator[None]:
        """Let float32 products on a GPU be computed like this."""
        places = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
        before = [place.fp32_precision for place in places]
        for place in places:
            place.fp32_precision = "tf32" if self.tf32 else "ieee"
        try:
            yield
        finally:
            for place, value in zip(places, before, strict=True):
                place.fp32_precision = value

    def forward(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(device.type, self.autocast)


FP32, TF32 = Arithmetic("fp32"), Arithmetic("tf32", tf32=True)
BF16, FP16 = Arithmetic("bf16", torch.bfloat16, tf32=True), Arithmetic("fp16", torch.float16, tf32=True)


@dataclass(frozen=True)
class Machine:
    """Where and how large the benchmarks run.

    Attributes:
        device: of PyTorch.
        tiny: networks of a few channels, so that all the code runs on a processor; the figures mean nothing.
        deadline: `time.monotonic()` after which no further round begins.
        results: folder that the figures are written into.
        rounds: counted turns of each contender.
        calls: of a contender in its turn.
    """

    device: torch.device
    tiny: bool = False
    deadline: float = float("inf")
    results: Path = RESULTS
    rounds: int = 5
    calls: int = 4

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.device.type == "cuda"

    def wait(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def late(self, spare_s: float = 0.0) -> bool:
        """Say whether less than so many seconds are left."""
        return time.monotonic() + spare_s > self.deadline

    def keep(self, part: str, figures: dict[str, Any]) -> None:
        """Write the figures of a part, with the names and versions of what they were measured on."""
        gpu = torch.cuda.get_device_name() if self.on_gpu else None
        command = f"python -m benchmarks.gpu --parts {part}" + ("" if self.on_gpu else " --device cpu --tiny")
        facts = {"tiny": True} if self.tiny else {}
        figures = {**facts, "versions": versions(), **figures}
        keep(f"gpu_{part}", figures, again=command, gpu=gpu, results=self.results)


@dataclass
class Turns:
    """What contenders took, in turns.

    Attributes:
        seconds: per call, one for every counted round.
        failed: what kept a contender from answering, in one line.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Return the median seconds of a contender's calls."""
        return statistics.median(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> float | None:
        """Return the median of how many times as long one took as the other, turn by turn; None where one failed."""
        if slow not in self.seconds or fast not in self.seconds:
            return None
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return round(statistics.median(a / b for a, b in pairs), 3)


def in_turns(machine: Machine, works: Mapping[str, Callable[[], object]]) -> Turns:
    """Call all works in turns; the first round is not counted, and at least one is.

    A work that fails is left out from then on, with what it said.
    """
    found = Turns()
    for turn in range(machine.rounds + 1):
        if turn > 1 and machine.late():
            break
        for name, work in works.items():
            if name in found.failed:
                continue
            try:
                seconds = _seconds(machine, work)
            except Exception as error:  # whatever a compiler, a driver or a runtime raises
                found.failed[name] = one_line(error)
                found.seconds.pop(name, None)
                continue
            if turn:
                found.seconds.setdefault(name, []).append(seconds)
    return found


def _seconds(machine: Machine, work: Callable[[], object]) -> float:
    """Return the wall time of one call of several."""
    machine.wait()
    began = time.perf_counter()
    for _ in range(machine.calls):
        work()
    machine.wait()
    return (time.perf_counter() - began) / machine.calls


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the beginning of what it says."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said[:300]}"


def each(
    machine: Machine, works: Mapping[str, Callable[[], dict[str, Any]]]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Measure one network after the other; one that fails, or that the time does not reach, loses none of the others.

    Returns:
        figures by network, and by network what kept one from being measured.
    """
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for name, work in works.items():
        if machine.late():
            failed[name] = "left out: the time was over; give it more with --minutes"
            continue
        try:
            found[name] = work()
        except Exception as error:  # whatever a compiler, a driver or a runtime raises
            failed[name] = one_line(error)
        if machine.on_gpu:
            torch.cuda.empty_cache()
        print(f"  {name:14} {found.get(name, failed.get(name))}", flush=True)
    return found, failed


def ceiling(machine: Machine) -> dict[str, float]:
    """Return the tera-operations per second of a large product of matrices, by arithmetic: what can be reached here."""
    size = _TINY_MATRIX if machine.tiny else _MATRIX
    plain = torch.randn(2, size, size, device=machine.device)

    def product(arithmetic: Arithmetic) -> Callable[[], object]:
        first, second = plain.to(arithmetic.autocast or torch.float32)

        def work() -> None:
            with arithmetic.products():
                first @ second

        return work

    turns = in_turns(machine, {one.name: product(one) for one in (FP32, TF32, BF16, FP16)})
    return {name: round(2 * size**3 / turns.median(name) / 1e12, 3) for name in turns.seconds}


def share(macs: float, seconds: float, tera: float | None) -> float | None:
    """Return which share of a ceiling in tera-operations per second so many multiply-accumulates reach."""
    return round(2 * macs / seconds / 1e12 / tera, 4) if tera else None


def versions() -> dict[str, str]:
    """Return the versions of driver, CUDA, cuDNN, PyTorch and ONNX Runtime, as far as they are here."""
    found = {"driver": _driver(), "torch": torch.__version__}
    if torch.version.cuda:
        found |= {"cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version())}  # type: ignore[no-untyped-call]
    for package in ("onnxruntime", "onnxruntime-gpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _driver() -> str:
    """Return the version of NVIDIA's driver, or that there is none."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return "no driver"
    return said[0] if said else "no driver"
