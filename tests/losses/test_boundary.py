from __future__ import annotations

import pytest
import torch

from upt_core import Points, Queries
from upt_losses.boundary import Boundary, boundary_mask


def test_the_boundary_of_a_grid_is_where_axes_end(world):
    small = world("plane")  # 6 × 5, periodic along the second axis
    mask = boundary_mask(small.batch.points, small.data.periodic, 0.0).view(6, 5)
    assert mask.sum(dim=1).tolist() == [5, 0, 0, 0, 0, 5]
    box = world("box")  # 3 × 4 × 5, periodic along the third
    inside = 1 - boundary_mask(box.batch.points, box.data.periodic, 0.0).view(3, 4, 5)
    assert inside.nonzero()[:, :2].unique(dim=0).tolist() == [[1, 1], [1, 2]]


def test_the_value_on_a_grid_is_the_mean_over_its_boundary(world):
    small = world("plane")
    error = (small.step().predicted(1) - small.batch.target_BTNC[:, 0]).view(3, 6, 5, 3)
    small.model.decoder.calls = 0
    torch.testing.assert_close(Boundary()(small.step()), error[:, [0, -1]].square().mean())
    assert small.model.decoder.calls == 1


def test_without_a_sampler_only_the_boundary_of_a_grid_is_decoded(world):
    small, sizes = world("plane"), []
    small.model.decoder.register_forward_hook(lambda module, given, answer: sizes.append(answer.shape[1]))
    Boundary()(small.step())
    assert sizes == [10]


@pytest.mark.parametrize("name", ["points", "padded"])
def test_scattered_points_near_a_side_are_the_boundary(world, name):
    small = world(name)
    error = (small.step().predicted(1) - small.batch.target_BTNC[:, 0]).square().mean(-1)
    coords, lengths = small.batch.points.coords_BNX, small.batch.points.lengths or (20, 20, 20)
    rows = []
    for row, length in enumerate(lengths):
        near = ((coords[row, :length] < 0.1) | (coords[row, :length] > 0.9)).any(-1)
        assert near.sum() >= 4
        rows.append(error[row, :length][near].mean())
    torch.testing.assert_close(Boundary(tolerance=0.1)(small.step()), torch.stack(rows).mean())


@pytest.mark.parametrize("name", ["plane", "points", "padded"])
def test_a_sampled_value_is_an_unbiased_estimate(world, uniform, unbiased, name):
    unbiased(Boundary(tolerance=0.1), world(name), uniform(8))


def test_sampled_it_shares_the_decoding_of_others(world, uniform):
    small = world("plane")
    step = small.step(uniform(8))
    step.predicted(1)
    Boundary()(step)
    assert small.calls == (1, 1, 1)


def test_rows_without_a_boundary_point_add_nothing(world):
    coords = torch.rand(2, 10, 2) * 0.5 + 0.25
    coords[0, 3, 0] = 1.0
    mask = boundary_mask(Points(coords), (False, False), 1e-3)
    assert mask.sum(1).tolist() == [1, 0]


def test_point_sets_without_a_boundary_point_are_refused(world):
    small = world("points")
    small.batch.points.coords_BNX.mul_(0.5).add_(0.25)
    with pytest.raises(
        ValueError, match=r"no point is within tolerance 0.001 of the sides of the domain; raise tolerance"
    ):
        Boundary()(small.step())


def test_a_domain_without_ends_is_refused(world):
    with pytest.raises(ValueError, match=r"boundary needs an axis that is not periodic; every axis of this domain"):
        Boundary().check_data(world("line").data)


@pytest.mark.parametrize("tolerance", [-0.1, 0.5])
def test_wrong_tolerances_are_refused(tolerance):
    with pytest.raises(ValueError, match=rf"Boundary: tolerance must be (at least 0.0|less than 0.5); got {tolerance}"):
        Boundary(tolerance)


def test_the_adaptive_sampler_is_told_of_the_points_it_chose(world, uniform):
    small, seen = world("points"), []
    step = small.step().using(uniform(9), "sampler", lambda points, queries, value: seen.append((queries, value)))
    Boundary(tolerance=0.1)(step)
    assert isinstance(seen[0][0], Queries)
    assert seen[0][1].shape == (3, 9)


def test_dense_values_tell_the_probe_which_points_of_a_grid_add_what(world):
    small, seen = world("plane"), []
    step = small.step().using(None, "all", lambda points, queries, value: seen.append(value))
    value = Boundary()(step)
    mask_N = boundary_mask(small.batch.points, small.data.periodic, 0.0)[0] > 0
    assert seen[0].shape == (3, 30)
    assert (seen[0] > 0).all(dim=0).equal(mask_N)
    torch.testing.assert_close(seen[0].mean(), value)
