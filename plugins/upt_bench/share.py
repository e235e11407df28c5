"""The share of the mini-batch gradient's variance that is due to point sampling, against Q/N, on a trained model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from upt_bench.accuracy import burgers, darcy
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Experiment, Progress
from upt_core.commands import Built, FixedValue, LossBundle, WeightedTerm, sampling_share

RATIOS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
BATCHES, EPOCHS = 8, 3


def measure(setting: Setting, results: Results) -> None:
    """Trains for some epochs with all points, then compares the noise of batches and of points."""
    rows: list[dict[str, Any]] = []
    file = None if setting.quick else setting.file("neuralop", "darcy_train_16.pt")
    for name, config in (("Burgers 1-D", burgers(setting)), ("Darcy 16 × 16", darcy(setting, file) if file else None)):
        if config is not None:
            setting.say(f"share of point sampling: {name}")
            config["trainer"] |= {"device": str(setting.device), "epochs": 1 if setting.quick else EPOCHS}
            rows += [{"data": name} | row for row in _shares(setting, Experiment.from_dict(config))]
    results.curves["sampling_share"] = rows
    quarter = max(row["share"] for row in rows if row["ratio"] == 1 / 4)
    results.figures.append(
        Figure(
            "sampling_share",
            "the largest part of the mini-batch gradient's variance that any sampler could remove at Q/N = 1/4",
            100 * quarter,
            unit="%",
            detail="; ".join(f"{row['data']} {100 * row['share']:.0f} %" for row in rows if row["ratio"] == 1 / 4),
        )
    )


def _shares(setting: Setting, experiment: Experiment) -> list[dict[str, Any]]:
    built = experiment.build()
    with tempfile.TemporaryDirectory() as folder:
        experiment.trainer(built, Path(folder)).train()
    batches = [built.train[number].to(built.device) for number in range(min(BATCHES, built.train.per_epoch))]
    num_points = batches[0].points.num_points
    rows = []
    for ratio in RATIOS:
        count = round(ratio * num_points)
        found = sampling_share(_with_uniform(setting, built, count), batches, Progress())
        rows.append({"num_points": num_points, "count": count, "ratio": ratio, "share": found["share"]})
    return rows


def _with_uniform(setting: Setting, built: Built, count: int) -> LossBundle:
    term = built.bundle.terms[0].term
    weighted = WeightedTerm("forward", term, FixedValue(1.0), sampler=setting.sampler("uniform", num_queries=count))
    old = built.bundle
    return LossBundle(old.model, [weighted], old.data, old.seed, old.normalization)
