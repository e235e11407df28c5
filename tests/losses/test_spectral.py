from __future__ import annotations

import math

import pytest
import torch

from upt_core import Batch, Step
from upt_losses.forward import Forward
from upt_losses.spectral import Spectral


def step_with_error(small, error_NC: torch.Tensor) -> Step:
    """A step whose prediction differs from the truth by exactly this."""
    with torch.no_grad():
        true_BTNC = (small.step().predicted(1) - error_NC).unsqueeze(1)
    return Step(small.model, Batch(small.batch.input_BNC, true_BTNC, small.batch.points), small.data)


@pytest.mark.parametrize("name", ["line", "plane", "box", "darcy", "forced"])
def test_with_equal_weights_it_is_the_mean_squared_error(world, name):
    small = world(name)
    torch.testing.assert_close(Spectral()(small.step()), Forward()(small.step()))


@pytest.mark.parametrize("number", [1, 3, 5, 6])
def test_a_wave_counts_at_its_wavenumber_only(world, number):
    small = world("line")
    wave_NC = torch.cos(2 * math.pi * number * torch.arange(12) / 12).unsqueeze(-1)
    step, square = step_with_error(small, wave_NC), wave_NC.square().mean()
    torch.testing.assert_close(Spectral(low=number, high=number)(step), square, atol=1e-6, rtol=1e-5)
    assert Spectral(low=number + 0.5)(step) < 1e-6
    assert Spectral(high=number - 0.5)(step) < 1e-6
    torch.testing.assert_close(Spectral(sobolev=1.0)(step), square * (1 + number**2), atol=1e-5, rtol=1e-5)


def test_a_plane_wave_counts_at_the_length_of_its_wavenumber(world):
    small = world("plane")  # 6 points that do not wrap around, 5 that do
    x, y = torch.meshgrid((torch.arange(6) + 0.5) / 6, torch.arange(5) / 5, indexing="ij")
    wave = torch.cos(math.pi * 3 * x) * torch.cos(2 * math.pi * 2 * y)  # one and a half waves along x, two along y
    step, square = step_with_error(small, wave.flatten().unsqueeze(-1).expand(-1, 3)), wave.square().mean()
    torch.testing.assert_close(Spectral(low=2.49, high=2.51)(step), square)
    assert Spectral(low=2.6)(step) < 1e-6


def test_a_slope_along_an_axis_that_ends_is_not_mistaken_for_fine_structure(world):
    small = world("forced")
    slope_NC = torch.linspace(-1, 1, 8).unsqueeze(-1)
    step = step_with_error(small, slope_NC)
    fine = Spectral(low=1.5)(step) / slope_NC.square().mean()
    transformed = torch.fft.fft(slope_NC.squeeze(), norm="forward").abs().square()
    assert fine < 0.02
    assert transformed[2:7].sum() / slope_NC.square().mean() > 0.2  # what a plain transform sees


def test_scattered_points_are_refused(world):
    with pytest.raises(ValueError, match=r"spectral needs a regular grid; this data set has scattered points"):
        Spectral().check_data(world("points").data)
    with pytest.raises(ValueError, match=r"spectral needs a regular grid; these points are scattered"):
        Spectral()(world("points").step())


def test_a_band_beyond_the_grid_is_refused(world):
    with pytest.raises(ValueError, match=r"low is 7, but a grid of 12 points has no wavenumber above 6"):
        Spectral(low=7).check_data(world("line").data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"low": -1}, r"low must be at least 0.0; got -1"),
        ({"low": 3, "high": 2}, r"high is 2, below low 3, so no wavenumber is left"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Spectral(**wrong)
