"""HDF5 files in one's own layout: say which array is which field, axis and time."""

from __future__ import annotations

from pathlib import Path

from upt_data.arrays.dataset import GridArrays
from upt_data.arrays.hdf5 import open_hdf5_arrays
from upt_data.arrays.source import ArraySource


class Hdf5(GridArrays):
    """Reads HDF5 files of fields on a grid in any layout; only the time steps that are needed are read.

    Arrays in groups are named with the group, such as ``train/u``; or ``group`` names the group of the fields.
    """

    suffixes = (".h5", ".hdf5", ".hdf", ".he5")

    @staticmethod
    def opener(path: Path) -> ArraySource:
        """Opens a file."""
        return open_hdf5_arrays(path)
