"""Every real file trains a tiny model for one epoch and is evaluated, as a user would do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from upt_core.cli import main

GRID = {"name": "grid", "patch": 8, "depth": 1, "heads": 2}
POINTS = {"name": "supernode", "supernodes": 32, "max_neighbours": 8, "depth": 1, "heads": 2}
P1, P2 = "pdebench/1D", "pdebench/2D"
FEW = {"num_trajectories": 3}
COARSE = {"space_stride": 4}
BETA = ["beta"]
FLOW = f"{P2}/CFD/2D_CFD_Rand_M0.1_Eta0.01_Zeta0.01_periodic_64_Train.hdf5"

FILES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("pdebench", f"{P1}/Burgers/1D_Burgers_Sols_Nu{{Nu}}.hdf5", FEW | {"time_stride": 8}, GRID),
    ("pdebench", f"{P1}/Advection/1D_Advection_Sols_beta0.4.hdf5", FEW | {"time_stride": 8, "conditions": BETA}, GRID),
    ("pdebench", f"{P1}/ReactionDiffusion/ReacDiff_Nu0.5_Rho1.0.hdf5", FEW | {"time_stride": 4, "history": 2}, GRID),
    ("pdebench", f"{P1}/CFD/1D_CFD_Rand_Eta0.01_Zeta0.01_periodic_Train.hdf5", FEW | {"time_stride": 4}, GRID),
    ("pdebench", f"{P1}/diffusion-sorption/1D_diff-sorp_NA_NA.h5", FEW | {"time_stride": 5}, GRID),
    ("pdebench", f"{P2}/diffusion-reaction/2D_diff-react_NA_NA.h5", FEW | COARSE | {"time_stride": 5}, GRID),
    ("pdebench", f"{P2}/shallow-water/2D_rdb_NA_NA.h5", FEW | COARSE | {"time_stride": 5}, GRID),
    ("pdebench", f"{P2}/DarcyFlow/2D_DarcyFlow_beta1.0_Train.hdf5", FEW | COARSE, GRID),
    ("pdebench", FLOW, FEW | COARSE | {"time_stride": 5}, GRID),
    ("pdebench", f"{P2}/NS_incom/ns_incom_inhom_2d_64-0.h5", COARSE | {"split_by": "time", "time_stride": 3}, GRID),
    ("the_well", "the_well/mini_shear_layer", {"time_stride": 5, "space_stride": 3}, GRID),
    ("the_well", "the_well/mini_heterogeneous_diffusion", {"time_stride": 6, "space_stride": 2}, GRID),
    ("neuraloperator", "neuralop/darcy_train_16.pt", {"num_samples": 8}, GRID),
    ("neuraloperator", "neuralop/burgers_train_16.pt", {"num_samples": 8, "conditions": ["visc"]}, GRID),
    ("npz", "npz/kolmogorov2d_64.npz", FEW | COARSE | {"time_stride": 5, "periodic": True}, GRID),
    ("npz", "npz/ks1d_128.npz", FEW | {"time_stride": 10, "periodic": True}, GRID),
    ("zarr", "zarr/burgers1d_v2.zarr", FEW | {"time_stride": 10, "conditions": ["nu"]}, GRID),
    ("zarr", "zarr/burgers1d_v3.zarr", FEW | {"time_stride": 10}, GRID),
    ("points", "pointcloud/scattered_burgers2d.npz", FEW | {"time_stride": 3}, POINTS),
    ("point_cases", "pointcloud/ellipsoid_flow.pt", {"num_cases": 3, "conditions": ["alpha0"]}, POINTS),
    ("point_frames", "pointcloud/cfd", {"split_by": "time", "fields": {"velocity": 2, "pressure": 1}}, POINTS),
]  # fmt: skip
QUICK = (
    f"{P1}/Burgers/1D_Burgers_Sols_Nu{{Nu}}.hdf5",
    "the_well/mini_heterogeneous_diffusion",
    "neuralop/darcy_train_16.pt",
    "zarr/burgers1d_v3.zarr",
    "pointcloud/ellipsoid_flow.pt",
)
"""One for each kind of reader; each of the others takes seconds, too, most of them for the report."""


@pytest.mark.parametrize(
    ("name", "path", "settings", "encoder"),
    [pytest.param(*file, marks=[] if file[1] in QUICK else [pytest.mark.slow], id=file[1]) for file in FILES],
)
def test_a_real_file_trains_and_evaluates(
    real_data: Path, tmp_path: Path, name: str, path: str, settings: dict[str, Any], encoder: dict[str, Any]
) -> None:
    if name == "zarr":
        pytest.importorskip("zarr")
    experiment = {
        "data": {"name": name, "path": str(real_data / path), **settings},
        "model": {
            "latent": {"tokens": 4, "dim": 8},
            "encoder": encoder,
            "approximator": {"name": "transformer", "depth": 1, "heads": 2},
            "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
        },
        "sampler": {"name": "uniform", "num_queries": 16},
        "losses": {"forward": "forward"},
        "trainer": {"epochs": 1, "batch_size": 1, "optimizer": {"name": "adamw", "lr": 1e-3}, "device": "cpu"},
        "validation": {"metrics": {"relative_l2": "relative_l2"}},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(experiment))
    trained = CliRunner().invoke(main, ["train", str(tmp_path / "c.yaml"), "--run-dir", str(tmp_path / "run")])
    assert trained.exit_code == 0, trained.output
    evaluated = CliRunner().invoke(main, ["evaluate", str(tmp_path / "run"), "--json", "-"])
    assert evaluated.exit_code == 0, evaluated.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "relative_l2" in json.dumps(results)


def test_every_real_file_is_there_once(real_data: Path) -> None:
    named = {str(real_data / path).replace("{Nu}", "0.01") for _, path, *_ in FILES}
    wanted = [item for item in real_data.rglob("*") if item.suffix in (".hdf5", ".h5", ".npz", ".pt", ".zarr")]
    missing = [item for item in wanted if not any(str(item).startswith(place) for place in named)]
    assert missing == []
