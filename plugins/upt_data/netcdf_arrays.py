"""NetCDF files of fields on a grid, through xarray."""

from __future__ import annotations

from pathlib import Path

from upt_data.arrays.dataset import GridArrays
from upt_data.arrays.netcdf import open_netcdf
from upt_data.arrays.source import ArraySource


class NetCdf(GridArrays):
    """Reads NetCDF files (3 and 4); scales, offsets, missing values and CF times are decoded by xarray.

    Axes are identified by the names of the dimensions: give ``axes``, ``time`` and, if there is one, ``trajectory``
    (the dimension of ensemble members or runs). Dates become seconds since the first; a descending latitude is
    reversed. Needs ``pip install 'upt-core[netcdf]'``.
    """

    suffixes = (".nc", ".nc4", ".netcdf", ".cdf")

    @staticmethod
    def opener(path: Path) -> ArraySource:
        """Opens a file."""
        return open_netcdf(path)
