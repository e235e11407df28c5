"""A small whole file of every format that a reader takes, written by the field's own libraries, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import meshio
import numpy as np
import scipy.io
import torch
import xarray
import zarr
from PIL import Image

from upt_core import Dataset
from upt_data.frames import Frames
from upt_data.hdf5_arrays import Hdf5
from upt_data.mat_arrays import Mat
from upt_data.mesh import Mesh
from upt_data.netcdf_arrays import NetCdf
from upt_data.neuraloperator import NeuralOperator
from upt_data.npz import Npz
from upt_data.pdebench import PdeBench
from upt_data.point_cases import PointCases
from upt_data.point_frames import PointFrames
from upt_data.points import PointClouds
from upt_data.the_well import TheWell
from upt_data.zarr_arrays import Zarr

Arrays = dict[str, Any]


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


FLOW: Arrays = {"u": _noise(6, 5, 4, 3), "x": np.arange(4.0), "y": np.arange(3.0), "t": np.arange(5.0), "c": _noise(6)}
CLOUDS: Arrays = {
    "pos": _noise(12, 2),
    "u": _noise(12, 4, 1),
    "ptr": np.array([0, 3, 7, 12]),
    "t": np.arange(4.0),
    "c": _noise(3),
}
TENSOR: Arrays = {"tensor": _noise(6, 5, 8), "x-coordinate": np.arange(8.0), "t-coordinate": np.arange(6.0)}
WELL: Arrays = {
    "t0_fields/p": _noise(5, 4, 4, 3),
    "t1_fields/v": _noise(5, 4, 4, 3, 2),
    "dimensions/x": np.arange(4.0, dtype=np.float32),
    "dimensions/y": np.arange(3.0, dtype=np.float32),
    "dimensions/time": np.arange(4.0, dtype=np.float32),
    "scalars/Ma": np.array(0.3),
}
DARCY: Arrays = {"x": _noise(8, 4, 6) > 0, "y": _noise(8, 4, 6)}
CASES: Arrays = {"vertices": _noise(6, 3), "vertex_normals": _noise(6, 3), "press": _noise(1, 6)}
CASE_FRAMES: Arrays = {"x": _noise(8), "y": _noise(8) + 1, **{f"{step:04d}_mesh": _noise(3, 8) for step in range(8)}}
FRAMES: Arrays = {f"f_{step}": _noise(4, 3, 2) for step in range(8)}
PIXELS: Arrays = {f"f_{step}": np.full((4, 3, 3), step, dtype=np.uint8) for step in range(8)}
NODES: Arrays = {f"f_{step}": _noise(9) for step in range(8)}
POINTS_NX = np.column_stack([np.random.default_rng(0).random((9, 2)), np.zeros(9)])
CELLS = [("triangle", np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]]))]


def _npz(folder: Path, arrays: Arrays) -> None:
    np.savez(folder / "a.npz", **arrays)


def _npz_packed(folder: Path, arrays: Arrays) -> None:
    np.savez_compressed(folder / "a.npz", **arrays)


def _hdf5(folder: Path, arrays: Arrays) -> None:
    with h5py.File(folder / "a.h5", "w") as file:
        for name, value in arrays.items():
            file[name] = value


def _zarr(folder: Path, arrays: Arrays, version: int = 3) -> None:
    group = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=version)  # type: ignore[arg-type]
    for name, value in arrays.items():
        group.create_array(name, data=value)


def _zarr_2(folder: Path, arrays: Arrays) -> None:
    _zarr(folder, arrays, 2)


def _netcdf(folder: Path, arrays: Arrays, engine: str = "h5netcdf") -> None:
    dims = {"u": ("trajectory", "t", "x", "y"), "c": ("trajectory",), "x": ("x",), "y": ("y",), "t": ("t",)}
    data = {
        name: (
            dims[name] if len(dims[name]) == np.ndim(value) else [f"{name}{i}" for i in range(np.ndim(value))],
            value,
        )
        for name, value in arrays.items()
    }
    xarray.Dataset(data).to_netcdf(folder / "a.nc", engine=engine)  # type: ignore[call-overload]


def _netcdf_3(folder: Path, arrays: Arrays) -> None:
    _netcdf(folder, arrays, "scipy")


def _mat_5(folder: Path, arrays: Arrays) -> None:
    scipy.io.savemat(folder / "a.mat", arrays)


def _mat_73(folder: Path, arrays: Arrays) -> None:
    with h5py.File(folder / "a.mat", "w") as file:
        for name, value in arrays.items():
            file[name] = np.atleast_2d(value).T


def _well(folder: Path, arrays: Arrays) -> None:
    with h5py.File(folder / "a.hdf5", "w") as file:
        file.attrs.update({"n_trajectories": 5, "n_spatial_dims": 2, "grid_type": "cartesian"})
        for name, value in arrays.items():
            file[name] = value
            group, _, short = name.partition("/")
            whole = group.endswith("fields")
            file[name].attrs.update({"sample_varying": whole, "time_varying": whole, "dim_varying": [True, True]})
            listed = list(file[group].attrs.get("field_names", []))
            file[group].attrs["field_names"] = [*listed, short]
        if "dimensions" in file:
            file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
        for name in "xy":
            file.create_group(f"boundary_conditions/{name}").attrs.update(
                {"bc_type": "PERIODIC", "associated_dims": [name]}
            )


def _tensors(arrays: Arrays) -> Any:
    return {name: torch.from_numpy(value) for name, value in arrays.items() if value.dtype.kind in "fiub"}


def _torch(folder: Path, arrays: Arrays) -> None:
    torch.save(_tensors(arrays), folder / "a.pt")


def _cases(folder: Path, arrays: Arrays) -> None:
    torch.save([_tensors(arrays)] * 5, folder / "a.pt")


def _each(save: Callable[[Path, Any], object], suffix: str) -> Callable[[Path, Arrays], None]:
    def write(folder: Path, arrays: Arrays) -> None:
        for name, value in arrays.items():
            save(folder / f"{name}.{suffix}", value)

    return write


def _th(path: Path, value: Any) -> None:
    if value.dtype.kind in "fiub":
        torch.save(torch.from_numpy(value), path)


def _image(path: Path, value: Any) -> None:
    if value.dtype == np.uint8 and value.ndim in (2, 3):
        Image.fromarray(value).save(path)


def _mesh(path: Path, value: Any) -> None:
    meshio.Mesh(POINTS_NX, CELLS, {"u": value}).write(path)


@dataclass(frozen=True)
class Sample:
    """A format: how a small data set is written, and how it is opened."""

    name: str
    write: Callable[[Path, Arrays], None]
    arrays: Arrays
    open: Callable[[Path], Dataset]


SAMPLES = [
    Sample("npz", _npz, FLOW, lambda folder: Npz(path=folder / "a.npz", conditions=["c"])),
    Sample("npz packed", _npz_packed, FLOW, lambda folder: Npz(path=folder / "a.npz", conditions=["c"])),
    Sample("npy folder", _each(np.save, "npy"), FLOW, lambda folder: Npz(path=folder, conditions=["c"])),
    Sample("hdf5", _hdf5, FLOW, lambda folder: Hdf5(path=folder / "a.h5", conditions=["c"])),
    Sample("zarr", _zarr, FLOW, lambda folder: Zarr(path=folder / "a.zarr", conditions=["c"])),
    Sample("zarr 2", _zarr_2, FLOW, lambda folder: Zarr(path=folder / "a.zarr", conditions=["c"])),
    Sample("netcdf", _netcdf, FLOW, lambda folder: NetCdf(path=folder / "a.nc", conditions=["c"])),
    Sample("netcdf 3", _netcdf_3, FLOW, lambda folder: NetCdf(path=folder / "a.nc", conditions=["c"])),
    Sample("mat 5", _mat_5, FLOW, lambda folder: Mat(path=folder / "a.mat", conditions=["c"])),
    Sample("mat 7.3", _mat_73, FLOW, lambda folder: Mat(path=folder / "a.mat", conditions=["c"])),
    Sample("points", _npz, CLOUDS, lambda folder: PointClouds(path=folder / "a.npz", conditions=["c"])),
    Sample("pdebench", _hdf5, TENSOR, lambda folder: PdeBench(path=folder / "a.h5")),
    Sample("the_well", _well, WELL, lambda folder: TheWell(path=folder / "a.hdf5")),
    Sample("neuraloperator", _torch, DARCY, lambda folder: NeuralOperator(path=folder / "a.pt")),
    Sample("point_cases", _cases, CASES, lambda folder: PointCases(path=folder / "a.pt")),
    Sample("point_frames", _each(_th, "th"), CASE_FRAMES, lambda folder: PointFrames(path=folder, split_by="time")),
    Sample("frames", _each(np.save, "npy"), FRAMES, lambda folder: Frames(path=folder, split_by="time")),
    Sample("images", _each(_image, "png"), PIXELS, lambda folder: Frames(path=folder, split_by="time")),
    Sample("vtu", _each(_mesh, "vtu"), NODES, lambda folder: Mesh(path=folder, split_by="time")),
    Sample("vtk", _each(_mesh, "vtk"), NODES, lambda folder: Mesh(path=folder, split_by="time")),
]
"""Every format of the built-in data sets in files."""
