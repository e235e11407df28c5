"""Zarr stores of fields on a grid, formats 2 and 3."""

from __future__ import annotations

from pathlib import Path

from upt_data.arrays.dataset import GridArrays
from upt_data.arrays.source import ArraySource
from upt_data.arrays.zarr import is_store, open_zarr


class Zarr(GridArrays):
    """Reads zarr stores (a folder, or a .zip file), formats 2 and 3; only the chunks that are needed are read.

    Axes are identified by their names if the store has them. Needs ``pip install 'upt-core[zarr]'``.
    """

    suffixes = (".zarr", ".zip")
    what = "zarr store (a folder with zarr.json or .zgroup, or a .zip file)"

    def _is_one(self, path: Path) -> bool:
        return is_store(path)

    @staticmethod
    def opener(path: Path) -> ArraySource:
        """Opens a store."""
        return open_zarr(path)
