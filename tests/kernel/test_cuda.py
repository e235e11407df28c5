"""On a CUDA device: every precision trains, and a step never waits for the device. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import Experiment
from upt_core.training.means import Means

pytestmark = pytest.mark.gpu
Tiny = Callable[..., Experiment]


@contextmanager
def waiting_is_an_error() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_trains_in_every_precision(cuda: torch.device, tiny: Tiny, run_dir: Path, precision: str) -> None:
    settings = {"epochs": 10, "device": "cuda", "precision": precision, "ema": 0.9, "accumulate": 2}
    results = tiny(trainer=settings).train(run_dir)
    assert results["model"]["relative_l2"] < 1.0


SAMPLERS: list[dict[str, Any]] = [
    {"name": "uniform", "num_queries": 8},
    {"name": "stratified", "num_queries": 8},
    {"name": "sobol", "num_queries": 8},
    {"name": "ratio", "ratio": 0.5},
    {"name": "cosine", "start_epoch": 0, "end_ratio": 0.25},
    {"name": "importance", "num_queries": 8},
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: str(sampler["name"]))
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_does_not_wait_for_the_device(
    cuda: torch.device, tiny: Tiny, run_dir: Path, sampler: dict[str, Any], precision: str
) -> None:
    settings = {"device": "cuda", "precision": precision, "ema": 0.9, "log_every": 1000}
    experiment = tiny(sampler=sampler, trainer=settings)
    built = experiment.build()
    trainer = experiment.trainer(built, run_dir)
    built.bundle.train()
    batches = [built.train[number].pin_memory() for number in range(6)]
    means = Means()
    for batch in batches[:3]:  # the first steps allocate, choose kernels and fill caches
        trainer.update([batch], means)
    with waiting_is_an_error():
        for batch in batches[3:]:
            trainer.update([batch], means)
    assert means.compute()["loss/total"] > 0


def test_scattered_points_with_padding_do_not_wait_either(cuda: torch.device, tiny: Tiny, run_dir: Path) -> None:
    data = {"name": "burgers2d", "layout": "scattered", "num_trajectories": 6, "points_min": 40, "points_max": 60}
    experiment = tiny(
        data=data,
        model={"encoder": {"name": "supernode", "supernodes": 8, "depth": 1}},
        sampler={"name": "stratified", "num_queries": 16},
        trainer={"device": "cuda", "log_every": 1000},
    )
    built = experiment.build()
    trainer = experiment.trainer(built, run_dir)
    built.bundle.train()
    batches = [built.train[number].pin_memory() for number in range(4)]
    means = Means()
    trainer.update([batches[0]], means)
    with waiting_is_an_error():
        for batch in batches[1:]:
            trainer.update([batch], means)


def test_compiled_parts_train(cuda: torch.device, tiny: Tiny, run_dir: Path) -> None:
    results = tiny(trainer={"device": "cuda", "compile": True}).train(run_dir)
    assert results["model"]["relative_l2"] > 0
