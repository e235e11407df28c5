"""Opens HDF5 files, and says what is wrong with one that does not open."""

from __future__ import annotations

from pathlib import Path

import h5py

from upt_data.checks import existing
from upt_data.foreign import DAMAGED, reading


def open_hdf5(path: Path) -> h5py.File:
    """The file, open for reading.

    Raises:
        DataError: there is no such file, it is truncated or damaged, or it is not HDF5.
    """
    path = existing(path)
    with reading(f"{path}: not a complete HDF5 file", DAMAGED, path):
        return h5py.File(path, "r", locking="best-effort")  # data folders are often on file systems without locks
