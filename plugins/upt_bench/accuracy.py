"""Accuracy of whole experiments whose losses look at 0.3 of the points, against all points."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from upt_bench.equal_training import METRIC, grid_experiment, trained
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting

SEEDS = (0, 1, 2)
RATIO = {"name": "ratio", "ratio": 0.3, "multiple": 1, "base": {"name": "stratified"}}


def measure(setting: Setting, results: Results) -> None:
    """Two data sets, three seeds, the same number of steps."""
    _compare(setting, results, "Burgers 1-D, 128 points", burgers(setting))
    file = None if setting.quick else setting.file("neuralop", "darcy_train_16.pt")
    if file is not None:
        _compare(setting, results, "Darcy 16 × 16", darcy(setting, file))
    else:
        _compare(setting, results, "Burgers 2-D", _plane(setting))


def _compare(setting: Setting, results: Results, name: str, config: dict[str, Any]) -> None:
    rows: list[dict[str, Any]] = []
    for seed in SEEDS[: 2 if setting.quick else 3]:
        for points, sampler in (("all", None), ("0.3", RATIO)):
            setting.say(f"accuracy on {name}: {points} of the points, seed {seed}")
            error = trained(config | {"seed": seed, "sampler": sampler}).error
            rows.append({"data": name, "points": points, "seed": seed, METRIC: error})
    results.curves.setdefault("accuracy", []).extend(rows)
    error_of = {points: [row[METRIC] for row in rows if row["points"] == points] for points in ("all", "0.3")}
    mean = {points: statistics.mean(errors) for points, errors in error_of.items()}
    spread = max(max(errors) - min(errors) for errors in error_of.values())
    results.figures.append(
        Figure(
            f"accuracy_{config['data']['name']}",
            f"accuracy, ratio 0.3 against all points at equal steps, {name}: difference of the mean errors over the "
            f"spread of the seeds",
            abs(mean["0.3"] - mean["all"]) / spread,
            1.0,
            detail=f"{METRIC} on the test split: {mean['0.3']:.4f} with 0.3 of the points, {mean['all']:.4f} with all; "
            f"spread (largest less smallest) {spread:.4f}",
        )
    )


def burgers(setting: Setting) -> dict[str, Any]:
    """An experiment on Burgers' equation that takes seconds."""
    small = {"num_trajectories": 12, "points": 64} if setting.quick else {"num_trajectories": 64, "points": 128}
    trainer = {"epochs": 1, "batch_size": 16} if setting.quick else {"epochs": 6, "batch_size": 32}
    return grid_experiment(setting, {"name": "burgers1d", **small}, 8, trainer)


def darcy(setting: Setting, path: Path) -> dict[str, Any]:
    """An experiment on neuraloperator's Darcy flow that takes seconds."""
    data = {"name": "neuraloperator", "path": str(path), "num_samples": 400}
    return grid_experiment(setting, data, 4, {"epochs": 20, "batch_size": 32})


def _plane(setting: Setting) -> dict[str, Any]:
    small = {"num_trajectories": 6, "points": 16, "num_times": 4}
    data = {"name": "burgers2d", "num_trajectories": 48, "points": 32} | (small if setting.quick else {})
    trainer = {"epochs": 1, "batch_size": 8} if setting.quick else {"epochs": 8, "batch_size": 16}
    return grid_experiment(setting, data, 4 if setting.quick else 8, trainer)
