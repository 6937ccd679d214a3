"""Finding out what a source is, and the items in it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.cameras import read_camera
from crosswire.clients.inputs.folders import is_left_over
from crosswire.clients.inputs.units import units_of
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.clients.session import check_inputs
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CAMERA
from crosswire.offline.sources.folder import local_folder, stored_folder
from crosswire.offline.sources.parquet import parquet_references
from crosswire.offline.sources.references import Reference, check_unique
from crosswire.offline.sources.source import Source
from crosswire.offline.sources.webdataset import tar_references
from crosswire.offline.stores import FileState, Store, is_address, open_store

PARQUET, TAR = ".parquet", ".tar"
_READERS = {PARQUET: parquet_references, TAR: tar_references}


def find_source(place: str, pipeline: PipelineDescription, options: RecordedOptions | None = None) -> Source:
    """Return the items of a folder, of Parquet files, or of WebDataset archives.

    Args:
        place: path or address of one of these, or of a folder with files of one of the last two kinds.
        pipeline: whom the items are for.
        options: what one metre counts and the camera; the rest is for recordings and is refused.

    Raises:
        InputError: it is none of these, holds nothing for the pipeline, or two items have one name.
    """
    options = options or RecordedOptions()
    place = place.rstrip("/") or "/"
    ending = PurePosixPath(place).suffix.lower()
    if ending in _READERS:
        folder, _, name = place.rpartition("/")
        store = open_store(folder or ("/" if place.startswith("/") else "."))
        state = store.state(name)
        if state is None:
            raise InputError(f"{place} is not there; check the path")
        found = _packed(store, ending, {name: state}, pipeline, options)
    else:
        store = open_store(place)
        found = _folder(place, store, pipeline, options)
    check_unique(found.references)
    return found


def _files(store: Store) -> dict[str, FileState]:
    """Return the files of a store without what systems leave."""
    return {name: state for name, state in store.names().items() if not is_left_over(PurePosixPath(name))}


def _folder(place: str, store: Store, pipeline: PipelineDescription, options: RecordedOptions) -> Source:
    """Return the items of a folder."""
    path = Path(place)
    if is_address(place) or path.is_dir():
        files = _files(store)
        for ending in _READERS:
            some = {name: state for name, state in files.items() if name.lower().endswith(ending)}
            if some:
                return _packed(store, ending, some, pipeline, options)
    return stored_folder(store, pipeline, options) if is_address(place) else local_folder(path, pipeline, options)


def _packed(
    store: Store, ending: str, files: dict[str, FileState], pipeline: PipelineDescription, options: RecordedOptions
) -> Source:
    """Return the items of files that hold many of them."""
    options.check_unused(Path(store.place))
    camera = None if options.camera is None or options.camera.registered else read_camera(options.camera)
    if camera is not None:
        check_inputs(pipeline, (CAMERA,))
    unit = units_of(options.units_per_metre)
    references: tuple[Reference, ...] = _READERS[ending](store, files, pipeline)
    kind = {PARQUET: "Parquet", TAR: "WebDataset"}[ending]
    told = f"{len(references)} items in {len(files)} {kind} {'file' if len(files) == 1 else 'files'}"
    notes = tuple(filter(None, (told, unit.note(pipeline))))
    return Source(store.place, references, unit.sent, camera, notes=notes, identity=options.camera_identity)
