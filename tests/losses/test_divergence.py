from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from upt_core import DataSpec, Decoder, FieldSpec
from upt_losses.divergence import Divergence, difference


class Formula(Decoder):
    """Answers with a known vector field of the unit box, whatever the latent."""

    def __init__(self, formula) -> None:
        super().__init__()
        self.formula = formula
        self.calls = 0
        self.amplitude = nn.Parameter(torch.ones(()))

    def forward(self, latent_BLD, coords_BQX):
        self.calls += 1
        u, v = self.formula(coords_BQX[..., 0], coords_BQX[..., 1])
        return self.amplitude * torch.stack([u, v, torch.zeros_like(u)], dim=-1)


def swirl(x, y):
    """Free of divergence in a domain of 2 × 0.5: u = ∂ψ/∂Y, v = −∂ψ/∂X with X = 2x, Y = y/2."""
    pi = math.pi
    u = torch.cos(pi * x) * torch.cos(2 * pi * y) * (2 * pi / 0.5)
    v = torch.sin(pi * x) * torch.sin(2 * pi * y) * (pi / 2.0)
    return u, v


@pytest.mark.parametrize("name", ["plane", "points", "padded"])
def test_a_field_without_sources_has_none_and_another_has_its_own(world, uniform, name):
    small = world(name)
    small.normalization.mean_C[:2] = 3.0
    small.normalization.std_C[:2] = 2.0
    small.model.decoder = Formula(swirl)
    assert Divergence("velocity")(small.step(uniform(7))) < 1e-8
    small.model.decoder = Formula(lambda x, y: (x, y * y))
    coords_BQX = small.step(uniform(7)).queries().take(small.batch.points.coords_BNX)
    step = small.step(uniform(7))
    expected_BQ = 2 * (1 / 2.0 + 2 * coords_BQX[..., 1] / 0.5)  # scaled by the deviation 2, over the lengths
    torch.testing.assert_close(Divergence("velocity")(step), step.mean(expected_BQ.square()))


@pytest.mark.parametrize("periodic", [True, False])
def test_differences_on_a_grid_are_of_second_order(periodic):
    errors = []
    for num in (32, 64):
        x = torch.arange(num).double() / (num if periodic else num - 1)
        slope = difference(torch.sin(2 * math.pi * x), 0, periodic) * (num if periodic else num - 1)
        errors.append((slope - 2 * math.pi * torch.cos(2 * math.pi * x)).abs().max().item())
    assert 3.5 < errors[0] / errors[1] < 5


def test_on_a_grid_it_agrees_with_the_formula(world):
    small = world("plane")
    small.model.decoder = Formula(lambda x, y: (x * x, torch.zeros_like(y)))
    x = small.batch.points.coords_BNX[..., 0]
    expected = (small.normalization.std_C[0] * 2 * x / 2.0).square().mean()  # exact: differences of a parabola
    torch.testing.assert_close(Divergence("velocity", method="grid")(small.step()), expected)


def test_both_methods_agree_on_a_fine_grid(world):
    small = world("plane")
    shape = (64, 64)
    x, y = torch.meshgrid(torch.linspace(0, 1, 64), torch.arange(64) / 64, indexing="ij")
    coords = torch.stack([x, y], dim=-1).view(1, -1, 2).expand(3, -1, -1)
    points = replace(small.batch.points, coords_BNX=coords, grid_shape=shape)
    small.batch = replace(small.batch, points=points)
    small.model.decoder = Formula(lambda x, y: (torch.sin(3 * x), torch.sin(2 * math.pi * y)))
    small.model.encoder = nn.Identity()
    small.model.encoder.forward = lambda value, points: torch.zeros(3, 3, 8)
    methods = [Divergence("velocity", method=method)(small.step()) for method in ("autograd", "grid")]
    torch.testing.assert_close(*methods, rtol=5e-3, atol=0.0)


def test_a_sampled_value_is_an_unbiased_estimate(world, uniform, unbiased):
    unbiased(Divergence("velocity"), world("padded"), uniform(7), draws=200)


def test_calls(world):
    small = world("plane")
    step = small.step()
    step.predicted(1)
    Divergence("velocity", method="grid")(step)
    assert small.calls == (1, 1, 1)
    Divergence("velocity")(step)
    assert small.calls == (1, 1, 2)


def test_it_works_where_gradients_are_off(world):
    small = world("points")
    with torch.no_grad():
        assert torch.isfinite(Divergence("velocity")(small.step()))


def test_the_grid_method_refuses_a_sampler(world, uniform):
    message = r"divergence with method: grid .* cannot use Uniform; remove the term's sampler, or use method: autograd"
    with pytest.raises(ValueError, match=message):
        Divergence("velocity", method="grid").check_parts(type(world("plane").model.encoder), uniform())
    Divergence("velocity").check_parts(type(world("plane").model.encoder), uniform())


def test_data_it_cannot_work_with_are_refused(world):
    with pytest.raises(ValueError, match=r"needs a vector field .*; 'rho' has 1 channels and the data set 2 axes"):
        Divergence("rho").check_data(world("plane").data)
    with pytest.raises(ValueError, match=r"needs a vector field .*; 'u' has 1 channels and the data set 1 axes"):
        Divergence("u").check_data(world("line").data)
    with pytest.raises(ValueError, match=r"no field is called 'v'; the data set has: velocity, rho"):
        Divergence("v").check_data(world("plane").data)
    with pytest.raises(ValueError, match=r"method: grid needs a regular grid of at least 3 points along each axis"):
        Divergence("velocity", method="grid").check_data(world("points").data)
    v = FieldSpec("v", 2)
    with pytest.raises(ValueError, match=r"method: grid needs a regular grid of at least 3 points along each axis"):
        Divergence("v", method="grid").check_data(DataSpec((v,), (v,), (1.0, 1.0), (True, True), (8, 2)))


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match=r"method expected 'autograd' or 'grid'; got 'spectral'"):
        Divergence("velocity", method="spectral")


@pytest.mark.parametrize("method", ["autograd", "grid"])
def test_components_in_another_order_are_derived_along_their_axes(world, method):
    """A wind [u, v] on axes [lat, lon]: u is along the second axis."""
    small = world("plane")
    small.normalization.std_C[:2] = 2.0
    small.model.decoder = Formula(lambda x, y: swirl(x, y)[::-1])
    term = Divergence("velocity", method=method)
    wrong = term(small.step())
    fields = tuple(replace(f, along=(1, 0)) if f.name == "velocity" else f for f in small.data.targets)
    small.data = replace(small.data, inputs=fields, targets=fields)
    assert term(small.step()) < (1e-8 if method == "autograd" else 0.2 * wrong)
