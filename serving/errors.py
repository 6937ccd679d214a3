"""What a person at the command line of the server can put right."""

from __future__ import annotations

from crosswire.contract.errors import CrosswireError


class ServingError(CrosswireError):
    """Something the person at the command line can put right; the message says what came and what to do."""
