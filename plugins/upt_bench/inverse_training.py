"""Which reading of inverse_decoding trains best at equal processor time, on three data sets."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from upt_bench.equal_training import METRIC, grid_experiment, trained
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting

SEEDS = (0, 1)
SECONDS = 10.0
WEIGHT = 0.05
READINGS = ("none", "decoded", "mixed", "coarse")
"""Of "none" the term is left out."""


def measure(setting: Setting, results: Results) -> None:
    """Errors on the test split after equal seconds."""
    rows: list[dict[str, Any]] = []
    for name, config in _experiments(setting):
        for seed in SEEDS[: 1 if setting.quick else None]:
            for reads in READINGS:
                setting.say(f"inverse_decoding: {name}, reads {reads}, seed {seed}")
                done = trained(_with_term(config, reads) | {"seed": seed})
                rows.append({"data": name, "reads": reads, "seed": seed, METRIC: done.error, "steps": done.steps})
    results.curves["inverse_training"] = rows
    results.environment |= {"training_seconds": SECONDS, "weight": WEIGHT}
    for reads in READINGS:
        ratios = [_mean(rows, data, reads) / _mean(rows, data, "decoded") for data in _names(rows)]
        results.figures.append(
            Figure(
                f"error_{reads}",
                f"test error at equal processor time over that with reads: decoded, {reads}: geometric mean",
                statistics.geometric_mean(ratios),
                detail="; ".join(f"{data} {ratio:.3g}" for data, ratio in zip(_names(rows), ratios, strict=True)),
            )
        )


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["data"] for row in rows))


def _mean(rows: list[dict[str, Any]], data: str, reads: str) -> float:
    return float(statistics.mean(row[METRIC] for row in rows if row["data"] == data and row["reads"] == reads))


def _with_term(config: dict[str, Any], reads: str) -> dict[str, Any]:
    if reads == "none":
        return config
    term = {"name": "inverse_decoding", "reads": reads, "weight": WEIGHT}
    return config | {"losses": config["losses"] | {"inverse_decoding": term}}


def _experiments(setting: Setting) -> Iterator[tuple[str, dict[str, Any]]]:
    small = {"num_trajectories": 8, "num_times": 4} if setting.quick else {"num_trajectories": 64}
    yield (
        "Burgers 1-D, 256 points",
        _experiment(setting, {"name": "burgers1d", "points": 256, **small}, [8], 64),
    )
    yield (
        "Burgers 2-D, 32 × 32",
        _experiment(setting, {"name": "burgers2d", "points": 32, **small}, [4, 4], 256),
    )
    file = setting.file("neuralop", "darcy_train_16.pt")
    data = {"name": "advection1d", "points": 128, **small}
    if file is not None:
        data = {"name": "neuraloperator", "path": str(file), "num_samples": 400}
    yield (
        "Advection 1-D" if file is None else "Darcy, 16 × 16",
        _experiment(setting, data, [4] if file is None else [2, 2], 64),
    )


def _experiment(setting: Setting, data: dict[str, Any], patch: list[int], count: int) -> dict[str, Any]:
    trainer = {
        "epochs": 10_000,
        "budget": {"seconds": 0.5 if setting.quick else SECONDS, "clock": "process"},
        "batch_size": 16,
        "lr_schedule": {"name": "warmup_cosine", "warmup_share": 0.05},
        "log_every": 1,
        "gradient_share_every": 0,
        "sampling_share_every": 0,
    }
    terms = {"forward": "forward", "inverse_encoding": {"name": "inverse_encoding", "weight": WEIGHT}}
    return grid_experiment(setting, data, patch, trainer, tokens=32, depth=2) | {
        "sampler": {"name": "stratified", "num_queries": count},
        "losses": terms,
    }
