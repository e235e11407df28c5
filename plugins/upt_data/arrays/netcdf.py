"""NetCDF files through xarray as named arrays: CF times and scales are decoded, axes have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from upt_data.arrays.careful import CarefulSource
from upt_data.arrays.extra import library
from upt_data.arrays.source import ArraySource, Index
from upt_data.arrays.stored_bytes import many_of, stored_bytes
from upt_data.checks import existing
from upt_data.files.content import Values
from upt_data.foreign import reading
from upt_data.hdf5 import open_hdf5


def open_netcdf(path: Path) -> ArraySource:
    """The variables of a file.

    Raises:
        DataError: xarray or what it needs for this file is not installed, or the file is damaged.
    """
    path = existing(path)
    xarray = library("xarray", "netcdf", f"{path}: reading a NetCDF file")
    cure = "install its readers with pip install 'upt-core[netcdf]', or download or copy the file again"
    file: h5py.File | None = None
    with reading(f"{path}: not a NetCDF file that xarray reads", cure, path):
        if h5py.is_hdf5(path):
            open_hdf5(path).close()  # h5netcdf leaves half an object where this fails, which complains later
            groups = xarray.open_groups(path, engine="h5netcdf", decode_timedelta=True)
            file = h5py.File(path, "r")
        else:
            groups = {"": xarray.open_dataset(path, engine="scipy", decode_timedelta=True)}
        return CarefulSource(path, NetCdfSource(groups, file))


class NetCdfSource(ArraySource):
    """The variables of an open NetCDF file, in all its groups.

    Args:
        groups: path → the group as xarray decodes it.
        file: the same file, where it is HDF5: what needs no decoding is read from it, at a tenth of the time.
    """

    def __init__(self, groups: Mapping[str, Any], file: h5py.File | None = None) -> None:
        self._file = file
        self._groups = {name.strip("/"): group for name, group in groups.items()}
        self._variables = {
            f"{group}/{name}".lstrip("/"): data.variables[name]
            for group, data in self._groups.items()
            for name in data.variables
        }
        self._plain: dict[str, h5py.Dataset] = {
            name: file[name]
            for name, variable in self._variables.items()
            if file is not None and name in file and _is_stored_as_it_is(variable, file[name])
        }
        self._stored = {name: stored_bytes(dataset) for name, dataset in self._plain.items()}

    def names(self) -> list[str]:
        """Paths of all variables, coordinates among them."""
        return list(self._variables)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a variable."""
        return tuple(self._variables[name].shape)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of a variable's values, after scaling and offset."""
        found: np.dtype[Any] = np.dtype(self._variables[name].dtype)
        return found

    def read(self, name: str, index: Index) -> Values:
        """Values of a variable, scaled; missing ones are NaN."""
        if name in self._plain:
            return np.asarray(self._plain[name][index])
        return np.asarray(self._variables[name][index].values)

    def read_many(self, name: str, indices: Sequence[Index]) -> Values:
        """Values of a variable at several indices, from the bytes of the file where they lie there as they are."""
        if name not in self._plain:
            return super().read_many(name, indices)
        return many_of(self._stored[name], partial(self.read, name), self.dtype(name), self.shape(name), indices)

    def dims(self, name: str) -> tuple[str, ...] | None:
        """Names of a variable's dimensions."""
        return tuple(map(str, self._variables[name].dims))

    def attributes(self, group: str = "") -> Mapping[str, Any]:
        """Global attributes, or those of a group."""
        data = self._groups.get(group)
        return {} if data is None else dict(data.attrs)

    def close(self) -> None:
        """Closes the file."""
        for data in self._groups.values():
            data.close()
        self._plain, self._stored = {}, {}
        if self._file is not None:
            self._file.close()


def _is_stored_as_it_is(variable: Any, stored: Any) -> bool:
    """Whether the numbers in the file are the values: no scale, no offset, nothing that stands for a missing value."""
    missing = [variable.encoding.get(name) for name in ("_FillValue", "missing_value")]
    return (
        isinstance(stored, h5py.Dataset)
        and stored.dtype == variable.dtype
        and stored.dtype.kind == "f"
        and stored.shape == variable.shape
        and not {"scale_factor", "add_offset"} & set(variable.encoding)
        and all(value is None or bool(np.isnan(value)) for value in missing)
    )
