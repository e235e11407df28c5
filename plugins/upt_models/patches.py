"""Patches of a regular grid with any number of axes: an exact rearrangement, nothing is averaged or lost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor


def check_patch(grid_shape: Sequence[int], patch: Sequence[int]) -> None:
    """Refuses a patch that does not tile the grid.

    Raises:
        ValueError: the numbers of axes differ, or an axis is no multiple of its patch.
    """
    if len(grid_shape) != len(patch):
        raise ValueError(
            f"patch {list(patch)} has {len(patch)} axes, but the grid {list(grid_shape)} has {len(grid_shape)}; "
            f"give one number for all axes, or one for each"
        )
    for axis, (points, size) in enumerate(zip(grid_shape, patch, strict=True)):
        if points % size:
            choices = ", ".join(str(number) for number in range(1, min(points, 32) + 1) if points % number == 0)
            raise ValueError(
                f"a grid of {list(grid_shape)} points cannot be cut into patches of {list(patch)}: axis {axis} has "
                f"{points} points, which is not a multiple of {size}; use a patch of {choices} there"
            )


def to_patches(value_BNC: Tensor, grid_shape: Sequence[int], patch: Sequence[int]) -> Tensor:
    """Row-major grid values (B, N, C) → (B, M, K, C): M patches, row-major, of K points each, row-major."""
    num_axes, batch = len(patch), value_BNC.shape[0]
    counts = [points // size for points, size in zip(grid_shape, patch, strict=True)]
    split = [number for pair in zip(counts, patch, strict=True) for number in pair]
    order = [0, *range(1, 2 * num_axes, 2), *range(2, 2 * num_axes + 1, 2), 2 * num_axes + 1]
    blocks = value_BNC.reshape(batch, *split, -1).permute(order)
    return blocks.reshape(batch, math.prod(counts), math.prod(patch), -1)
