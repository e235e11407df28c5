"""A length that the user gives beside coordinates or times that the file holds: what contradicts is told, in every
format and in every way in which coordinates are stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from upt_core import DataError
from upt_data.arrays.dataset import GridArrays
from upt_data.hdf5_arrays import Hdf5
from upt_data.mat_arrays import Mat
from upt_data.netcdf_arrays import NetCdf
from upt_data.npz import Npz
from upt_data.zarr_arrays import Zarr

Arrays = dict[str, Any]
Read = Callable[..., GridArrays]
U = np.random.default_rng(0).standard_normal((7, 5, 6, 4)).astype(np.float32)
X, Y, T = np.linspace(0, 10, 6), np.linspace(0, 1, 4), np.arange(5) / 10
BOX = {"extent": [1.0, 4 / 3]}
"""Right for y, wrong for x."""


def npz(path: Path, arrays: Arrays) -> Read:
    np.savez(path.with_suffix(".npz"), **arrays)
    return lambda **settings: Npz(path=path.with_suffix(".npz"), **settings)


def hdf5(path: Path, arrays: Arrays) -> Read:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, value in arrays.items():
            file[name] = value
    return lambda **settings: Hdf5(path=path.with_suffix(".h5"), **settings)


def zarr_store(path: Path, arrays: Arrays) -> Read:
    group = pytest.importorskip("zarr").open_group(path.with_suffix(".zarr"), mode="w", zarr_format=2)
    for name, value in arrays.items():
        group.create_array(name, data=value)
    return lambda **settings: Zarr(path=path.with_suffix(".zarr"), **settings)


def netcdf(path: Path, arrays: Arrays) -> Read:
    xarray = pytest.importorskip("xarray")
    variables = {
        name: (tuple(f"{name}_{axis}" for axis in range(np.ndim(value))), value) for name, value in arrays.items()
    }
    xarray.Dataset(variables).to_netcdf(path.with_suffix(".nc"), engine="h5netcdf")
    return lambda **settings: NetCdf(path=path.with_suffix(".nc"), dims=["trajectory", "t", "x", "y"], **settings)


def mat(path: Path, arrays: Arrays) -> Read:
    """Version 5: each row of numbers is a matrix of one row."""
    pytest.importorskip("scipy.io").savemat(path.with_suffix(".mat"), arrays)
    return lambda **settings: Mat(path=path.with_suffix(".mat"), **settings)


def mat_73(path: Path, arrays: Arrays) -> Read:
    """Version 7.3: HDF5 with the axes the other way round; each row of numbers is a matrix of one column."""
    with h5py.File(path.with_suffix(".mat"), "w") as file:
        for name, value in arrays.items():
            file[name] = np.asarray(value).T if np.ndim(value) > 1 else np.asarray(value)[:, None]
    return lambda **settings: Mat(path=path.with_suffix(".mat"), **settings)


FORMATS = {"npz": npz, "hdf5": hdf5, "zarr": zarr_store, "netcdf": netcdf, "mat": mat, "mat 7.3": mat_73}
MESH = np.meshgrid(X, Y, indexing="ij")
WAYS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "rows": (X, Y),
    "edges": (np.linspace(0, 10, 7), np.linspace(0, 4 / 3, 5)),
    "mesh": (MESH[0], MESH[1]),
    "mesh as MATLAB's meshgrid": (MESH[0].T, MESH[1].T),
    "for each trajectory": (np.tile(X, (7, 1)), np.tile(Y, (7, 1))),
    "mesh for each trajectory": (np.tile(MESH[0], (7, 1, 1)), np.tile(MESH[1], (7, 1, 1))),
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("way", WAYS)
def test_coordinates_of_another_length_are_told(tmp_path: Path, write: Callable[..., Read], way: str) -> None:
    x, y = WAYS[way]
    read = write(tmp_path / "a", {"u": U, "x": x, "y": y, "t": T})
    (remark,) = read(**BOX).remarks()
    assert remark.endswith(
        ": 'x' goes from 0 to 10, but extent gives a length of 1, which is used; leave extent out to use the file's "
        "coordinates"
    )
    assert remark.startswith(str(tmp_path / "a."))
    assert read(**BOX).spec().extent == (1.0, 4 / 3)
    both = [10.0, 4 / 3] if way == "edges" else [12.0, 1.0]  # of rows both lengths are said: of cells and of nodes
    assert read(extent=both).remarks() == []


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("order", [1, -1])
def test_curvilinear_coordinates_are_refused(tmp_path: Path, write: Callable[..., Read], order: int) -> None:
    r, angle = np.meshgrid(np.linspace(1, 3, 6), np.arange(4) * np.pi / 2, indexing="ij")
    x, y = r * np.cos(angle), r * np.sin(angle)
    read = write(tmp_path / "a", {"u": U, "x": x[:, :] if order > 0 else x.T, "y": y if order > 0 else y.T, "t": T})
    with pytest.raises(
        DataError,
        match=r"a\.\w+, 'x': extent assumes evenly spaced, rising points, but these coordinates, "
        r"from -3 to 3, are not evenly spaced or not rising; leave extent out to use them unchanged",
    ):
        read(extent=[6.0, 6.0]).spec()


@pytest.mark.parametrize("write", [npz, hdf5, zarr_store, mat])
def test_numbers_as_text_count_and_other_text_is_told(tmp_path: Path, write: Callable[..., Read]) -> None:
    if write is hdf5:
        x, names = np.array([f"{value}".encode() for value in X]), np.array([f"s{n}".encode() for n in range(6)])
    else:
        x, names = np.array([f"{value:04.1f}" for value in X]), np.array([f"s{n}" for n in range(6)])
    (remark,) = write(tmp_path / "a", {"u": U, "x": x, "y": Y, "t": T})(**BOX).remarks()
    assert "'x' goes from 0 to 10, but extent gives a length of 1" in remark
    (remark,) = write(tmp_path / "b", {"u": U, "x": names, "y": Y, "t": T})(**BOX).remarks()
    assert "'x' holds" in remark
    assert remark.endswith(" and not coordinates; points follow from extent")


def test_the_names_that_a_file_gives_to_its_axes_count(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    data = xarray.Dataset({"u": (("member", "t", "lon", "lat"), U)}, {"lon": X, "lat": Y, "t": T})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    (remark,) = NetCdf(path=tmp_path / "a.nc", **BOX).remarks()
    assert "'lon' goes from 0 to 10, but extent gives a length of 1, which is used" in remark


def test_arrays_of_other_sizes(tmp_path: Path) -> None:
    arrays = {"u": U, "x": np.arange(9.0), "y": U[:, 0], "t": T}  # y only has the name of a coordinate
    read = npz(tmp_path / "a", arrays)
    (remark,) = read(**BOX).remarks()
    assert remark.endswith(": 'x' has the shape (9,), for 6 points; points follow from extent")
    remarks = read(**BOX, axes=["x", "y"]).remarks()  # y is said to be one
    assert remarks[1].endswith(": 'y' has the shape (7, 6, 4), for 4 points; points follow from extent")
    assert read(inputs=["u", "y"], targets=["u"], axes=["x", "y"], **BOX).remarks() == remarks[:1]  # here it is a field


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_times_beside_a_time_step_are_told(tmp_path: Path, write: Callable[..., Read]) -> None:
    arrays = {"u": U, "x": X, "y": Y}
    read = write(tmp_path / "a", {**arrays, "t": T})
    assert read(time_step=0.1).remarks() == []
    (remark,) = read(time_step=2.0).remarks()
    assert remark.endswith(
        ": 't' has steps from 0.1 to 0.1, but time_step says 2, which is used; leave it out to use the file's times"
    )
    (remark,) = write(tmp_path / "b", {**arrays, "t": np.tile(T, (7, 1)) * 3})(time_step=0.1).remarks()
    assert "'t' has steps from 0.3 to 0.3, but time_step says 0.1" in remark
    (remark,) = write(tmp_path / "c", {**arrays, "t": np.arange(3.0)})(time_step=0.1).remarks()
    assert "'t' has the shape" in remark
    assert remark.endswith(", for 5 time steps; time steps follow from time_step")


def test_times_that_are_no_times_beside_a_time_step(tmp_path: Path) -> None:
    arrays = {"u": U, "x": X, "y": Y, "t": np.array(list("abcde"))}
    assert npz(tmp_path / "a", arrays)(time_step=0.1).remarks() == [
        f"{tmp_path / 'a.npz'}: 't' holds <U1 and not times; time steps follow from time_step"
    ]
