from __future__ import annotations

import pytest
import torch

from upt_core import Batch, Step
from upt_losses.conservation import Conservation


@pytest.mark.parametrize("name", ["plane", "padded"])
def test_the_value_compares_means_over_space_sample_by_sample(world, name):
    small = world(name)
    prediction, reference = small.step().predicted(1), small.batch.reference_BNC
    lengths = small.batch.points.lengths or (prediction.shape[1],) * 3
    change = torch.stack([(prediction[r, :n] - reference[r, :n]).mean(dim=0) for r, n in enumerate(lengths)])
    torch.testing.assert_close(Conservation()(small.step()), change.square().mean())
    torch.testing.assert_close(Conservation(["velocity"])(small.step()), change[:, :2].square().mean())
    torch.testing.assert_close(Conservation(["rho"])(small.step()), change[:, 2:].square().mean())


def test_equal_means_are_equal_totals_in_physical_units(world):
    small = world("plane")
    with torch.no_grad():
        reference = small.step().predicted(1).flip(1)  # other fields, with the same totals
    batch = Batch(small.batch.input_BNC, small.batch.target_BTNC, small.batch.points, reference_BNC=reference)
    step = Step(small.model, batch, small.data, normalization=small.normalization)
    physical = small.normalization.to_physical(step.predicted(1)).mean(1) - small.normalization.to_physical(
        reference
    ).mean(1)
    assert physical.abs().max() < 1e-6
    assert Conservation()(step) < 1e-12


def test_all_points_count_whatever_the_sampler(world, uniform):
    small = world("plane")
    assert not Conservation.pointwise
    torch.testing.assert_close(Conservation()(small.step(uniform(3))), Conservation()(small.step()))


def test_data_without_time_are_refused(world):
    with pytest.raises(
        ValueError, match=r"compares with the state at t = 0, but this data set is steady; remove the term"
    ):
        Conservation().check_data(world("darcy").data)


def test_unknown_fields_are_refused(world):
    with pytest.raises(ValueError, match=r"no field is called 'mass'; the data set has: velocity, rho"):
        Conservation(["mass"]).check_data(world("plane").data)
    with pytest.raises(ValueError, match=r"fields needs at least 1 items; it has 0"):
        Conservation([])
