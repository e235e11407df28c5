from __future__ import annotations

import pytest
import torch

from upt_core import Batch, Queries, Step
from upt_losses.relative_lp import RelativeLp


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("name", ["plane", "padded"])
@pytest.mark.parametrize("units", ["physical", "normalised"])
def test_the_value_is_the_mean_of_the_samples_ratios(world, name, p, units):
    small = world(name)
    prediction, target = small.step().predicted(1), small.batch.target_BTNC[:, 0]
    if units == "physical":
        prediction, target = (small.normalization.to_physical(value).float() for value in (prediction, target))
    lengths = small.batch.points.lengths or (prediction.shape[1],) * 3
    ratios = [
        (prediction[row, :length] - target[row, :length]).abs().pow(p).sum() ** (1 / p)
        / target[row, :length].abs().pow(p).sum() ** (1 / p)
        for row, length in enumerate(lengths)
    ]
    torch.testing.assert_close(RelativeLp(p, units)(small.step()), torch.stack(ratios).mean())


def test_the_sampled_value_tends_to_the_dense_one(world, uniform):
    small = world("plane")
    dense = RelativeLp()(small.step()).item()
    sampled = [
        torch.tensor([RelativeLp()(small.step(uniform(num), i)).item() for i in range(200)]).mean().item()
        for num in (3, 24)
    ]
    assert abs(sampled[1] - dense) < 0.02 * dense  # consistent
    assert abs(sampled[1] - dense) < abs(sampled[0] - dense)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_a_perfect_prediction_is_zero_with_a_finite_gradient(world, p):
    small = world("plane")
    with torch.no_grad():
        true_BTNC = small.step().predicted(1).unsqueeze(1)
    value = RelativeLp(p)(Step(small.model, Batch(small.batch.input_BNC, true_BTNC, small.batch.points), small.data))
    value.backward()
    assert value == 0
    assert all(q.grad.isfinite().all() for q in small.model.parameters() if q.grad is not None)


def test_an_adaptive_sampler_learns_what_each_point_adds(world, uniform):
    small, seen = world("points"), []
    step = small.step().using(uniform(9), "sampler", lambda points, queries, value: seen.append((queries, value)))
    RelativeLp(units="normalised")(step)
    (queries, value_BQ), *others = seen
    assert not others
    error, target = (Queries.take(queries, value) for value in (small.batch.target_BTNC[:, 0],) * 2)
    error = step.predicted(1) - target
    expected_BQ = error.square().sum(-1) / target.square().sum(-1).mean(1, keepdim=True)
    torch.testing.assert_close(value_BQ, expected_BQ)
    assert not value_BQ.requires_grad


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"p": 0.5}, r"p must be at least 1.0; got 0.5"),
        ({"units": "SI"}, r"units expected 'physical' or 'normalised'; got 'SI'"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        RelativeLp(**wrong)
