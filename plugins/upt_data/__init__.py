"""Data sets: generated on first use, or read from files of the field's common layouts."""

from collections.abc import Callable

from upt_core import Register, hookimpl


@hookimpl
def register_datasets(register: Callable[[str, type | str], None]) -> None:
    """The built-in data sets."""
    register("burgers1d", "upt_data.burgers1d:Burgers1d")
    register("neuraloperator", "upt_data.neuraloperator:NeuralOperator")
    register("apebench", "upt_data.apebench:ApeBench")
    register("burgers2d", "upt_data.burgers2d:Burgers2d")
    register("burgers3d", "upt_data.burgers3d:Burgers3d")
    register("advection1d", "upt_data.advection1d:Advection1d")
    register("pdebench", "upt_data.pdebench:PdeBench")
    register("npz", "upt_data.npz:Npz")
    register("hdf5", "upt_data.hdf5_arrays:Hdf5")
    register("zarr", "upt_data.zarr_arrays:Zarr")
    register("netcdf", "upt_data.netcdf_arrays:NetCdf")
    register("mat", "upt_data.mat_arrays:Mat")
    register("the_well", "upt_data.the_well:TheWell")
    register("frames", "upt_data.frames:Frames")
    register("mesh", "upt_data.mesh:Mesh")
    register("symmetric", "upt_data.symmetric:Symmetric")
    register("bundled", "upt_data.bundled:Bundled")
    register("paired", "upt_data.paired:Paired")
    register("points", "upt_data.points:PointClouds")
    register("point_frames", "upt_data.point_frames:PointFrames")
    register("point_cases", "upt_data.point_cases:PointCases")


@hookimpl
def register_commands(register: Register) -> None:
    """The command ``upt data``."""
    register("data", "upt_data.commands.data:data")
