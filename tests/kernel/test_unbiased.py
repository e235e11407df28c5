"""Every sampler's estimate of the dense loss is unbiased, in the composed bundle, on every kind of point set.

Each test compares the mean of 600 independent estimates with the dense loss by a z-test at 5 standard errors. If the
estimates are normal, a correct sampler fails one test with probability 6e-7, and any of them with less than 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from upt_core import Experiment, Progress
from upt_core.data.loader import Batches
from upt_core.training.probe import TrainingProbe

Tiny = Callable[..., Experiment]
NUM_DRAWS, LIMIT = 600, 5.0

SAMPLERS: dict[str, dict[str, Any]] = {
    "uniform": {"name": "uniform", "num_queries": 10},
    "stratified": {"name": "stratified", "num_queries": 10},
    "sobol": {"name": "sobol", "num_queries": 10},
    "stratified, independent": {"name": "stratified", "num_queries": 7, "coupling": "independent"},
    "ratio": {"name": "ratio", "ratio": 0.3},
    "ratio of stratified": {"name": "ratio", "ratio": 0.3, "base": {"name": "stratified"}},
    "cosine": {"name": "cosine", "start_epoch": 0, "start_ratio": 0.5, "end_ratio": 0.25},
    "importance": {"name": "importance", "num_queries": 10, "start_epoch": 0, "window": 1},
    "importance, gradient": {
        "name": "importance",
        "num_queries": 10,
        "metric": "gradient",
        "start_epoch": 0,
        "window": 1,
    },
}
POINTS: dict[str, dict[str, Any]] = {
    "1-D grid": {},
    "2-D grid": {
        "data": {"name": "burgers2d", "num_trajectories": 6, "points": 8, "num_times": 4},
        "model": {"encoder": {"name": "grid", "patch": 4, "depth": 1}},
    },
    "scattered": {
        "data": {
            "name": "burgers2d",
            "layout": "scattered",
            "num_trajectories": 6,
            "points_min": 40,
            "points_max": 60,
            "num_times": 4,
        },
        "model": {"encoder": {"name": "supernode", "supernodes": 8, "depth": 1}},
    },
}


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@torch.no_grad()
def test_the_sampled_loss_estimates_the_dense_loss(tiny: Tiny, sampler: str, points: str) -> None:
    losses: dict[str, Any] = {"inv_enc": ..., "inv_dec": ...}
    built = tiny(sampler=SAMPLERS[sampler], losses=losses, **POINTS[points]).build()
    bundle, batch = built.bundle, built.train[0]
    [term] = bundle.terms
    assert term.sampler is not None
    if term.sampler.adaptive:
        in_order = Batches(built.train.windows, built.train.normalization, 4)
        probe = TrainingProbe(bundle, term.stream, in_order, Progress(epoch=1), torch.device("cpu"))
        term.sampler.refresh(probe, Progress(epoch=1, num_epochs=4))
    step = bundle.step(batch, Progress())
    dense = term.term(step.using(None, "all")).double()
    latent = step.latent(1)  # the same for every draw
    estimates = []
    for number in range(NUM_DRAWS):
        drawn = bundle.step(batch, Progress(epoch=1, num_epochs=4, step=number))
        drawn._memo.tensor(("latent", 1), lambda: latent)
        estimates.append(term.term(drawn.using(term.sampler, term.stream)).double())
    values = torch.stack(estimates)
    assert values.std() > 0, "the sampler must not look at all points here"
    z = (values.mean() - dense) / (values.std() / NUM_DRAWS**0.5)
    assert abs(z) < LIMIT
