"""A contract as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from crosswire.contract import Contract
from crosswire.export.report.text import reference_of

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b2733 }
h1 { margin-bottom: 0 } h2 { margin-top: 2rem; border-bottom: 1px solid #d5dce3 }
table { border-collapse: collapse } td, th { padding: .15rem 1rem .15rem 0; text-align: left }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.bar { height: .8rem; border-radius: 2px; background: #2f7ed8 } .track { width: 22rem; background: #eef1f4 }
.cells span { display: inline-block; width: .8rem; height: .8rem; margin: 1px; border-radius: 2px }
.int8 { background: #2f7ed8 } .fp16 { background: #37b36c }
.bf16 { background: #7a5fc2 } .fp8 { background: #c25f8c } .fp32 { background: #e0922f }
"""


def page(contract: Contract, latencies: Mapping[str, float]) -> str:
    """Return a page with everything that a contract promises and proves.

    Args:
        contract: what is drawn.
        latencies: measured on this machine, by contender; may be empty.
    """
    title = f"{contract.name}: {contract.task}, {contract.precision}"
    macs = {"live": contract.macs_live / 1e9, "frozen": contract.macs_frozen / 1e9}
    parts = [
        f"<h1>{escape(contract.name)}</h1><p>{escape(contract.task)}, {contract.precision} for {contract.target}, "
        f"batch 1 to {contract.max_batch_size}, {contract.parameters:,} parameters</p>",
        "<h2>Wire</h2>" + _wire(contract),
        "<h2>Multiply-accumulates per sample (GMAC)</h2>" + _bars(macs),
    ]
    if latencies:
        parts.append("<h2>Latency here, one sample (ms)</h2>" + _bars(latencies))
    if contract.exchange:
        parts.append("<h2>Exchanged channels per layer</h2>" + _exchange(contract))
    if contract.precisions:
        parts.append("<h2>Precision of every convolution, from input to output</h2>" + _precisions(contract))
    if contract.evaluation:
        rows = [(e.metric, f"{e.live:.4f}", f"{e.served:.4f}", e.inputs) for e in contract.evaluation]
        parts.append("<h2>Task metrics</h2>" + _table(("metric", "live", "served", "measured on"), rows))
    proofs = [
        (
            p.stage,
            p.variant or "all",
            p.inputs,
            p.output,
            p.measure,
            f"{p.value:.6f}",
            f"{contract.tolerance(p).bound:g}",
        )
        for p in contract.parity
    ]
    heads = ("stage", "present", "inputs", "output", "measure", "value", "bound")
    parts.append(f"<h2>Parity with {reference_of(contract)}</h2>" + _table(heads, proofs))
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _wire(contract: Contract) -> str:
    """Return the tensors that go in and come out."""
    rows = [
        (way, spec.name, spec.dtype, " x ".join(["N", *map(str, spec.shape)]), spec.unit)
        for way, specs in (("in", contract.inputs), ("out", contract.outputs))
        for spec in specs
    ]
    return _table(("", "tensor", "type", "shape", "unit"), rows)


def _exchange(contract: Contract) -> str:
    """Return one bar per layer and stream."""
    names = [spec.name for spec in contract.inputs]
    shares = {
        f"{layer.layer} {name} ({done} of {allowed})": done / max(allowed, 1)
        for layer in contract.exchange
        for name, done, allowed in zip(names, layer.exchanged, layer.penalised, strict=False)
    }
    return _bars(shares, full=1.0)


def _precisions(contract: Contract) -> str:
    """Return one coloured cell per convolution."""
    cells = (
        f"<span class='{kind}' title='{escape(name)}: {kind}'></span>" for name, kind in contract.precisions.items()
    )
    kinds = sorted(set(contract.precisions.values()))
    legend = " ".join(f"<span class='{kind}'></span> {kind}" for kind in kinds)
    calibrated = f"<p>calibrated on {escape(contract.calibration)}</p>" if contract.calibration else ""
    return f"<p class='cells'>{legend}</p><p class='cells'>{''.join(cells)}</p>{calibrated}"


def _bars(values: Mapping[str, float], full: float | None = None) -> str:
    """Return horizontal bars, the longest as long as `full` or as the largest value."""
    longest = full or max(values.values()) or 1.0
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td class='n'>{value:.3g}</td>"
        f"<td class='track'><div class='bar' style='width:{100 * value / longest:.1f}%'></div></td></tr>"
        for name, value in values.items()
    )
    return f"<table>{rows}</table>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of text."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
