"""Training on a flow: importance with half the query points against uniform."""

from __future__ import annotations

import statistics
from typing import Any

from upt_bench.flow import bundle_of, load, squared_error, train
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Sampler

FRAMES, ROWS, STEPS, SEEDS = 6, 3, 1800, (0, 1, 2)
WINDOW = 75
"""Epochs between two refreshes: 150 steps."""


def measure(setting: Setting, results: Results) -> None:
    """Final error over all points of all frames, three seeds."""
    flow = load(setting, 2 if setting.quick else FRAMES)
    few, many = (16, 32) if setting.quick else (128, 256)
    rows: list[dict[str, Any]] = []
    for name, sampler in (("uniform", "uniform"), ("stratified", "stratified"), ("importance", "importance")):
        for count in (few, many) if name == "uniform" else (few,):
            for seed in SEEDS[: 1 if setting.quick else 3]:
                setting.say(f"training on {flow.name}: {name}, Q = {count}, seed {seed}")
                bundle = bundle_of(setting, flow, _sampler(setting, sampler, count), seed)
                train(bundle, flow, 8 if setting.quick else STEPS, ROWS if not setting.quick else 2, seed)
                error = float(squared_error(bundle.model, flow).mean())
                rows.append({"sampler": name, "count": count, "seed": seed, "error": error})
    results.curves["flow_training"] = rows
    mean = {
        key: statistics.mean(row["error"] for row in rows if (row["sampler"], row["count"]) == key)
        for key in {(row["sampler"], row["count"]) for row in rows}
    }
    results.figures.append(
        Figure(
            "flow_training",
            f"training on {flow.name}: final error of importance with Q = {few} over that of uniform with Q = {many}",
            mean["importance", few] / mean["uniform", many],
            1.0 if flow.is_goal else None,
            detail=f"mean of {len(rows) // 4} seeds: importance {mean['importance', few]:.4f}, uniform "
            f"{mean['uniform', many]:.4f}; with Q = {few} uniform {mean['uniform', few]:.4f}, stratified "
            f"{mean['stratified', few]:.4f}",
        )
    )


def _sampler(setting: Setting, name: str, count: int) -> Sampler:
    window = {"window": WINDOW, "start_epoch": WINDOW} if name == "importance" else {}
    return setting.sampler(name, num_queries=count, **window)
