"""The file that says which batch a folder of results belongs to: another batch may not go on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.folders import OUTPUT_MARK
from crosswire.offline.stores import Store, read_file

BATCH_FILE = "batch.json"


def claim(store: Store, identity: Mapping[str, Any]) -> None:
    """Write which batch a store holds, or check that it is this one.

    Args:
        store: of the results.
        identity: what makes the batch the same as an earlier one, as plain JSON types.

    Raises:
        InputError: it holds another batch.
        OutputError: it cannot be written.
    """
    if store.state(OUTPUT_MARK) is not None:
        raise InputError(f"{store.place} holds a batch that a server was asked for ({OUTPUT_MARK}); name another place")
    if store.state(BATCH_FILE) is None:
        store.write(BATCH_FILE, (json.dumps(identity, indent=1, ensure_ascii=False) + "\n").encode())
        return
    try:
        found = json.loads(read_file(store, BATCH_FILE))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{store.place}/{BATCH_FILE} is no batch of Crosswire; name another place, or remove it")
    if found != identity:
        changed = next(key for key in (*identity, *found) if identity.get(key) != found.get(key))
        raise InputError(
            f"{store.place} holds a batch with {changed} = {found.get(changed)!r}, now it is "
            f"{identity.get(changed)!r}; name another place, or remove {BATCH_FILE} and the table to begin again"
        )
