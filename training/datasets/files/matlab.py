"""Reading MATLAB files: version 7.3, which is HDF5, image by image; older ones whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from crosswire.training.datasets.files.problems import DataError, Problem, missing_file


class Hdf5:
    """An HDF5 file that is opened by each process at its first use, because a handle does not survive a fork.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the handle behind when a worker process gets a copy."""
        return {"path": self.path, "_opened": None}

    @property
    def file(self) -> Any:
        """The open file.

        Raises:
            DataError: it is missing or not HDF5.
        """
        import h5py

        if self._opened is None or self._opened[0] != os.getpid():
            try:
                self._opened = (os.getpid(), h5py.File(self.path, "r"))
            except FileNotFoundError:
                raise DataError(missing_file(self.path)) from None
            except OSError as error:
                cure = "it is to be a MATLAB file of version 7.3 (HDF5); download it again"
                raise DataError(Problem(str(self.path), f"cannot be read ({error})", cure)) from error
        return self._opened[1]


def read_variables(path: Path, *names: str) -> dict[str, Any]:
    """Read variables of a MATLAB file older than version 7.3; structures become objects with attributes.

    Raises:
        DataError: the file is missing or unreadable, or lacks one of the variables.
    """
    import scipy.io

    if not path.is_file():
        raise DataError(missing_file(path))
    try:
        read: dict[str, Any] = scipy.io.loadmat(
            str(path), variable_names=names, squeeze_me=True, struct_as_record=False
        )
    except Exception as error:  # a damaged file makes scipy raise whatever its parser stumbles over
        cure = "it is to be a MATLAB file of version 5 to 7; download it again"
        raise DataError(Problem(str(path), f"cannot be read ({error})", cure)) from error
    for name in names:
        if name not in read:
            raise DataError(Problem(str(path), f"holds no variable {name!r}", "check which file it is"))
    return read
