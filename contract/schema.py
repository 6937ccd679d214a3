"""Version of everything that is written about a network, in its `contract.json` and in a model's configuration."""

from __future__ import annotations

from crosswire.contract.errors import ContractError

SCHEMA_VERSION = 1


def check_schema_version(version: object, what: str, remedy: str) -> None:
    """Refuse what was written in another version.

    Args:
        version: as it was read.
        what: what was read, in words that go before "has schema version".
        remedy: what to do about another version.

    Raises:
        ContractError: it is not the version of this release.
    """
    if version != SCHEMA_VERSION:
        raise ContractError(f"{what} has schema version {version}; this release reads {SCHEMA_VERSION}: {remedy}")
