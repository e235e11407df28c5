"""Rotated near-equal strata: one position in each of Q pieces of a line of N, every position with probability Q/N.

Stratum k holds the positions floor(kN/Q) ≤ p < floor((k+1)N/Q), m_k of them. One is drawn from each, and all are
rotated by one uniform turn modulo N. A given point lies in stratum k with probability m_k/N over the turn and is then
drawn with probability 1/m_k, so its inclusion probability is Σ_k (m_k/N)(1/m_k) = Q/N exactly, for every N and Q;
without the turn it would be 1/m_k, unequal where Q does not divide N. Rotated strata are disjoint: no point twice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from upt_samplers.mathematics.integers import Coupling, coupled_uniforms, random_below


def strata_positions(
    num_points: int | Tensor, count: int, batch: int, rng: torch.Generator, coupling: Coupling
) -> Tensor:
    """Distinct positions 0 ≤ p < N in each row, int64 (B, Q).

    Args:
        num_points: N, or a (B, 1) tensor of each row's own; rows with N < Q come out without meaning.
        coupling: ``latin``: the rows share the turn, and together cover each stratum evenly; ``independent``.
    """
    uniform_BQ = coupled_uniforms(batch, count, rng, coupling)
    edge = torch.arange(count + 1, device=rng.device) * num_points // count
    start, size = edge[..., :-1], edge.diff(dim=-1)
    turn = random_below(num_points, (1 if coupling == "latin" else batch, 1), rng)
    position_BQ = start + (uniform_BQ * size).long() + turn
    return torch.where(position_BQ >= num_points, position_BQ - num_points, position_BQ)
