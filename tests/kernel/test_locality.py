"""The Hilbert curve: neighbours in the order are neighbours in space."""

from __future__ import annotations

import pytest
import torch

from upt_core import hilbert_key, hilbert_order


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_walks_a_grid_in_unit_steps(axes: int) -> None:
    side = 8
    ticks = torch.arange(float(side))
    grid = torch.stack(torch.meshgrid(*[ticks] * axes, indexing="ij"), -1).reshape(1, -1, axes)
    order = hilbert_order(grid, None)[0]
    steps = grid[0][order].diff(dim=0).abs().sum(-1)
    assert sorted(order.tolist()) == list(range(side**axes))
    assert steps.tolist() == [1.0] * (side**axes - 1)


def test_keys_of_different_cells_differ() -> None:
    points = torch.rand(2, 1000, 2, generator=torch.Generator().manual_seed(0))
    keys = hilbert_key(points)
    assert keys.shape == (2, 1000)
    assert len(keys[0].unique()) == 1000


def test_points_in_one_place_are_ordered_too() -> None:
    assert hilbert_order(torch.zeros(1, 5, 2), None)[0].tolist() == [0, 1, 2, 3, 4]
