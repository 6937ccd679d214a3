"""What a contract promises and proves, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from crosswire.contract import ADOPTED, Contract, TensorSpec


def describe(contract: Contract, latencies: Mapping[str, float] | None = None) -> str:
    """Return what a contract promises and proves, and latencies where they were measured."""
    lines = [f"{contract.name}: {contract.task}, {contract.precision}, batch 1..{contract.max_batch_size}"]
    for arrow, specs in (("in ", contract.inputs), ("out", contract.outputs)):
        lines += [
            f"  {arrow} {s.name:12} {s.dtype:6} {list(s.shape)!s:16} {s.unit}{_stored(s)}"
            f"{', may be absent' if s.optional else ''}"
            for s in specs
        ]
    lines += [f"  {v.graph.file} answers where only {v.name} is present" for v in contract.variants]
    lines.append(
        f"{contract.parameters:,} parameters; multiply-accumulates per sample: {contract.macs_live:,} live, "
        f"{contract.macs_frozen:,} frozen"
    )
    lines += _exchange(contract) + _precision(contract)
    if contract.metrics:
        lines.append("scores: " + ", ".join(f"{key} {value:.4g}" for key, value in contract.metrics.items()))
    for one in contract.evaluation:
        lines.append(f"  {one.metric:14} {one.live:.4f} live, {one.served:.4f} served   on {one.inputs}")
    lines.append(f"parity with {reference_of(contract)}:")
    lines += [
        f"  {p.stage:9} {p.inputs:30} {p.output:11} {p.measure:10} {p.value:.6f} "
        f"(bound {contract.tolerance(p).bound:g})" + (f" with {p.variant} alone" if p.variant else "")
        for p in contract.parity
    ]
    if latencies:
        lines.append("latency here, one sample:")
        lines += [f"  {name:24} {time:9.1f} ms" for name, time in latencies.items()]
    return "\n".join(lines)


def reference_of(contract: Contract) -> str:
    """Return what the proofs of a contract compare its graph with."""
    return "the graph as it came" if contract.run.preset == ADOPTED else "live PyTorch"


def _stored(spec: TensorSpec) -> str:
    """Return how images hold a tensor, where the training data say it."""
    return "" if spec.geometry is None else f", images count {spec.geometry.scale:.10g} to one"


def _exchange(contract: Contract) -> list[str]:
    """Return the exchanged share per layer."""
    penalised = sum(sum(layer.penalised) for layer in contract.exchange)
    exchanged = sum(sum(layer.exchanged) for layer in contract.exchange)
    if not penalised:
        return []
    lines = [f"{exchanged} of {penalised} penalised channels exchanged ({exchanged / penalised:.1%}):"]
    return lines + [
        f"  {layer.layer:28} " + "  ".join(f"{e}/{p}" for e, p in zip(layer.exchanged, layer.penalised, strict=True))
        for layer in contract.exchange
    ]


def _precision(contract: Contract) -> list[str]:
    """Return how many layers compute in what, and which of them are exceptions."""
    if not contract.precisions:
        return []
    counts = Counter(contract.precisions.values())
    lines = [f"precision, for {contract.target}: " + ", ".join(f"{n} layers {name}" for name, n in counts.items())]
    if contract.calibration:
        lines.append(f"  calibrated on {contract.calibration}")
    kept = [layer for layer, name in contract.precisions.items() if name != contract.precision]
    return lines + ([f"  not {contract.precision}: {', '.join(kept)}"] if kept else [])
