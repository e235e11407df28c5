"""Opens HDF5 files, and says what is wrong with one that does not open."""

from __future__ import annotations

from pathlib import Path

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
