"""MATLAB's .mat files as named arrays: version 5 through scipy, version 7.3, which is HDF5, through h5py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from upt_data.arrays.extra import library
from upt_data.arrays.hdf5 import Hdf5Source, careful_hdf5
from upt_data.arrays.mat_tags import check_tags
from upt_data.arrays.source import ArraySource, Index, MemorySource
from upt_data.checks import existing
from upt_data.files.content import Values
from upt_data.foreign import DAMAGED, reading


def open_mat(path: Path) -> ArraySource:
    """The arrays of a file, with their axes in MATLAB's order.

    Version 7.3 is read where it is indexed; version 5 is read at once.

    Raises:
        DataError: scipy is not installed, or the file is damaged.
    """
    path = existing(path)
    if h5py.is_hdf5(path):
        return careful_hdf5(path, MatlabHdf5Source)
    io = library("scipy.io", "mat", f"{path}: reading a .mat file of version 5")
    with reading(f"{path}: not a complete .mat file", DAMAGED, path):
        check_tags(path)
        content: dict[str, Any] = io.loadmat(path, squeeze_me=False, mat_dtype=False)
    arrays = {name: value for name, value in content.items() if not name.startswith("__")}
    return MemorySource({name: np.asarray(value) for name, value in arrays.items() if hasattr(value, "dtype")})


class MatlabHdf5Source(Hdf5Source):
    """MATLAB writes columns first, HDF5 holds rows first: the axes are turned back."""

    def names(self) -> list[str]:
        """Names of all arrays; MATLAB's own tables ('#refs#') are left out."""
        return [name for name in super().names() if not name.startswith("#")]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape as MATLAB shows it."""
        return super().shape(name)[::-1]

    def read(self, name: str, index: Index) -> Values:
        """Values of an array."""
        return super().read(name, index[::-1]).T

    def read_many(self, name: str, indices: Sequence[Index]) -> Values:
        """Values of an array at several indices; such files begin with a block of MATLAB's own, so h5py reads them."""
        return ArraySource.read_many(self, name, indices)

    def dims(self, name: str) -> tuple[str, ...] | None:
        """MATLAB names no axes."""
        return None
