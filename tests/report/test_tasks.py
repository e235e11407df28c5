"""The report of a run with several tasks shows the examples of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from upt_core import Experiment, report


def test_each_task_has_its_pictures_and_figures(tmp_path: Path) -> None:
    tasks = {
        "line": {"data": {"name": "burgers1d", "num_trajectories": 12, "points": 32, "num_times": 4}},
        "plane": {"data": {"name": "burgers2d", "num_trajectories": 6, "points": 8, "num_times": 4}},
    }
    experiment = Experiment.from_dict(
        {
            "tasks": tasks,
            "model": {
                "latent": {"tokens": 4, "dim": 16},
                "encoder": {"name": "grid", "patch": 4, "depth": 1},
                "approximator": {"name": "transformer", "depth": 1},
                "decoder": {"name": "perceiver", "depth": 1},
            },
            "losses": {"forward": {"name": "forward"}},
            "sampler": {"name": "uniform", "num_queries": 8},
            "trainer": {"epochs": 1, "batch_size": 8, "optimizer": {"name": "adamw"}, "device": "cpu"},
            "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}},
        }
    )
    results = experiment.train(tmp_path / "run")
    page = report.write(tmp_path / "run").read_text(encoding="utf-8")
    for name in tasks:
        assert (tmp_path / "run" / "plots" / f"predictions-{name}.png").stat().st_size > 5000
        assert f"Example predictions: {name}" in page
        assert f"{results['model'][f'{name}/relative_l2']:.4g}" in page
    description = json.loads((tmp_path / "run" / "description.json").read_text())
    assert description["data"]["plane"]["grid_shape"] == [8, 8]
    assert description["peak_memory_bytes"] > 2**20
    with np.load(tmp_path / "run" / "sampling.npz") as seen:
        assert seen["0000/density"].shape == (32,)
        assert seen["0000/density"].sum() == 8 * 4 * 8  # draws, samples, query points
        assert seen["0001/density"].shape == (8, 8)
    with np.load(tmp_path / "run" / "examples-line.npz") as examples:
        assert list(examples["errors"]) == sorted(examples["errors"])
        assert examples["roles"][-1] == "worst"
        assert examples["errors"][-1] == pytest.approx(examples["errors_of_all"].max())
