from __future__ import annotations

import pytest
import torch

from upt_core import Batch, Step
from upt_losses.forward import Forward


@pytest.mark.parametrize("name", ["line", "plane", "points", "darcy"])
def test_the_dense_value_is_the_mean_squared_error(world, name):
    small = world(name)
    step = small.step()
    prediction = small.data.targets_of(small.model.decoder(step.latent(1), small.batch.points.coords_BNX))
    expected = torch.nn.functional.mse_loss(prediction, small.batch.target_BTNC[:, 0])
    torch.testing.assert_close(Forward()(step), expected)


def test_padded_points_do_not_count_and_rows_count_alike(world):
    small = world("padded")
    error = small.step().predicted(1) - small.batch.target_BTNC[:, 0]
    rows = [error[row, :length].square().mean() for row, length in enumerate(small.batch.points.lengths)]
    torch.testing.assert_close(Forward()(small.step()), torch.stack(rows).mean())


def test_norms(world):
    small = world("plane")
    error = (small.step().predicted(1) - small.batch.target_BTNC[:, 0]).abs()
    huber = torch.where(error < 0.5, error.square() / 2, 0.5 * (error - 0.25))
    torch.testing.assert_close(Forward(norm="l1")(small.step()), error.mean())
    torch.testing.assert_close(Forward(norm="huber", delta=0.5)(small.step()), huber.mean())


@pytest.mark.parametrize("name", ["plane", "points", "padded"])
def test_a_sampled_value_is_an_unbiased_estimate(world, uniform, unbiased, name):
    unbiased(Forward(), world(name), uniform(9))


def test_it_is_zero_where_the_prediction_is_true(world):
    small = world("plane")
    with torch.no_grad():
        true_BTNC = small.step().predicted(1).unsqueeze(1)
    batch = Batch(small.batch.input_BNC, true_BTNC, small.batch.points)
    assert Forward()(Step(small.model, batch, small.data)) == 0


def test_the_latent_value_is_the_mean_squared_difference_and_calls_no_decoder(world):
    small = world("points")
    value = Forward(space="latent")(small.step())
    assert small.calls == (2, 1, 0)
    target_BLD = small.model.encoder(small.batch.target_BTNC[:, 0], small.batch.points)
    predicted_BLD = small.model.approximator(small.step().latent(0), None)
    torch.testing.assert_close(value, (predicted_BLD - target_BLD).square().mean())


def test_the_encoded_target_is_held_fixed_unless_told_otherwise(world):
    gradients = {}
    for detach in (True, False):
        small = world("plane")
        Forward(space="latent", detach=detach)(small.step()).backward()
        gradients[detach] = small.model.encoder.linear.weight.grad
    small = world("plane")
    step = small.step()
    expected = torch.nn.functional.mse_loss(step.latent(1), step.encoded_target(1).detach())
    expected.backward()
    torch.testing.assert_close(gradients[True], small.model.encoder.linear.weight.grad)
    assert not torch.allclose(gradients[True], gradients[False])


def test_fields_that_do_not_move_are_encoded_from_the_input(world):
    small = world("forced")
    true_BNC = torch.cat([small.batch.input_BNC[..., :1], small.batch.target_BTNC[:, 0]], dim=-1)
    expected_BLD = small.model.encoder(true_BNC, small.batch.points)
    torch.testing.assert_close(small.step().encoded_target(1), expected_BLD)


def test_latent_space_is_refused_where_solutions_cannot_be_encoded(world):
    message = r"forward with space: latent encodes predicted fields, but the encoder reads a and the model predicts u"
    with pytest.raises(ValueError, match=message):
        Forward(space="latent").check_data(world("darcy").data)
    Forward().check_data(world("darcy").data)


def test_latent_space_refuses_a_sampler(world, uniform):
    small = world("points")
    with pytest.raises(
        ValueError, match=r"uses no query points, so it takes no sampler \(Uniform\); remove the term's"
    ):
        Forward(space="latent").check_parts(type(small.model.encoder), uniform())
    Forward().check_parts(type(small.model.encoder), uniform())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"space": "fourier"}, r"space expected 'physical' or 'latent'; got 'fourier'"),
        ({"norm": "l3"}, r"norm expected 'mse', 'l1', 'huber' or 'relative'; got 'l3'"),
        ({"delta": 0.0}, r"delta must be greater than 0.0; got 0.0"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Forward(**wrong)
