"""Which description belongs to which input of a graph, and what is sent for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crosswire.export.adopt.description import InputDescription
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import Source, Wire

#: Why a role is none: what is sent, and cannot become that.
REFUSED_ROLES = {
    "hha": "HHA needs the camera's lens and the direction of gravity, which no request carries; use a network that "
    "takes depth, with tile = 3 where it has three channels",
    "mask": "a mask says which samples are padding, and here every clip has one length; export the network without it",
}


@dataclass(frozen=True)
class Roles:
    """The roles that inputs of a task have.

    Attributes:
        guess: returns the role that an input seems to have by its name and shape, or None.
        words: the roles, as a message lists them.
        alone: the role of an only input of which nothing else is known, or None.
    """

    guess: Callable[[Wire], str | None]
    words: str
    alone: str | None = None


def assigned(described: Sequence[InputDescription], source: Source, roles: Roles) -> list[InputDescription]:
    """Return descriptions that each name an input of the graph and a role; every input has one.

    Args:
        described: as far as it was said.
        source: the graph.
        roles: of the task.

    Raises:
        AdoptError: an input is not described, described twice, or its role cannot be known or served.
    """
    names = [wire.name for wire in source.inputs]
    for one in described:
        if (one.role or "").lower() in REFUSED_ROLES:
            raise AdoptError(f"role {one.role!r} cannot be served: {REFUSED_ROLES[(one.role or '').lower()]}")
        if one.graph_input is not None and one.graph_input not in names:
            raise AdoptError(f"the graph has no input {one.graph_input!r}; it has {', '.join(map(str, source.inputs))}")
    if len(names) == 1:
        described = [dataclasses.replace(one, graph_input=names[0]) for one in described]
    found = []
    named = {one.graph_input for one in described}
    free = [wire for wire in source.inputs if wire.name not in named]
    for one in described:
        if one.graph_input is None:
            wire = _fitting(one, free, roles)
            free = [other for other in free if other is not wire]
            one = dataclasses.replace(one, graph_input=wire.name)
        found.append(one)
    found += [InputDescription(graph_input=wire.name) for wire in free]
    found = [one if one.role else dataclasses.replace(one, role=_role(one, source, len(found), roles)) for one in found]
    said = [one.role for one in found]
    if twice := sorted({str(role) for role in said if said.count(role) > 1}):
        raise AdoptError(f"two inputs have the role {twice[0]!r}; say role for each of {', '.join(names)}")
    for one in found:
        if one.role is not None and one.role.lower() in REFUSED_ROLES:
            raise AdoptError(f"input {one.graph_input!r}: {REFUSED_ROLES[one.role.lower()]}")
    return found


def _fitting(one: InputDescription, free: Sequence[Wire], roles: Roles) -> Wire:
    """Return the input of the graph that a description without its name means."""
    if len(free) == 1:
        return free[0]
    if not free:
        raise AdoptError(f"no input of the graph is left for role {one.role!r}; leave it out, or say graph_input")
    guessed = [wire for wire in free if roles.guess(wire) == one.role]
    if len(guessed) != 1:
        raise AdoptError(
            f"the description of {one.role!r} says no graph_input; name one of {', '.join(map(str, free))}"
        )
    return guessed[0]


def _role(one: InputDescription, source: Source, count: int, roles: Roles) -> str:
    """Return what is sent for an input by its name and channels."""
    wire = next(wire for wire in source.inputs if wire.name == one.graph_input)
    guess = roles.guess(wire) or (roles.alone if count == 1 else None)
    if guess is None:
        raise AdoptError(f"nothing says what input {wire} is; add role = {roles.words} to its description")
    return guess
