from __future__ import annotations

import pytest
import torch

from upt_core import Progress, Schedule
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
    with pytest.raises(ValueError, match=r"rollout needs 2 time steps, but this data set is steady.*use forward"):
        Rollout(steps=2).check_data(world("darcy").data)
    Rollout(steps=1).check_data(world("darcy").data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, r"steps must be at least 1; got 0"),
        ({"discount": 0.0}, r"discount must be greater than 0.0; got 0.0"),
        ({"discount": 1.1}, r"discount must be at most 1.0; got 1.1"),
        ({"norm": "l3"}, r"norm expected 'mse', 'l1', 'huber' or 'relative'; got 'l3'"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Rollout(**wrong)


class Rising(Schedule):
    """As many as the epoch's number."""

    def __call__(self, progress: Progress) -> float:
        return float(progress.epoch)


@pytest.mark.parametrize(("epoch", "taken"), [(0, 1), (2, 2), (9, 3)])
def test_a_schedule_says_how_many_time_steps_are_taken(world, epoch, taken):
    small = world("line")
    step = small.step()
    step.progress = Progress(epoch=epoch)
    torch.testing.assert_close(Rollout(steps=3, steps_now=Rising())(step), Rollout(steps=taken)(small.step()))


def test_time_steps_before_the_last_are_taken_without_gradient_and_do_not_count(world):
    small = world("plane")
    with torch.no_grad():
        latent_BLD = small.model.approximator(small.model.encoder(small.batch.input_BNC, small.batch.points), None)
        latent_BLD = small.model.approximator(latent_BLD, None)
    last_BNC = small.model.decoder(small.model.approximator(latent_BLD, None), small.batch.points.coords_BNX)
    expected = (last_BNC - small.batch.target_BTNC[:, 2]).square().mean()
    expected.backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in small.model.parameters()]
    small.model.zero_grad(set_to_none=True)
    value = Rollout(steps=3, gradient_steps=1)(small.step())
    value.backward()
    torch.testing.assert_close(value, expected)
    for parameter, gradient in zip(small.model.parameters(), gradients, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient)
    assert all(p.grad is None for p in small.model.encoder.parameters())


def test_gradient_through_all_steps_is_the_same_as_no_limit(world):
    small = world("line")
    torch.testing.assert_close(Rollout(steps=3, gradient_steps=9)(small.step()), Rollout(steps=3)(small.step()))


def test_in_physical_space_each_state_is_decoded_and_encoded_again(world):
    small = world("plane")
    errors, input_BNC = [], small.batch.input_BNC
    for time in range(2):
        latent_BLD = small.model.approximator(small.model.encoder(input_BNC, small.batch.points), None)
        state_BNC = small.data.targets_of(small.model.decoder(latent_BLD, small.batch.points.coords_BNX))
        errors.append((state_BNC - small.batch.target_BTNC[:, time]).square().mean())
        input_BNC = small.data.next_input(input_BNC, state_BNC)
    value = Rollout(steps=2, space="physical")(small.step())
    torch.testing.assert_close(value, sum(errors) / 2)
    value.backward()
    assert all(p.grad is not None for p in small.model.encoder.parameters())


@pytest.mark.parametrize("queries", [None, 5])
def test_in_physical_space_query_points_come_from_the_state_that_is_decoded_anyway(world, uniform, queries):
    small = world("line")
    step = small.step(None if queries is None else uniform(queries))
    Rollout(steps=3, space="physical")(step)
    assert small.calls == (3, 3, 3)


def test_relative_errors_of_the_time_steps_are_weighted(world):
    step = world("line").step()
    ratios = [
        ((step.predicted(t) - step.target(t)).flatten(1).norm(dim=1) / step.target(t).flatten(1).norm(dim=1)).mean()
        for t in (1, 2)
    ]
    expected = (ratios[0] + 0.5 * ratios[1]) / 1.5
    torch.testing.assert_close(Rollout(steps=2, discount=0.5, norm="relative")(step), expected)


def test_states_that_cannot_be_encoded_again_are_refused(world):
    with pytest.raises(ValueError, match="rollout with space: physical encodes predicted fields.*use space: latent"):
        Rollout(steps=1, space="physical").check_data(world("darcy").data)
