"""The root of serving's errors."""

from __future__ import annotations


class ServingError(Exception):
    """Something the person at the command line can put right; the message says what came and what to do."""
