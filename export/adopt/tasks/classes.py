"""The classes of an output: which of those that a graph tells apart are an answer."""

from __future__ import annotations

from crosswire.export.adopt.description import OutputDescription
from crosswire.export.adopt.errors import AdoptError


def kept_classes(one: OutputDescription, channels: int) -> tuple[int, ...]:
    """Return the places of a graph's classes that are classes of the answer.

    Args:
        one: the output; `first_class` and `drop` say which are none.
        channels: how many the graph has.

    Raises:
        AdoptError: a class is to be dropped that there is not, or all are.
    """
    dropped = {*range(one.first_class or 0), *(one.drop or ())}
    if wrong := sorted(place for place in dropped if place >= channels):
        raise AdoptError(f"class {wrong[0]} is to be dropped, and output {one.graph_output!r} has {channels} classes")
    kept = tuple(place for place in range(channels) if place not in dropped)
    if not kept:
        raise AdoptError(f"all {channels} classes of output {one.graph_output!r} are dropped; leave some")
    return kept
