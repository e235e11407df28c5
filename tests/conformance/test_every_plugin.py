"""Every registered name of every kind, by name, through the kit of its kind, with what it declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from upt_core import DataSpec, LatentSpec
from upt_core import testing as kit
from upt_core.config.schema import plugin_model
from upt_core.registry import Kind
from upt_core.registry import discovery as plugins

OWN = "upt-core"


@dataclass(frozen=True)
class Case:
    """Constructor arguments as YAML has them (a function gets the test's folder), and what the kit is told."""

    arguments: dict[str, Any] | Callable[[Path], dict[str, Any]] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)


def grid_file(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    np.savez(folder / "box.npz", u=rng.random((8, 4, 6, 5)), x=np.arange(6), y=np.arange(5), t=np.arange(4))
    return {"path": str(folder / "box.npz")}


def own_hdf5_file(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    with h5py.File(folder / "own.h5", "w") as file:
        file["run/u"] = rng.random((8, 4, 6, 5))
        for name, num in (("x", 6), ("y", 5), ("t", 4)):
            file[name] = np.arange(num, dtype=float)
    return {"path": str(folder / "own.h5"), "group": "run"}


def zarr_store(folder: Path) -> dict[str, Any]:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(folder / "own.zarr", mode="w")
    rng = np.random.default_rng(0)
    for name, value in {"u": rng.random((8, 4, 6)), "x": np.arange(6.0), "t": np.arange(4.0)}.items():
        group.create_array(name, data=value)
    return {"path": str(folder / "own.zarr")}


def netcdf_file(folder: Path) -> dict[str, Any]:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    rng = np.random.default_rng(0)
    data = xarray.Dataset({"u": (("run", "t", "x"), rng.random((8, 4, 6)))}, {"x": np.arange(6.0), "t": np.arange(4.0)})
    data.to_netcdf(folder / "own.nc", engine="h5netcdf")
    return {"path": str(folder / "own.nc"), "trajectory": "run"}


def mat_file(folder: Path) -> dict[str, Any]:
    scipy_io = pytest.importorskip("scipy.io")
    rng = np.random.default_rng(0)
    scipy_io.savemat(folder / "own.mat", {"u": rng.random((8, 6, 5, 4)), "t": np.arange(4.0)})
    return {"path": str(folder / "own.mat"), "dims": ["trajectory", "x", "y", "t"], "extent": [1.0, 1.0]}


def well_file(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    varying = {"sample_varying": True, "time_varying": True, "dim_varying": [True, True]}
    with h5py.File(folder / "well.hdf5", "w") as file:
        file.attrs.update({"n_trajectories": 6, "n_spatial_dims": 2, "grid_type": "cartesian"})
        for group, name, shape in (("t0_fields", "p", ()), ("t1_fields", "velocity", (2,)), ("t2_fields", "s", (2, 2))):
            file.create_group(group).attrs["field_names"] = [name]
            file[f"{group}/{name}"] = rng.random((6, 4, 6, 5, *shape))
            file[f"{group}/{name}"].attrs.update(varying)
        for name, num in (("x", 6), ("y", 5), ("time", 4)):
            file[f"dimensions/{name}"] = np.arange(num, dtype=np.float32)
        file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
        file["scalars/viscosity"] = 0.1
        file["scalars/viscosity"].attrs.update({"sample_varying": False, "time_varying": False})
        file["scalars"].attrs["field_names"] = ["viscosity"]
        wall = file.create_group("boundary_conditions/x_periodic")
        wall["mask"] = np.ones(6, dtype=bool)
        wall.attrs.update({"bc_type": "PERIODIC", "associated_dims": ["x"]})
    return {"path": str(folder / "well.hdf5")}


def npy_frames(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for number in range(5):
        (folder / f"run_{number}").mkdir()
        for step in range(4):
            np.save(folder / f"run_{number}" / f"{step}.npy", rng.random((6, 5)))
    return {"path": str(folder)}


def mesh_folders(folder: Path) -> dict[str, Any]:
    meshio = pytest.importorskip("meshio")
    rng = np.random.default_rng(0)
    for number in range(5):
        points = np.column_stack([rng.random((6, 2)), np.zeros(6)])
        (folder / f"run_{number}").mkdir()
        for step in range(4):
            mesh = meshio.Mesh(points, [("triangle", [[0, 1, 2], [3, 4, 5]])], {"u": rng.random(6)})
            mesh.write(folder / f"run_{number}" / f"{step}.vtu")
    return {"path": str(folder)}


def point_file(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    numbers = np.array([9, 7, 8, 9, 6])
    ptr = np.concatenate([[0], numbers.cumsum()])
    np.savez(
        folder / "points.npz",
        pos=rng.random((numbers.sum(), 2)),
        ptr=ptr,
        t=np.arange(4.0),
        u=rng.random((numbers.sum(), 4)),
    )
    return {"path": str(folder / "points.npz")}


def darcy_files(folder: Path) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(0)
    for split, number in (("train", 8), ("test", 4)):
        pair = {"x": torch.rand(number, 6, 6, generator=rng), "y": torch.rand(number, 6, 6, generator=rng)}
        torch.save(pair, folder / f"darcy_{split}_6.pt")
    return {"path": str(folder / "darcy_train_6.pt"), "test_path": str(folder / "darcy_test_6.pt")}


def hdf5_file(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    with h5py.File(folder / "burgers.hdf5", "w") as file:
        file["tensor"] = rng.random((8, 5, 12), dtype=np.float32)
        file["x-coordinate"] = (np.arange(12, dtype=np.float32) + 0.5) / 12
        file["t-coordinate"] = np.arange(6, dtype=np.float32) / 2
    return {"path": str(folder / "burgers.hdf5")}


def case_file(folder: Path) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(0)
    cases = [
        {
            "vertices": torch.rand(n, 3, generator=rng),
            "vertex_normals": torch.rand(n, 3, generator=rng),
            "press": torch.rand(n, generator=rng),
        }
        for n in range(6, 12)
    ]
    torch.save(cases, folder / "cases.pt")
    return {"path": str(folder / "cases.pt")}


def frame_files(folder: Path) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(0)
    for number in range(4):
        frames = folder / "frames" / f"case{number}"
        frames.mkdir(parents=True)
        for axis in "xy":
            torch.save(torch.rand(8, generator=rng), frames / f"{axis}.th")
        for step in range(4):
            torch.save(torch.rand(3, 8, generator=rng), frames / f"{step:08d}_mesh.th")
    return {"path": str(folder / "frames")}


def apebench_scenario(folder: Path) -> dict[str, Any]:
    for package in ("apebench", "exponax", "jax"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: the extra apebench")
    sizes = {"num_points": 8, "num_train_samples": 6, "num_test_samples": 2}
    times = {"train_temporal_horizon": 3, "test_temporal_horizon": 3}
    return {"scenario": "diff_burgers", "options": sizes | times}


SMALL_GRID = {"num_trajectories": 8, "points": 16, "num_times": 5}
CASES: dict[tuple[Kind, str], Case] = {
    ("dataset", "advection1d"): Case(SMALL_GRID),
    ("dataset", "apebench"): Case(apebench_scenario),
    ("dataset", "burgers1d"): Case(SMALL_GRID),
    ("dataset", "burgers2d"): Case({"num_trajectories": 6, "points": 8, "num_times": 4}),
    ("dataset", "burgers3d"): Case({"num_trajectories": 6, "points": 4, "num_times": 4}),
    ("dataset", "hdf5"): Case(own_hdf5_file),
    ("dataset", "frames"): Case(npy_frames),
    ("dataset", "mat"): Case(mat_file),
    ("dataset", "mesh"): Case(mesh_folders),
    ("dataset", "netcdf"): Case(netcdf_file),
    ("dataset", "neuraloperator"): Case(darcy_files),
    ("dataset", "npz"): Case(grid_file),
    ("dataset", "pdebench"): Case(hdf5_file),
    ("dataset", "point_cases"): Case(case_file),
    ("dataset", "point_frames"): Case(frame_files),
    ("dataset", "points"): Case(point_file),
    ("dataset", "the_well"): Case(well_file),
    ("dataset", "zarr"): Case(zarr_store),
    ("sampler", "uniform"): Case(),
    ("sampler", "stratified"): Case(),
    ("sampler", "sobol"): Case({}, {"distinct": False}),
    ("sampler", "ratio"): Case({"ratio": 0.3}),
    ("sampler", "cosine"): Case(),
    ("sampler", "linear"): Case(),
    ("sampler", "jittered"): Case({}, {"takes": ("grid",)}),
    ("encoder", "grid"): Case({"patch": 2, "depth": 1}),
    ("encoder", "patches"): Case({}, {"on_lattice": True}),
    ("encoder", "lattice"): Case({}, {"on_lattice": True, "order_matters": False}),
    ("encoder", "supernode"): Case({"supernodes": 6, "depth": 1}),
    ("approximator", "transformer"): Case({"depth": 1}, {"order_matters": False}),
    ("approximator", "spectral"): Case({"depth": 1, "modes": 3, "width": 8}, {"on_lattice": True}),
    ("approximator", "convolution"): Case({"depth": 1, "width": 8}, {"on_lattice": True}),
    ("decoder", "perceiver"): Case({"depth": 1}),
    ("decoder", "anchored"): Case({"anchors": 8, "depth": 1}),
    ("decoder", "near"): Case({"heads": 2}, {"on_lattice": True}),
    ("decoder", "basis"): Case({"functions": 3}, {"on_lattice": True}),
    ("loss", "boundary"): Case({}, {"optimum": True, "unbiased": True}),
    ("loss", "conservation"): Case({}, {"optimum": True}),
    ("loss", "divergence"): Case({"field": "velocity"}, {"unbiased": True}),
    ("loss", "forward"): Case({}, {"optimum": True, "unbiased": True}),
    ("loss", "inverse_decoding"): Case({}, {"optimum": True}),
    ("loss", "inverse_encoding"): Case({}, {"optimum": True, "unbiased": True}),
    ("loss", "latent_diversity"): Case(),
    ("loss", "latent_norm"): Case(),
    ("loss", "positivity"): Case({"fields": ["velocity"]}, {"optimum": True, "unbiased": True}),
    ("loss", "relative_lp"): Case({}, {"optimum": True}),
    ("loss", "rollout"): Case({"steps": 2}, {"optimum": True, "unbiased": True}),
    ("loss", "spectral"): Case({}, {"optimum": True}),
    ("schedule", "constant"): Case({"value": 0.1}, {"low": 0.1, "high": 0.1}),
    ("schedule", "cosine"): Case({"start": 1.0, "end": 0.2}, {"low": 0.2, "high": 1}),
    ("schedule", "curriculum"): Case({"base": 0.01}, {"low": 0, "high": 0.05}),
    ("schedule", "linear"): Case({"start": 0.0, "end": 1.0}, {"low": 0, "high": 1}),
    ("schedule", "warmup_cosine"): Case({}, {"low": 0, "high": 1}),
    ("schedule", "warmup_stable_decay"): Case({}, {"low": 0, "high": 1}),
    ("optimizer", "adamw"): Case(),
    ("optimizer", "muon"): Case(),
    ("optimizer", "sgd"): Case({"lr": 0.01}),
    ("callback", "csv"): Case(),
    ("callback", "mlflow"): Case(),
    ("callback", "tensorboard"): Case(),
    ("callback", "trackio"): Case(),
    ("callback", "wandb"): Case(),
}


def spaced(value: Tensor) -> Tensor:
    """(B, T, N, C) summed to a figure a sample."""
    return value.double().flatten(1)


def rmse(prediction: Tensor, target: Tensor) -> float:
    return float((prediction - target).double().square().mean(dim=2).sqrt().mean())


def nrmse(prediction: Tensor, target: Tensor) -> float:
    error, size = (value.double().square().mean(dim=2).sqrt() for value in (prediction - target, target))
    return float((error / size).mean())


def relative_l2(prediction: Tensor, target: Tensor) -> float:
    return float((spaced(prediction - target).norm(dim=1) / spaced(target).norm(dim=1)).mean())


def vrmse(prediction: Tensor, target: Tensor) -> float:
    error = (prediction - target).double().square().mean(dim=2).sqrt()
    return float((error / target.double().std(dim=2, correction=0)).mean())


def conservation_error(prediction: Tensor, target: Tensor) -> float:
    return float((prediction - target).double().mean(dim=2).square().mean(dim=0).sqrt().mean())


def max_error(prediction: Tensor, target: Tensor) -> float:
    return float((prediction - target).abs().max())


METRICS: dict[str, dict[str, Any]] = {
    "boundary_rmse": {},
    "conservation_error": {"reference": conservation_error},
    "max_error": {"reference": max_error},
    "nrmse": {"reference": nrmse},
    "relative_h1": {},
    "relative_l2": {"reference": relative_l2},
    "rmse": {"reference": rmse},
    "spectral_rmse": {},
    "spectrum_error": {},
    "vrmse": {"reference": vrmse},
}
CASES |= {("metric", name): Case({}, declared) for name, declared in METRICS.items()}

CASES |= {("callback", name): Case({"figure": "epoch/loss/total"}, {}) for name in ("early_stop", "reduce_on_plateau")}

ELSEWHERE: dict[tuple[Kind, str], str] = {
    ("sampler", "importance"): "tests/samplers/test_conformance.py, with its trained scores: it takes half a minute",
    ("dataset", "symmetric"): "tests/data/test_symmetric.py, around other data sets",
    ("dataset", "bundled"): "tests/data/test_bundled.py, around another data set",
    ("dataset", "paired"): "tests/data/test_paired.py, of two other data sets",
    ("sampler", "mixture"): "tests/samplers/test_conformance.py, around other samplers",
    ("sampler", "boundary"): "tests/samplers/test_conformance.py",
}
REGISTERED = sorted(
    key
    for key, claims in plugins.installed().entries.items()
    if any(entry.distribution.name == OWN for entry in claims)
)
BROKEN: dict[tuple[str, str], str] = {}


def case(key: tuple[Kind, str]) -> Any:
    reason = BROKEN.get(key)
    marks = [] if reason is None else [pytest.mark.xfail(raises=kit.ConformanceError, reason=reason, strict=True)]
    return pytest.param(*key, marks=marks, id="-".join(key))


@pytest.mark.parametrize(("kind", "name"), [case(key) for key in REGISTERED if key not in ELSEWHERE])
def test_it_keeps_the_contract_of_its_kind(kind: Kind, name: str, tmp_path: Path) -> None:
    """Chance that a right sampler fails: 1e-6."""
    known = CASES.get((kind, name), Case())  # a name that is not in the table is tried as it is
    arguments, declared = known.arguments, known.declared
    config = plugin_model(plugins.installed().find(kind, name)).model_validate(
        arguments(tmp_path) if callable(arguments) else arguments
    )
    check = getattr(kit, f"check_{kind}")
    if kind in ("encoder", "approximator", "decoder"):
        check(lambda data, latent: config.build({DataSpec: data, LatentSpec: latent}), **declared)
    else:
        check(config.build(), **declared)


def test_the_tables_name_nothing_else() -> None:
    assert [key for key in (*CASES, *ELSEWHERE, *BROKEN) if key not in REGISTERED] == []


def test_other_places_are_there() -> None:
    root = Path(__file__).parents[2]
    for place in ELSEWHERE.values():
        assert (root / place.partition(",")[0]).is_file(), place
