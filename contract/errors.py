"""The error of every part of a contract."""

from __future__ import annotations


class ContractError(ValueError):
    """A contract is missing, unreadable or contradicts itself or its graph."""
