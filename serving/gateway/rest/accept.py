"""Which of two kinds of answer a client prefers."""

from __future__ import annotations

from crosswire.serving.gateway.errors import WireError

JSON, PNG = "application/json", "image/png"


def wants_png(accept: str) -> bool:
    """Say whether an `Accept` header prefers a PNG file to JSON; a tie goes to JSON.

    Raises:
        WireError: 406, it takes neither.
    """
    if not accept.strip():
        return False
    weights = {kind: _weight(accept, kind) for kind in (JSON, PNG)}
    if max(weights.values()) <= 0:
        raise WireError(406, f"Accept is {accept[:80]!r}; this path answers {JSON} or {PNG}")
    return weights[PNG] > weights[JSON]


def _weight(accept: str, kind: str) -> float:
    """Return the quality that a header gives to a media type; the most exact range counts."""
    best = (-1, 0.0)
    for part in accept.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        ranges = ("*/*", f"{kind.partition('/')[0]}/*", kind)
        if name in ranges:
            best = max(best, (ranges.index(name), _quality(parameters)))
    return best[1]


def _quality(parameters: list[str]) -> float:
    """Return the `q` of a media range, 1 if there is none that can be read."""
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return 1.0
    return 1.0
