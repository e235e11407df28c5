from __future__ import annotations

import pytest
import torch

from upt_core import Batch, Step
from upt_losses.forward import Forward
from upt_losses.inverse_encoding import InverseEncoding


def test_the_value_is_the_mean_over_fields_of_each_fields_mean(world):
    small = world("plane")  # a vector of two channels and a scalar
    decoded = small.model.decoder(small.step().latent(0), small.batch.points.coords_BNX)
    squared = (decoded - small.batch.input_BNC).square()
    expected = (squared[..., :2].mean() + squared[..., 2:].mean()) / 2
    torch.testing.assert_close(InverseEncoding()(small.step()), expected)


@pytest.mark.parametrize("name", ["line", "darcy", "forced"])
def test_with_scalar_fields_it_is_the_mean_squared_error(world, name):
    small = world(name)
    decoded = small.model.decoder(small.step().latent(0), small.batch.points.coords_BNX)
    inputs = decoded[..., : small.data.input_channels]
    torch.testing.assert_close(InverseEncoding()(small.step()), (inputs - small.batch.input_BNC).square().mean())


def test_it_is_zero_where_the_input_is_reconstructed(world):
    small = world("line")
    with torch.no_grad():
        for parameter in small.model.decoder.head.parameters():
            parameter.zero_()
    batch = Batch(torch.zeros_like(small.batch.input_BNC), small.batch.target_BTNC, small.batch.points)
    assert InverseEncoding()(Step(small.model, batch, small.data)) == 0


@pytest.mark.parametrize("name", ["plane", "points", "padded"])
def test_a_sampled_value_is_an_unbiased_estimate(world, uniform, unbiased, name):
    unbiased(InverseEncoding(), world(name), uniform(9))


def test_it_decodes_once_at_the_query_points_and_moves_nothing(world, uniform):
    small = world("plane")
    step = small.step(uniform(9))
    InverseEncoding()(step)
    assert small.calls == (1, 0, 1)
    Forward()(step)
    assert small.calls == (1, 1, 2)  # the input is not encoded again
    assert step.reconstructed().shape == (3, 9, 3)


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match=r"norm expected 'mse', 'l1', 'huber' or 'relative'; got 'l3'"):
        InverseEncoding(norm="l3")
