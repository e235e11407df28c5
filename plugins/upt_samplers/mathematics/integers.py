"""Uniform random numbers that samplers share: whole numbers below any bound, and fractions coupled over the batch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Coupling = Literal["latin", "independent"]

_RANGE = 2**62


def random_below(bound: int | Tensor, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Whole numbers 0 ≤ x < bound, int64; ``bound`` may differ from row to row.

    62 random bits are reduced modulo the bound: the probabilities of two values differ by less than bound / 2^62 of
    themselves, 2^-22 at 2^40. ``torch.randint(bound)`` reduces 32 bits or fewer for small bounds: up to 2^-4 at 2^28.
    """
    return torch.randint(_RANGE, shape, generator=rng, device=rng.device) % bound


def coupled_uniforms(batch: int, count: int, rng: torch.Generator, coupling: Coupling) -> Tensor:
    """Uniform fractions in [0, 1), float64 (B, Q), independent along Q.

    ``latin``: the B fractions of one column are u + lane / B modulo 1, the lanes a random order of 0 … B-1 drawn anew
    for each column. Each fraction by itself is still uniform; together the rows cover [0, 1) evenly.
    """
    if coupling == "independent" or batch == 1:
        return torch.rand(batch, count, generator=rng, device=rng.device, dtype=torch.float64)
    offset_1Q = torch.rand(1, count, generator=rng, device=rng.device, dtype=torch.float64)
    lane_BQ = torch.rand(count, batch, generator=rng, device=rng.device).argsort(dim=1).T  # rows of memory sort faster
    return torch.frac(offset_1Q + lane_BQ / batch)
