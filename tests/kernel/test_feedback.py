"""What adaptive samplers are told: in steps and by the probe, the same weighted sum of the terms that share them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from upt_core import Experiment, Points, Progress, Queries, Sampler
from upt_core.data.loader import Batches
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.training.probe import TrainingProbe

Tiny = Callable[..., Experiment]
CPU = torch.device("cpu")


class Learning(Sampler):
    """All points, so that steps and probe can be compared; keeps what it is told."""

    adaptive = True

    def __init__(self) -> None:
        self.told: list[torch.Tensor] = []

    def count(self, num_points: int, progress: Progress) -> int:
        return num_points

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        raise AssertionError("all points are asked for")

    def observe(self, points: Points, queries: Queries, error_BQ: torch.Tensor) -> None:
        self.told.append(error_BQ)


@pytest.fixture
def learning(tiny: Tiny) -> tuple[LossBundle, Learning, Batches]:
    built = tiny(losses={"roll": {"name": "rollout", "steps": 3}, "inv_dec": ...}).build()
    sampler = Learning()
    weights = {"forward": 1.0, "inv_enc": 0.5, "roll": 2.0}
    terms = [WeightedTerm(t.name, t.term, FixedValue(weights[t.name]), 1, sampler) for t in built.bundle.terms]
    bundle = LossBundle(built.bundle.model, terms, built.bundle.data, normalization=built.bundle.normalization)
    train = built.train
    return bundle, sampler, Batches(train.windows, train.normalization, train.batch_size)


def test_one_weighted_sum_a_step_equals_that_of_the_probe(learning: tuple[LossBundle, Learning, Batches]) -> None:
    bundle, sampler, batches = learning
    bundle.train()
    losses = bundle(batches[0], Progress())
    assert sampler.told == [], "a step that fails from here on has taught nothing"
    bundle.learn()
    bundle.learn()
    [told_BN] = sampler.told
    assert told_BN.shape == (4, 32)
    torch.testing.assert_close(told_BN.mean(), losses.total.detach())
    probe = TrainingProbe(bundle, "sampler", batches, Progress(), CPU)
    _, value_BN = next(iter(probe.errors()))
    torch.testing.assert_close(value_BN, told_BN)


def test_nothing_is_learnt_outside_training(learning: tuple[LossBundle, Learning, Batches]) -> None:
    bundle, sampler, batches = learning
    bundle.eval()
    bundle(batches[0], Progress())
    bundle.learn()
    assert sampler.told == []


def test_gradient_sizes_are_those_of_automatic_differentiation(tiny: Tiny) -> None:
    """Mean of squares along 400 random directions against the exact squared norms: 5 standard errors a point.

    A square of a normal deviate has relative deviation √2, so the tolerance is 5 · √(2 / 400); with 32 points the
    false-alarm rate is below 1e-4 (the mean of 400 such squares is nearly normal).
    """
    built = tiny(losses={"inv_enc": ..., "inv_dec": ...}).build()
    bundle, batches = built.bundle, Batches(built.train.windows, built.train.normalization, 1)
    probe = TrainingProbe(bundle, "sampler", batches, Progress(), CPU)
    _, estimate_BN = next(iter(probe.loss_gradients(400)))
    parameters = list(bundle.model.parameters())
    step = bundle.step(batches[0], Progress()).using(None, "all")
    value_N = (step.predicted() - step.target()).square().mean(-1)[0]
    exact = []
    for value in value_N:
        gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        exact.append(sum(float(g.square().sum()) for g in gradients if g is not None))
    relative = estimate_BN[0] / torch.tensor(exact) - 1
    assert relative.abs().max() < 5 * (2 / 400) ** 0.5 + 0.02, "2 % for the finite difference"
    assert len(list(probe.targets())) == batches.per_epoch


def test_the_probe_measures_in_float32_also_within_autocast(learning: tuple[LossBundle, Learning, Batches]) -> None:
    """In bfloat16 the difference of two nearby losses is rounding: scores were 3.5 times too large."""
    bundle, _, batches = learning
    probe = TrainingProbe(bundle, "sampler", batches, Progress(), CPU)
    expected = [value_BN for _, value_BN in probe.loss_gradients(2)]
    with torch.autocast("cpu", torch.bfloat16):
        found = [value_BN for _, value_BN in probe.loss_gradients(2)]
    assert all(map(torch.equal, expected, found))


def test_the_probe_leaves_weights_bit_by_bit_as_they_were(learning: tuple[LossBundle, Learning, Batches]) -> None:
    bundle, _, batches = learning
    before = {name: value.clone() for name, value in bundle.state_dict().items()}
    probe = TrainingProbe(bundle, "sampler", batches, Progress(), CPU)
    list(probe.loss_gradients(5))
    assert all(torch.equal(value, before[name]) for name, value in bundle.state_dict().items())


def test_a_probe_that_fails_leaves_weights_as_they_were(learning: tuple[LossBundle, Learning, Batches]) -> None:
    bundle, _, batches = learning
    before = {name: value.clone() for name, value in bundle.state_dict().items()}
    calls = 0

    def fail_at_the_third(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise MemoryError("no more")

    bundle.model.decoder.register_forward_pre_hook(fail_at_the_third)
    probe = TrainingProbe(bundle, "sampler", batches, Progress(), CPU)
    with pytest.raises(MemoryError, match="no more"):
        list(probe.loss_gradients(5))
    assert all(torch.equal(value, before[name]) for name, value in bundle.state_dict().items())
