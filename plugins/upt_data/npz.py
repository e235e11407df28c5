"""Numpy archives of trajectories, or of input and solution pairs, on a regular grid."""

from __future__ import annotations

from pathlib import Path

from upt_data.arrays.dataset import GridArrays
from upt_data.arrays.npz import open_npz
from upt_data.arrays.source import ArraySource


class Npz(GridArrays):
    """Reads .npz archives of fields (trajectories, times, *grid) or (trajectories, times, *grid, channels).

    Arrays that ``numpy.savez`` stored without compression are read from the file step by step where they are large.
    """

    suffixes = (".npz",)

    @staticmethod
    def opener(path: Path) -> ArraySource:
        """Opens an archive."""
        return open_npz(path)
