"""Values and places far from 0 keep their digits until they are centred, in every kind of file that holds float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core.config.schema import plugin_model
from upt_core.data.prepared import PreparedData
from upt_core.registry import discovery as plugins

NUM, TIMES, POINTS = 6, 4, 8
U = 101325.0 + 0.02 * np.random.default_rng(0).normal(size=(NUM, TIMES, POINTS))
"""Pascal: float32 holds steps of 0.0078."""
STEP = 0.1
X, Y = 5e6 + STEP * np.arange(POINTS), 4e6 + STEP * np.random.default_rng(1).permutation(POINTS)
"""Metres of a map: float32 holds steps of 0.5 and 0.25."""
T = np.arange(TIMES, dtype=float)
CLOUD = np.stack([X, Y], axis=1)


def npz(folder: Path) -> dict[str, Any]:
    np.savez(folder / "u.npz", u=U, x=X, t=T)
    return {"name": "npz", "path": str(folder / "u.npz")}


def hdf5(folder: Path) -> dict[str, Any]:
    with h5py.File(folder / "u.h5", "w") as file:
        file["u"], file["x"], file["t"] = U, X, T
    return {"name": "hdf5", "path": str(folder / "u.h5")}


def pdebench(folder: Path) -> dict[str, Any]:
    with h5py.File(folder / "u.hdf5", "w") as file:
        file["tensor"], file["x-coordinate"], file["t-coordinate"] = U, X, np.arange(TIMES + 1.0)
    return {"name": "pdebench", "path": str(folder / "u.hdf5")}


def zarr(folder: Path) -> dict[str, Any]:
    group = pytest.importorskip("zarr").open_group(folder / "u.zarr", mode="w")
    for name, value in {"u": U, "x": X, "t": T}.items():
        group.create_array(name, data=value)
    return {"name": "zarr", "path": str(folder / "u.zarr")}


def netcdf(folder: Path) -> dict[str, Any]:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    data = xarray.Dataset({"u": (("run", "t", "x"), U)}, {"x": X, "t": T})
    data.to_netcdf(folder / "u.nc", engine="h5netcdf")
    return {"name": "netcdf", "path": str(folder / "u.nc"), "trajectory": "run"}


def mat(folder: Path) -> dict[str, Any]:
    pytest.importorskip("scipy.io").savemat(folder / "u.mat", {"u": U, "x": X, "t": T})
    return {"name": "mat", "path": str(folder / "u.mat"), "dims": ["trajectory", "t", "x"]}


def points(folder: Path) -> dict[str, Any]:
    rows = U.transpose(0, 2, 1).reshape(-1, TIMES)
    np.savez(folder / "u.npz", u=rows, pos=np.tile(CLOUD, (NUM, 1)), ptr=POINTS * np.arange(NUM + 1), t=T)
    return {"name": "points", "path": str(folder / "u.npz")}


def point_cases(folder: Path) -> dict[str, Any]:
    u, cloud = torch.from_numpy(U), torch.from_numpy(CLOUD)
    torch.save([{"vertices": cloud, "a": u[n, 1], "u": u[n, 0]} for n in range(NUM)], folder / "u.pt")
    return {"name": "point_cases", "path": str(folder / "u.pt"), "inputs": ["a"], "targets": ["u"]}


def point_frames(folder: Path) -> dict[str, Any]:
    for number in range(NUM):
        frames = folder / f"case_{number}"
        frames.mkdir()
        torch.save(torch.from_numpy(X), frames / "x.th")
        torch.save(torch.from_numpy(Y), frames / "y.th")
        for step in range(TIMES):
            torch.save(torch.from_numpy(U[number, step : step + 1].copy()), frames / f"{step:08d}_mesh.th")
    return {"name": "point_frames", "path": str(folder)}


def mesh(folder: Path) -> dict[str, Any]:
    meshio = pytest.importorskip("meshio")
    nodes = np.column_stack([CLOUD, np.zeros(POINTS)])
    for number in range(NUM):
        (folder / f"case_{number}").mkdir()
        for step in range(TIMES):
            made = meshio.Mesh(nodes, [("triangle", [[0, 1, 2]])], {"u": U[number, step]})
            made.write(folder / f"case_{number}" / f"{step}.vtu")
    return {"name": "mesh", "path": str(folder)}


MAKE: dict[str, Callable[[Path], dict[str, Any]]] = {
    make.__name__: make for make in (npz, hdf5, pdebench, zarr, netcdf, mat, points, point_cases, point_frames, mesh)
}
WITHOUT = {
    "advection1d": "generated",
    "apebench": "generated",
    "burgers1d": "generated",
    "bundled": "is around another data set",
    "paired": "is around two data sets",
    "burgers2d": "generated",
    "burgers3d": "generated",
    "frames": "has no coordinates; its arrays are read as those of npz",
    "neuraloperator": "has no coordinates; its arrays are read as those of npz",
    "symmetric": "is around another data set",
    "the_well": "its arrays are read as those of hdf5",
}


def test_every_registered_data_set_is_thought_of() -> None:
    assert sorted({*MAKE, *WITHOUT}) == sorted(plugins.installed().names("dataset"))


@pytest.mark.parametrize("name", MAKE)
def test_values_and_places_keep_their_digits(name: str, tmp_path: Path) -> None:
    settings = MAKE[name](tmp_path)
    dataset = plugin_model(plugins.installed().find("dataset", name)).model_validate(settings).build()
    prepared = PreparedData(dataset)
    scale = prepared.normalization.plain()["fields"]["u[0]"]
    assert scale["std"] == pytest.approx(0.02, rel=0.2)
    batch = prepared.batches("train", 1, 2)[0]
    assert len(batch.target_BTNC[0, 0].unique()) == POINTS, "float32 would leave a few steps"
    places_NX = batch.points.coords_BNX[0] * torch.tensor(prepared.data.extent)
    steps_X = places_NX.sort(dim=0).values.diff(dim=0)
    torch.testing.assert_close(steps_X, STEP * torch.ones_like(steps_X), rtol=1e-3, atol=0)
