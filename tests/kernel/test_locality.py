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


@pytest.mark.parametrize(
    "shape", [(n, n + extra) for n in (2, 3, 7, 9, 15, 16, 17, 31, 33, 64, 65) for extra in (0, 2)]
)
def test_rounding_of_coordinates_does_not_change_the_order_of_a_grid(shape: tuple[int, int]) -> None:
    """Grids have points at halves, quarters and sixteenths of the box, where large parts of the curve meet."""
    ticks = [torch.arange(size, dtype=torch.float64) * step for size, step in zip(shape, (0.13, 0.31), strict=True)]
    grid = torch.stack(torch.meshgrid(*ticks, indexing="ij"), -1).reshape(1, -1, 2)
    expected = hilbert_order(grid, None)
    rng = torch.Generator().manual_seed(0)
    for size in (1e-8, 1e-7):
        noise = size * grid.amax() * (2 * torch.rand(grid.shape, generator=rng, dtype=torch.float64) - 1)
        assert torch.equal(hilbert_order(grid + noise, None), expected)
