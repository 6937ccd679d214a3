"""Queries of Prometheus: the metrics that they name, with the labels and values that they select."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_STRING = r'"(?:[^"\\]|\\.)*"'
_SELECTOR = re.compile(rf"\b([a-z_][a-z0-9_]*)\s*\{{((?:[^{{}}\"]|{_STRING})*)\}}")
_MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")')
_GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
_SAMPLE = re.compile(rf"^([a-z_]+)(?:\{{((?:[^{{}}\"]|{_STRING})*)\}})? \S+$", re.MULTILINE)
_LABEL = re.compile(rf"([a-z_]+)=({_STRING})")
_LABEL_VALUES = re.compile(r"label_values\((.*),\s*\w+\)")
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?\b")
#: What a query may name beside metrics.
FUNCTIONS = {
    "absent",
    "avg_over_time",
    "count",
    "delta",
    "histogram_quantile",
    "min",
    "rate",
    "sum",
}
#: Labels that a scrape adds, and the one metric that Prometheus makes of every scrape.
OF_THE_SCRAPE = {"job", "instance"}
UP = "up"


@dataclass(frozen=True)
class Selected:
    """A metric in a query.

    Attributes:
        name: the metric.
        labels: label, operator and value of every matcher.
    """

    name: str
    labels: tuple[tuple[str, str, str], ...]


def selected(query: str) -> list[Selected]:
    """Return every metric that a query selects.

    Raises:
        AssertionError: it holds a word that is no function, label or metric with a selector.
    """
    query = _LABEL_VALUES.sub(r"\1", query)
    if re.fullmatch(r"[a-z_]+", query):
        return [Selected(query, ())]
    found = [
        Selected(name, tuple((label, operator, value[1:-1]) for label, operator, value in _MATCHER.findall(inside)))
        for name, inside in _SELECTOR.findall(query)
    ]
    rest = re.sub(r"\[[^]]*\]", " ", _SELECTOR.sub(" ", re.sub(_STRING, '""', query)))
    rest = _NUMBER.sub(" ", _GROUPING.sub(" ", rest))
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", rest)) - FUNCTIONS
    assert found and not words, f"{query}: {sorted(words)} is neither a function nor a metric with a selector"
    return found


def grouped(query: str) -> set[str]:
    """Return the labels that a query groups by, without those of the scrape and the bounds of a histogram."""
    labels = {one.strip() for inside in _GROUPING.findall(query) for one in inside.split(",")}
    return labels - OF_THE_SCRAPE - {"le"}


def told(text: str) -> dict[str, list[dict[str, str]]]:
    """Return the labels of every sample in Prometheus' text form, by the name that a scrape stores it under."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, labels in _SAMPLE.findall(text):
        found.setdefault(name, []).append({label: value[1:-1] for label, value in _LABEL.findall(labels)})
    return found


def wrong_with(query: str, metrics: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return what a query asks that a server does not tell: metrics, labels, and values that no sample has.

    Args:
        query: in Prometheus' language.
        metrics: what the server tells, as `told` returns it.
    """
    wrong = []
    for one in selected(query):
        if one.name == UP:
            continue
        if one.name not in metrics:
            wrong.append(f"there is no {one.name}")
            continue
        samples = metrics[one.name]
        for label, operator, value in one.labels:
            if label in OF_THE_SCRAPE:
                continue
            values = {labels[label] for labels in samples if label in labels}
            if not values:
                wrong.append(f"{one.name} has no label {label}")
            wrong += [
                f"{one.name} has no {label} {part}"
                for part in (value.split("|") if operator == "=~" else [value])
                if label == "route" and not any(re.fullmatch(part, known) for known in values)
            ]
        labels = {label for labels in samples for label in labels}
        wrong += [f"{one.name} has no label {label}" for label in grouped(query) - labels]
    return wrong


def queries_of(dashboard: dict[str, Any]) -> list[str]:
    """Return every query of a Grafana dashboard, of its panels and its variables."""
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    variables = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    return panels + variables
