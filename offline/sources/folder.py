"""A folder of images or clips as a source: the layouts of `crosswire batch`, on disk or in an object store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from crosswire.clients.batch.items import Found, Item, find_listed
from crosswire.clients.batch.sources import FoundItems, find_source
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.folders import OUTPUT_MARK, is_left_over
from crosswire.clients.inputs.recordings import Pairing
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.contract import PipelineDescription
from crosswire.offline.results.batch_file import BATCH_FILE
from crosswire.offline.sources.references import Reference, Slice, naming_problem, state_of
from crosswire.offline.sources.source import Source
from crosswire.offline.stores import FileState, Store

_MARKS = (OUTPUT_MARK, BATCH_FILE)


def local_folder(
    source: Path, pipeline: PipelineDescription, options: RecordedOptions, pairing: Pairing | None = None
) -> Source:
    """Return the items of a folder or a list file of this machine; workers elsewhere need it under the same path.

    Args:
        source: folder or list file, in the layouts of `crosswire.clients.batch.items`.
        pipeline: whom the items are for.
        options: what one metre counts, and the camera.
        pairing: how images with time stamps become pairs.

    Raises:
        InputError: it holds nothing for the pipeline, or recordings, which only one process can read.
    """
    found = find_source(source, pipeline, pairing or Pairing(), options, compress=False)
    if not isinstance(found, FoundItems):
        raise InputError(
            f"{source} holds recordings, whose frames are read one after the other; ask a server with crosswire batch, "
            "or write them as pairs first: crosswire make-data recording"
        )
    return Source(
        str(source.absolute()),
        tuple(_local(item) for item in found.left(())),
        found.units,
        found.camera,
        found.unmatched,
        found.notes,
        found.identity,
    )


def stored_folder(
    store: Store, names: Mapping[str, FileState], pipeline: PipelineDescription, options: RecordedOptions
) -> Source:
    """Return the items of a folder in a store, one folder per input or clips.

    Args:
        store: the folder.
        names: all of its files, and their states.
        pipeline: whom the items are for.
        options: what one metre counts, and the camera.

    Raises:
        InputError: it holds nothing for the pipeline.
    """
    results = {str(PurePosixPath(name).parent) for name in names if PurePosixPath(name).name in _MARKS} - {"."}
    files = [path for path in map(PurePosixPath, names) if not is_left_over(path) and _is_input(path, results)]
    root = Path(store.place)
    found = find_listed(root, files, pipeline)
    told = FoundItems(found, root, pipeline, options, Pairing())
    options.check_unused(root)
    return Source(
        store.place,
        _stored(found, root, names),
        told.units,
        told.camera,
        notes=told.notes,
        identity=told.identity,
    )


def _is_input(path: PurePosixPath, results: set[str]) -> bool:
    """Say whether a file does not lie among results of a batch."""
    return not any(str(above) in results for above in path.parents)


def _local(item: Item) -> Reference:
    """Return an item of files of this machine."""
    pieces = tuple((name, Slice(str(path.absolute()))) for name, path in item.files.items())
    return Reference(item.stem, pieces, item.problem or naming_problem(item.stem), state_of(json.dumps(item.state())))


def _stored(found: Found, root: Path, states: Mapping[str, FileState]) -> tuple[Reference, ...]:
    """Return items of files in a store."""
    references = []
    for item in found.items:
        names = {tensor: path.relative_to(root).as_posix() for tensor, path in item.files.items()}
        pieces = tuple((tensor, Slice(name)) for tensor, name in names.items())
        state = state_of(*((name, states[name]) for name in names.values()))
        references.append(Reference(item.stem, pieces, item.problem or naming_problem(item.stem), state))
    return tuple(references)
