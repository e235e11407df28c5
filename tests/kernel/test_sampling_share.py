"""The share of the gradient's variance that is due to point sampling, where the answer is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from upt_core import Experiment, Progress
from upt_core.batch import Batch
from upt_core.run.built import Built
from upt_core.training.sampling_share import sampling_share

Tiny = Callable[..., Experiment]


def batches(built: Built, num: int = 4) -> list[Batch]:
    return [built.train[number] for number in range(num)]


def test_without_sampling_all_variance_is_between_batches(tiny: Tiny) -> None:
    built = tiny(sampler=None).build()
    found = sampling_share(built.bundle, batches(built), Progress())
    assert found["share"] == pytest.approx(0, abs=1e-9)
    assert found["between_batches"] > 0


def test_of_one_batch_all_variance_is_sampling(tiny: Tiny) -> None:
    """The estimate of the other component is 0 on average: at most a third of the whole, at this seed."""
    built = tiny().build()
    found = sampling_share(built.bundle, batches(built, 1) * 6, Progress(), num_draws=6)
    assert found["share"] > 0.67
    assert found["between_draws"] > 0


def test_more_points_less_share(tiny: Tiny) -> None:
    few, many = (tiny(sampler={"name": "uniform", "num_queries": count}).build() for count in (2, 24))
    assert sampling_share(few.bundle, batches(few), Progress())["share"] > (
        2 * sampling_share(many.bundle, batches(many), Progress())["share"]
    )


def test_leaves_no_trace_and_depends_on_nothing_else(tiny: Tiny) -> None:
    built = tiny().build()
    built.bundle.train()
    before = torch.get_rng_state()
    first = sampling_share(built.bundle, batches(built), Progress())
    assert first == sampling_share(built.bundle, batches(built), Progress())
    assert torch.equal(torch.get_rng_state(), before)
    assert built.bundle.training
    assert all(p.grad is None for p in built.bundle.parameters())


def test_nothing_where_no_term_is_due(tiny: Tiny) -> None:
    built = tiny(losses={"forward": {"name": "forward", "every": 2}, "inv_enc": ..., "inv_dec": ...}).build()
    assert sampling_share(built.bundle, batches(built), Progress(step=1)) == {}


def test_refuses_too_few(tiny: Tiny) -> None:
    built = tiny().build()
    with pytest.raises(ValueError, match="at least 2 of each, but got 4 draws of 1 batches"):
        sampling_share(built.bundle, batches(built, 1), Progress())
    with pytest.raises(ValueError, match="but got 1 draws of 4 batches"):
        sampling_share(built.bundle, batches(built), Progress(), num_draws=1)
