from __future__ import annotations

import pytest
import torch

from upt_losses.forward import Forward
from upt_losses.rollout import Rollout


def test_the_value_is_the_discounted_mean_over_time_steps(world):
    small = world("plane")
    latent_BLD = small.model.encoder(small.batch.input_BNC, small.batch.points)
    errors = []
    for time in range(3):
        latent_BLD = small.model.approximator(latent_BLD, None)
        decoded_BNC = small.model.decoder(latent_BLD, small.batch.points.coords_BNX)
        errors.append((decoded_BNC - small.batch.target_BTNC[:, time]).square().mean())
    expected = (errors[0] + 0.5 * errors[1] + 0.25 * errors[2]) / 1.75
    torch.testing.assert_close(Rollout(steps=3, discount=0.5)(small.step()), expected)


def test_one_step_is_forward(world, uniform):
    small = world("points")
    step = small.step(uniform(9))
    assert torch.equal(Rollout(steps=1)(step), Forward()(step))


def test_it_needs_as_many_targets_as_steps():
    assert Rollout(steps=3).horizon == 3


def test_every_state_is_moved_and_decoded_once(world, uniform):
    small = world("line")
    step = small.step(uniform(5))
    Rollout(steps=3)(step)
    Rollout(steps=2)(step)
    Forward()(step)
    assert small.calls == (1, 3, 3)


def test_a_sampled_value_is_an_unbiased_estimate(world, uniform, unbiased):
    unbiased(Rollout(steps=2, discount=0.9), world("padded"), uniform(7))


def test_steady_data_are_refused(world):
    with pytest.raises(ValueError, match=r"rollout asks for 2 time steps, but this data set is steady.*use forward"):
        Rollout(steps=2).check_data(world("darcy").data)
    Rollout(steps=1).check_data(world("darcy").data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, r"steps must be at least 1; got 0"),
        ({"discount": 0.0}, r"discount must be greater than 0.0; got 0.0"),
        ({"discount": 1.1}, r"discount must be at most 1.0; got 1.1"),
        ({"norm": "l3"}, r"norm expected 'mse', 'l1' or 'huber'; got 'l3'"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Rollout(**wrong)
