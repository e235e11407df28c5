"""Answers → files that other programs read: numpy, HDF5, netCDF, VTK. A file is written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from upt_core.errors import UserError
from upt_core.operator.answers import Answers
from upt_core.operator.vtk_output import meshio_for, write_mesh, write_series

PROVENANCE = "upt_provenance"
"""The array of an .npz that says, as JSON, where it comes from; as an input it is left out."""

UNITS = "as in the training data"
"""Data sets say no units; answers have those of the values that the operator was trained on."""


def check_output(path: Path) -> None:
    """Refuses what cannot be written before anything is computed; makes the folder of the path.

    Raises:
        UserError: another ending, a library that is not installed, or a folder that cannot be made.
    """
    if path.suffix not in WRITERS:
        raise UserError(f"{path}: upt cannot write files that end in {path.suffix!r}; use {', '.join(WRITERS)}")
    if path.suffix == ".nc":
        _xarray(path)
    if path.suffix in (".pvd", ".vtu", ".vtk"):
        meshio_for(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """Around what writes a file, or beside it; None: what writes temporary files.

    Raises:
        UserError: the disk is full, or nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        where = f"{path}: cannot be written" if path is not None else "temporary files cannot be written"
        raise UserError(f"{where}: {error.strerror or error}; choose another place with -o") from error


def write(answers: Answers, path: Path, about: Mapping[str, str]) -> None:
    """Writes answers in the form that the ending of the path names.

    Args:
        about: text that is kept beside the arrays: where they come from.
    """
    check_output(path)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with writing(path):
            WRITERS[path.suffix](answers, part, about)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _npz(answers: Answers, path: Path, about: Mapping[str, str]) -> None:
    arrays: dict[str, Any] = answers.arrays()
    dims = {name: ",".join(answers.dims(name)) for name in arrays}
    said = {**about, "units": UNITS, "dimensions": dims}
    arrays[PROVENANCE] = np.array(json.dumps(said))
    np.savez(path, **arrays)


def _hdf5(answers: Answers, path: Path, about: Mapping[str, str]) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update(about)
        for name, value in answers.arrays().items():
            dataset = file.create_dataset(name, data=value)
            dataset.attrs.update({"dimensions": ",".join(answers.dims(name)), "units": UNITS})


def _netcdf(answers: Answers, path: Path, about: Mapping[str, str]) -> None:
    coordinates = [name for name in answers.arrays() if name not in answers.fields]
    variables = {
        "time" if name == "t" and value.ndim == 1 else name: (answers.dims(name), value, {"units": UNITS})
        for name, value in answers.arrays().items()
    }
    dataset = _xarray(path).Dataset(variables, attrs={"Conventions": "CF-1.11", **about})
    dataset.set_coords([name for name in ("time", *coordinates) if name in dataset]).to_netcdf(path, engine="h5netcdf")


def _xarray(path: Path) -> Any:
    try:
        import h5netcdf  # type: ignore[import-untyped]  # noqa: F401  xarray writes through it
        import xarray
    except ImportError as error:
        raise UserError(f"{path}: netCDF files need xarray; pip install 'upt-core[netcdf]'") from error
    return xarray


WRITERS: dict[str, Callable[[Answers, Path, Mapping[str, str]], None]] = {
    ".npz": _npz,
    ".h5": _hdf5,
    ".nc": _netcdf,
    ".pvd": write_series,
    ".vtu": write_mesh,
    ".vtk": write_mesh,
}
