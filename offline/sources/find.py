"""Finding out what a source is, and the items in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.cameras import read_camera
from crosswire.clients.inputs.folders import is_left_over, walk_files
from crosswire.clients.inputs.images import IMAGE_ENDINGS
from crosswire.clients.inputs.units import units_of
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.clients.session import check_inputs
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CAMERA
from crosswire.media.clips.endings import CLIP_ENDINGS
from crosswire.media.depth_files import DEPTH_ENDINGS
from crosswire.offline.sources.folder import local_folder, stored_folder
from crosswire.offline.sources.parquet import parquet_references
from crosswire.offline.sources.references import Reference, check_unique
from crosswire.offline.sources.source import Source
from crosswire.offline.sources.webdataset import tar_references
from crosswire.offline.stores import FileState, Store, is_address, open_store, plain_place

PARQUET, TAR = ".parquet", ".tar"
_READERS = {PARQUET: parquet_references, TAR: tar_references}
_KNOWN = frozenset((*_READERS, *IMAGE_ENDINGS, *DEPTH_ENDINGS, *CLIP_ENDINGS))


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
    place = plain_place(place).rstrip("/") or "/"
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


def _folder(place: str, store: Store, pipeline: PipelineDescription, options: RecordedOptions) -> Source:
    """Return the items of a folder, which holds packed files if the first file of a known form is one."""
    path = Path(place)
    listed = store.names() if is_address(place) else None
    names = map(PurePosixPath, listed) if listed is not None else (PurePosixPath(one) for one in _walked(path))
    ending = next((one for name in names if not is_left_over(name) and (one := name.suffix.lower()) in _KNOWN), "")
    if ending in _READERS:
        files = store.names() if listed is None else listed
        some = {name: state for name, state in files.items() if _is_one(PurePosixPath(name), ending)}
        return _packed(store, ending, some, pipeline, options)
    return local_folder(path, pipeline, options) if listed is None else stored_folder(store, listed, pipeline, options)


def _walked(path: Path) -> Iterator[Path]:
    """Yield the files of a folder; nothing where there is none."""
    return walk_files(path) if path.is_dir() else iter(())


def _is_one(name: PurePosixPath, ending: str) -> bool:
    """Say whether a file is packed in one way."""
    return name.suffix.lower() == ending and not is_left_over(name)


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
