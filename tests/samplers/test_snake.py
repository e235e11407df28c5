"""Snake strips: a bijection on any grid, without jumps in two dimensions, whose runs are compact."""

from __future__ import annotations

import math

import pytest
import torch

from upt_samplers.mathematics.snake import near_cubic, ravel, snake_index, unravel

SHAPES = [(7,), (1, 5), (5, 1), (6, 7), (13, 17), (16, 256), (1, 9, 1), (5, 7, 11), (8, 8, 8), (3, 4, 5, 6)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cells", [1, 3, 10, 50])
def test_bijection(shape: tuple[int, ...], cells: int) -> None:
    position = torch.arange(math.prod(shape))
    index = snake_index(position, shape, near_cubic(shape, cells))
    assert torch.equal(index.sort().values, position)


@pytest.mark.parametrize("shape", SHAPES)
def test_unravel_undoes_ravel(shape: tuple[int, ...]) -> None:
    index = torch.arange(math.prod(shape))
    assert torch.equal(ravel(unravel(index, shape), shape), index)


def test_runs_are_compact() -> None:
    """64 strata of a 64 × 64 grid fit into boxes of 16 points a side; rows of the grid would be 64 long."""
    index = snake_index(torch.arange(4096), (64, 64), near_cubic((64, 64), 64)).reshape(64, 64)
    rows, columns = index // 64, index % 64
    assert int((rows.amax(1) - rows.amin(1)).max()) < 16
    assert int((columns.amax(1) - columns.amin(1)).max()) < 16


def test_neighbours_on_the_curve_are_near() -> None:
    index = snake_index(torch.arange(4096), (64, 64), near_cubic((64, 64), 64))
    step = (index.diff() // 64).abs() + (index % 64).diff().abs()
    assert int(step.max()) <= 24


@pytest.mark.parametrize(
    ("shape", "cells", "pieces"),
    [
        ((64, 64), 64, (8, 8)),
        ((16, 256), 64, (2, 32)),
        ((1, 100), 10, (1, 10)),
        ((4, 4), 1000, (4, 4)),
        ((8,), 1, (1,)),
    ],
)
def test_pieces_are_nearly_cubic(shape: tuple[int, ...], cells: int, pieces: tuple[int, ...]) -> None:
    assert near_cubic(shape, cells) == pieces
