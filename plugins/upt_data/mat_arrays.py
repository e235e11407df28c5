"""MATLAB's .mat files of fields on a grid."""

from __future__ import annotations

from pathlib import Path

from upt_data.arrays.dataset import GridArrays
from upt_data.arrays.mat import open_mat
from upt_data.arrays.source import ArraySource


class Mat(GridArrays):
    """Reads .mat files, version 5 (as a whole) and 7.3 (step by step), with axes in MATLAB's order.

    The Navier-Stokes files of the FNO paper are read with ``dims: [trajectory, x, y, t]`` and ``extent: [1, 1]``.
    Version 5 needs ``pip install 'upt-core[mat]'``.
    """

    suffixes = (".mat",)

    @staticmethod
    def opener(path: Path) -> ArraySource:
        """Opens a file."""
        return open_mat(path)
