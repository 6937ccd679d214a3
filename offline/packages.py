"""Packages of the extra `ray`, imported only where they are needed, with one clear line where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from crosswire.clients.errors import InputError


def needed(module: str, purpose: str) -> Any:
    """Import a package of the extra `ray`.

    Args:
        module: its name, for example `pyarrow.parquet`.
        purpose: what it is for, as the subject of a sentence.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or module).partition(".")[0]
        raise InputError(f'{purpose} needs {package}; install it with: pip install "crosswire[ray]"') from error
