"""Q distinct points of N, every ordered choice equally likely, at a cost that depends on Q alone.

The first Q distinct values of M independent uniform draws are exactly such a choice: relabelling the points changes
neither the probability of a sequence of draws nor which of its positions are first occurrences. M is chosen so that
fewer than Q distinct values among the M draws have probability ≤ 2^-60.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from upt_samplers.mathematics.integers import random_below

DENSE = 3
"""Below N = 3 Q the M draws would repeat each other too often: shuffling all N costs O(N) = O(Q) there."""

_SHUFFLE, _SHUFFLE_ONE = 8, 16  # on CPU a loop of permutations is faster up to about N = 8 Q, for one row 16 Q
_SHUFFLE_MAX = 2**16  # torch.randperm reduces 32 bits modulo N: a bias of at most 2^-16
_LOG_FAILURE = 60 * math.log(2)


def distinct_points(num_points: int, count: int, batch: int, rng: torch.Generator) -> Tensor:
    """``count`` distinct points of ``num_points`` for each row, int64 (B, Q), rows independent; Q ≤ N ≤ 2^40."""
    most = min(_SHUFFLE_MAX, count * (_SHUFFLE_ONE if batch == 1 else _SHUFFLE))
    if rng.device.type == "cpu" and num_points <= most:
        rows = [torch.randperm(num_points, generator=rng)[:count] for _ in range(batch)]
        return rows[0].unsqueeze(0) if batch == 1 else torch.stack(rows)
    if num_points < DENSE * count:
        return _shuffled(num_points, num_points, count, batch, rng)
    return first_distinct(num_points, count, batch, draws_needed(num_points, count), rng)


def distinct_points_padded(lengths: tuple[int, ...], length_B1: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """``count`` distinct points of each row's first ``lengths[b]`` points, (B, Q).

    Rows with fewer than ``count`` real points hold numbers without meaning; the caller replaces them.
    """
    batch = len(lengths)
    long = [length for length in lengths if length >= DENSE * count]
    short_width = max((length for length in lengths if length < DENSE * count), default=0)
    if not long:
        return _shuffled(short_width, length_B1, count, batch, rng)
    sparse_BQ = first_distinct(length_B1, count, batch, draws_needed(min(long), count), rng)
    if not short_width:
        return sparse_BQ
    dense_BQ = _shuffled(short_width, length_B1, count, batch, rng)
    return torch.where(length_B1 >= DENSE * count, sparse_BQ, dense_BQ)


def first_distinct(num_points: int | Tensor, count: int, batch: int, num_draws: int, rng: torch.Generator) -> Tensor:
    """The first ``count`` distinct of ``num_draws`` uniform draws in their order, (B, Q): fixed shapes, no waiting.

    Should there be fewer distinct values (never by chance, at the ``num_draws`` of ``draws_needed``), point 0 stands in
    the slots that stay open. A draw and its place are sorted as one number, which makes the sort stable.

    Raises:
        ValueError: N · M has more than 62 bits.
    """
    bits = num_draws.bit_length()
    if isinstance(num_points, int) and num_points.bit_length() + bits > 62:
        raise ValueError(f"{count:,} of {num_points:,} points are too many to be told apart in 62 bits; take fewer")
    draw_BM = random_below(num_points, (batch, num_draws), rng)
    sorted_BM = ((draw_BM << bits) + torch.arange(num_draws, device=rng.device)).sort(dim=1).values
    value_BM, origin_BM = sorted_BM >> bits, sorted_BM & ((1 << bits) - 1)
    first_BM = torch.ones_like(draw_BM)  # each run opens with its earliest draw
    first_BM.scatter_(1, origin_BM[:, 1:], (value_BM[:, 1:] != value_BM[:, :-1]).long())
    slot_BM = first_BM.cumsum(1).mul_(first_BM).clamp_max_(count + 1)  # 0 and Q + 1 take what is not wanted
    out = draw_BM.new_zeros(batch, count + 2).scatter_(1, slot_BM, draw_BM)
    return out[:, 1:-1].contiguous()


@lru_cache(maxsize=4096)
def draws_needed(num_points: int, count: int) -> int:
    """M such that M uniform draws of N hold fewer than Q distinct values with probability at most 2^-60.

    The number of draws T until Q distinct values is a sum of geometric variables with failure probabilities i/N,
    i < Q. Chernoff: P(T > M) ≤ exp(S(t) - t M), S(t) = Σ log((1-i/N) e^t / (1 - (i/N) e^t)); so M = (S(t) + 60 log 2)/t
    is enough for any t, and the best of a few is taken.
    """
    fail = np.arange(count) / num_points
    if count == 1:
        return 1
    limit = -math.log(fail[-1])
    candidates: list[float] = (limit * (1 - np.geomspace(1e-4, 0.9, 24))).tolist()
    cumulant = [float((np.log1p(-fail) + t - np.log1p(-fail * math.exp(t))).sum()) for t in candidates]
    return min(math.ceil((s + _LOG_FAILURE) / t) for s, t in zip(cumulant, candidates, strict=True))


def _shuffled(width: int, num_points: int | Tensor, count: int, batch: int, rng: torch.Generator) -> Tensor:
    """The first Q of a random order of each row's points: an argsort over ``width`` keys, padding last."""
    key_BN = torch.rand(batch, max(width, count), generator=rng, device=rng.device, dtype=torch.float64)
    outside = torch.arange(key_BN.shape[1], device=rng.device) >= num_points
    return key_BN.masked_fill(outside, 2.0).argsort(dim=1)[:, :count]
