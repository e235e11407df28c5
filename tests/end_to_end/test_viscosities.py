"""A model of four viscosities, each in a file of its own, predicts a fifth between them better than any of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core import Experiment
from upt_data.burgers1d import Burgers1d

FOUR, FIFTH = (0.005, 0.01, 0.03, 0.06), 0.018
NEAREST = (0.01, 0.03)
STEPS = 600


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each viscosity, as PDEBench lays it out in HDF5; other initial states in each."""
    folder = tmp_path_factory.mktemp("viscosities")
    for seed, viscosity in enumerate((*FOUR, FIFTH)):
        data = Burgers1d(num_trajectories=40, points=64, num_times=9, viscosity=viscosity, seed=seed)
        parts = [data.trajectories(split) for split in ("train", "valid", "test")]
        wholes = [part.read(index, 0, 9) for part in parts for index in range(len(part))]
        with h5py.File(folder / f"nu_{viscosity}.h5", "w") as file:
            file["u"] = torch.stack([whole.fields["u"][..., 0] for whole in wholes]).numpy()
            file["x"], file["t"] = np.arange(64) / 64, wholes[0].time_T.numpy()
    return folder


def error_on_the_fifth(folder: Path, run: Path, names: list[str]) -> float:
    """Relative error of one step on the fifth viscosity, of a model that trained on some files, after equal steps."""
    windows = len(names) * (40 - 4) * 8
    experiment: dict[str, Any] = {
        "data": {
            "name": "hdf5",
            "path": [str(folder / name) for name in names],
            "test_path": str(folder / f"nu_{FIFTH}.h5"),
            "periodic": True,
            "conditions": ["viscosity"],
            "table": str(folder / "table.csv"),
        },
        "model": {
            "latent": {"tokens": [16], "dim": 16},
            "encoder": {"name": "patches"},
            "approximator": {"name": "spectral", "depth": 2},
            "decoder": {"name": "basis", "functions": 6},
        },
        "sampler": {"name": "uniform", "num_queries": 64},
        "losses": {"forward": {"name": "forward", "norm": "relative"}},
        "trainer": {
            "epochs": max(1, round(STEPS * 16 / windows)),
            "batch_size": 16,
            "optimizer": {"name": "soap", "lr": 3e-3},
            "lr_schedule": {"name": "warmup_cosine", "warmup_share": 0.05},
            "device": "cpu",
            "gradient_share_every": 0,
            "sampling_share_every": 0,
        },
        "validation": {"metrics": {"relative_l2": "relative_l2"}, "every": 1000},
    }
    Experiment.from_dict(experiment).train(run)
    results = json.loads((run / "results.json").read_text())
    return float(results["predictors"]["model"]["relative_l2"])


@pytest.mark.slow
def test_four_viscosities_predict_a_fifth(files: Path, tmp_path: Path) -> None:
    rows = [f"nu_{viscosity}.h5,{viscosity}" for viscosity in (*FOUR, FIFTH)]
    (files / "table.csv").write_text("\n".join(["file,viscosity", *rows]) + "\n")
    four = error_on_the_fifth(files, tmp_path / "four", [f"nu_{viscosity}.h5" for viscosity in FOUR])
    single = {
        viscosity: error_on_the_fifth(files, tmp_path / f"one_{viscosity}", [f"nu_{viscosity}.h5"])
        for viscosity in NEAREST
    }
    print(f"four viscosities: {four:.4f}; " + ", ".join(f"{key} alone: {value:.4f}" for key, value in single.items()))
    assert four < 0.8 * min(single.values())
