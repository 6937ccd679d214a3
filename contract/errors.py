"""The root of all errors that a person can put right, and those that more than one room raises."""

from __future__ import annotations


class CrosswireError(Exception):
    """Something that a person can put right; the message says what was got, what is expected and what to try.

    The commands print such an error as one line. Every other exception is a bug and shows its traceback.
    """


class UsageError(CrosswireError, ValueError):
    """An option, a setting or an argument that cannot be used."""


class ContractError(CrosswireError, ValueError):
    """A contract is missing, unreadable or contradicts itself or its graph."""
