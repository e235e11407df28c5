"""What samplers are compared with. Not for use: the block loop is biased, the others cost O(N) or stay on the host."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def permutation(num_points: int, count: int, rng: torch.Generator) -> Tensor:
    """The first Q of a random order of all points."""
    return torch.randperm(num_points, generator=rng, device=rng.device)[:count]


def numpy_choice(num_points: int, count: int) -> Callable[[], object]:
    """numpy's choice without replacement, O(Q): on the host, one row a call."""
    rng = np.random.default_rng(0)
    return lambda: rng.choice(num_points, count, replace=False, shuffle=False)


def block_loop(height: int, width: int, count: int, rng: torch.Generator) -> Tensor:
    """One point from each block of a plane, in a loop over blocks; comparison only, known to be wrong.

    The blocks are H // int(√Q) points high (and wide alike), and the last ones take what is left, so points of the
    last blocks are hardly ever drawn; what is missing is drawn from everywhere, also where a point is taken already.
    """
    per_axis = max(1, math.isqrt(count))
    tall, wide = max(1, height // per_axis), max(1, width // per_axis)
    rows, columns = min(per_axis, height), min(per_axis, width)
    chosen: list[Tensor] = []
    for i in range(rows):
        low, high = i * tall, height if i == rows - 1 else (i + 1) * tall
        for j in range(columns):
            left, right = j * wide, width if j == columns - 1 else (j + 1) * wide
            place = torch.randperm((high - low) * (right - left), generator=rng)[:1]
            chosen.append((low + place // (right - left)) * width + left + place % (right - left))
    missing = count - len(chosen)
    return torch.cat([*chosen, torch.randperm(height * width, generator=rng)[: max(0, missing)]])[:count]
