"""Opens HDF5 files: once in each process, and again after a copy to another process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py

from upt_core import DataError
from upt_data.checks import existing


def open_hdf5(path: Path) -> h5py.File:
    """The file, open for reading.

    Raises:
        DataError: there is no such file, it is truncated, or it is not HDF5.
    """
    path = existing(path)
    try:
        return h5py.File(path, "r", locking="best-effort")  # data folders are often on file systems without locks
    except OSError as error:
        raise DataError(
            f"{path}: not a whole HDF5 file ({path.stat().st_size} bytes; {error}); it is truncated or of another "
            f"format; fetch it again"
        ) from error


class Reader:
    """A file that is opened at first use, and anew in each worker process, since handles cannot be shared."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None
        self._process = -1

    def file(self) -> h5py.File:
        """The open file of this process."""
        if self._file is None or self._process != os.getpid():
            self._file, self._process = open_hdf5(self.path), os.getpid()
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None, "_process": -1}
