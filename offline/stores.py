"""Stores of files: a local folder, or any file system that pyarrow or fsspec opens by an address (`s3://`, `gs://`).

A write is atomic: under a temporary name and renamed on a disk, one put on an object store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast
from urllib.parse import parse_qsl, urlencode

from crosswire.clients.errors import InputError, OutputError
from crosswire.clients.files import write_whole
from crosswire.contract.atomic_write import temporary_name
from crosswire.offline.packages import needed

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FILE = "file://"
#: pyarrow's names of file systems on which a file appears when its last byte is there.
_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})
_GOOGLE_RETRIES_S = "30"


@dataclass(frozen=True, slots=True)
class FileState:
    """Size of a file in bytes, and when it was changed, nanoseconds since 1970."""

    size: int
    changed_ns: int


class Store(Protocol):
    """Files by their names below one place, with slashes; safe to use from several threads."""

    @property
    def place(self) -> str:
        """Absolute path or address, by which another process opens the same store."""

    def names(self, below: str = "") -> dict[str, FileState]:
        """Return every file in a folder and all folders in it, by its name below the place, sorted; hidden ones too.

        Raises:
            InputError: the store cannot be read. A folder that is not there holds nothing.
        """

    def state(self, name: str) -> FileState | None:
        """Return the state of one file, or None where there is none.

        Raises:
            InputError: the store cannot be read.
        """

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading at any position.

        Raises:
            InputError: it cannot be read.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file, all of it or nothing; an older one of that name is replaced.

        Raises:
            OutputError: it cannot be written.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            OutputError: it cannot be removed.
        """


def is_address(place: str) -> bool:
    """Say whether a place is an address rather than a path of this machine."""
    return _ADDRESS.match(place) is not None and not place.startswith(_FILE)


def plain_place(place: str) -> str:
    """Return the path that an address of files of this machine (`file://`) stands for, other places as they are."""
    return place.removeprefix(_FILE)


def open_store(place: str) -> Store:
    """Open the store at a path or an address.

    Raises:
        InputError: nothing that is installed opens such an address.
    """
    return ArrowStore(place) if is_address(place) else LocalStore(Path(plain_place(place)))


def read_file(store: Store, name: str) -> bytes:
    """Return a whole file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with store.open(name) as file:
            return file.read()
    except OSError as error:
        raise unreadable(store, name, error) from error


def unreadable(store: Store, name: str, error: Exception) -> InputError:
    """Return the error for a file that cannot be read."""
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{_joined(store.place, name)} cannot be read ({reason}); check the path and what you may read")


class LocalStore:
    """A folder of this machine, or of a file system that is mounted on it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it need not be there."""
        self._folder = folder.absolute()

    @property
    def place(self) -> str:
        """Absolute path."""
        return str(self._folder)

    def names(self, below: str = "") -> dict[str, FileState]:
        """Return every file; see `Store`."""
        return dict(sorted(self._walk(below)))

    def state(self, name: str) -> FileState | None:
        """Return the state of a file."""
        try:
            status = (self._folder / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise unreadable(self, name, error) from error
        return FileState(status.st_size, status.st_mtime_ns)

    def open(self, name: str) -> IO[bytes]:
        """Open a file; an absolute name stands for itself."""
        try:
            return (self._folder / name).open("rb")
        except (OSError, ValueError) as error:
            raise unreadable(self, name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file under a temporary name, then rename it."""
        write_whole(self._folder / name, data, make_folder=True)

    def remove(self, name: str) -> None:
        """Remove a file."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self, name, error) from error

    def _walk(self, below: str) -> Iterator[tuple[str, FileState]]:
        try:
            with os.scandir(self._folder / below) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir():
                        yield from self._walk(name)
                    else:
                        status = entry.stat()
                        yield name, FileState(status.st_size, status.st_mtime_ns)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable(self, below, error) from error


class ArrowStore:
    """A store that pyarrow opens by its address, or fsspec."""

    def __init__(self, place: str) -> None:
        """Open it; whether it is there is found out at the first file.

        Raises:
            InputError: nothing that is installed opens such an address.
        """
        self._place = place
        self._files, self._root = _file_system(place)
        self._at_once = self._files.type_name in _OBJECT_STORES

    @property
    def place(self) -> str:
        """Address."""
        return self._place

    def names(self, below: str = "") -> dict[str, FileState]:
        """Return every file; see `Store`."""
        fs = needed("pyarrow.fs", "a store with an address")
        folder = self._path(below)
        try:
            found = self._files.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True))
        except OSError as error:
            raise unreadable(self, below, error) from error
        start = len(self._root) + 1 if self._root else 0
        files = {
            one.path[start:]: FileState(one.size or 0, one.mtime_ns or 0)
            for one in found
            if one.type == fs.FileType.File
        }
        return dict(sorted(files.items()))

    def state(self, name: str) -> FileState | None:
        """Return the state of a file."""
        fs = needed("pyarrow.fs", "a store with an address")
        try:
            found = self._files.get_file_info(self._path(name))
        except OSError as error:
            raise unreadable(self, name, error) from error
        return FileState(found.size or 0, found.mtime_ns or 0) if found.type == fs.FileType.File else None

    def open(self, name: str) -> IO[bytes]:
        """Open a file."""
        try:
            return cast(IO[bytes], self._files.open_input_file(self._path(name)))
        except OSError as error:
            raise unreadable(self, name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file in one put, or under a temporary name where the store shows half-written files."""
        path = self._path(name)
        try:
            if self._at_once:
                self._put(path, data)
                return
            folder = PurePosixPath(path).parent
            self._files.create_dir(str(folder), recursive=True)
            temporary = str(folder / temporary_name())
            self._put(temporary, data)
            self._files.move(temporary, path)
        except OSError as error:
            raise _unwritable(self, name, error) from error

    def remove(self, name: str) -> None:
        """Remove a file."""
        try:
            self._files.delete_file(self._path(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unwritable(self, name, error) from error

    def _put(self, path: str, data: bytes) -> None:
        with self._files.open_output_stream(path) as file:
            file.write(data)

    def _path(self, name: str) -> str:
        return "/".join(part for part in (self._root, name) if part)


def _file_system(place: str) -> tuple[Any, str]:
    """Return pyarrow's file system of an address, and the path in it, without a slash at its end."""
    fs = needed("pyarrow.fs", f"{place.partition('://')[0]}://")
    try:
        files, path = fs.FileSystem.from_uri(_for_google(place))
    except (ValueError, NotImplementedError, ImportError):
        files, path = _by_fsspec(fs, place)
    except OSError as error:
        raise InputError(f"{place} cannot be opened ({error}); check the address") from error
    return files, path.rstrip("/")


def _for_google(place: str) -> str:
    """Return an address with what pyarrow has to be told of Google's store; any other as it is.

    Without credentials it would try for a quarter of an hour before it says so. `STORAGE_EMULATOR_HOST` names a store
    that only speaks like Google's, as for Google's own libraries.
    """
    scheme, _, rest = place.partition("://")
    if scheme not in ("gs", "gcs"):
        return place
    address, _, query = rest.partition("?")
    settings = dict(parse_qsl(query))
    settings.setdefault("retry_limit_seconds", _GOOGLE_RETRIES_S)
    if host := os.environ.get("STORAGE_EMULATOR_HOST"):
        before, _, name = host.rpartition("://")
        settings |= {"scheme": before or "http", "endpoint_override": name.rstrip("/")}
        address = address if "@" in address else f"anonymous@{address}"
    return f"{scheme}://{address}?{urlencode(settings)}"


def _by_fsspec(fs: Any, place: str) -> tuple[Any, str]:
    """Return the same for an address that only fsspec knows."""
    core = needed("fsspec.core", f"{place.partition('://')[0]}://")
    try:
        files, path = core.url_to_fs(place)
    except (ValueError, ImportError) as error:
        raise InputError(f"{place} cannot be opened ({error}); name a folder, or install what opens it") from error
    return fs.PyFileSystem(fs.FSSpecHandler(files)), path


def _unwritable(store: Store, name: str, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"cannot write {_joined(store.place, name)} ({reason}); name a place that you may write to")


def _joined(place: str, name: str) -> str:
    """Return the whole name of a file; an absolute one stands for itself."""
    return name if name.startswith("/") else f"{place.rstrip('/')}/{name}".rstrip("/")
