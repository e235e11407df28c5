"""The relative norm of forward and inverse_encoding: its value, its floor, its gradient at the optimum, its bias."""

from __future__ import annotations

import pytest
import torch

from upt_core import Batch, Step
from upt_losses.forward import Forward
from upt_losses.inverse_encoding import InverseEncoding
from upt_losses.relative import FLOOR


def ratio(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((value - target).flatten(1).norm(dim=1) / target.flatten(1).norm(dim=1)).mean()


@pytest.mark.parametrize("name", ["line", "plane", "points", "darcy"])
def test_the_dense_value_is_the_mean_ratio_of_samples(world, name):
    step = world(name).step()
    torch.testing.assert_close(Forward(norm="relative")(step), ratio(step.predicted(1), step.target(1)))
    torch.testing.assert_close(InverseEncoding(norm="relative")(step), ratio(step.reconstructed(), step.input()))


def test_padded_points_do_not_count(world):
    step = world("padded").step()
    rows = []
    for row, length in enumerate(step.points.lengths):
        rows.append(ratio(step.predicted(1)[row : row + 1, :length], step.target(1)[row : row + 1, :length]))
    torch.testing.assert_close(Forward(norm="relative")(step), torch.stack(rows).mean())


def test_latents_are_compared_by_their_size(world):
    small = world("plane")
    step = small.step()
    expected = ratio(step.latent(1), step.encoded_target(1))
    torch.testing.assert_close(Forward(space="latent", norm="relative")(step), expected)


@pytest.mark.parametrize("term", [Forward(norm="relative"), Forward(space="latent", norm="relative")])
def test_at_the_optimum_the_gradient_is_zero_and_finite(world, term):
    small = world("plane")
    with torch.no_grad():
        true_BTNC = small.step().predicted(1).unsqueeze(1)
    step = Step(small.model, Batch(small.batch.input_BNC, true_BTNC, small.batch.points), small.data)
    value = term(step)
    value.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in small.model.parameters())


def test_a_sample_at_rest_is_compared_with_the_floor(world):
    small = world("plane")
    batch = Batch(small.batch.input_BNC, torch.zeros_like(small.batch.target_BTNC), small.batch.points)
    step = Step(small.model, batch, small.data)
    expected = step.predicted(1).square().mean(dim=(1, 2)).sqrt().mean() / FLOOR
    torch.testing.assert_close(Forward(norm="relative")(step), expected)


def test_the_bias_of_a_sampled_value_falls_with_the_number_of_points(world, uniform):
    """False alarms: the mean of 400 draws is within 5 standard errors; seeds are fixed."""
    small = world("plane")
    dense = Forward(norm="relative")(small.step()).item()
    off = {}
    for count in (4, 32):
        draws = torch.stack([Forward(norm="relative")(small.step(uniform(count), k)) for k in range(400)])
        off[count] = abs(draws.mean().item() - dense)
    assert off[32] < 0.02 * dense
    assert off[32] < off[4]
