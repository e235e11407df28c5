from __future__ import annotations

import pytest
import torch

from upt_losses.positivity import Positivity


def test_the_value_is_the_mean_square_of_what_is_negative_in_physical_units(world):
    small = world("plane")
    physical = small.step().to_physical(small.step().predicted(1))[..., 2]
    assert (physical < 0).any()
    assert (physical > 0).any()
    expected = (physical.clamp(max=0) / small.normalization.std_C[2]).square().mean()
    torch.testing.assert_close(Positivity(["rho"])(small.step()), expected)


def test_it_is_zero_where_nothing_is_negative(world):
    small = world("plane")
    small.normalization.mean_C[2] = 100.0
    assert Positivity(["rho"])(small.step()) == 0
    assert Positivity(["velocity"])(small.step()) > 0


def test_a_sampled_value_is_an_unbiased_estimate(world, uniform, unbiased):
    unbiased(Positivity(["velocity", "rho"]), world("padded"), uniform(7))


def test_unknown_fields_are_refused(world):
    with pytest.raises(ValueError, match=r"no field is called 'mass'; the data set has: velocity, rho"):
        Positivity(["mass"]).check_data(world("plane").data)
    with pytest.raises(ValueError, match=r"no field is called 'a'; the data set has: u"):
        Positivity(["a"]).check_data(world("forced").data)  # a is given, not predicted
    with pytest.raises(ValueError, match=r"fields needs at least 1 items; it has 0"):
        Positivity([])


def test_the_value_has_no_unit(world):
    small = world("plane")
    value = Positivity(["rho"])(small.step())
    small.normalization.mean_C.mul_(1000)
    small.normalization.std_C.mul_(1000)
    torch.testing.assert_close(Positivity(["rho"])(small.step()), value)
