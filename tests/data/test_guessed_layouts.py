"""Layouts that people's files have, as ``upt data info`` proposes to read them; each proposal is built and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from upt_core import Dataset
from upt_core.cli import main
from upt_core.registry.discovery import installed

RNG = np.random.default_rng(0)
TIMES = 12
LAT, LON = np.linspace(-88, 88, 6), np.arange(8) * 45.0
LEVELS = [1000, 850, 500, 200, 50]


def random(*shape: int) -> np.ndarray:
    value: np.ndarray = RNG.standard_normal(shape)
    return value


def netcdf(path: Path, fields: dict[str, Any], **coords: Any) -> Path:
    xarray = pytest.importorskip("xarray")
    xarray.Dataset(fields, coords=coords).to_netcdf(path / "a.nc")
    return path / "a.nc"


def hdf5(path: Path, **arrays: Any) -> Path:
    with h5py.File(path / "a.h5", "w") as file:
        for name, value in arrays.items():
            file[name.replace("__", "/")] = value
    return path / "a.h5"


def ocean(path: Path) -> Path:
    """A curvilinear grid in NEMO's names, stored as short integers, with land and areas."""
    j, i = np.meshgrid(np.arange(9), np.arange(11), indexing="ij")
    sea = random(TIMES, 9, 11)
    sea[:, 3:5, 4:6] = np.nan
    days = np.datetime64("2001-01-01", "ns") + np.arange(TIMES) * np.timedelta64(1, "D")
    places = {"nav_lat": (("y", "x"), 30 + j + 0.1 * i), "nav_lon": (("y", "x"), -20 + i + 0.1 * j)}
    fields = {"sst": (("time_counter", "y", "x"), sea), "area": (("y", "x"), 1.0 + j)}
    return netcdf(path, fields, time_counter=("time_counter", days), **places)


def atmosphere(path: Path) -> Path:
    """Fields with and without uneven levels of pressure, over the globe."""
    fields = {
        "t2m": (("time", "lat", "lon"), random(TIMES, 6, 8)),
        "u": (("time", "level", "lat", "lon"), random(TIMES, 5, 6, 8)),
    }
    return netcdf(path, fields, time=np.arange(float(TIMES)), level=LEVELS, lat=LAT, lon=LON)


def gaussian(path: Path) -> Path:
    """Latitudes at the roots of a Legendre polynomial."""
    lat = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(8)[0])) ** 3 / 90**2
    fields = {"z": (("member", "time", "lat", "lon"), random(4, TIMES, 8, 8))}
    return netcdf(path, fields, time=np.arange(float(TIMES)), lat=lat, lon=LON, member=np.arange(4))


def even_levels(path: Path) -> Path:
    """A large-eddy simulation: even levels are an axis of the grid."""
    fields = {"w": (("time", "height", "y", "x"), random(TIMES, 5, 4, 4))}
    axes = {"height": np.arange(5) * 100.0, "y": np.arange(4) * 100.0, "x": np.arange(4) * 100.0}
    return netcdf(path, fields, time=np.arange(float(TIMES)), **axes)


def orography(path: Path) -> Path:
    """A map for all members, one for each, and areas of cells: none of them changes in time."""
    fields = {
        "h": (("member", "time", "lat", "lon"), random(4, TIMES, 6, 8)),
        "orog": (("lat", "lon"), random(6, 8)),
        "albedo": (("member", "lat", "lon"), random(4, 6, 8)),
        "areacella": (("lat", "lon"), 1 + random(6, 8) ** 2),
    }
    return netcdf(path, fields, time=np.arange(float(TIMES)), lat=LAT, lon=LON)


def bed(path: Path) -> Path:
    """A map beside fields, where only lengths tell what is on the grid."""
    axes = {"x": np.arange(7) / 7, "y": np.arange(9) / 9}
    return hdf5(path, h=random(4, TIMES, 7, 9), bed=random(7, 9), t=np.arange(float(TIMES)), **axes)


def no_coordinates(path: Path) -> Path:
    return netcdf(path, {"u": (("sample", "time", "y", "x"), random(4, TIMES, 5, 6))}, time=np.arange(float(TIMES)))


def runs(path: Path) -> Path:
    """A group for each run, with groups inside, and its Reynolds number as an attribute."""
    with h5py.File(path / "a.h5", "w") as file:
        for number in range(3):
            group = file.create_group(f"run{number:03d}")
            group.attrs.update({"Re": 100.0 * (number + 1), "dt": 0.1, "code": "own"})
            group["velocity/ux"], group["velocity/uy"] = random(TIMES, 5, 6), random(TIMES, 5, 6)
            group["time"] = np.arange(TIMES) * 0.1
        file["about/grid"] = np.ones(3)
    return path / "a.h5"


def sections(path: Path) -> Path:
    """Groups of different things."""
    shared = {"mesh__X": np.arange(7) / 7, "mesh__Y": np.arange(9) / 9, "mesh__Time": np.arange(TIMES) * 0.1}
    return hdf5(path, fields__u=random(4, TIMES, 7, 9), fields__v=random(4, TIMES, 7, 9), **shared)


def one_group(path: Path) -> Path:
    return hdf5(path, data__u=random(4, TIMES, 7), x=np.arange(7) / 7, t=np.arange(float(TIMES)))


GLOBE = {"axes": ["lat", "lon"], "periodic": [False, True], "measure": "latitude", "time": "time"}
FOUND: dict[Callable[[Path], Path], dict[str, Any]] = {
    ocean: {
        "name": "netcdf", "inputs": ["sst"], "axes": ["nav_lat", "nav_lon"], "measure": "area", "time": "time_counter",
        "holes": "nan", "split_by": "time",
    },
    atmosphere: {"name": "netcdf", "inputs": ["t2m", "u"], "split_by": "time", **GLOBE},
    gaussian: {"name": "netcdf", "inputs": ["z"], "trajectory": "member", "uneven": "index", **GLOBE},
    even_levels: {
        "name": "netcdf", "inputs": ["w"], "axes": ["x", "y", "height"], "time": "time", "split_by": "time",
    },
    orography: {
        "name": "netcdf", "inputs": ["h", "orog", "albedo"], "targets": ["h"], "trajectory": "member", **GLOBE,
        "measure": "areacella",
    },
    bed: {"name": "hdf5", "inputs": ["h", "bed"], "targets": ["h"]},
    no_coordinates: {
        "name": "netcdf", "inputs": ["u"], "axes": ["y", "x"], "extent": [1.0, 1.0], "time": "time",
        "trajectory": "sample",
    },
    runs: {
        "name": "hdf5", "inputs": ["velocity/ux", "velocity/uy"], "group": "run*", "extent": [1.0, 1.0],
        "time": "time", "conditions": ["Re"],
    },
    sections: {
        "name": "hdf5", "inputs": ["fields/u", "fields/v"], "axes": ["mesh/X", "mesh/Y"], "time": "mesh/Time",
    },
    one_group: {"name": "hdf5", "inputs": ["u"], "group": "data"},
}  # fmt: skip


@pytest.mark.parametrize("make", FOUND, ids=lambda make: str(make.__name__))
def test_info_proposes_what_reads_the_file(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    done = CliRunner().invoke(main, ["data", "info", str(path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = yaml.safe_load(done.output[done.output.index("data:") :])["data"]
    assert found == {"path": str(path), **FOUND[make]}
    name = found.pop("name")
    data: Dataset = installed().find("dataset", name).load()(**found)
    for split in ("train", "valid", "test"):
        part = data.trajectories(split)  # type: ignore[arg-type]
        assert len(part.read(0, 0, part.num_times(0)).time_T) >= 2
    channels = {field.name: field.channels for field in data.spec().inputs}
    assert channels == {"t2m": 1, "u": 5} if make is atmosphere else set(channels.values()) <= {1, 2}
