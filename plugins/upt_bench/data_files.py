"""The same values in every format of files, in several layouts, each with the bare way of reading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """A grid and how many trajectories on it are stored.

    Args:
        name: in tables.
        shape: points along each axis.
        trajectories, times: how many; more than 256 MB as the reader counts, so that nothing is kept in memory.
        whole: chunks of whole frames (trajectories, times, *grid), as ``upt data convert`` writes them.
        blocks: chunks that cut across trajectories, times and points, as HDF5 chooses them by itself.
    """

    name: str
    shape: tuple[int, ...]
    trajectories: int
    times: int
    whole: tuple[int, ...]
    blocks: tuple[int, ...]

    def values(self) -> Values:
        """Values that no codec makes smaller."""
        shape = (self.trajectories, self.times, *self.shape)
        return np.random.default_rng(0).random(shape, dtype=np.float32)


@dataclass(frozen=True)
class Stored:
    """A file, what upt needs to read it, and how one reads it by hand.

    Args:
        dataset: name of the data set.
        opened: the array (trajectories, times, *grid) of the open file; called in each process.
        settings: of the data set.
    """

    dataset: str
    opened: Callable[[], Any]
    settings: dict[str, Any] = field(default_factory=dict)


Layout = tuple[int, ...] | None
"""Shape of the chunks; None: the array is in one piece."""

Write = Callable[[Path, Values, Layout], Stored]


def write_npz(folder: Path, values: Values, layout: Layout) -> Stored:
    """An archive, and the array beside it as .npy, which numpy can map."""
    arrays: dict[str, Any] = {"u": values, **_coordinates(values)}
    np.savez(folder / "values.npz", **arrays)
    np.save(folder / "bare.npy", values)
    return Stored("npz", lambda: np.load(folder / "bare.npy", mmap_mode="r"), {"path": folder / "values.npz"})


def write_hdf5(folder: Path, values: Values, layout: Layout) -> Stored:
    """Own names in HDF5."""
    path = folder / "values.h5"
    _write_arrays(path, {"u": values, **_coordinates(values)}, layout)
    return Stored("hdf5", _hdf5(path, "u"), {"path": path})


def write_pdebench(folder: Path, values: Values, layout: Layout) -> Stored:
    """PDEBench's layout of one variable, which has one axis."""
    path = folder / "values.hdf5"
    coordinates = {f"{name}-coordinate": value for name, value in _coordinates(values).items()}
    _write_arrays(path, {"tensor": values, **coordinates}, layout)
    return Stored("pdebench", _hdf5(path, "tensor"), {"path": path})


def write_the_well(folder: Path, values: Values, layout: Layout) -> Stored:
    """The Well's layout, with one scalar field."""
    path, place = folder / "values.hdf5", _coordinates(values)
    dimensions = {f"dimensions/{'time' if name == 't' else name}": value for name, value in place.items()}
    _write_arrays(path, {"t0_fields/u": values, **dimensions}, layout)
    _describe_as_the_well(path, [name for name in place if name != "t"], len(values))
    return Stored("the_well", _hdf5(path, "t0_fields/u"), {"path": path})


def write_netcdf(folder: Path, values: Values, layout: Layout) -> Stored:
    """NetCDF 4, as xarray writes it."""
    import xarray

    path, place = folder / "values.nc", _coordinates(values)
    names = ("trajectory", "t", *(name for name in place if name != "t"))
    data = xarray.Dataset({"u": (names, values)}, coords=place)
    data.to_netcdf(path, engine="h5netcdf", encoding={"u": {"chunksizes": layout}} if layout else {})
    return Stored("netcdf", _hdf5(path, "u"), {"path": path})


def write_zarr(folder: Path, values: Values, layout: Layout) -> Stored:
    """A zarr store of format 3."""
    import zarr

    path = folder / "values.zarr"
    group = zarr.open_group(path, mode="w")
    group.create_array("u", data=values, chunks=layout or "auto")
    for name, value in _coordinates(values).items():
        group.create_array(name, data=value)
    return Stored("zarr", lambda: zarr.open_group(path, mode="r")["u"], {"path": path})


def _hdf5(path: Path, name: str) -> Callable[[], Any]:
    import h5py

    return lambda: h5py.File(path, "r")[name]


def _coordinates(values: Values) -> dict[str, npt.NDArray[np.float64]]:
    axes = {name: np.arange(size) / size for name, size in zip("xyz", values.shape[2:], strict=False)}
    return {"t": np.arange(values.shape[1]) / values.shape[1], **axes}


def _write_arrays(path: Path, arrays: dict[str, npt.NDArray[Any]], layout: Layout) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file.create_dataset(name, data=value, chunks=layout if value.dtype == np.float32 else None)


def _describe_as_the_well(path: Path, axes: list[str], num: int) -> None:
    """The attributes and groups that the format asks for."""
    import h5py

    with h5py.File(path, "a") as file:
        file.attrs.update({"dataset_name": "values", "grid_type": "cartesian", "simulation_parameters": []})
        file.attrs.update({"n_spatial_dims": len(axes), "n_trajectories": num})
        file["dimensions"].attrs["spatial_dims"] = axes
        for name in ("time", *axes):
            file["dimensions"][name].attrs.update({"sample_varying": False, "time_varying": False})
        for group, names in {"t0_fields": ["u"], "t1_fields": [], "t2_fields": [], "scalars": []}.items():
            file.require_group(group).attrs["field_names"] = names
        for name in axes:
            edge = file.create_group(f"boundary_conditions/{name}_periodic")
            edge.attrs.update({"associated_dims": [name], "bc_type": "PERIODIC", "sample_varying": False})
        file["t0_fields/u"].attrs.update(
            {"dim_varying": [True] * len(axes), "sample_varying": True, "time_varying": True}
        )


FORMATS: dict[str, Write] = {
    "npz": write_npz,
    "hdf5": write_hdf5,
    "zarr": write_zarr,
    "netcdf": write_netcdf,
    "the_well": write_the_well,
    "pdebench": write_pdebench,
}
